//! The house rules as checks. Every rule reads one [`Tree`], so each can be tested on a tree made in memory, and
//! all findings are reported at once.
//!
//! Rust sources are scanned as text with comments and literals blanked out ([`source::mask`]). A full parser
//! (`syn`) would need `proc-macro2/span-locations` for line numbers, a feature that Cargo would then unify into
//! every proc macro of the workspace and rebuild; on rustfmt'd code the mask is exact enough.

mod adr;
mod codecs;
mod docs;
mod edges;
mod length;
mod lock;
mod purity;
mod source;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;

use anyhow::Result;

use tree::Tree;

/// One broken rule: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    file: String,
    line: usize,
    what: String,
    hint: String,
}

impl Finding {
    fn new(file: &str, line: usize, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into(), hint: hint.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}\n    do: {}", self.file, self.line, self.what, self.hint)
    }
}

/// Every rule, in the order of its report.
const RULES: &[fn(&Tree, &mut Vec<Finding>)] = &[
    edges::check,
    purity::check_dependencies,
    purity::check_sources,
    purity::check_sockets,
    codecs::check,
    length::check_files,
    length::check_functions,
    docs::check,
    adr::check,
    lock::check,
];

/// All findings for a tree, sorted by place.
fn findings(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in RULES {
        rule(tree, &mut found);
    }
    found.sort();
    found.dedup();
    found
}

/// Checks this repository and prints the findings; true when there are none.
///
/// # Errors
/// The repository cannot be read or `cargo metadata` fails.
pub(crate) fn command() -> Result<bool> {
    let tree = Tree::load()?;
    for warning in length::long_files(&tree) {
        println!("note: {warning}");
    }
    let found = findings(&tree);
    for finding in &found {
        println!("{finding}");
    }
    match found.len() {
        0 => println!("tidy: {} Rust files, {} documents, nothing found", tree.rust.len(), tree.docs.len()),
        count => println!("tidy: {count} found"),
    }
    Ok(found.is_empty())
}

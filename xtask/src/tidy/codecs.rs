//! N codecs, never pairs: a dialect's folder does not know that another dialect exists. They meet in the
//! intermediate representation.

use std::collections::BTreeSet;

use super::Finding;
use super::source::word_starts;
use super::tree::Tree;

const HOME: &str = "crates/dialects/src/";

/// Folders under the crate that are shared ground, not codecs.
const SHARED: &[&str] = &["ir", "tests", "shared", "continuation"];

/// The codec folder a file belongs to.
fn folder(path: &str) -> Option<&str> {
    let (folder, _) = path.strip_prefix(HOME)?.split_once('/')?;
    (!SHARED.contains(&folder)).then_some(folder)
}

/// No codec file names a sibling codec's module.
pub(super) fn check(tree: &Tree, found: &mut Vec<Finding>) {
    let folders: BTreeSet<&str> = tree.rust.iter().filter_map(|file| folder(&file.path)).collect();
    for file in &tree.rust {
        let Some(own) = folder(&file.path) else { continue };
        let mut seen = BTreeSet::new();
        for sibling in folders.iter().filter(|name| **name != own) {
            for (line, text) in file.masked.lines().enumerate() {
                let named = word_starts(text, sibling)
                    .into_iter()
                    .any(|at| text[at + sibling.len()..].starts_with("::") || text[..at].ends_with("::"));
                if named {
                    seen.insert((line + 1, *sibling));
                }
            }
            let imports = file.imports();
            let imports = imports.iter().filter(|(_, path)| path.split("::").any(|part| part.trim() == *sibling));
            seen.extend(imports.map(|(line, _)| (*line, *sibling)));
        }
        for (line, sibling) in seen {
            let what = format!("codec `{own}` names its sibling `{sibling}`");
            found.push(Finding::new(
                &file.path,
                line,
                what,
                "move the shared part to `ir` or to a file beside the folders",
            ));
        }
    }
}

//! What of a request arrives in which dialect: every feature, in the words of every dialect that has some, through every
//! pair. The table in the documentation is what comes out; it must be fresh. `cargo xtask fidelity` writes it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test; the helpers too")]

#[path = "fidelity/features.rs"]
mod features;
#[path = "fidelity/table.rs"]
mod table;

use std::path::Path;

use features::{Fate, Feature};
use ringmain_core::Dialect;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/fidelity.md");
/// Set by the command that writes the document.
const WRITE: &str = "RINGMAIN_WRITE_FIDELITY";

#[test]
fn the_table_is_fresh() {
    let features = features::all();
    let made = table::document(&features);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(DOCUMENT, made).unwrap();
        return;
    }
    let known = std::fs::read_to_string(Path::new(DOCUMENT)).unwrap_or_default();
    let stale = made.lines().zip(known.lines()).find(|(made, known)| made != known);
    assert!(made == known, "docs/fidelity.md is stale: run `cargo xtask fidelity`. First difference: {stale:#?}");
}

/// The words of all dialects for one feature mean the same.
#[test]
fn a_feature_means_the_same_in_every_dialect() {
    let mut odd = Vec::new();
    for feature in features::all() {
        for (from, _) in &feature.bodies {
            for to in Dialect::ALL.into_iter().filter(|to| to != from) {
                if feature.fate(*from, to) == Fate::Exact && !feature.arrives(*from, to) {
                    odd.push(format!("{}: {from} to {to}", feature.name));
                }
            }
        }
    }
    assert!(odd.is_empty(), "said to be carried, and read otherwise on the other side:\n{}", odd.join("\n"));
}

/// What a dialect says of a feature that another has a word for too arrives there, near at least: never silence, and no
/// refusal but of what cannot be said at all.
#[test]
fn what_both_can_say_arrives() {
    let mut lost = Vec::new();
    for feature in features::all().iter().filter(|feature| !feature.is_own()) {
        for (from, _) in &feature.bodies {
            for (to, _) in feature.bodies.iter().filter(|(to, _)| to != from) {
                if matches!(feature.fate(*from, *to), Fate::Lost | Fate::Refused) {
                    lost.push(format!("{}: {from} to {to}", feature.name));
                }
            }
        }
    }
    let known: Vec<&str> = include_str!("fidelity/known.txt").lines().filter(|line| !line.starts_with('#')).collect();
    lost.sort();
    assert_eq!(lost, known, "a feature that both dialects can say is lost, or no longer");
}

impl Feature {
    /// Does it point to what only its own provider has?
    fn is_own(&self) -> bool {
        ["a file uploaded", "a built-in tool", "safety settings", "an answer in sound", "several answers"]
            .iter()
            .any(|name| self.name.starts_with(name))
    }
}

//! The table as a document.

use std::fmt::Write as _;

use ringmain_core::Dialect;

use crate::features::{Fate, Feature, model};

const HEAD: &str = "\
# What a translation carries

Where caller and provider speak one dialect, the bytes go through as they are. Between two dialects each of these features
was translated, in the words of each dialect that has some; this file is what came of it. `cargo xtask fidelity` writes it,
and a test fails while it is not fresh.

- **exact**: it is there, and is read on the other side as it was meant.
- **near**: something close to it is there, and `x-ringmain-loss` names the field.
- **lost**: the other dialect has no word for it; `x-ringmain-loss` names the field.
- **refused**: the answer would be to another question (a file only the other provider has, media the dialect has no place
  for), so that the target is not asked; another is, or the caller gets a 400 that names the field.

With `on_loss: reject` a target is not asked for whom anything is near or lost. Some of it depends on the model: the columns
stand for";

/// The document.
pub(crate) fn document(features: &[Feature]) -> String {
    let models: Vec<String> = Dialect::ALL.iter().map(|to| format!("`{}` ({to})", model(*to))).collect();
    let mut text = format!("{HEAD}\n{}.\n", models.join(", "));
    for from in Dialect::ALL {
        let others: Vec<Dialect> = Dialect::ALL.into_iter().filter(|to| *to != from).collect();
        let names: Vec<&str> = others.iter().map(|to| to.as_str()).collect();
        let _ = write!(text, "\n## From {from}\n\n| | {} |\n|---{}|\n", names.join(" | "), "|---".repeat(others.len()));
        for feature in features.iter().filter(|feature| feature.bodies.iter().any(|(dialect, _)| *dialect == from)) {
            let fates: Vec<&str> = others.iter().map(|to| word(feature.fate(from, *to))).collect();
            let _ = writeln!(text, "| {} | {} |", feature.name, fates.join(" | "));
        }
    }
    text
}

const fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Exact => "exact",
        Fate::Near => "near",
        Fate::Lost => "lost",
        Fate::Refused => "refused",
    }
}

//! The numbers for programs.

use serde_json::{Value, json};

use super::Comparison;

/// One object: the scenario, and one entry for each run. Times are seconds, shares are parts of 1, money is dollars.
#[must_use]
pub fn json(comparison: &Comparison) -> Value {
    let Comparison { title, length, tally: _, runs } = comparison;
    json!({ "scenario": title, "seconds": length.as_secs_f64(), "runs": runs })
}

//! What came of a simulation, for people and for programs.

mod chart;
mod json;
mod summary;
mod table;

pub use chart::chart;
pub use json::json;
pub use summary::{Comparison, Summary, TargetSummary};
pub use table::{moved, percent, seconds, span, table};

#[cfg(test)]
mod tests;

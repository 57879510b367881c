//! What is kept, by the way it is used; each backend is a folder, and one suite of tests runs over all of them.
//!
//! Nothing here may make a request wait: writing is handing over, and what cannot be kept is counted, not waited for.

pub mod memory;
pub mod records;
pub mod sqlite;

pub use records::{RecordQuery, RecordSink, StateError};

#[cfg(test)]
mod tests;

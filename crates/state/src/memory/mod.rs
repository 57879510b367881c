//! Everything in this process. A full implementation: what the others are compared with.

mod records;

pub use records::Records;

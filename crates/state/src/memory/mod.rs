//! Everything in this process. A full implementation: what the others are compared with.

mod keys;
mod records;

pub use keys::Keys;
pub use records::Records;

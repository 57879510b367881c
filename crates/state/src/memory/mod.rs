//! Everything in this process. A full implementation: what the others are compared with.

mod analytics;
mod keys;
mod quotas;
mod records;
mod tokens;

pub use keys::Keys;
pub use quotas::Quotas;
pub use records::Records;
pub use tokens::Tokens;

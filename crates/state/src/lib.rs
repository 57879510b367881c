//! What is kept, by the way it is used; each backend is a folder, and one suite of tests runs over all of them.
//!
//! Nothing here may make a request wait: writing is handing over, and what cannot be kept is counted, not waited for.

pub mod analytics;
mod aside;
pub mod audit;
pub mod distinct;
pub mod histogram;
mod journal;
mod journaled;
pub mod keys;
pub mod ledger;
pub mod memory;
pub mod postgres;
pub mod quota;
pub mod records;
pub mod redis;
pub mod shared;
pub mod sqlite;
pub mod sums;
pub mod tls;
pub mod tokens;
mod waiting;

pub use analytics::Analytics;
pub use audit::{AuditEntry, AuditLog, MemoryAudit};
pub use keys::{Grants, Group, KeyHash, KeySet, KeyStore, NewKey, VirtualKey};
pub use quota::QuotaStore;
pub use records::{RecordQuery, RecordSink, StateError};
pub use tokens::{Token, TokenStore};

/// A key in force has this name already.
pub(crate) fn name_taken(name: &str) -> StateError {
    StateError::Refused(format!("there is a key `{name}` already: revoke it, or take another name"))
}

#[cfg(test)]
mod tests;

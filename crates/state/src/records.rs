//! Decision records: written once, looked up by id, and read through for replay.

use std::fmt;
use std::sync::Arc;

use ringmain_core::{RequestId, WallTime};
use ringmain_routing::Record;

/// Takes records off the request path.
pub trait RecordSink: fmt::Debug + Send + Sync {
    /// Hands a record over; returns at once, whatever state the store is in.
    fn record(&self, record: &Arc<Record>);

    /// Records that could not be kept since the start.
    fn lost(&self) -> u64;

    /// Records that were handed over and are not in the store yet.
    fn behind(&self) -> u64 {
        0
    }

    /// The store refused what it was last given.
    fn is_down(&self) -> bool {
        false
    }
}

/// Looks records up.
pub trait RecordQuery: fmt::Debug + Send + Sync {
    /// The record of this request; `None` if it is not kept, or no longer.
    ///
    /// # Errors
    /// The store cannot be read.
    fn get(&self, id: RequestId) -> Result<Option<Arc<Record>>, StateError>;

    /// The latest records, newest first, at most `most`.
    ///
    /// # Errors
    /// The store cannot be read.
    fn latest(&self, most: usize) -> Result<Vec<Arc<Record>>, StateError>;

    /// Every record since then, oldest first, given to `each` until it returns false.
    ///
    /// # Errors
    /// The store cannot be read.
    fn since(&self, since: WallTime, each: &mut dyn FnMut(Arc<Record>) -> bool) -> Result<(), StateError>;
}

/// A store that does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The database said so.
    #[error("the database cannot be used: {0}")]
    Database(#[from] rusqlite::Error),
    /// The database on a server said so, or does not answer: in words without its address or a password.
    #[error("the database cannot be used: {0}")]
    Postgres(String),
    /// A record of a later version of this program, or a damaged one.
    #[error("a stored record cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// What was asked for cannot be, and why.
    #[error("{0}")]
    Refused(String),
    /// An answer would have more lines than this.
    #[error("the answer has more than {0} rows: ask for longer steps, a shorter window, or one value of what there is")]
    TooMuch(usize),
    /// A thread could not be started, or a file made.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

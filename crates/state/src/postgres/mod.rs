//! A database on a server, which several processes share: Postgres.
//!
//! All is in a schema of its own, `ringmain`. The connections of a process are driven by one thread; whoever asks waits on
//! its own, for a stated time at most, so that a server that is frozen holds nobody for longer.

mod analytics;
mod keys;
mod ledger;
mod records;
mod session;
mod tls;
mod tokens;
mod url;

use std::sync::Arc;
use std::time::Duration;

use crate::StateError;
use crate::tls::Trust;

pub use keys::Keys;
pub use ledger::add_sums;
pub use records::Records;
use session::{Driver, Session};

/// How long keys and the audit log may take.
const KEYS_WITHIN: Duration = Duration::from_secs(3);
/// How long a batch of records may take: enough for a server that takes 2 s for every answer.
const WRITE_WITHIN: Duration = Duration::from_secs(15);
/// How long a question of a person may take.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// A database, by its URL; connected to when something is asked of it.
#[derive(Debug, Clone)]
pub struct Database(Arc<Driver>);

impl Database {
    /// The database of a URL such as `postgres://user:password@host/name`; `trust` is for its certificate. Connects to
    /// nothing yet.
    ///
    /// # Errors
    /// It is no such URL, asks for what there is not, or no thread can be started. The URL is not repeated.
    pub fn new(url: &str, trust: &Trust) -> Result<Self, StateError> {
        Ok(Self(Arc::new(Driver::start(url, trust)?)))
    }

    /// The same one, over a thread that gives way: what takes long there holds up nothing here.
    fn aside(&self) -> Self {
        self.0.aside().map_or_else(|_| self.clone(), |driver| Self(Arc::new(driver)))
    }

    fn session(&self, within: Duration) -> Session {
        Session::new(Arc::clone(&self.0), within)
    }
}

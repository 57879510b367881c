//! One file on this machine, through SQLite in WAL mode: readers never wait for the writer, nor it for them.

mod analytics;
mod insert;
mod keys;
mod ledger;
mod records;
mod tokens;
mod upgrade;

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use crate::StateError;

pub use keys::Keys;
pub use ledger::add_sums;
pub use records::Records;

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

/// Bytes of a page: a few records fit one, and each page written costs about the same, whatever its size.
const PAGE: u32 = 8192;

/// Opens the database, made if it is not there, with every table.
pub(crate) fn open(path: &Path) -> Result<Connection, StateError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // Of a file that is made now; one that is there keeps its own.
    connection.pragma_update(None, "page_size", PAGE)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A power cut may cost the last moments, never the file.
    connection.pragma_update(None, "synchronous", "normal")?;
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("times_add", 2, pure, |arguments| {
        let (one, other) = (arguments.get_raw(0).as_blob()?, arguments.get_raw(1).as_blob()?);
        Ok(ledger::times_add(one, other))
    })?;
    connection.execute_batch(include_str!("schema.sql"))?;
    Ok(connection)
}

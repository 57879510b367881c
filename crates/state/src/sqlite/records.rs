//! Records in a file: handed over to a journal and two threads, read with a connection of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringmain_core::{Metered, RequestId, WallTime};
use ringmain_routing::Record;
use rusqlite::{Connection, OptionalExtension};

use super::ledger::Writer;
use super::{analytics, open};
use crate::analytics::{Analytics, Line, Question, Search};
use crate::journaled::Journaled;
use crate::{RecordQuery, RecordSink, StateError};

// The ledger's rows are those with an index by time; a cross join is not turned round.
const LATEST: &str = "SELECT doc FROM requests CROSS JOIN records USING (id) ORDER BY requests.at_ms DESC LIMIT ?1";
const SINCE: &str =
    "SELECT doc FROM requests CROSS JOIN records USING (id) WHERE requests.at_ms >= ?1 ORDER BY requests.at_ms";

/// Records, the ledger and its sums in a file.
#[derive(Debug)]
pub struct Records {
    journaled: Option<Journaled>,
    /// For one row or a few.
    quick: Mutex<Connection>,
    reader: Mutex<Connection>,
}

impl Records {
    /// Opens the file, made if it is not there, and beside it the journal, a folder `….spill`. Records older than `keep`
    /// are taken out.
    ///
    /// # Errors
    /// It cannot be opened, or is not a database of ours.
    pub fn open(path: &Path, keep: Duration) -> Result<Self, StateError> {
        let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        let writer = Writer::open(path, keep_ms)?;
        let (quick, reader) = (Mutex::new(open(path)?), Mutex::new(open(path)?));
        let journaled = Journaled::start(&journal_of(path), writer)?;
        Ok(Self { journaled: Some(journaled), quick, reader })
    }

    /// Opens the file to read it: what another process writes can be looked at.
    ///
    /// # Errors
    /// It is not there, or is not a database of ours.
    pub fn read(path: &Path) -> Result<Self, StateError> {
        std::fs::metadata(path)?;
        Ok(Self { journaled: None, quick: Mutex::new(open(path)?), reader: Mutex::new(open(path)?) })
    }

    fn quick(&self) -> MutexGuard<'_, Connection> {
        self.quick.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder beside a database that records wait in.
fn journal_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".spill");
    path.with_file_name(name)
}

impl RecordSink for Records {
    fn record(&self, record: &Arc<Record>) {
        if let Some(journaled) = &self.journaled {
            journaled.record(record);
        }
    }

    fn lost(&self) -> u64 {
        self.journaled.as_ref().map_or(0, |journaled| journaled.gauges.lost.load(Ordering::Relaxed))
    }

    fn behind(&self) -> u64 {
        self.journaled.as_ref().map_or(0, |journaled| journaled.gauges.behind.load(Ordering::Relaxed))
    }

    fn is_down(&self) -> bool {
        self.journaled.as_ref().is_some_and(|journaled| journaled.gauges.is_down())
    }
}

impl RecordQuery for Records {
    fn get(&self, id: RequestId) -> Result<Option<Arc<Record>>, StateError> {
        let reader = self.quick();
        let mut found = reader.prepare_cached("SELECT doc FROM records WHERE id = ?1")?;
        let doc: Option<String> = found.query_row([id.0.to_be_bytes()], |row| row.get(0)).optional()?;
        Ok(doc.map(|doc| serde_json::from_str(&doc)).transpose()?.map(Arc::new))
    }

    fn latest(&self, most: usize) -> Result<Vec<Arc<Record>>, StateError> {
        let reader = self.quick();
        let mut rows = reader.prepare_cached(LATEST)?;
        let docs = rows.query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| row.get::<_, String>(0))?;
        docs.map(|doc| Ok(Arc::new(serde_json::from_str(&doc?)?))).collect()
    }

    fn since(&self, since: WallTime, each: &mut dyn FnMut(Arc<Record>) -> bool) -> Result<(), StateError> {
        let reader = self.reader();
        let mut rows = reader.prepare_cached(SINCE)?;
        let docs = rows.query_map([i64::try_from(since.0).unwrap_or(i64::MAX)], |row| row.get::<_, String>(0))?;
        for doc in docs {
            if !each(Arc::new(serde_json::from_str(&doc?)?)) {
                break;
            }
        }
        Ok(())
    }
}

impl Analytics for Records {
    fn ask(&self, question: &Question) -> Result<Vec<Line>, StateError> {
        analytics::ask(&self.reader(), question)
    }

    fn search(&self, search: &Search) -> Result<Vec<RequestId>, StateError> {
        analytics::search(&self.reader(), search)
    }

    fn used(
        &self,
        scope: &str,
        of: Metered,
        since: WallTime,
        now: WallTime,
    ) -> Result<Vec<(WallTime, u64)>, StateError> {
        analytics::used(&self.quick(), scope, of, since, now)
    }
}

//! Records in a database: handed over to a journal and two threads, read with a connection of its own.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringmain_core::{Metered, RequestId, WallTime};
use ringmain_routing::Record;
use tokio_postgres::Row;

use super::ledger::{Writer, id_of};
use super::session::Session;
use super::{Database, KEYS_WITHIN, READ_WITHIN, analytics};
use crate::analytics::{Analytics, Line, Question, Search};
use crate::journaled::Journaled;
use crate::ledger::signed;
use crate::{RecordQuery, RecordSink, StateError};

/// Records that are read through at once.
const PAGE: i64 = 500;

/// Records, the ledger and its sums in a database.
#[derive(Debug)]
pub struct Records {
    journaled: Option<Journaled>,
    /// For one row or a few.
    quick: Session,
    reader: Session,
}

impl Records {
    /// Writes to a database, whether it is there yet or not; `journal` is the folder on this machine that records wait in
    /// meanwhile. Records older than `keep` are taken out.
    ///
    /// # Errors
    /// The journal cannot be opened.
    pub fn open(database: &Database, journal: &Path, keep: Duration) -> Result<Self, StateError> {
        let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        let journaled = Journaled::start(journal, Writer::new(database, keep_ms))?;
        Ok(Self { journaled: Some(journaled), ..Self::read(database) })
    }

    /// Only reads: what other processes write can be looked at.
    #[must_use]
    pub fn read(database: &Database) -> Self {
        let (quick, reader) = (database.session(KEYS_WITHIN), database.aside().session(READ_WITHIN));
        Self { journaled: None, quick, reader }
    }
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

fn read(row: &Row) -> Result<Arc<Record>, StateError> {
    Ok(Arc::new(serde_json::from_str(row.get::<_, &str>(0))?))
}

impl RecordQuery for Records {
    fn get(&self, id: RequestId) -> Result<Option<Arc<Record>>, StateError> {
        let id = id.0.to_be_bytes();
        let found = self.quick.run(move |client| {
            Box::pin(async move { client.query_opt("SELECT doc FROM records WHERE id = $1", &[&&id[..]]).await })
        })?;
        found.as_ref().map(read).transpose()
    }

    fn latest(&self, most: usize) -> Result<Vec<Arc<Record>>, StateError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = self.reader.run(move |client| {
            Box::pin(async move {
                client.query("SELECT doc FROM records ORDER BY at_ms DESC, id DESC LIMIT $1", &[&most]).await
            })
        })?;
        rows.iter().map(read).collect()
    }

    fn since(&self, since: WallTime, each: &mut dyn FnMut(Arc<Record>) -> bool) -> Result<(), StateError> {
        // Each page begins behind the last row of the one before.
        let mut after = (signed(since.0), Vec::<u8>::new());
        loop {
            let (at, id) = after;
            let rows = self.reader.run(move |client| {
                Box::pin(async move {
                    let page = "SELECT doc, at_ms, id FROM records WHERE (at_ms, id) > ($1, $2)
                                ORDER BY at_ms, id LIMIT $3";
                    client.query(page, &[&at, &id, &PAGE]).await
                })
            })?;
            for row in &rows {
                if !each(read(row)?) {
                    return Ok(());
                }
            }
            let Some(last) = rows.last() else { return Ok(()) };
            after = (last.get(1), last.get(2));
        }
    }
}

impl Analytics for Records {
    fn ask(&self, question: &Question) -> Result<Vec<Line>, StateError> {
        analytics::ask(&self.reader, question)
    }

    fn search(&self, search: &Search) -> Result<Vec<RequestId>, StateError> {
        let rows = analytics::search(&self.reader, search)?;
        Ok(rows.iter().filter_map(|row| id_of(row.get(0))).collect())
    }

    fn used(
        &self,
        scope: &str,
        of: Metered,
        since: WallTime,
        now: WallTime,
    ) -> Result<Vec<(WallTime, u64)>, StateError> {
        analytics::used(&self.quick, scope, of, since, now)
    }
}

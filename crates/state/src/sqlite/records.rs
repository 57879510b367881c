//! Records in a table, written in batches by a thread of their own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringmain_core::{RequestId, WallTime};
use ringmain_routing::Record;
use rusqlite::{Connection, OptionalExtension, params};

use super::open;
use crate::{RecordQuery, RecordSink, StateError};

/// Records that wait for the writer, at most; beyond it they are lost and counted.
const WAITING_MAX: usize = 8192;
/// A batch is written when it is this large, or this old.
const BATCH_MAX: usize = 512;
const BATCH_AGE: Duration = Duration::from_millis(100);
/// How long the writer leaves a database alone that refused a batch.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);
/// How often old records are taken out.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How many at once, so that a sweep never holds the writer for long.
const SWEEP_MAX: i64 = 5000;

/// Records in a file. Writing never waits; reading has a connection of its own.
#[derive(Debug)]
pub struct Records {
    waiting: Option<SyncSender<Arc<Record>>>,
    writer: Option<JoinHandle<()>>,
    lost: Arc<AtomicU64>,
    reader: Mutex<Connection>,
}

impl Records {
    /// Opens the file, made if it is not there. Records older than `keep` are taken out.
    ///
    /// # Errors
    /// It cannot be opened, or is not a database of ours.
    pub fn open(path: &Path, keep: Duration) -> Result<Self, StateError> {
        let connection = open(path)?;
        let reader = Mutex::new(open(path)?);
        let lost = Arc::new(AtomicU64::new(0));
        let (waiting, records) = sync_channel(WAITING_MAX);
        let writer = Writer { path: path.to_owned(), connection, keep, lost: Arc::clone(&lost), swept: Instant::now() };
        let thread = std::thread::Builder::new().name("records".to_owned());
        let writer = thread.spawn(move || writer.run(&records))?;
        Ok(Self { waiting: Some(waiting), writer: Some(writer), lost, reader })
    }

    /// Opens the file to read it: what another process writes can be looked at.
    ///
    /// # Errors
    /// It is not there, or is not a database of ours.
    pub fn read(path: &Path) -> Result<Self, StateError> {
        std::fs::metadata(path)?;
        Ok(Self { waiting: None, writer: None, lost: Arc::default(), reader: Mutex::new(open(path)?) })
    }

    fn reader(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        // The writer writes what waits, and ends.
        self.waiting = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of records had panicked");
        }
    }
}

impl RecordSink for Records {
    fn record(&self, record: &Arc<Record>) {
        let kept = self.waiting.as_ref().is_some_and(|waiting| waiting.try_send(Arc::clone(record)).is_ok());
        if !kept {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl RecordQuery for Records {
    fn get(&self, id: RequestId) -> Result<Option<Arc<Record>>, StateError> {
        let reader = self.reader();
        let mut found = reader.prepare_cached("SELECT doc FROM records WHERE id = ?1")?;
        let doc: Option<String> = found.query_row([id.0.to_be_bytes()], |row| row.get(0)).optional()?;
        Ok(doc.map(|doc| serde_json::from_str(&doc)).transpose()?.map(Arc::new))
    }

    fn latest(&self, most: usize) -> Result<Vec<Arc<Record>>, StateError> {
        let reader = self.reader();
        let mut rows = reader.prepare_cached("SELECT doc FROM records ORDER BY at_ms DESC LIMIT ?1")?;
        let docs = rows.query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| row.get::<_, String>(0))?;
        docs.map(|doc| Ok(Arc::new(serde_json::from_str(&doc?)?))).collect()
    }

    fn since(&self, since: WallTime, each: &mut dyn FnMut(Arc<Record>) -> bool) -> Result<(), StateError> {
        let reader = self.reader();
        let mut rows = reader.prepare_cached("SELECT doc FROM records WHERE at_ms >= ?1 ORDER BY at_ms")?;
        let docs = rows.query_map([i64::try_from(since.0).unwrap_or(i64::MAX)], |row| row.get::<_, String>(0))?;
        for doc in docs {
            if !each(Arc::new(serde_json::from_str(&doc?)?)) {
                break;
            }
        }
        Ok(())
    }
}

/// The writing side.
struct Writer {
    path: PathBuf,
    connection: Connection,
    keep: Duration,
    lost: Arc<AtomicU64>,
    swept: Instant,
}

impl Writer {
    /// Until nobody hands anything over.
    fn run(mut self, records: &Receiver<Arc<Record>>) {
        while let Ok(first) = records.recv() {
            let (batch, is_last) = gather(first, records);
            let mut written = self.write(&batch);
            if written.is_err() && !is_last {
                // A full or locked disk may be a matter of moments; what comes meanwhile waits, and then is counted.
                std::thread::sleep(AFTER_REFUSAL);
                written = open(&self.path).and_then(|connection| {
                    self.connection = connection;
                    self.write(&batch)
                });
            }
            if let Err(error) = written {
                self.lost.fetch_add(batch.len() as u64, Ordering::Relaxed);
                tracing::error!(%error, records = batch.len(), "records could not be written");
            }
            self.sweep(&batch);
            if is_last {
                return;
            }
        }
    }

    fn write(&mut self, batch: &[Arc<Record>]) -> Result<(), StateError> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT OR REPLACE INTO records (id, at_ms, route, doc) VALUES (?1, ?2, ?3, ?4)")?;
            for record in batch {
                let doc = serde_json::to_string(&**record)?;
                let at = i64::try_from(record.at.0).unwrap_or(i64::MAX);
                insert.execute(params![record.id.0.to_be_bytes(), at, &*record.route, doc])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Takes out what is older than `keep`, by the time of the newest.
    fn sweep(&mut self, batch: &[Arc<Record>]) {
        if self.swept.elapsed() < SWEEP_EVERY {
            return;
        }
        self.swept = Instant::now();
        let newest = batch.iter().map(|record| record.at.0).max().unwrap_or_default();
        let keep = u64::try_from(self.keep.as_millis()).unwrap_or(u64::MAX);
        let before = i64::try_from(newest.saturating_sub(keep)).unwrap_or(i64::MAX);
        let swept = self.connection.execute(
            "DELETE FROM records WHERE id IN (SELECT id FROM records WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)",
            params![before, SWEEP_MAX],
        );
        if let Err(error) = swept {
            tracing::warn!(%error, "old records could not be taken out");
        }
    }
}

/// What is there, up to a batch; and whether nothing more will come.
fn gather(first: Arc<Record>, records: &Receiver<Arc<Record>>) -> (Vec<Arc<Record>>, bool) {
    let mut batch = vec![first];
    let until = Instant::now() + BATCH_AGE;
    while batch.len() < BATCH_MAX {
        match records.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(record) => batch.push(record),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return (batch, true),
        }
    }
    (batch, false)
}

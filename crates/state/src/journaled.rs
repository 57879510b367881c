//! Records on their way to a store: one thread writes them into a journal, another gives them to the store. Neither is
//! ever waited for. A record is read once, by the first: it lies far from that thread's processor, and to read it again from
//! another, and free it there, would cost as much as to write it. The second has the ledger's entries, and a batch's text.
//!
//! ```text
//! record() -> queue (8,192) -> journal, at most 10 ms later -> store, at most 200 ms after that
//! ```
//! While the store keeps up, batches go on in memory and the journal is only written; when it is slow or gone, they are
//! read from the journal once it is back. Where the journal cannot be written either, for both are on a disk that is full,
//! some thousands wait in memory. What is lost is counted: records that find the queue full, or all of these.

mod shipper;

use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringmain_core::WallTime;
use ringmain_routing::Record;

use crate::StateError;
use crate::journal::{Journal, Position, Reader};
use crate::ledger::Entry;
use crate::waiting::Waiting;

use self::shipper::Shipper;

/// Records that wait for the journal, at most; beyond it they are lost and counted.
const WAITING_MAX: usize = 8192;
/// A batch is written when it is this large, or this old: soon, for what is not in the journal is lost with the process.
const BATCH_MAX: usize = 512;
const JOURNAL_AGE: Duration = Duration::from_millis(10);
/// Batches that go on in memory, at most; beyond it they are read from the journal.
const AHEAD_MAX: usize = 64;
/// A store that takes longer for a batch is said to be out.
const SLOW: Duration = Duration::from_secs(3);
/// What the ledger keeps of a record, and the record as text.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) entry: Entry,
    pub(crate) doc: Doc,
}

/// A part of a text that others have parts of.
#[derive(Debug, Clone)]
pub(crate) struct Doc {
    text: Arc<String>,
    part: Range<usize>,
}

impl Deref for Doc {
    type Target = str;

    fn deref(&self) -> &str {
        self.text.get(self.part.clone()).unwrap_or_default()
    }
}

impl From<String> for Doc {
    fn from(text: String) -> Self {
        Self { part: 0..text.len(), text: Arc::new(text) }
    }
}

/// What takes records in the end.
pub(crate) trait Store: Send + 'static {
    /// Takes all of them, or none. A record that was taken before changes nothing.
    fn write(&mut self, lines: &[Line]) -> Result<(), StateError>;

    /// After a refusal: a new connection.
    fn reopen(&mut self) -> Result<(), StateError>;

    /// Takes out some of what is older than it is kept; true if there is more of it.
    fn sweep(&mut self, newest: WallTime) -> Result<bool, StateError>;
}

/// What can be told of the way.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) lost: AtomicU64,
    /// Records that are not in the store yet.
    pub(crate) behind: AtomicU64,
    /// The store refused the last batch.
    pub(crate) down: AtomicBool,
    /// Since when it is taking one.
    writing: Mutex<Option<Instant>>,
}

impl Gauges {
    /// The store refused the last batch, or takes too long over one.
    pub(crate) fn is_down(&self) -> bool {
        let writing = *self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.down.load(Ordering::Relaxed) || writing.is_some_and(|since| since.elapsed() > SLOW)
    }

    fn writes(&self, since: Option<Instant>) {
        *self.writing.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// Some records, and where they are in the journal; nowhere if it could not take them.
struct Batch {
    lines: Vec<Line>,
    place: Option<(Position, Position)>,
}

/// The way in. Dropped, it waits until the store has everything, or refuses.
#[derive(Debug)]
pub(crate) struct Journaled {
    queue: Arc<Waiting<Arc<Record>>>,
    threads: Vec<JoinHandle<()>>,
    pub(crate) gauges: Arc<Gauges>,
}

impl Journaled {
    /// Starts the two threads, once the store has what was left in `place`, or refuses it, or five seconds are over.
    pub(crate) fn start(place: &Path, store: impl Store) -> Result<Self, StateError> {
        let (journal, begin) = Journal::open(place)?;
        let gauges = Arc::new(Gauges::default());
        let end = Arc::new(Mutex::new(journal.end()));
        let shipped = Arc::new(Mutex::new(begin));
        let reader = Reader::new(journal.folder(), begin);
        let mut shipper = Shipper::new(store, reader, Arc::clone(&end), Arc::clone(&shipped), Arc::clone(&gauges));
        shipper.begin();
        let queue = Arc::new(Waiting::new(WAITING_MAX, BATCH_MAX));
        let records = Arc::clone(&queue);
        let (ahead, batches) = sync_channel(AHEAD_MAX);
        let writer = Writer { journal, end, shipped, gauges: Arc::clone(&gauges), usual: 0 };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let threads = vec![
            thread("journal").spawn(move || writer.run(&records, &ahead))?,
            thread("ledger").spawn(move || shipper.run(&batches))?,
        ];
        Ok(Self { queue, threads, gauges })
    }

    pub(crate) fn record(&self, record: &Arc<Record>) {
        let kept = self.queue.put(Arc::clone(record));
        if kept { &self.gauges.behind } else { &self.gauges.lost }.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Journaled {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that wrote records had panicked");
            }
        }
    }
}

fn lock(position: &Mutex<Position>) -> std::sync::MutexGuard<'_, Position> {
    position.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that writes the journal.
struct Writer {
    journal: Journal,
    end: Arc<Mutex<Position>>,
    shipped: Arc<Mutex<Position>>,
    gauges: Arc<Gauges>,
    /// Bytes of the last batch: the next is about as large.
    usual: usize,
}

impl Writer {
    fn run(mut self, records: &Waiting<Arc<Record>>, ahead: &SyncSender<Batch>) {
        let mut taken = Vec::new();
        loop {
            records.take(&mut taken, JOURNAL_AGE);
            if taken.is_empty() {
                return;
            }
            while !taken.is_empty() {
                let batch = self.journal(taken.drain(..taken.len().min(BATCH_MAX)));
                self.hand_on(batch, ahead);
            }
        }
    }

    fn hand_on(&self, batch: Batch, ahead: &SyncSender<Batch>) {
        let count = batch.lines.len() as u64;
        match ahead.try_send(batch) {
            Ok(()) => {}
            // It is in the journal, and is read from there.
            Err(TrySendError::Full(Batch { place: Some(_), .. })) => {}
            Err(_) => {
                self.gauges.lost.fetch_add(count, Ordering::Relaxed);
                self.gauges.behind.fetch_sub(count, Ordering::Relaxed);
            }
        }
    }

    fn journal(&mut self, records: impl Iterator<Item = Arc<Record>>) -> Batch {
        let mut text = Vec::with_capacity(self.usual);
        let mut parts = Vec::new();
        for record in records {
            let begin = text.len();
            match serde_json::to_writer(&mut text, &*record) {
                Ok(()) => {
                    parts.push((Entry::of(&record), begin..text.len()));
                    text.push(b'\n');
                }
                Err(error) => {
                    text.truncate(begin);
                    tracing::error!(%error, "a record cannot be written down");
                    self.gauges.lost.fetch_add(1, Ordering::Relaxed);
                    self.gauges.behind.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
        self.usual = text.len();
        let place = self.append(&text, parts.len());
        // JSON is text.
        let text = Arc::new(String::from_utf8(text).unwrap_or_default());
        let line = |(entry, part)| Line { entry, doc: Doc { text: Arc::clone(&text), part } };
        Batch { lines: parts.into_iter().map(line).collect(), place }
    }

    /// Where the text is now; `None` where the journal cannot be written.
    fn append(&mut self, text: &[u8], records: usize) -> Option<(Position, Position)> {
        let shipped = *lock(&self.shipped);
        match self.journal.append(text, shipped) {
            Ok(end) => {
                *lock(&self.end) = end;
                let begin = Position { offset: end.offset - text.len() as u64, ..end };
                Some((begin, end))
            }
            Err(error) => {
                tracing::error!(%error, records, "the journal cannot be written");
                None
            }
        }
    }
}

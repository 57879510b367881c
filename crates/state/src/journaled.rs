//! Records on their way to a store: one thread writes them into a journal, another gives them to the store. Neither is
//! ever waited for.
//!
//! ```text
//! record() -> queue (8,192) -> journal, at most 10 ms later -> store, at most 200 ms after that
//! ```
//! While the store keeps up, batches go on in memory and the journal is only written; when it is slow or gone, they are
//! read from the journal once it is back. Where the journal cannot be written either, for both are on a disk that is full,
//! some thousands wait in memory. What is lost is counted: records that find the queue full, or all of these.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringmain_core::WallTime;
use ringmain_routing::Record;

use crate::StateError;
use crate::journal::{Journal, Position, Reader};
use crate::waiting::Waiting;

/// Records that wait for the journal, at most; beyond it they are lost and counted.
const WAITING_MAX: usize = 8192;
/// A batch is written when it is this large, or this old: into the journal soon, for what is not there is lost with the
/// process; into the store later, for a transaction costs more than a write.
const BATCH_MAX: usize = 512;
const JOURNAL_AGE: Duration = Duration::from_millis(10);
const STORE_MAX: usize = 1024;
const STORE_AGE: Duration = Duration::from_millis(200);
/// Batches that go on in memory, at most; beyond it they are read from the journal.
const AHEAD_MAX: usize = 64;
/// Records that neither the journal nor the store took, at most: some 30 MB.
const HELD_MAX: usize = 8192;
/// How long a store is left alone that refused a batch.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);
/// A store that takes longer for a batch is said to be out.
const SLOW: Duration = Duration::from_secs(3);
/// How often it is looked for old rows. While there are more, they are taken out in small parts, each followed by a pause
/// of so many times its length: whatever there is to take out, it gets a fifth of this thread and of the store.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
const SWEEP_PAUSE: u32 = 4;
const SWEEP_PAUSE_MIN: Duration = Duration::from_millis(20);
/// For how long a process that starts waits for what an earlier one left.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);

/// A record, and its text.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) record: Arc<Record>,
    pub(crate) doc: String,
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
        let reader = Reader::new(journal.folder(), begin);
        let shipped = Arc::new(Mutex::new(begin));
        let mut shipper = Shipper {
            store,
            reader,
            end: Arc::clone(&end),
            shipped: Arc::clone(&shipped),
            held: VecDeque::new(),
            gauges: Arc::clone(&gauges),
            sweep_at: Instant::now() + SWEEP_EVERY,
            newest: WallTime::default(),
        };
        shipper.catch_up(Some(Instant::now() + CATCH_UP_MAX));
        let queue = Arc::new(Waiting::new(WAITING_MAX, BATCH_MAX));
        let records = Arc::clone(&queue);
        let (ahead, batches) = sync_channel(AHEAD_MAX);
        let writer = Writer { journal, end, shipped, gauges: Arc::clone(&gauges), text: Vec::new() };
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
    /// Of one batch after the other, so that it has grown to its size.
    text: Vec<u8>,
}

impl Writer {
    fn run(mut self, records: &Waiting<Arc<Record>>, ahead: &SyncSender<Batch>) {
        let mut taken = Vec::new();
        loop {
            records.take(&mut taken, JOURNAL_AGE);
            if taken.is_empty() {
                return;
            }
            for records in taken.chunks(BATCH_MAX) {
                let batch = self.journal(records);
                self.hand_on(batch, ahead);
            }
            taken.clear();
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

    fn journal(&mut self, records: &[Arc<Record>]) -> Batch {
        let mut lines = Vec::with_capacity(records.len());
        self.text.clear();
        for record in records {
            let begin = self.text.len();
            match serde_json::to_writer(&mut self.text, &**record) {
                Ok(()) => {
                    // JSON always is.
                    let doc = str::from_utf8(&self.text[begin..]).unwrap_or_default().to_owned();
                    self.text.push(b'\n');
                    lines.push(Line { record: Arc::clone(record), doc });
                }
                Err(error) => {
                    self.text.truncate(begin);
                    tracing::error!(%error, "a record cannot be written down");
                    self.gauges.lost.fetch_add(1, Ordering::Relaxed);
                    self.gauges.behind.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
        let shipped = *lock(&self.shipped);
        let place = match self.journal.append(&self.text, shipped) {
            Ok(end) => {
                *lock(&self.end) = end;
                let begin = Position { offset: end.offset - self.text.len() as u64, ..end };
                Some((begin, end))
            }
            Err(error) => {
                tracing::error!(%error, records = lines.len(), "the journal cannot be written");
                None
            }
        };
        Batch { lines, place }
    }
}

/// The batch with those that follow it soon, as one; and one that came and does not follow.
fn joined(mut batch: Batch, batches: &Receiver<Batch>) -> (Batch, Option<Batch>) {
    let until = Instant::now() + STORE_AGE;
    while batch.lines.len() < STORE_MAX {
        let Ok(next) = batches.recv_timeout(until.saturating_duration_since(Instant::now())) else { break };
        match (batch.place, next.place) {
            (Some((begin, end)), Some((follows, last))) if follows == end => {
                batch.lines.extend(next.lines);
                batch.place = Some((begin, last));
            }
            _ => return (batch, Some(next)),
        }
    }
    (batch, None)
}

/// The thread that gives records to the store.
struct Shipper<S> {
    store: S,
    reader: Reader,
    end: Arc<Mutex<Position>>,
    shipped: Arc<Mutex<Position>>,
    /// What is in neither.
    held: VecDeque<Line>,
    gauges: Arc<Gauges>,
    sweep_at: Instant,
    newest: WallTime,
}

impl<S: Store> Shipper<S> {
    fn run(mut self, batches: &Receiver<Batch>) {
        loop {
            let is_down = self.gauges.down.load(Ordering::Relaxed);
            let idle = if is_down { AFTER_REFUSAL } else { self.until_sweep().min(AFTER_REFUSAL) };
            match batches.recv_timeout(idle) {
                Ok(batch) => {
                    let (batch, next) = joined(batch, batches);
                    self.take(batch);
                    next.into_iter().for_each(|next| self.take(next));
                }
                Err(RecvTimeoutError::Timeout) => self.catch_up(None),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.release();
            self.sweep();
        }
        self.catch_up(Some(Instant::now() + CATCH_UP_MAX));
        self.release();
        self.lose(self.held.len());
        let end = *lock(&self.end);
        if self.reader.at >= end {
            self.reader.finished(end);
        }
    }

    fn take(&mut self, batch: Batch) {
        match batch.place {
            // The usual case: nothing was left out before it.
            Some((begin, end)) if self.follows(begin) => {
                if self.write(&batch.lines) {
                    self.reader.shipped(end);
                    *lock(&self.shipped) = end;
                }
            }
            Some((begin, _)) if begin < self.reader.at => {}
            Some(_) => self.catch_up(None),
            None => {
                let room = HELD_MAX.saturating_sub(self.held.len());
                self.lose(batch.lines.len().saturating_sub(room));
                self.held.extend(batch.lines.into_iter().take(room));
            }
        }
    }

    /// Gives the store what is held for it, as far as it takes it.
    fn release(&mut self) {
        while !self.held.is_empty() {
            let lines: Vec<Line> = self.held.iter().take(BATCH_MAX).cloned().collect();
            if !self.write(&lines) {
                return;
            }
            self.held.drain(..lines.len());
        }
    }

    fn lose(&self, count: usize) {
        self.gauges.lost.fetch_add(count as u64, Ordering::Relaxed);
        self.gauges.behind.fetch_sub(count as u64, Ordering::Relaxed);
    }

    /// Does it begin where the store's part of the journal ends? A new file begins where the one before ended.
    fn follows(&self, begin: Position) -> bool {
        let at = self.reader.at;
        begin == at
            || begin.offset == 0
                && begin.segment == at.segment + 1
                && self
                    .reader
                    .read(Position { segment: at.segment, offset: u64::MAX }, 1)
                    .is_ok_and(|(lines, _)| lines.is_empty())
    }

    /// Gives the store what is in the journal, until it has all, refuses, or the time is over.
    fn catch_up(&mut self, until: Option<Instant>) {
        loop {
            let end = *lock(&self.end);
            if self.reader.at >= end || until.is_some_and(|until| Instant::now() >= until) {
                return;
            }
            let (texts, at) = match self.reader.read(end, BATCH_MAX) {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(%error, "the journal cannot be read");
                    return;
                }
            };
            let lines: Vec<Line> = texts.into_iter().filter_map(|doc| self.line(doc)).collect();
            if !lines.is_empty() && !self.write(&lines) {
                return;
            }
            self.reader.shipped(at);
            *lock(&self.shipped) = at;
            if lines.is_empty() && at < end {
                // A torn line is all that is left of a file.
                let next = Position { segment: at.segment + 1, offset: 0 };
                if next > end {
                    return;
                }
                self.reader.shipped(next);
            }
        }
    }

    fn line(&self, doc: String) -> Option<Line> {
        match serde_json::from_str(&doc) {
            Ok(record) => Some(Line { record: Arc::new(record), doc }),
            Err(error) => {
                tracing::error!(%error, "a line of the journal is no record");
                self.gauges.lost.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    fn write(&mut self, lines: &[Line]) -> bool {
        self.gauges.writes(Some(Instant::now()));
        let mut written = self.store.write(lines);
        if written.is_err() && self.store.reopen().is_ok() {
            written = self.store.write(lines);
        }
        self.gauges.writes(None);
        let was_down = self.gauges.down.swap(written.is_err(), Ordering::Relaxed);
        match written {
            Ok(()) => {
                let behind = self.gauges.behind.load(Ordering::Relaxed);
                self.gauges.behind.fetch_sub((lines.len() as u64).min(behind), Ordering::Relaxed);
                self.newest = lines.iter().map(|line| line.record.at).max().unwrap_or_default().max(self.newest);
                if was_down {
                    tracing::info!("the ledger's store takes records again");
                }
                true
            }
            Err(error) => {
                if !was_down {
                    tracing::error!(%error, "the ledger's store refuses records: they wait in the journal");
                }
                false
            }
        }
    }

    fn until_sweep(&self) -> Duration {
        self.sweep_at.saturating_duration_since(Instant::now())
    }

    fn sweep(&mut self) {
        if !self.until_sweep().is_zero() || self.gauges.down.load(Ordering::Relaxed) {
            return;
        }
        let began = Instant::now();
        let pause = match self.store.sweep(self.newest) {
            Ok(true) => (began.elapsed() * SWEEP_PAUSE).clamp(SWEEP_PAUSE_MIN, SWEEP_EVERY),
            Ok(false) => SWEEP_EVERY,
            Err(error) => {
                tracing::warn!(%error, "old records could not be taken out");
                SWEEP_EVERY
            }
        };
        self.sweep_at = Instant::now() + pause;
    }
}

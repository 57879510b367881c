//! From the journal into the store.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringmain_core::WallTime;

use super::{BATCH_MAX, Batch, Gauges, Line, Store, lock};
use crate::journal::{Position, Reader};
use crate::ledger::Entry;

/// A batch is given to the store when it is this large, or this old: later than to the journal, for a transaction costs more
/// than a write.
const STORE_MAX: usize = 1024;
const STORE_AGE: Duration = Duration::from_millis(200);
/// Records that neither the journal nor the store took, at most: some 30 MB.
const HELD_MAX: usize = 8192;
/// How long a store is left alone that refused a batch.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);
/// How often it is looked for old rows. While there are more, they are taken out in small parts, each followed by a pause
/// of so many times its length: whatever there is to take out, it gets a fifth of this thread and of the store.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
const SWEEP_PAUSE: u32 = 4;
const SWEEP_PAUSE_MIN: Duration = Duration::from_millis(20);
/// For how long a process that starts waits for what an earlier one left.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);

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
pub(super) struct Shipper<S> {
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
    pub(super) fn new(
        store: S,
        reader: Reader,
        end: Arc<Mutex<Position>>,
        shipped: Arc<Mutex<Position>>,
        gauges: Arc<Gauges>,
    ) -> Self {
        let sweep_at = Instant::now() + SWEEP_EVERY;
        Self { store, reader, end, shipped, held: VecDeque::new(), gauges, sweep_at, newest: WallTime::default() }
    }

    /// Gives the store what an earlier process left.
    pub(super) fn begin(&mut self) {
        self.catch_up(Some(Instant::now() + CATCH_UP_MAX));
    }

    pub(super) fn run(mut self, batches: &Receiver<Batch>) {
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
            Ok(record) => Some(Line { entry: Entry::of(&record), doc: doc.into() }),
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
                self.newest = lines.iter().map(|line| line.entry.at).max().unwrap_or_default().max(self.newest);
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

//! What the simulator received and how each answer ended. Bounded in entries and in bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::{Serialize, Serializer};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Request bodies and headers kept, over all entries, in bytes; the oldest entries go first.
const MAX_BYTES: usize = 16 << 20;
/// The most that is kept of one request body, in bytes.
const MAX_BODY: usize = 256 << 10;
/// Labels that are counted apart; requests of further labels are logged but not counted.
const MAX_LABELS: usize = 1024;

/// How an answer ended, as far as the simulator can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Ended {
    /// It is still being answered (or stays silent).
    Open,
    /// Every byte that was meant to be sent was handed to the connection.
    Completed {
        /// Since the simulator began.
        #[serde(rename = "at_ms", serialize_with = "millis")]
        at: Duration,
    },
    /// The client closed the connection before that.
    ClientClosed {
        /// Since the simulator began.
        #[serde(rename = "at_ms", serialize_with = "millis")]
        at: Duration,
    },
    /// The simulator broke it off, as its behaviour says.
    BrokenOff {
        /// Since the simulator began.
        #[serde(rename = "at_ms", serialize_with = "millis")]
        at: Duration,
    },
}

/// One request.
#[derive(Debug, Clone, Serialize)]
pub struct LogEntry {
    /// Rises by one with every request.
    pub seq: u64,
    /// When its head arrived, since the simulator began.
    #[serde(rename = "at_ms", serialize_with = "millis")]
    pub at: Duration,
    /// The provider it was for.
    pub label: String,
    /// HTTP method.
    pub method: String,
    /// Path and query as sent, without a `key` parameter's value.
    pub path: String,
    /// [`crate::key_hash`] of the credential, if one was sent.
    pub key_hash: Option<String>,
    /// The model asked for, where the request names one.
    pub model: Option<String>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Length of the request body in bytes.
    pub bytes: usize,
    /// Headers as sent, without credentials and cookies.
    pub headers: Vec<(String, String)>,
    /// The first 256 KiB of the request body.
    #[serde(serialize_with = "lossy")]
    pub body: Bytes,
    /// The fault it met, or `healthy`, or `recording`.
    pub behavior: String,
    /// The status it was answered with; none where it was not.
    pub status: Option<u16>,
    /// How the answer ended.
    pub ended: Ended,
}

fn millis<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn lossy<S: Serializer>(body: &Bytes, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&String::from_utf8_lossy(body))
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<LogEntry>,
    bytes: usize,
    next: u64,
    counts: HashMap<String, u64>,
}

/// The bounded log of one simulator.
#[derive(Debug)]
pub(crate) struct Log {
    inner: Mutex<Inner>,
    changed: Notify,
    capacity: usize,
    start: Instant,
}

impl Log {
    pub(crate) fn new(capacity: usize, start: Instant) -> Self {
        Self { inner: Mutex::new(Inner::default()), changed: Notify::new(), capacity, start }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether entries are kept at all; without, only counts are.
    pub(crate) const fn keeps(&self) -> bool {
        self.capacity > 0
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Counts a request of this label.
    pub(crate) fn count(&self, label: &str) {
        self.with(|inner| {
            if let Some(count) = inner.counts.get_mut(label) {
                *count += 1;
            } else if inner.counts.len() < MAX_LABELS {
                inner.counts.insert(label.to_owned(), 1);
            }
        });
    }

    pub(crate) fn received(&self, label: &str) -> u64 {
        self.with(|inner| inner.counts.get(label).copied().unwrap_or(0))
    }

    /// Adds an entry; its outcome is told through the receipt.
    pub(crate) fn add(self: &Arc<Self>, mut entry: LogEntry) -> Receipt {
        if !self.keeps() {
            return Receipt::none();
        }
        if entry.body.len() > MAX_BODY {
            entry.body = Bytes::copy_from_slice(&entry.body[..MAX_BODY]);
        }
        let seq = self.with(|inner| {
            entry.seq = inner.next;
            inner.next += 1;
            inner.bytes += weight(&entry);
            inner.entries.push_back(entry);
            while inner.entries.len() > self.capacity || (inner.bytes > MAX_BYTES && inner.entries.len() > 1) {
                let Some(gone) = inner.entries.pop_front() else { break };
                inner.bytes -= weight(&gone);
            }
            inner.next - 1
        });
        self.changed.notify_waiters();
        Receipt { log: Some(Arc::clone(self)), seq }
    }

    fn update(&self, seq: u64, change: impl FnOnce(&mut LogEntry)) {
        self.with(|inner| {
            let first = inner.entries.front().map_or(u64::MAX, |entry| entry.seq);
            let place = seq.checked_sub(first).and_then(|at| usize::try_from(at).ok());
            if let Some(entry) = place.and_then(|at| inner.entries.get_mut(at)) {
                change(entry);
            }
        });
        self.changed.notify_waiters();
    }

    pub(crate) fn entries(&self) -> Vec<LogEntry> {
        self.with(|inner| inner.entries.iter().cloned().collect())
    }

    pub(crate) fn clear(&self) {
        self.with(|inner| {
            inner.entries.clear();
            inner.counts.clear();
            inner.bytes = 0;
        });
    }

    /// Waits until the entries satisfy the predicate, or the time is over. True where they do.
    pub(crate) async fn wait_for(&self, within: Duration, holds: impl Fn(&[LogEntry]) -> bool) -> bool {
        let end = Instant::now() + within;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if holds(&self.entries()) {
                return true;
            }
            if tokio::time::timeout_at(end, changed).await.is_err() {
                return holds(&self.entries());
            }
        }
    }
}

fn weight(entry: &LogEntry) -> usize {
    let headers: usize = entry.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    entry.body.len() + headers + entry.path.len() + entry.label.len()
}

/// Says once how a request ended. Dropped without a word, the client had closed.
#[derive(Debug)]
pub(crate) struct Receipt {
    log: Option<Arc<Log>>,
    seq: u64,
}

impl Receipt {
    pub(crate) const fn none() -> Self {
        Self { log: None, seq: 0 }
    }

    pub(crate) fn status(&self, status: u16) {
        if let Some(log) = &self.log {
            log.update(self.seq, |entry| entry.status = Some(status));
        }
    }

    /// The answer is a recorded one.
    pub(crate) fn recorded(&self) {
        if let Some(log) = &self.log {
            log.update(self.seq, |entry| "recording".clone_into(&mut entry.behavior));
        }
    }

    pub(crate) fn completed(&mut self) {
        self.end(|at| Ended::Completed { at });
    }

    pub(crate) fn broken_off(&mut self) {
        self.end(|at| Ended::BrokenOff { at });
    }

    fn end(&mut self, how: impl FnOnce(Duration) -> Ended) {
        if let Some(log) = self.log.take() {
            let ended = how(log.elapsed());
            log.update(self.seq, |entry| entry.ended = ended);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.end(|at| Ended::ClientClosed { at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(body: usize) -> LogEntry {
        LogEntry {
            seq: 0,
            at: Duration::ZERO,
            label: "a".to_owned(),
            method: "POST".to_owned(),
            path: "/".to_owned(),
            key_hash: None,
            model: None,
            stream: false,
            bytes: body,
            headers: Vec::new(),
            body: Bytes::from(vec![b'x'; body]),
            behavior: "healthy".to_owned(),
            status: None,
            ended: Ended::Open,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_bounded_and_outcomes_find_their_entry() {
        let log = Arc::new(Log::new(2, Instant::now()));
        let mut receipts: Vec<Receipt> = (0..3).map(|_| log.add(entry(1))).collect();
        receipts[0].completed();
        receipts[2].completed();
        drop(receipts.remove(1));
        let ends: Vec<_> = log.entries().iter().map(|entry| (entry.seq, entry.ended)).collect();
        let at = Duration::ZERO;
        assert_eq!(ends, [(1, Ended::ClientClosed { at }), (2, Ended::Completed { at })]);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_bounded_too() {
        let log = Arc::new(Log::new(1000, Instant::now()));
        for _ in 0..100 {
            log.add(entry(MAX_BODY * 2)).completed();
        }
        assert_eq!(log.entries().len(), MAX_BYTES / MAX_BODY - 1);
        assert!(!log.wait_for(Duration::from_secs(1), |entries| entries.is_empty()).await);
        log.clear();
        assert!(log.wait_for(Duration::ZERO, |entries| entries.is_empty()).await);
    }
}

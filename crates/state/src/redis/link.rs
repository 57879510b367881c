//! The connection, and whether it is to be used: a circuit that one late answer opens, and that a row of quick ones closes.
//!
//! While it is open nobody waits: a task of ours asks, over and over, until Redis answers as quickly as a request would
//! need it to. A Redis that answers late is as good as none.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Script};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::place::Place;
use crate::StateError;
use crate::tls::{self, Trust};

/// How Redis is used.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The longest that a request waits for it.
    pub patience: Duration,
    /// How long a reservation holds that nobody settles.
    pub lease: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { patience: Duration::from_millis(20), lease: Duration::from_secs(15 * 60) }
    }
}

/// How often a process says that it is there.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// After how many seconds of silence a process is gone.
const GONE_AFTER: u64 = 10;
/// Quick answers in a row that close the circuit, and the time between them.
const QUICK: u32 = 3;
const BETWEEN: Duration = Duration::from_millis(20);
/// How often a Redis that is out is asked.
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// How long a new connection may take.
const DIAL_WITHIN: Duration = Duration::from_secs(1);
/// A connection on which nothing came for so long is given up for another.
const STALE_AFTER: Duration = Duration::from_secs(3);

/// The way to Redis, for every thread.
pub(super) struct Link {
    place: Place,
    settings: Settings,
    process: u64,
    connection: Mutex<Option<MultiplexedConnection>>,
    down: AtomicBool,
    unanswered: AtomicU64,
    processes: AtomicU64,
    woken: Notify,
}

impl Link {
    /// For a URL; connects when [`Self::keep`] runs.
    pub(super) fn new(url: &str, trust: &Trust, settings: Settings, process: u64) -> Result<Self, StateError> {
        Ok(Self {
            place: Place::of(url, trust)?,
            settings,
            process,
            connection: Mutex::default(),
            down: AtomicBool::new(true),
            unanswered: AtomicU64::new(0),
            processes: AtomicU64::new(1),
            woken: Notify::new(),
        })
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) const fn process(&self) -> u64 {
        self.process
    }

    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    pub(super) fn unanswered(&self) -> u64 {
        self.unanswered.load(Ordering::Relaxed)
    }

    pub(super) fn processes(&self) -> u64 {
        self.processes.load(Ordering::Relaxed).max(1)
    }

    /// The connection, while it is to be used.
    pub(super) fn connection(&self) -> Option<MultiplexedConnection> {
        if self.is_down() { None } else { self.held().clone() }
    }

    /// Something that was asked got no answer, or an error.
    pub(super) fn failed(&self, why: &str) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        if !self.down.swap(true, Ordering::Relaxed) {
            tracing::error!(why, "state.shared does not answer: this process keeps to its part of each limit");
            self.woken.notify_one();
        }
    }

    /// Keeps it usable, for ever.
    pub(super) async fn keep(&self) {
        let beat = Script::new(include_str!("beat.lua"));
        let mut told = false;
        loop {
            self.revive(&beat, &mut told).await;
            self.down.store(false, Ordering::Relaxed);
            told = true;
            tracing::info!(processes = self.processes(), "state.shared answers: limits are held together");
            while !self.is_down() {
                tokio::select! {
                    () = self.woken.notified() => {}
                    () = sleep(BEAT_EVERY) => {
                        if let Err(why) = self.beat(&beat).await {
                            self.failed(&why);
                        }
                    }
                }
            }
        }
    }

    /// Asks until it answers quickly.
    async fn revive(&self, beat: &Script, told: &mut bool) {
        let mut heard = Instant::now();
        let mut row = 0;
        let mut missing: Option<String> = None;
        loop {
            if self.held().is_none() || heard.elapsed() > STALE_AFTER {
                let dialled = self.dial().await;
                heard = Instant::now();
                missing = dialled.as_ref().err().cloned();
                *self.held() = dialled.ok();
            }
            let beaten = match missing.take() {
                Some(why) => Err(why),
                None => self.beat(beat).await,
            };
            match beaten {
                Ok(()) => {
                    heard = Instant::now();
                    row += 1;
                    if row >= QUICK {
                        return;
                    }
                    sleep(BETWEEN).await;
                }
                Err(why) => {
                    if !std::mem::replace(told, true) {
                        tracing::error!(why, "state.shared cannot be used: this process holds its limits alone");
                    }
                    row = 0;
                    if why != LATE {
                        *self.held() = None;
                    }
                    sleep(RETRY_EVERY).await;
                }
            }
        }
    }

    async fn dial(&self) -> Result<MultiplexedConnection, String> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(DIAL_WITHIN))
            .set_response_timeout(Some(DIAL_WITHIN));
        match timeout(DIAL_WITHIN, self.place.dial(config)).await {
            Ok(dialled) => dialled,
            Err(_) if self.place.is_secure() => Err("no TLS in time: is it the server's port for TLS?".to_owned()),
            Err(_) => Err(LATE.to_owned()),
        }
    }

    async fn beat(&self, beat: &Script) -> Result<(), String> {
        let Some(mut connection) = self.held().clone() else { return Err("there is no connection".to_owned()) };
        let mut call = beat.prepare_invoke();
        call.key("{ringmain}:processes").arg(self.process).arg(GONE_AFTER);
        match timeout(self.settings.patience, call.invoke_async::<u64>(&mut connection)).await {
            Ok(Ok(processes)) => {
                self.processes.store(processes, Ordering::Relaxed);
                Ok(())
            }
            Ok(Err(error)) => Err(described(&error)),
            Err(_) => Err(LATE.to_owned()),
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a question has no answer, where it is only late.
pub(super) const LATE: &str = "no answer in time";

/// In words that hold neither the address nor what was asked.
pub(super) fn described(error: &redis::RedisError) -> String {
    if let Some(words) = tls::in_words(error) {
        return words;
    }
    match error.code() {
        Some(code) => format!("{} ({code})", error.category()),
        None => error.category().to_owned(),
    }
}

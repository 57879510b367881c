//! The connection, and whether it is to be used: a circuit that one silence opens, and that a row of quick answers closes.
//!
//! While it is open nobody waits: a task of ours asks, over and over, until Redis answers as quickly as a request would
//! need it to. A Redis that answers late is as good as none; one that has a queue is not late as long as it answers.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisResult, Script};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::patience::{Ear, Missed, Patience};
use super::place::Place;
use super::scripts;
use crate::StateError;
use crate::tls::{self, Trust};

/// How Redis is used.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The longest that a request waits for a Redis that says nothing.
    pub patience: Duration,
    /// The longest that a request waits for its turn while Redis answers others, and on a machine that is too busy to hear.
    pub turn: Duration,
    /// How long a reservation holds that nobody settles.
    pub lease: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            patience: Duration::from_millis(20),
            turn: Duration::from_millis(100),
            lease: Duration::from_secs(15 * 60),
        }
    }
}

/// How often a process says that it is there.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// After how many seconds of silence a process is gone.
const GONE_AFTER: u64 = 10;
/// Quick answers in a row that close the circuit, and the time between them.
const QUICK: u32 = 3;
const BETWEEN: Duration = Duration::from_millis(20);
/// Beats in a row that were late before Redis counts as out, though no request found that: no burst lasts as long as three
/// where others are answered; where nobody is, they follow each other at once, for nobody waits with them.
const SLOW: u32 = 3;
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
    patience: Patience,
    ear: Arc<Ear>,
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
            patience: Patience::new(settings.patience, settings.turn),
            ear: Arc::default(),
            process,
            connection: Mutex::default(),
            down: AtomicBool::new(true),
            unanswered: AtomicU64::new(0),
            processes: AtomicU64::new(1),
            woken: Notify::new(),
        })
    }

    /// How long a reservation holds that nobody settles, in milliseconds.
    pub(super) fn lease_ms(&self) -> u64 {
        u64::try_from(self.settings.lease.as_millis()).unwrap_or(u64::MAX)
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

    /// The answer to a question that a request waits with. `None`: there is none in time, or it is an error.
    pub(super) async fn ask<T>(&self, question: impl Future<Output = RedisResult<T>>) -> Option<T> {
        match self.patience.in_turn(&self.ear, question).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => self.failed(&described(&error)),
            Err(Missed::Silence) => self.failed(LATE),
            Err(Missed::Turn) => drop(self.unanswered.fetch_add(1, Ordering::Relaxed)),
        }
        None
    }

    /// Something that was asked got no answer, or an error: it is not asked any more.
    pub(super) fn failed(&self, why: &str) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        if !self.down.swap(true, Ordering::Relaxed) {
            tracing::error!(why, "state.shared does not answer: this process keeps to its part of each limit");
            self.woken.notify_one();
        }
    }

    /// Keeps it usable, for ever.
    pub(super) async fn keep(&self) {
        let beat = Script::new(scripts::BEAT);
        let mut told = false;
        loop {
            self.revive(&beat, &mut told).await;
            self.down.store(false, Ordering::Relaxed);
            told = true;
            tracing::info!(processes = self.processes(), "state.shared answers: limits are held together");
            let (mut slow, mut pause) = (0, BEAT_EVERY);
            while !self.is_down() {
                tokio::select! {
                    () = self.woken.notified() => {}
                    () = sleep(pause) => match self.beat(&beat).await {
                        Ok(()) => (slow, pause) = (0, BEAT_EVERY),
                        Err(Mute::Late(missed)) if slow + 1 < SLOW => {
                            slow += 1;
                            pause = if missed == Missed::Silence { BETWEEN } else { BEAT_EVERY };
                        }
                        Err(why) => self.failed(why.words()),
                    },
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
                Some(why) => Err(Mute::Failed(why)),
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
                        tracing::error!(
                            why = why.words(),
                            "state.shared cannot be used: this process holds its limits alone"
                        );
                    }
                    row = 0;
                    if matches!(why, Mute::Failed(_)) {
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
        let ready = async {
            let mut connection = self.place.dial(config, &self.ear).await?;
            scripts::load(&mut connection).await;
            Ok(connection)
        };
        match timeout(DIAL_WITHIN, ready).await {
            Ok(dialled) => dialled,
            Err(_) if self.place.is_secure() => Err("no TLS in time: is it the server's port for TLS?".to_owned()),
            Err(_) => Err(LATE.to_owned()),
        }
    }

    async fn beat(&self, beat: &Script) -> Result<(), Mute> {
        let Some(mut connection) = self.held().clone() else {
            return Err(Mute::Failed("there is no connection".to_owned()));
        };
        let mut call = beat.prepare_invoke();
        call.key("{ringmain}:processes").arg(self.process).arg(GONE_AFTER);
        let beaten = self.patience.briskly(&self.ear, call.invoke_async::<u64>(&mut connection)).await;
        let processes = beaten.map_err(Mute::Late)?.map_err(|error| Mute::Failed(described(&error)))?;
        self.processes.store(processes, Ordering::Relaxed);
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a beat has no answer.
enum Mute {
    Late(Missed),
    Failed(String),
}

impl Mute {
    fn words(&self) -> &str {
        match self {
            Self::Late(_) => LATE,
            Self::Failed(why) => why,
        }
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

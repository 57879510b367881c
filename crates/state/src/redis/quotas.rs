//! Limits that several processes hold together: each reservation is one script in Redis, all or nothing.
//!
//! A request waits for it no longer than [`Settings::patience`]. When Redis does not answer in time, nobody asks it until a
//! ping has come back, and each process counts for itself; what it counted meanwhile is told when Redis is back. What a
//! process that died had reserved is free again when its lease ends.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::ConnectionManager;
use redis::{Client, Script};
use ringmain_core::{Metered, Period, WallTime};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::StateError;
use crate::quota::{Amounts, Asking, LimitId, Shared, SharedQuotas, Ticket, bucket_at, returns_of};

/// Settlements that wait for Redis, at most; beyond it they are lost, and counted.
const WAITING_MAX: usize = 100_000;
/// How often Redis is asked whether it is back.
const PING_EVERY: Duration = Duration::from_millis(250);
/// How long a settlement may take.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);
/// How long what counts is kept after it has stopped counting.
const SLACK_MS: u64 = 60_000;

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

/// The shared counters.
pub struct Quotas {
    connection: ConnectionManager,
    reserve: Script,
    settings: Settings,
    settle: Sender<Settlement>,
    health: Arc<Health>,
    /// Tells this process's tickets from others'.
    process: u64,
    tickets: AtomicU64,
}

#[derive(Debug, Default)]
struct Health {
    down: AtomicBool,
    lost: AtomicU64,
}

impl Health {
    fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    fn failed(&self, why: &str) {
        if !self.down.swap(true, Ordering::Relaxed) {
            tracing::error!(why, "the shared limits cannot be asked: each process counts for itself");
        }
    }
}

struct Settlement {
    ticket: Ticket,
    /// Redis was not asked when it began: it is to be counted now.
    count: bool,
    limits: Vec<LimitId>,
    reserved: Amounts,
    used: Amounts,
    now: WallTime,
}

impl fmt::Debug for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotas").field("health", &self.health).finish_non_exhaustive()
    }
}

impl Quotas {
    /// Connects, now or when Redis is there. Must be called within a runtime; what it starts there ends with it.
    ///
    /// # Errors
    /// The URL is none.
    pub async fn connect(url: &str, settings: Settings, process: u64) -> Result<Arc<Self>, StateError> {
        let client =
            Client::open(url).map_err(|_| StateError::Refused("this is no URL of a Redis server".to_owned()))?;
        let config = redis::aio::ConnectionManagerConfig::new()
            .set_connection_timeout(Some(SETTLE_WITHIN))
            .set_response_timeout(Some(SETTLE_WITHIN))
            .set_max_delay(Duration::from_millis(500));
        let connection = ConnectionManager::new_lazy_with_config(client, config)
            .map_err(|error| StateError::Refused(error.category().to_owned()))?;
        let (settle, settlements) = channel(WAITING_MAX);
        let health = Arc::new(Health::default());
        tokio::spawn(follow(connection.clone(), settlements, Arc::clone(&health)));
        let reserve = Script::new(include_str!("reserve.lua"));
        Ok(Arc::new(Self { connection, reserve, settings, settle, health, process, tickets: AtomicU64::new(0) }))
    }

    async fn ask(
        &self,
        ticket: Ticket,
        limits: &[LimitId],
        ask: Amounts,
        seeds: &[u64],
        force: bool,
        now: WallTime,
    ) -> Shared {
        let lease = now.0 + u64::try_from(self.settings.lease.as_millis()).unwrap_or(u64::MAX);
        let mut call = self.reserve.prepare_invoke();
        call.key(settled(&ticket)).arg(now.0).arg(&ticket.0).arg(lease).arg(u8::from(force));
        for (id, seed) in limits.iter().zip(seeds) {
            let (hash, leases) = keys(id);
            let (begin, end, oldest) = span(id, now);
            let at_once = u8::from(id.limit.of == Metered::Requests);
            let ttl = (end - begin).saturating_add(SLACK_MS).max(lease - now.0);
            call.key(hash).key(leases);
            call.arg(id.limit.most).arg(ask.of(id.limit.of)).arg(begin).arg(oldest).arg(at_once).arg(*seed).arg(ttl);
        }
        let mut connection = self.connection.clone();
        let answer =
            tokio::time::timeout(self.settings.patience, call.invoke_async::<(usize, u64)>(&mut connection)).await;
        match answer {
            Ok(Ok((0, _))) => Shared::Granted(ticket),
            Ok(Ok((number, oldest))) => match limits.get(number - 1) {
                Some(id) => Shared::Full(returns_of(number - 1, id, ask.of(id.limit.of), WallTime(oldest), now)),
                None => Shared::Unsure(ticket),
            },
            Ok(Err(error)) => {
                self.health.failed(error.category());
                Shared::Unsure(ticket)
            }
            Err(_) => {
                self.health.failed("no answer in time");
                Shared::Unsure(ticket)
            }
        }
    }

    fn ticket(&self) -> Ticket {
        Ticket(format!("{:x}-{:x}", self.process, self.tickets.fetch_add(1, Ordering::Relaxed)))
    }
}

/// The key that tells that a reservation has been settled.
fn settled(ticket: &Ticket) -> String {
    format!("{{ringmain}}:settled:{}", ticket.0)
}

/// The two keys of a limit. One hash tag: a cluster keeps them together.
fn keys(id: &LimitId) -> (String, String) {
    let name = format!("{{ringmain}}:quota:{}:{}", id.scope, id.limit);
    (format!("{name}:used"), format!("{name}:held"))
}

/// When the bucket of now begins, when it stops counting, and the oldest beginning that still counts, in milliseconds.
fn span(id: &LimitId, now: WallTime) -> (u64, u64, u64) {
    let Some(period) = id.limit.per else { return (0, 0, 0) };
    let (begin, end) = bucket_at(period, now);
    let oldest = match period {
        Period::Calendar(_) => begin,
        Period::Rolling(_) => now.0.saturating_sub(end - begin) + 1,
    };
    (begin, end, oldest)
}

impl SharedQuotas for Quotas {
    fn reserve<'a>(
        &'a self,
        limits: &'a [LimitId],
        ask: Amounts,
        seeds: Vec<u64>,
        force: bool,
        now: WallTime,
    ) -> Asking<'a> {
        Box::pin(async move {
            if self.health.is_down() {
                return Shared::Down;
            }
            self.ask(self.ticket(), limits, ask, &seeds, force, now).await
        })
    }

    fn settle(&self, ticket: Option<Ticket>, limits: &[LimitId], reserved: Amounts, used: Amounts, now: WallTime) {
        let count = ticket.is_none();
        let ticket = ticket.unwrap_or_else(|| self.ticket());
        let settlement = Settlement { ticket, count, limits: limits.to_vec(), reserved, used, now };
        if self.settle.try_send(settlement).is_err() {
            self.health.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_down(&self) -> bool {
        self.health.is_down()
    }
}

/// Tells Redis what was used, in order, and finds out when it is back.
async fn follow(mut connection: ConnectionManager, mut settlements: Receiver<Settlement>, health: Arc<Health>) {
    let script = Script::new(include_str!("settle.lua"));
    let mut waiting: Option<Settlement> = None;
    loop {
        if health.is_down() {
            let ping = redis::cmd("PING");
            let ping = tokio::time::timeout(SETTLE_WITHIN, ping.query_async::<String>(&mut connection)).await;
            if matches!(ping, Ok(Ok(_))) {
                health.down.store(false, Ordering::Relaxed);
                tracing::info!("the shared limits can be asked again");
            } else {
                tokio::time::sleep(PING_EVERY).await;
                continue;
            }
        }
        let next = match waiting.take() {
            Some(next) => next,
            None => match tokio::time::timeout(PING_EVERY, settlements.recv()).await {
                Ok(Some(next)) => next,
                Ok(None) => return,
                Err(_) => continue,
            },
        };
        let mut call = script.prepare_invoke();
        call.key(settled(&next.ticket)).arg(&next.ticket.0);
        for id in &next.limits {
            let (hash, leases) = keys(id);
            let (begin, end, _) = span(id, next.now);
            let of = id.limit.of;
            let used = match of {
                Metered::Tokens | Metered::Money => next.used.of(of),
                Metered::Requests => u64::from(next.count),
                Metered::Concurrency => 0,
            };
            call.key(hash).key(leases);
            call.arg(next.reserved.of(of)).arg(used).arg(begin).arg((end - begin).saturating_add(SLACK_MS));
        }
        let told = tokio::time::timeout(SETTLE_WITHIN, call.invoke_async::<i64>(&mut connection)).await;
        match told {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                health.failed(error.category());
                waiting = Some(next);
            }
            Err(_) => {
                health.failed("no answer in time");
                waiting = Some(next);
            }
        }
    }
}

//! Limits that several processes hold together: each reservation is one script in Redis, all or nothing.
//!
//! A request waits for it no longer than [`Settings`] say. What was used is told in the background, in batches that
//! have numbers: one whose answer was lost is told again, and counts once. What a process that died had reserved is free
//! again when its lease ends.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use redis::Script;
use ringmain_core::{Metered, Period, WallTime};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep, timeout};

use super::link::{LATE, Link, Settings, described};
use super::outages::Outages;
use super::place::Place;
use super::scripts;
use crate::StateError;
use crate::quota::{Exhausted, LimitId, Standing, bucket_at, returns};
use crate::shared::{Asking, Gauges, HealthShare, Heard, Known, Outage, Question, Remote, Settlement, Ticket};
use crate::tls::Trust;

/// Settlements that wait for Redis, at most; beyond it they are lost, and counted.
const WAITING_MAX: usize = 100_000;
/// Settlements told at once, at most.
const BATCH_MAX: usize = 64;
/// How long a batch may take.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);
/// How often a Redis that is out is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a process that ends goes on telling.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long what counts is kept after it has stopped counting, and a lease after it has ended.
const SLACK_MS: u64 = 60_000;

/// The shared counters.
pub struct Quotas {
    link: Arc<Link>,
    reserve: Script,
    standing: Script,
    settle: Option<Sender<Settlement>>,
    untold: Arc<Untold>,
    outages: Arc<Outages>,
    tickets: AtomicU64,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Untold {
    waiting: AtomicU64,
    lost: AtomicU64,
}

impl Untold {
    fn lose(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
        self.waiting.fetch_sub(count, Ordering::Relaxed);
    }
}

impl fmt::Debug for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotas").field("gauges", &self.gauges()).finish_non_exhaustive()
    }
}

impl Quotas {
    /// Begins to connect, on a thread of its own; whether Redis is there or not. `trust` is for its certificate, `process`
    /// tells this one from others.
    ///
    /// # Errors
    /// The URL is none, or asks for what there is not; or there is no thread.
    pub fn start(url: &str, trust: &Trust, settings: Settings, process: u64) -> Result<Self, StateError> {
        let link = Arc::new(Link::new(url, trust, settings, process)?);
        let (settle, settlements) = channel(WAITING_MAX);
        let untold = Arc::new(Untold::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let teller = Teller { link: Arc::clone(&link), untold: Arc::clone(&untold), number: 0 };
        let (kept, outages) = (Arc::clone(&link), Arc::new(Outages::default()));
        let telling = Arc::clone(&outages);
        let thread = std::thread::Builder::new().name("shared".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = kept.keep() => {}
                    () = telling.run(&kept) => {}
                    () = teller.run(settlements) => {}
                }
            });
        })?;
        Ok(Self {
            link,
            reserve: Script::new(scripts::RESERVE),
            standing: Script::new(scripts::STANDING),
            settle: Some(settle),
            untold,
            outages,
            tickets: AtomicU64::new(0),
            thread: Some(thread),
        })
    }

    /// Is it a URL that [`Self::start`] takes?
    ///
    /// # Errors
    /// It is not, and why. The URL is not repeated.
    pub fn check(url: &str) -> Result<(), StateError> {
        Place::of(url, &Trust::default()).map(drop)
    }

    async fn ask(&self, question: Question<'_>) -> Heard {
        let Question { ticket, limits, ask, seeds, force, now } = question;
        let Some(mut connection) = self.link.connection() else { return Heard::Unsure };
        let lease_ms = self.link.lease_ms();
        let lease = now.0.saturating_add(lease_ms);
        let mut call = self.reserve.prepare_invoke();
        call.key(settled(ticket)).arg(now.0).arg(&ticket.0).arg(lease);
        for (id, seed) in limits.iter().zip(seeds) {
            let (hash, leases) = keys(id);
            let Span { begin, oldest, life } = Span::of(id, now, lease_ms);
            let most = if force && id.is_budget() { String::new() } else { id.limit.most.to_string() };
            call.key(hash).key(leases).arg(most).arg(ask.of(id.limit.of)).arg(begin).arg(oldest);
            call.arg(u8::from(is_counted_at_once(id))).arg(*seed).arg(life);
        }
        let answer = self.link.ask(call.invoke_async::<Vec<u64>>(&mut connection)).await;
        answer.map_or(Heard::Unsure, |answer| heard(&answer, question))
    }

    /// How a limit stands.
    ///
    /// # Errors
    /// Redis cannot be asked.
    pub async fn standing(&self, id: &LimitId, now: WallTime) -> Result<Standing, StateError> {
        let out = || StateError::Refused("Redis does not answer".to_owned());
        let mut connection = self.link.connection().ok_or_else(out)?;
        let mut call = self.standing.prepare_invoke();
        let (hash, leases) = keys(id);
        call.key(hash).key(leases).arg(Span::of(id, now, self.link.lease_ms()).oldest);
        let asked = timeout(SETTLE_WITHIN, call.invoke_async::<(u64, u64)>(&mut connection)).await;
        let (used, reserved) = asked.ok().and_then(Result::ok).ok_or_else(out)?;
        Ok(Standing { used, reserved })
    }
}

/// Reads what the script says.
fn heard(answer: &[u64], Question { limits, ask, now, .. }: Question<'_>) -> Heard {
    let (number, rest) = answer.split_first().map_or((0, &[][..]), |(number, rest)| (*number, rest));
    let full = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    match full.and_then(|at| Some((at, limits.get(at)?))) {
        None => {
            let pairs = rest.chunks_exact(2);
            Heard::Granted(pairs.map(|pair| Standing { used: pair[0], reserved: pair[1] }).collect())
        }
        Some((at, id)) => {
            let (held, buckets) = rest.split_first().map_or((0, &[][..]), |(held, buckets)| (*held, buckets));
            let mut buckets: Vec<_> = buckets.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            buckets.sort_unstable();
            let returns = returns(id, ask.of(id.limit.of), held, &buckets, now);
            let used = buckets.iter().map(|(_, used)| used).sum();
            Heard::Full(Exhausted { at, returns, alone: false }, Standing { used, reserved: held })
        }
    }
}

const fn is_counted_at_once(id: &LimitId) -> bool {
    matches!(id.limit.of, Metered::Requests)
}

/// The key that tells that a reservation has been settled.
fn settled(ticket: &Ticket) -> String {
    format!("{{ringmain}}:settled:{}", ticket.0)
}

/// The two keys of what a limit counts, however much it allows. One hash tag: whatever is between keeps them together.
fn keys(id: &LimitId) -> (String, String) {
    let mut name = format!("{{ringmain}}:count:{}:{}", id.scope, id.limit.of.as_str());
    if let Some(per) = id.limit.per {
        name = format!("{name}/{per}");
    }
    (format!("{name}:used"), format!("{name}:held"))
}

/// The time of a limit, in milliseconds.
struct Span {
    /// When the bucket of now begins.
    begin: u64,
    /// The oldest beginning that still counts.
    oldest: u64,
    /// How long what counts now is kept, and who holds a part of it.
    life: u64,
}

impl Span {
    fn of(id: &LimitId, now: WallTime, lease_ms: u64) -> Self {
        let kept = |counts: u64| counts.max(lease_ms).saturating_add(SLACK_MS);
        let Some(period) = id.limit.per else { return Self { begin: 0, oldest: 0, life: kept(0) } };
        let (begin, end) = bucket_at(period, now);
        let oldest = match period {
            Period::Calendar(_) => begin,
            Period::Rolling(_) => (now.0 + 1).saturating_sub(end - begin),
        };
        Self { begin, oldest, life: kept(end.saturating_sub(now.0)) }
    }
}

impl Remote for Quotas {
    fn ticket(&self) -> Option<Ticket> {
        let number = self.tickets.fetch_add(1, Ordering::Relaxed);
        (!self.link.is_down()).then(|| Ticket(format!("{:x}-{number:x}", self.link.process())))
    }

    fn reserve<'a>(&'a self, question: Question<'a>) -> Asking<'a> {
        Box::pin(self.ask(question))
    }

    fn settle(&self, settlement: Settlement) {
        self.untold.waiting.fetch_add(1, Ordering::Relaxed);
        let told = self.settle.as_ref().is_some_and(|settle| settle.try_send(settlement).is_ok());
        if !told {
            self.untold.lose(1);
        }
    }

    fn processes(&self) -> u64 {
        self.link.processes()
    }

    fn gauges(&self) -> Gauges {
        Gauges {
            down: self.link.is_down(),
            unanswered: self.link.unanswered(),
            untold: self.untold.waiting.load(Ordering::Relaxed),
            lost: self.untold.lost.load(Ordering::Relaxed),
            processes: self.link.processes(),
        }
    }
}

impl HealthShare for Quotas {
    fn tell(&self, outage: Outage) {
        self.outages.tell(outage);
    }

    fn heard(&self) -> Vec<Outage> {
        self.outages.heard()
    }
}

impl Drop for Quotas {
    fn drop(&mut self) {
        self.settle = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of state.shared had panicked");
        }
    }
}

/// Tells Redis what was used, in order.
struct Teller {
    link: Arc<Link>,
    untold: Arc<Untold>,
    /// Of the last batch.
    number: u64,
}

impl Teller {
    /// Until nobody sends any more, and then for [`LAST_WORDS`] at most.
    async fn run(mut self, mut settlements: Receiver<Settlement>) {
        let script = Script::new(scripts::SETTLE);
        let mut batch = Vec::new();
        while settlements.recv_many(&mut batch, BATCH_MAX).await > 0 {
            self.number += 1;
            let mut until = None;
            while !self.tell(&script, &batch).await {
                if settlements.is_closed() && Instant::now() > *until.get_or_insert_with(|| Instant::now() + LAST_WORDS)
                {
                    tracing::error!(settlements = batch.len() + settlements.len(), "not told to state.shared");
                    return;
                }
                sleep(LOOK_EVERY).await;
            }
            self.untold.waiting.fetch_sub(batch.len() as u64, Ordering::Relaxed);
            batch.clear();
        }
    }

    /// Tells a batch. False: it is to be told again.
    async fn tell(&self, script: &Script, batch: &[Settlement]) -> bool {
        let Some(mut connection) = self.link.connection() else { return false };
        let mut call = script.prepare_invoke();
        call.key(format!("{{ringmain}}:told:{:x}", self.link.process())).arg(self.number);
        for settlement in batch {
            let Settlement { ticket, known, limits, reserved, used, now, aside: _ } = settlement;
            let never = Ticket(String::new());
            let ticket = ticket.as_ref().unwrap_or(&never);
            let word = match known {
                Known::Granted => "granted",
                Known::Unsure => "unsure",
                Known::Void => "void",
                Known::Never => "never",
            };
            call.key(settled(ticket)).arg(&ticket.0).arg(word).arg(limits.len());
            for id in &**limits {
                let (hash, leases) = keys(id);
                let at_once = is_counted_at_once(id);
                let Span { begin, life, .. } = Span::of(id, *now, self.link.lease_ms());
                let used = match id.limit.of {
                    _ if *known == Known::Void => 0,
                    Metered::Requests => 1,
                    Metered::Tokens | Metered::Money => used.of(id.limit.of),
                    Metered::Concurrency => 0,
                };
                // What counts at once holds nothing.
                let held = if at_once { 0 } else { reserved.of(id.limit.of) };
                call.key(hash).key(leases).arg(held).arg(used).arg(begin).arg(life).arg(u8::from(at_once));
            }
        }
        match timeout(SETTLE_WITHIN, call.invoke_async::<u64>(&mut connection)).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                self.link.failed(&described(&error));
                false
            }
            Err(_) => {
                self.link.failed(LATE);
                false
            }
        }
    }
}

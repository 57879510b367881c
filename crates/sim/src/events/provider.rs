//! What a target answers to an attempt, and when. Decided as the attempt begins, from what the world says of that time.

use std::collections::BTreeMap;
use std::time::Duration;

use ringmain_core::{Fault, FaultClass, Origin, Phase, Seed, Tick, Usage};
use ringmain_routing::{KeyIx, Try, Window};

use super::Spread;
use super::draw::seconds;
use super::world::{Effect, Failure, How, Limits, Target};

/// How long an error status takes.
const STATUS_AFTER: Spread = Spread { median: 0.08, p95: 0.25 };
/// How long a refused connection takes.
const REFUSED_AFTER: Spread = Spread { median: 0.004, p95: 0.02 };
/// A provider that refuses for its load asks for this.
const OVERLOAD_ASKS: Duration = Duration::from_secs(1);

/// What one request asks of a provider.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub(super) streamed: bool,
    pub(super) input: u64,
    pub(super) output: u64,
}

/// What comes of an attempt, if nobody stops it.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// The first useful token (of a plain answer: its last byte), or the failure. `None`: never.
    pub(super) at: Option<Tick>,
    pub(super) result: Result<Answer, Fault>,
    /// What the headers say of the key.
    pub(super) limits: Option<ringmain_routing::Limits>,
}

/// An answer with something in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// Its last byte.
    pub(super) end: Tick,
    /// It breaks there.
    pub(super) cut: bool,
    pub(super) usage: Usage,
}

/// The state of all targets.
#[derive(Debug)]
pub(super) struct Providers {
    targets: Vec<State>,
}

#[derive(Debug, Default, Clone)]
struct State {
    running: u32,
    buckets: BTreeMap<KeyIx, Buckets>,
}

impl Providers {
    pub(super) fn new(targets: usize) -> Self {
        Self { targets: vec![State::default(); targets] }
    }

    /// An attempt begins.
    pub(super) fn ask(&mut self, target: &Target, attempt: &Try, ask: Ask, now: Tick, seed: Seed) -> Reply {
        let Some(state) = self.targets.get_mut(attempt.target.0 as usize) else {
            return Reply { at: None, result: Err(silent()), limits: None };
        };
        state.running += 1;
        let mut slow = load(target, state.running);
        for (at, episode) in target.episodes.iter().enumerate() {
            let holds = episode.from <= now && now < episode.until && episode.key.is_none_or(|key| key == attempt.key);
            if !holds || seed.nth("episode", at as u64).unit() >= episode.share {
                continue;
            }
            match &episode.effect {
                Effect::Slow(times) => slow *= times,
                Effect::Fails(failure) => return fails(failure, target, ask, slow, now, seed),
                Effect::Price(_) => {}
            }
        }
        if target.pace.refuses_above.is_some_and(|most| state.running > most) {
            let mut fault =
                failed(FaultClass::Overloaded, Phase::AwaitHead, "too many requests at once").with_status(503);
            fault.retry_after = Some(OVERLOAD_ASKS);
            return Reply::failed(now + seconds(STATUS_AFTER.draw(seed.draw("after"))), fault);
        }
        let limits = match target.limits {
            None => None,
            Some(limits) => {
                let buckets = state.buckets.entry(attempt.key).or_insert_with(|| Buckets::full(limits, now));
                match buckets.take(limits, ask.input + ask.output, now) {
                    (None, told) => Some(told),
                    (Some(wait), told) => {
                        let mut fault =
                            failed(FaultClass::RateLimit, Phase::AwaitHead, "rate limit reached").with_status(429);
                        fault.retry_after = Some(wait);
                        let at = now + seconds(STATUS_AFTER.draw(seed.draw("after")));
                        return Reply { limits: Some(told), ..Reply::failed(at, fault) };
                    }
                }
            }
        };
        let (first, end) = answers(target, ask, slow, now, seed);
        let answer = Answer { end, cut: false, usage: usage(ask.input, ask.output) };
        Reply { at: Some(if ask.streamed { first } else { end }), result: Ok(answer), limits }
    }

    /// An attempt has ended, or was stopped.
    pub(super) fn done(&mut self, attempt: &Try) {
        if let Some(state) = self.targets.get_mut(attempt.target.0 as usize) {
            state.running = state.running.saturating_sub(1);
        }
    }
}

impl Reply {
    const fn failed(at: Tick, fault: Fault) -> Self {
        Self { at: Some(at), result: Err(fault), limits: None }
    }
}

/// By how much its load slows a target down.
fn load(target: &Target, running: u32) -> f64 {
    target.pace.capacity.map_or(1.0, |capacity| (f64::from(running) / f64::from(capacity.max(1))).max(1.0))
}

/// First useful token and end of a whole answer.
fn answers(target: &Target, ask: Ask, slow: f64, now: Tick, seed: Seed) -> (Tick, Tick) {
    let first = now + seconds(target.pace.first_token.draw(seed.draw("first")) * slow);
    #[expect(clippy::cast_precision_loss, reason = "a count of tokens")]
    let rest = ask.output.saturating_sub(1) as f64 * target.pace.per_token.draw(seed.draw("token")) * slow;
    (first, first + seconds(rest))
}

fn fails(failure: &Failure, target: &Target, ask: Ask, slow: f64, now: Tick, seed: Seed) -> Reply {
    let after = |usual: Spread| now + seconds(failure.after.unwrap_or(usual).draw(seed.draw("after")));
    let (at, mut fault) = match failure.how {
        How::Status(status, class) => {
            (after(STATUS_AFTER), failed(class, Phase::AwaitHead, "an error status").with_status(status))
        }
        How::Refused => (after(REFUSED_AFTER), failed(FaultClass::Network, Phase::Connect, "connection refused")),
        How::Reset => return reset(after(STATUS_AFTER)),
        How::Silent => return Reply { at: None, result: Err(silent()), limits: None },
        How::Empty => {
            let (first, _) = answers(target, ask, slow, now, seed);
            let at = failure.after.map_or(first, |spread| now + seconds(spread.draw(seed.draw("after"))));
            (at, failed(FaultClass::Empty, Phase::BeforeCommit, "an empty answer"))
        }
        How::Cut if ask.streamed => {
            let (first, end) = answers(target, ask, slow, now, seed);
            let cut = first + end.since(first).mul_f64(seed.draw("cut").unit());
            let answer = Answer { end: cut, cut: true, usage: usage(ask.input, ask.output / 2) };
            return Reply { at: Some(first), result: Ok(answer), limits: None };
        }
        How::Cut => return reset(after(STATUS_AFTER)),
    };
    fault.retry_after = failure.retry_after;
    Reply::failed(at, fault)
}

/// The request had gone out, the answer never began: the target is to blame.
fn reset(at: Tick) -> Reply {
    Reply::failed(at, failed(FaultClass::Server, Phase::AwaitHead, "closed without an answer"))
}

fn silent() -> Fault {
    failed(FaultClass::Timeout, Phase::BeforeCommit, "no answer in time")
}

pub(super) fn failed(class: FaultClass, phase: Phase, message: &str) -> Fault {
    Fault::new(class, Origin::Provider, phase, message)
}

fn usage(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

/// The two limits of a key on a target.
#[derive(Debug, Clone, Copy)]
struct Buckets {
    requests: f64,
    tokens: f64,
    at: Tick,
}

#[expect(clippy::cast_precision_loss, reason = "counts of a minute")]
impl Buckets {
    fn full(limits: Limits, now: Tick) -> Self {
        Self { requests: limits.rpm.unwrap_or(0) as f64, tokens: limits.tpm.unwrap_or(0) as f64, at: now }
    }

    /// Takes one request and its tokens; if there is no room, says how long to wait. Both ways, what the headers would say.
    fn take(&mut self, limits: Limits, tokens: u64, now: Tick) -> (Option<Duration>, ringmain_routing::Limits) {
        let passed = now.since(self.at).as_secs_f64() / 60.0;
        self.at = now;
        let mut wait: f64 = 0.0;
        // A request that could never fit is let through when the bucket is full, as providers do with estimates.
        let mut lacks = |level: &mut f64, size: Option<u64>, cost: f64| {
            let Some(size) = size.map(|size| size as f64) else { return };
            *level = (*level + passed * size).min(size);
            wait = wait.max((cost.min(size) - *level) / size * 60.0);
        };
        lacks(&mut self.requests, limits.rpm, 1.0);
        lacks(&mut self.tokens, limits.tpm, tokens as f64);
        if wait > 0.0 {
            // Providers name whole milliseconds; rounded up, so that who waits that long is served.
            let wait = Duration::from_micros((seconds(wait).as_micros() as u64).div_ceil(1000) * 1000 + 1000);
            return (Some(wait), self.told(limits));
        }
        self.requests -= 1.0;
        self.tokens -= tokens as f64;
        (None, self.told(limits))
    }

    fn told(&self, limits: Limits) -> ringmain_routing::Limits {
        let window = |level: f64, size: Option<u64>| match size {
            None => Window::default(),
            Some(size) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "not negative, below the size"
                )]
                let remaining = level.max(0.0) as u64;
                let missing = 1.0 - level / size.max(1) as f64;
                Window { limit: Some(size), remaining: Some(remaining), reset: Some(seconds(missing * 60.0)) }
            }
        };
        ringmain_routing::Limits {
            requests: window(self.requests, limits.rpm),
            tokens: window(self.tokens, limits.tpm),
            ..ringmain_routing::Limits::default()
        }
    }
}

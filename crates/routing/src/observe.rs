//! The fold: how the start and the end of an attempt change what is known.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass, FaultScope, Marks, Money, Now, Phase, Seed, Tick, Timings, Usage};

use crate::health::limits::Out;
use crate::health::quota::{Need, Used};
use crate::health::{hedge, measures, shift};
use crate::{BreakerPolicy, Caps, Health, Policy, Try};

/// After a refusal, a limit that fills up evenly is left alone for at least so long.
const REFILL_LEAST: Duration = Duration::from_millis(100);

/// One attempt that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The attempt, as [`crate::next`] gave it.
    pub attempt: Try,
    /// When [`begin`] was told of it.
    pub started: Tick,
    /// How it ended.
    pub seen: Seen,
    /// What the response headers say of the key's limits, if anything.
    pub limits: Option<Limits>,
    /// Of the request it was made for.
    pub marks: Marks,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A whole answer.
    Success {
        /// Where the time went.
        timings: Timings,
        /// What the provider says it used.
        usage: Option<Usage>,
        /// What that cost; `None` where it cannot be known.
        cost: Option<Money>,
        /// Came as a stream, so that the time to its first token is known.
        streamed: bool,
    },
    /// A failure.
    Failed(Fault),
    /// We stopped it: the caller left, or another attempt won.
    Cancelled {
        /// From its start to its first useful token; `None` if none had come.
        first_token: Option<Duration>,
    },
}

/// What the `x-ratelimit-*` headers of a response say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Requests.
    pub requests: Window,
    /// Tokens, input and output together.
    pub tokens: Window,
    /// Input tokens, where the provider counts them apart.
    pub input: Window,
    /// Output tokens, where the provider counts them apart.
    pub output: Window,
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// When nothing is used.
    pub limit: Option<u64>,
    /// What is left.
    pub remaining: Option<u64>,
    /// Until it is whole again.
    pub reset: Option<Duration>,
}

/// An attempt starts. `first`: the first of its request.
pub fn begin(health: &mut Health, policy: &Policy, attempt: &Try, first: bool, now: Now) {
    shift::step(health, policy, now);
    let now = now.mono;
    hedge::refresh(health, policy, now);
    if let Some(route) = health.route(&policy.route, now) {
        if first {
            // A turn of a conversation that stays is none of the route: weights hold over conversations.
            if !attempt.warm {
                route.turn = route.turn.wrapping_add(1);
            }
            route.budget.deposit(now);
            if let Some(hedge) = &policy.hedge {
                route.hedge.deposit(hedge);
            }
        } else if attempt.hedge {
            route.hedge.withdraw();
        } else {
            route.budget.withdraw(&policy.retry_budget, now);
        }
    }
    if let Some(target) = health.target(attempt.target) {
        target.in_flight.begin();
    }
    if let Some(key) = health.key(attempt.key) {
        key.in_flight.begin();
    }
    reserve(health, policy, attempt, now);
    if attempt.probe {
        let lease = policy.timeouts.total;
        if let Some(host) = health.host(attempt.host) {
            host.take_probe(&policy.breaker, lease, now);
        }
        if let Some(target) = health.target(attempt.target) {
            target.breaker.take_probe(&policy.breaker, lease, now);
            target.out.take_probe(lease, now);
        }
        for_key(health, attempt, |out| out.take_probe(lease, now));
    }
}

/// One request and its tokens are set aside, of the operator's caps and of what the provider allows.
fn reserve(health: &mut Health, policy: &Policy, attempt: &Try, now: Tick) {
    let need = attempt.need();
    let candidate = policy.candidates.get(attempt.candidate);
    let is_capped = |caps: Caps| caps.rpm.is_some() || caps.tpm.is_some();
    if let Some(target) = health.target(attempt.target)
        && (target.minute.is_some() || candidate.is_some_and(|candidate| is_capped(candidate.caps)))
    {
        target.minute.get_or_insert_default().begin(need, now);
    }
    let mut keys = candidate.into_iter().flat_map(|candidate| &candidate.keys);
    let caps = keys.find(|key| key.key == attempt.key).map(|key| key.caps);
    if let Some(key) = health.key(attempt.key)
        && (key.minute.is_some() || caps.is_some_and(is_capped))
    {
        key.minute.get_or_insert_default().begin(need, now);
    }
    if let Some(pair) = health.pair(attempt.key, attempt.target, now) {
        pair.quota.begin(need, now);
    }
}

/// The head of the answer to a running attempt says this of the limits of its key. Need not be called: [`observe`] may be
/// told instead; an answer that flows for minutes would then keep it from the others.
pub fn told(health: &mut Health, attempt: &Try, started: Tick, limits: &Limits, now: Now) {
    if let Some(pair) = health.pair(attempt.key, attempt.target, now.mono) {
        pair.quota.tell(limits, started, attempt.need(), now.mono);
    }
}

/// An attempt reached its first useful token at `now`; `started` is when [`begin`] was told of it. If it is a probe, what
/// it probes is back from now on, however long the answer takes; its end then counts as any attempt's. For any other
/// attempt, and told again, it changes nothing. Need not be called; [`observe`] must be, after it.
pub fn committed(health: &mut Health, _policy: &Policy, attempt: &Try, started: Tick, now: Now) {
    if !attempt.probe {
        return;
    }
    let host_is_back = health.host(attempt.host).is_some_and(|host| host.committed(started, now.mono));
    if let Some(target) = health.target(attempt.target) {
        if target.breaker.committed(started, now.mono) || host_is_back {
            target.pace.returned(now.mono);
        }
        target.out.committed(started);
    }
    for_key(health, attempt, |out| out.committed(started));
}

/// The first useful token of a stream came at `now`: a stream may take minutes to end, and what its beginning says of the
/// target is known long before. For streamed attempts only; told of all of them or of none (then [`observe`] learns it
/// from [`Seen::Success`]). Beside [`committed`], not in place of it.
pub fn first_token(health: &mut Health, attempt: &Try, started: Tick, now: Now) {
    if let Some(target) = health.target(attempt.target) {
        let beside = target.in_flight.count().saturating_sub(1);
        target.pace.first_token(now.mono.since(started).as_secs_f64(), beside, now.mono);
        target.measures.first_token(now.mono.since(started), now.mono);
    }
}

/// An attempt ended. Must be called exactly once for each [`begin`].
pub fn observe(health: &mut Health, policy: &Policy, observation: &Observation, now: Now, seed: Seed) {
    let Observation { attempt, started, seen, limits, marks } = observation;
    if let Some(target) = health.target(attempt.target) {
        target.in_flight.end();
    }
    if let Some(key) = health.key(attempt.key) {
        key.in_flight.end();
    }
    if let Some(limits) = limits {
        told(health, attempt, *started, limits, now);
    }
    settle(health, observation, now.mono);
    learn(health, observation, now.mono);
    let end = End { breaker: &policy.breaker, attempt, started: *started, now: now.mono, seed };
    match seen {
        Seen::Success { .. } => {
            end.served(health);
            if let Some(mark) = marks.own {
                health.warm.keep(mark, attempt.target, policy.affinity, now.mono);
            }
        }
        Seen::Cancelled { .. } => end.release(health),
        Seen::Failed(fault) => end.failed(health, fault, *limits),
    }
    end.measured(health, seen);
    shift::step(health, policy, now);
}

/// What the end of an attempt says of how its target answers.
fn learn(health: &mut Health, observation: &Observation, now: Tick) {
    let Observation { attempt, started, seen, .. } = observation;
    let Some(target) = health.target(attempt.target) else { return };
    let (beside, took) = (target.in_flight.count(), now.since(*started));
    match seen {
        Seen::Success { timings, usage, streamed, cost: _ } => {
            target.pace.served(timings, usage.as_ref(), *streamed, beside, now);
        }
        Seen::Cancelled { first_token: None } => target.pace.given_up(took, now),
        Seen::Failed(fault) if fault.scope != FaultScope::Request && is_outage(fault.class) => {
            // A stream that broke off had begun in time.
            let waited = (fault.class != FaultClass::Interrupted).then_some(took);
            target.pace.failed(waited, fault.retry_after, *started, now);
        }
        Seen::Cancelled { first_token: Some(_) } | Seen::Failed(_) => {}
    }
}

/// Does it say that the target, or its host, does not work as it should? What a provider says of a credential, an account
/// or a limit is an answer.
const fn is_outage(class: FaultClass) -> bool {
    match class {
        FaultClass::Network
        | FaultClass::Server
        | FaultClass::Overloaded
        | FaultClass::Timeout
        | FaultClass::Empty
        | FaultClass::Protocol
        | FaultClass::Interrupted => true,
        FaultClass::RateLimit
        | FaultClass::Billing
        | FaultClass::Auth
        | FaultClass::Gone
        | FaultClass::BadRequest
        | FaultClass::Context
        | FaultClass::Refusal
        | FaultClass::Cancelled
        | FaultClass::Exhausted
        | FaultClass::Unroutable => false,
    }
}

/// What was set aside for the attempt is given back, and what it used is charged.
fn settle(health: &mut Health, observation: &Observation, now: Tick) {
    let Observation { attempt, started, seen, limits, marks: _ } = observation;
    let (need, used) = (attempt.need(), used(attempt.need(), seen));
    if let Some(minute) = health.target(attempt.target).and_then(|target| target.minute.as_mut()) {
        minute.settle(*started, need, used);
    }
    if let Some(minute) = health.key(attempt.key).and_then(|key| key.minute.as_mut()) {
        minute.settle(*started, need, used);
    }
    if let Some(pair) = health.pairs.get_mut(&(attempt.key, attempt.target)) {
        pair.quota.settle(*started, need, used, limits.is_some(), now);
    }
}

/// What an attempt used of what was set aside for it. A request that was sent is a request, whatever came back; tokens are
/// those the provider names, or what was expected. A refusal uses none. Of an attempt that was given up, the prompt was
/// read; of its answer, only what had come, which nobody counts.
fn used(need: Need, seen: &Seen) -> Used {
    let tokens = match seen {
        Seen::Success { usage: Some(usage), .. } => Need { input: usage.input, output: usage.output },
        Seen::Success { usage: None, .. } => need,
        Seen::Failed(fault) if matches!(fault.phase, Phase::Before | Phase::Connect) => {
            return Used { requests: 0, tokens: Need::default() };
        }
        Seen::Failed(fault) if fault.status.is_some_and(|status| status >= 400) => Need::default(),
        Seen::Failed(_) | Seen::Cancelled { .. } => Need { output: 0, ..need },
    };
    Used { requests: 1, tokens }
}

/// Both what is known of the key and of the key on this model, where there is something.
fn for_key(health: &mut Health, attempt: &Try, change: impl Fn(&mut Out)) {
    if let Some(key) = health.key(attempt.key) {
        change(&mut key.out);
    }
    if let Some(pair) = health.pairs.get_mut(&(attempt.key, attempt.target)) {
        change(&mut pair.out);
    }
}

/// The end of one attempt, or of a heartbeat that is one in all but its caller.
pub(crate) struct End<'a> {
    pub(crate) breaker: &'a BreakerPolicy,
    pub(crate) attempt: &'a Try,
    pub(crate) started: Tick,
    pub(crate) now: Tick,
    pub(crate) seed: Seed,
}

impl End<'_> {
    pub(crate) fn served(&self, health: &mut Health) {
        let host_is_back = self.reached(health);
        if let Some(target) = health.target(self.attempt.target) {
            if target.breaker.succeeded(self.breaker, self.started, self.now) || host_is_back {
                target.pace.returned(self.now);
            }
            target.out.succeeded(self.started);
        }
        for_key(health, self.attempt, |out| out.succeeded(self.started));
    }

    /// What the windows of the target learn.
    fn measured(&self, health: &mut Health, seen: &Seen) {
        let Some(target) = health.target(self.attempt.target) else { return };
        let took = self.now.since(self.started);
        match seen {
            Seen::Success { timings, cost, streamed, .. } => {
                target.measures.served(timings, *cost, *streamed, self.now);
            }
            Seen::Failed(fault) if measures::blames_target(fault.class, fault.scope) => {
                target.measures.failed(fault.class, took, self.now);
            }
            Seen::Failed(_) => {}
            Seen::Cancelled { first_token } => target.measures.stopped(took, *first_token, self.now),
        }
    }

    /// The host answered, whatever it said. Says whether that brought it back.
    fn reached(&self, health: &mut Health) -> bool {
        let host = health.host(self.attempt.host);
        host.is_some_and(|host| host.succeeded(self.breaker, self.started, self.now))
    }

    /// Gives back any probe this attempt still holds.
    fn release(&self, health: &mut Health) {
        if let Some(host) = health.host(self.attempt.host) {
            host.release(self.started);
        }
        if let Some(target) = health.target(self.attempt.target) {
            target.breaker.release(self.started);
            target.out.release(self.started);
        }
        for_key(health, self.attempt, |out| out.release(self.started));
    }

    pub(crate) fn failed(&self, health: &mut Health, fault: &Fault, limits: Option<Limits>) {
        if fault.status.is_some() {
            self.reached(health);
        }
        match fault.class {
            FaultClass::RateLimit => {
                let asked = fault.retry_after.or_else(|| self.whole_in(health, limits?));
                self.mark(health, fault, asked);
                if let Some(target) = health.target(self.attempt.target) {
                    let seed = self.seed.draw("target");
                    target.breaker.stay_open(self.breaker, self.started, self.now, seed);
                }
            }
            FaultClass::Billing | FaultClass::Auth | FaultClass::Gone => self.mark(health, fault, fault.retry_after),
            class if is_outage(class) => self.broken(health, fault),
            _ => {}
        }
        self.release(health);
    }

    /// How long the headers of a refusal ask us to stay away.
    fn whole_in(&self, health: &Health, limits: Limits) -> Option<Duration> {
        let whole = limits.reset()?;
        let pair = health.pairs.get(&(self.attempt.key, self.attempt.target));
        let refilled = pair.and_then(|pair| pair.quota.refilled_in(self.attempt.need(), self.now));
        Some(refilled.map_or(whole, |refilled| refilled.max(REFILL_LEAST).min(whole)))
    }

    /// Counts against the host or the target.
    fn broken(&self, health: &mut Health, fault: &Fault) {
        let breaker = self.breaker;
        match fault.scope {
            FaultScope::Request => {}
            FaultScope::Host => {
                if let Some(host) = health.host(self.attempt.host) {
                    host.failed(breaker, self.started, self.now, self.seed.draw("host"));
                }
            }
            FaultScope::Target | FaultScope::Key | FaultScope::KeyModel => {
                if let Some(target) = health.target(self.attempt.target) {
                    target.breaker.failed(breaker, self.started, self.now, self.seed.draw("target"));
                    if fault.retry_after.is_some() {
                        target.out.mark(FaultClass::Overloaded, fault.retry_after, self.started, self.now);
                    }
                }
            }
        }
    }

    /// Puts out whom the fault blames, on the provider's word.
    fn mark(&self, health: &mut Health, fault: &Fault, asked: Option<Duration>) {
        let Try { target, key, .. } = *self.attempt;
        let out = match fault.scope {
            FaultScope::Request => None,
            FaultScope::Host | FaultScope::Target => health.target(target).map(|known| &mut known.out),
            FaultScope::Key => health.key(key).map(|known| &mut known.out),
            FaultScope::KeyModel => health.pair(key, target, self.now).map(|known| &mut known.out),
        };
        if let Some(out) = out {
            out.mark(fault.class, asked, self.started, self.now);
        }
    }
}

impl Limits {
    /// Until the limit that was hit is whole again. A limit with something left was not hit. Where none says that nothing is
    /// left, it is one of those that do not say, and after the first of their ends a request finds out.
    fn reset(self) -> Option<Duration> {
        let windows = [self.requests, self.tokens, self.input, self.output];
        let ends = |left: Option<u64>| windows.iter().filter(move |window| window.remaining == left);
        let hit = ends(Some(0)).filter_map(|window| window.reset).max();
        hit.or_else(|| ends(None).filter_map(|window| window.reset).min())
    }
}

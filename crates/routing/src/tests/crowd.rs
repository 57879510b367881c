//! Many requests at once, against providers that count: virtual time, one event after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringmain_core::{Fault, FaultClass, Tick};

use super::{World, asks, fault, success};
use crate::{Limits, Observation, Plan, Seen, Step, Stop, Tried, Try, Window, next, observe, plan, told, view};

/// A provider that counts the requests of each key, in windows that begin with a key's first request or in buckets.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    pub(crate) limit: u64,
    pub(crate) window: Duration,
    pub(crate) is_bucket: bool,
    /// Its answers say what is left.
    pub(crate) tells: bool,
    pub(crate) latency: Duration,
    pub(crate) counts: BTreeMap<u32, (Tick, f64)>,
    pub(crate) served: Vec<(u32, Tick)>,
    pub(crate) refused: Vec<(u32, Tick)>,
}

impl Provider {
    pub(crate) fn new(limit: u64, window: Duration) -> Self {
        Self {
            limit,
            window,
            is_bucket: false,
            tells: true,
            latency: Duration::from_millis(200),
            counts: BTreeMap::new(),
            served: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// A request arrives.
    pub(crate) fn asked(&mut self, key: u32, now: Tick) -> (Result<(), Fault>, Option<Limits>) {
        let limit = self.limit as f64;
        let (since, used) = self.counts.entry(key).or_insert((now, 0.0));
        let passed = now.since(*since);
        if self.is_bucket {
            *used = (*used - limit * passed.as_secs_f64() / self.window.as_secs_f64()).max(0.0);
            *since = now;
        } else if passed >= self.window {
            (*since, *used) = (now, 0.0);
        }
        let result = if *used + 1.0 <= limit { Ok(()) } else { Err(fault(FaultClass::RateLimit)) };
        if result.is_ok() {
            *used += 1.0;
        }
        let reset = match self.is_bucket {
            true => self.window.mul_f64(*used / limit),
            false => (*since + self.window).since(now),
        };
        let result = result.map_err(|_| asks(FaultClass::RateLimit, if self.is_bucket { reset / 100 } else { reset }));
        if result.is_ok() { &mut self.served } else { &mut self.refused }.push((key, now));
        let requests =
            Window { limit: Some(self.limit), remaining: Some((limit - *used).max(0.0) as u64), reset: Some(reset) };
        (result, self.tells.then_some(Limits { requests, ..Limits::default() }))
    }

    pub(crate) fn served_by(&self, key: u32) -> usize {
        self.served.iter().filter(|(by, _)| *by == key).count()
    }
}

/// How a request of a crowd ended, and when.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// When the attempt that served it began.
    Served(Tick),
    Stopped(Stop, Tick),
}

/// An attempt that runs, when it began, and what its answer will be.
type Made = (Try, Tick, Result<(), Fault>, Option<Limits>);

#[derive(Debug)]
struct Caller {
    deadline: Tick,
    plan: Option<Plan>,
    tried: Vec<Tried>,
    attempt: Option<Made>,
    fate: Option<Fate>,
}

/// Requests arrive at these times from now on; each ends. The fates are in the order of arrival.
pub(crate) fn crowd(world: &mut World, arrivals: &[Duration], provider: &mut Provider) -> Vec<Fate> {
    let (began, before) = (world.now, world.requests);
    let mut callers = Vec::new();
    let mut events = BTreeSet::new();
    for (at, after) in arrivals.iter().enumerate() {
        let deadline = began + *after + world.time;
        callers.push(Caller { deadline, plan: None, tried: Vec::new(), attempt: None, fate: None });
        events.insert((began + *after, at));
    }
    while let Some((now, at)) = events.pop_first() {
        world.now = now;
        world.requests = before + at as u64 + 1;
        if let Some(again) = callers[at].wake(world, provider) {
            assert!(again > now, "time goes on");
            events.insert((again, at));
        }
    }
    world.requests = before + arrivals.len() as u64;
    callers.into_iter().map(|caller| caller.fate.expect("a request ends")).collect()
}

impl Caller {
    /// Ends what has ended, and says when to come back.
    fn wake(&mut self, world: &mut World, provider: &mut Provider) -> Option<Tick> {
        let (now, seed) = (world.now(), world.seed());
        if let Some((attempt, started, result, limits)) = self.attempt.take() {
            let seen = result.clone().map_or_else(Seen::Failed, |()| success());
            let observation = Observation { attempt, started, seen, limits, marks: Default::default() };
            observe(&mut world.health, &world.policy, &observation, now, seed);
            let Err(fault) = result else {
                self.fate = Some(Fate::Served(started));
                return None;
            };
            let (candidate, key, ended) = (attempt.candidate, attempt.key, Some(now.mono));
            self.tried.push(Tried { candidate, key, result: Some(fault), started, ended, hedge: false });
        }
        let known = view(&world.health, &world.policy, Some(&world.facts), now);
        let decided = self.plan.get_or_insert_with(|| plan(&world.policy, &world.facts, &known, now, seed));
        match next(&world.policy, decided, &self.tried, &known, now, self.deadline, seed) {
            Step::Wait { until } => Some(until),
            Step::Stop(stop) => {
                self.fate = Some(Fate::Stopped(stop, now.mono));
                None
            }
            Step::Try(attempt) => {
                let started = world.begin(&attempt, self.tried.is_empty());
                let (result, limits) = provider.asked(attempt.key.0, started);
                self.attempt = Some((attempt, started, result, limits));
                Some(started + provider.latency)
            }
        }
    }
}

/// One attempt of a request on its own, told of what its head says.
pub(crate) fn tell(world: &mut World, limits: &Limits) {
    let known = view(&world.health, &world.policy, Some(&world.facts), world.now());
    let decided = world.plan();
    let step = next(&world.policy, &decided, &[], &known, world.now(), world.now + world.time, world.seed());
    let Step::Try(attempt) = step else { panic!("{step:?}") };
    let started = world.begin(&attempt, true);
    let now = world.now();
    told(&mut world.health, &attempt, started, limits, now);
    world.end(attempt, started, success());
}

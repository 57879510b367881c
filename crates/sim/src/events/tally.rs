//! What is counted in a run.

use std::collections::BTreeMap;
use std::time::Duration;

use ringmain_core::{FaultClass, Money, Tick};
use ringmain_routing::{Seen, TargetIx};

use super::times::Times;
use super::world::{Effect, World};

/// Parts the time of a run is cut into.
const SLICES: usize = 120;
/// A target has left when its share of first attempts is below this part of what it was…
const LEFT: f64 = 0.25;
/// …and is back when it is above this part.
const BACK: f64 = 0.75;
/// Shares are measured over so many requests that this many of them would be the target's.
const MEASURED: f64 = 20.0;

/// The counts of one run.
#[derive(Debug)]
pub struct Tally {
    /// Requests.
    pub arrived: u64,
    /// Whole answers.
    pub served: u64,
    /// Errors, by what the caller was told.
    pub failures: BTreeMap<&'static str, u64>,
    /// Callers who left.
    pub left: u64,
    /// Upstream attempts.
    pub attempts: u64,
    /// What answers cost, broken ones included.
    pub cost: Money,
    /// Answers whose price is not known.
    pub unpriced: u64,
    /// From arrival to the first useful token.
    pub first_token: Times,
    /// From arrival to the end of the answer.
    pub whole: Times,
    /// By [`TargetIx`].
    pub targets: Vec<TargetTally>,
    /// By time of arrival.
    pub slices: Vec<Slice>,
    /// Requests by the second they arrived in, and the attempts made for them.
    pub seconds: Vec<(u32, u32)>,
    length: Duration,
    firsts: Vec<(Tick, TargetIx)>,
}

/// The counts of one target.
#[derive(Debug, Clone, Default)]
pub struct TargetTally {
    /// `provider/model`.
    pub name: String,
    /// Attempts.
    pub attempts: u64,
    /// First attempts of their requests.
    pub firsts: u64,
    /// Requests it served.
    pub served: u64,
    /// Attempts it failed.
    pub failed: u64,
    /// Of them: 429.
    pub limited: u64,
    /// What its answers cost.
    pub cost: Money,
    /// The times in which something was wrong with it, on every key.
    pub hurt: Vec<(Tick, Tick)>,
    /// All that was wrong was its price.
    pub priced: bool,
    /// Attempts begun in those times, if more than its price was wrong.
    pub attempts_hurt: u64,
    /// How traffic went away and came back; `None` where it was never hurt, or had no traffic before.
    pub moved: Option<Move>,
}

/// How traffic followed a target's troubles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// From the beginning of the first trouble until it had lost three quarters of its share; `None`: it did not.
    pub left: Option<Duration>,
    /// From the end of the last until it had three quarters of it again; `None`: not before the end.
    pub back: Option<Duration>,
}

/// One part of the time.
#[derive(Debug, Clone)]
pub struct Slice {
    /// Requests that arrived.
    pub arrived: u64,
    /// Of them, served.
    pub served: u64,
    /// Of them, failed.
    pub failed: u64,
    /// Attempts made for them.
    pub attempts: u64,
    /// Of them, served by each target.
    pub by_target: Vec<u64>,
    /// Their times to the first useful token.
    pub first_token: Times,
}

impl Tally {
    pub(super) fn new(world: &World) -> Self {
        let slice = Slice {
            arrived: 0,
            served: 0,
            failed: 0,
            attempts: 0,
            by_target: vec![0; world.targets.len()],
            first_token: Times::default(),
        };
        let targets = world.targets.iter().map(|target| {
            let episodes = target.episodes.iter().filter(|episode| episode.key.is_none());
            let end = Tick::ZERO + world.length;
            let hurt =
                episodes.filter(|episode| episode.from < end).map(|episode| (episode.from, episode.until.min(end)));
            let priced = target.episodes.iter().all(|episode| matches!(episode.effect, Effect::Price(_)));
            TargetTally { name: target.name.clone(), hurt: merged(hurt.collect()), priced, ..TargetTally::default() }
        });
        let seconds = usize::try_from(world.length.as_secs()).unwrap_or(0).min(7 * 86_400) + 1;
        Self {
            arrived: 0,
            served: 0,
            failures: BTreeMap::new(),
            left: 0,
            attempts: 0,
            cost: Money::ZERO,
            unpriced: 0,
            first_token: Times::default(),
            whole: Times::default(),
            targets: targets.collect(),
            slices: vec![slice; SLICES],
            seconds: vec![(0, 0); seconds],
            length: world.length,
            firsts: Vec::new(),
        }
    }

    /// How much time a slice is.
    #[must_use]
    pub fn slice(&self) -> Duration {
        self.length / u32::try_from(SLICES).unwrap_or(1)
    }

    /// Requests that ended with an error.
    #[must_use]
    pub fn failed_requests(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Attempts for each request that arrived within these times; 0 where none did.
    #[must_use]
    pub fn attempts_per_request(&self, from: Duration, until: Duration) -> f64 {
        let whole = |time: Duration| usize::try_from(time.as_secs()).unwrap_or(usize::MAX).min(self.seconds.len());
        let seconds = self.seconds.get(whole(from)..whole(until)).unwrap_or_default();
        let (requests, attempts) = seconds.iter().fold((0_u64, 0_u64), |(requests, attempts), second| {
            (requests + u64::from(second.0), attempts + u64::from(second.1))
        });
        share(attempts, requests)
    }

    /// The same of the worst minute.
    #[must_use]
    pub fn worst_minute(&self) -> f64 {
        let minutes = 0..=self.seconds.len() as u64 / 60;
        let of = |minute: u64| {
            let from = Duration::from_secs(minute * 60);
            self.attempts_per_request(from, from + Duration::from_secs(60))
        };
        minutes.map(of).fold(0.0, f64::max)
    }

    /// The first attempts of all requests, by time.
    #[must_use]
    pub fn firsts(&self) -> &[(Tick, TargetIx)] {
        &self.firsts
    }

    fn at(&mut self, arrived: Tick) -> Option<&mut Slice> {
        let width = self.slice().as_nanos().max(1);
        let at = u128::from(arrived.0) / width;
        self.slices.get_mut(usize::try_from(at).unwrap_or(usize::MAX).min(SLICES - 1))
    }

    fn second(&mut self, arrived: Tick) -> Option<&mut (u32, u32)> {
        self.seconds.get_mut(usize::try_from(arrived.0 / 1_000_000_000).unwrap_or(usize::MAX))
    }

    pub(super) fn arrived(&mut self, now: Tick) {
        self.arrived += 1;
        if let Some(second) = self.second(now) {
            second.0 += 1;
        }
        if let Some(slice) = self.at(now) {
            slice.arrived += 1;
        }
    }

    /// An attempt begins, the `index`th of a request that arrived at `arrived`.
    pub(super) fn began(&mut self, arrived: Tick, now: Tick, target: TargetIx, index: usize) {
        self.attempts += 1;
        if let Some(second) = self.second(arrived) {
            second.1 += 1;
        }
        if let Some(slice) = self.at(arrived) {
            slice.attempts += 1;
        }
        if index == 0 {
            self.firsts.push((now, target));
        }
        if let Some(counts) = self.targets.get_mut(target.0 as usize) {
            counts.attempts += 1;
            counts.firsts += u64::from(index == 0);
            counts.attempts_hurt +=
                u64::from(!counts.priced && counts.hurt.iter().any(|(from, until)| *from <= now && now < *until));
        }
    }

    pub(super) fn ended(&mut self, target: TargetIx, seen: &Seen) {
        if let (Some(counts), Seen::Failed(fault)) = (self.targets.get_mut(target.0 as usize), seen) {
            counts.failed += 1;
            counts.limited += u64::from(fault.class == FaultClass::RateLimit);
        }
    }

    pub(super) fn paid(&mut self, target: TargetIx, cost: Option<Money>) {
        let Some(cost) = cost else {
            self.unpriced += 1;
            return;
        };
        self.cost += cost;
        if let Some(counts) = self.targets.get_mut(target.0 as usize) {
            counts.cost += cost;
        }
    }

    /// `times`: from the arrival to the first useful token, and to the end.
    pub(super) fn served(&mut self, arrived: Tick, target: TargetIx, times: [Duration; 2]) {
        self.served += 1;
        let [first, whole] = times;
        self.first_token.add(first);
        self.whole.add(whole);
        if let Some(slice) = self.at(arrived) {
            slice.served += 1;
            slice.first_token.add(first);
            if let Some(count) = slice.by_target.get_mut(target.0 as usize) {
                *count += 1;
            }
        }
        if let Some(counts) = self.targets.get_mut(target.0 as usize) {
            counts.served += 1;
        }
    }

    pub(super) fn failed(&mut self, arrived: Tick, class: &'static str) {
        *self.failures.entry(class).or_default() += 1;
        if let Some(slice) = self.at(arrived) {
            slice.failed += 1;
        }
    }

    pub(super) const fn left(&mut self) {
        self.left += 1;
    }

    /// Everything has ended.
    pub(super) fn close(&mut self) {
        for (at, counts) in self.targets.iter_mut().enumerate() {
            if let (Some(first), Some(last)) = (counts.hurt.first(), counts.hurt.last()) {
                counts.moved = moved(&self.firsts, at, first.0, last.1);
            }
        }
    }
}

/// How the share of a target among first attempts went down from `from` on, and up from `until` on.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
fn moved(firsts: &[(Tick, TargetIx)], target: usize, from: Tick, until: Tick) -> Option<Move> {
    let index = |tick: Tick| firsts.partition_point(|(at, _)| *at < tick);
    let hits = |range: &[(Tick, TargetIx)]| range.iter().filter(|(_, to)| to.0 as usize == target).count();
    let (start, end) = (index(from), index(until));
    let before = firsts.get(..start)?;
    let usual = share(hits(before) as u64, before.len() as u64);
    if usual <= 0.0 {
        return None;
    }
    let window = ((MEASURED / usual).ceil() as usize).max(1);
    // The first stretch of `window` requests, beginning in `begin..end`, of which the target's part passes `test`.
    let first = |begin: usize, end: usize, test: &dyn Fn(f64) -> bool| {
        let mut now = hits(firsts.get(begin..begin + window)?);
        for at in begin..end {
            if test(now as f64 / (usual * window as f64)) {
                return firsts.get(at).map(|(tick, _)| *tick);
            }
            let (leaves, comes) = (firsts.get(at)?, firsts.get(at + window)?);
            now = now + usize::from(comes.1.0 as usize == target) - usize::from(leaves.1.0 as usize == target);
        }
        None
    };
    let left = first(start, end, &|part| part <= LEFT);
    let back = first(end, firsts.len(), &|part| part >= BACK);
    Some(Move { left: left.map(|at| at.since(from)), back: back.map(|at| at.since(until)) })
}

/// Spans of time that touch become one.
fn merged(mut spans: Vec<(Tick, Tick)>) -> Vec<(Tick, Tick)> {
    spans.sort_unstable();
    let mut merged: Vec<(Tick, Tick)> = Vec::new();
    for (from, until) in spans {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            _ => merged.push((from, until)),
        }
    }
    merged
}

/// `part` of `whole`; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts")]
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

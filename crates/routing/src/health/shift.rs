//! `shift`: weight moves away from a target that measures worse than a bound, and comes back when it measures well.
//!
//! *What an operator expects* who writes "50/50, but if either's latency exceeds 2 seconds, shift weight to the faster
//! one":
//! - While both are within 2 s, or both are equally slow, the weights hold as they are written.
//! - When one is slower than 2 s and another is clearly faster, the faster one gets nearly all, soon; also when both are
//!   slower than 2 s. Nearly: the slow one keeps a small share, to be seen when it recovers.
//! - One slow answer moves nothing. A target that is at 2 s, now a little over, now a little under, does not make
//!   traffic swing to and fro.
//! - When the slow one has been fast again for a while, it gets its weight back, little by little.
//! - A target nobody has heard of for long is not held back for ever.
//!
//! **The controller.** Each target of a route has a factor of its weight, 1 when all is well. Once for each tenth of the
//! window it may take one step (several at once when nothing was asked for so long).
//! - *Down* by a quarter: it measures beyond the bound, and clearly worse than the best of its tier, over five answers
//!   at least of which three are beyond. Four steps move all of it, within half a window.
//! - *Up* by a tenth of what it has: it measures well inside the bound (0.8 of it), or no worse than the best, and has
//!   for half a window. From a floor of 5 % that takes three windows, so slowly that a target that is slow under load and
//!   fast without is caught on the way, where its latency is between 0.8 of the bound and the bound:
//! - *Nothing* there. That gap keeps a target on the threshold, or one whose latency depends on its share, from swinging.
//!
//! Only while another is on its way down the better ones go up as fast: the weight must go somewhere.
//!
//! **A return that did not last** makes the wait before the next four times as long, and later steps, down and up, smaller:
//! what swings is damped. Ten windows with all of its weight make up for it.
//!
//! **Chance.** Quantiles of few answers differ by chance: two equal targets that are both beyond the bound must differ by
//! more, the fewer their answers are, before one is called worse; and no worse is one that is better by as much. If the best
//! is well inside the bound there is no doubt, and no such allowance.
//!
//! **Few answers.** A target that is held back gets few; two beyond the bound are then enough to hold it, and it
//! comes back at less than half the speed until enough good ones were heard. Without any it rises too, until there are
//! some. Its last value is remembered while it is held, so that a slow target that was long not heard is not taken for a
//! better one. A peer of which nothing was ever measured is taken for better where nothing else is: the next target of
//! `balance: order` is one.
//!
//! The constants are checked in `tests/shift.rs`: by a step from fast to slow, by latencies that wander about the bound,
//! by latencies that follow the load, and by little traffic.

use std::time::Duration;

use ringmain_core::{Now, Tick};
use serde::{Deserialize, Serialize};

use super::Health;
use super::measures::{Asked, Form, Reading};
use super::quantile::{SLICES, as_float, slice_of};
use crate::{Balance, Candidate, Measure, Policy, Shift, Standing, Stat, TargetIx, view};

/// What one step takes away.
const DOWN: f64 = 0.25;
/// What one step gives back: so much more than it has.
const UP: f64 = 1.1;
/// The same to a target of which little or nothing is heard.
const UP_UNSURE: f64 = 1.04;
/// The least that is given back, where the floor is lower.
const LEAST: f64 = 0.02;
/// With this much of its weight a target has begun to return.
const RETURNED: f64 = 0.15;
/// A return that did not last makes the wait before the next so many times as long…
const PATIENCE: f64 = 4.0;
/// …up to so many times.
const MOST_RELAPSES: u32 = 3;
/// So many windows with all of its weight make up for it.
const FORGIVEN: u32 = 10;
/// Answers that are enough to move weight away…
const ENOUGH: u64 = 5;
/// …of which so many are beyond the bound.
const ENOUGH_BEYOND: u64 = 3;
/// So many beyond the bound are enough where there are fewer, of a target that is held back already.
const ENOUGH_HELD: u64 = 2;
/// The most answers that are asked for before a target is taken to be well.
const SURE: u64 = 20;
/// A target comes back when it is inside this share of the bound.
const WELL_INSIDE: f64 = 0.8;
/// Worse than the best by more than this is clearly worse, if the best is inside the bound…
const CLEARLY: f64 = 1.25;
/// …else by as much more as two measures of so few answers may differ by chance: times the root of `1/n + 1/m`…
const CHANCE: f64 = 0.8;
/// …and by less than this no worse.
const HARDLY: f64 = 1.1;
/// First tokens are judged by the streams where they are at least this share of the answers.
const STREAMS: f64 = 0.2;

/// How `shift` stands for the targets of one route.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ShiftHealth {
    /// When the last step was.
    at: Option<Tick>,
    /// In the order of the candidates.
    places: Vec<Place>,
}

/// One target.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    target: TargetIx,
    /// What is left of its weight.
    left: f64,
    value: Option<f64>,
    samples: u64,
    /// When it began to be held back.
    since: Option<Tick>,
    /// When it last measured other than well.
    uneasy: Tick,
    /// Answers heard before that.
    heard: u64,
    /// When it last had all of its weight.
    whole: Tick,
    /// It has begun to return since it last lost something.
    rises: bool,
    /// Returns that did not last.
    relapses: u32,
}

/// How `shift` sees one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ShiftRow {
    /// What it measures: seconds, a share of 1, or dollars; `None`: nothing was measured in the window.
    pub value: Option<f64>,
    /// Answers in the window that this was measured from; 0: it is what was last measured.
    pub samples: u64,
    /// Since when it is held back; `None`: it has all of its weight.
    pub since: Option<Tick>,
}

impl ShiftHealth {
    /// What is left of the weight of the candidate at `at`, and why.
    pub(crate) fn row(&self, at: usize, target: TargetIx) -> Option<(f64, ShiftRow)> {
        let place = self.place(at, target)?;
        Some((place.left, ShiftRow { value: place.value, samples: place.samples, since: place.since }))
    }

    fn place(&self, at: usize, target: TargetIx) -> Option<&Place> {
        match self.places.get(at) {
            Some(place) if place.target == target => Some(place),
            // The route was reloaded with other candidates, and no step was made since.
            _ => self.places.iter().find(|place| place.target == target),
        }
    }

    /// Is a step due?
    fn is_due(&self, over: Duration, now: Tick) -> bool {
        self.at.is_none_or(|at| now.since(at) >= slice_of(over))
    }
}

/// Steps, if a step is due. Cheap when none is.
pub(crate) fn step(health: &mut Health, policy: &Policy, now: Now) {
    let Some(shift) = &policy.shift else { return };
    let Some(route) = health.route(&policy.route, now.mono) else { return };
    if !route.shift.is_due(shift.over, now.mono) {
        return;
    }
    // Taken out, so that health can be read meanwhile: what is read there is only who is in service.
    let mut state = std::mem::take(&mut route.shift);
    let due = state.at.map_or(1, |at| now.mono.since(at).as_nanos() / slice_of(shift.over).as_nanos().max(1));
    state.at = Some(now.mono);
    let asked = Asked { measure: shift.measure, over: shift.over, bound: shift.bound };
    for candidate in &policy.candidates {
        if let Some(target) = health.target(candidate.target) {
            target.measures.ask(asked, now.mono);
        }
    }
    let peers = peers(health, policy, &state, now);
    let steps = u32::try_from(due.clamp(1, u128::from(SLICES))).map_or(1.0, f64::from);
    let controller = Controller { shift, steps, in_order: policy.balance == Balance::Order, now: now.mono };
    state.places = controller.stepped(&peers);
    if let Some(route) = health.route(&policy.route, now.mono) {
        route.shift = state;
    }
}

/// One candidate at one step.
struct Peer {
    tier: u8,
    /// It is in service and gets weight: the others may be compared with it.
    counts: bool,
    reading: Option<Reading>,
    place: Place,
}

/// The candidates as they stand now.
fn peers(health: &Health, policy: &Policy, state: &ShiftHealth, now: Now) -> Vec<Peer> {
    let Some(shift) = &policy.shift else { return Vec::new() };
    let asked = Asked { measure: shift.measure, over: shift.over, bound: shift.bound };
    let measures = |target: TargetIx| health.targets.get(target.0).map(|known| &known.measures);
    let form = match shift.measure {
        Measure::FirstToken => {
            let forms =
                policy.candidates.iter().filter_map(|it| measures(it.target)).map(|it| it.forms(asked, now.mono));
            let (streamed, plain) = forms.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
            if as_float(streamed) < STREAMS * as_float(streamed + plain) { Form::Plain } else { Form::Streamed }
        }
        Measure::Latency | Measure::ErrorRate | Measure::Cost => Form::Streamed,
    };
    let known = view(health, policy, None, now);
    let peer = |(at, candidate): (usize, &Candidate)| {
        let target = candidate.target;
        let is_out = known.rows.get(at).is_some_and(|row| matches!(row.standing, Standing::Out(_)));
        let has_weight = policy.balance == Balance::Order || candidate.weight > 0.0;
        let fresh = Place {
            target,
            left: 1.0,
            value: None,
            samples: 0,
            since: None,
            uneasy: now.mono,
            heard: 0,
            whole: Tick::ZERO,
            rises: false,
            relapses: 0,
        };
        Peer {
            tier: candidate.tier,
            counts: has_weight && !is_out,
            reading: measures(target).and_then(|it| it.read(asked, shift.stat, shift.above, form, now.mono)),
            place: state.place(at, target).copied().unwrap_or(fresh),
        }
    };
    policy.candidates.iter().enumerate().map(peer).collect()
}

/// What a target is to do at this step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    Down,
    /// Neither good nor bad.
    Hold,
    /// It is well, or nothing was heard of it for a window.
    Up,
    /// It cannot be compared.
    Rest,
}

struct Controller<'a> {
    shift: &'a Shift,
    /// Tenths of the window since the last step; 1 or more.
    steps: f64,
    in_order: bool,
    now: Tick,
}

/// A value, and of how many answers it is.
#[derive(Debug, Clone, Copy)]
struct Known {
    value: f64,
    samples: u64,
}

impl Peer {
    /// What it measures, or last measured while it is held back.
    fn known(&self) -> Option<Known> {
        match self.reading {
            Some(Reading { value, samples, .. }) => Some(Known { value, samples }),
            None if self.place.left < 1.0 => self.place.value.map(|value| Known { value, samples: ENOUGH }),
            None => None,
        }
    }
}

impl Controller<'_> {
    fn stepped(&self, peers: &[Peer]) -> Vec<Place> {
        let moves: Vec<_> = (0..peers.len()).map(|at| self.judged(peers, at)).collect();
        let places = peers.iter().zip(&moves).map(|(peer, step)| {
            let falls = |(other, step): (&Peer, &Move)| other.tier == peer.tier && *step == Move::Down;
            let is_rushed = peers.iter().zip(&moves).any(falls);
            self.moved(peer, *step, is_rushed)
        });
        places.collect()
    }

    fn judged(&self, peers: &[Peer], at: usize) -> Move {
        let Some(peer) = peers.get(at) else { return Move::Rest };
        let others = || peers.iter().enumerate().filter(|(i, it)| *i != at && it.tier == peer.tier && it.counts);
        if !peer.counts || others().next().is_none() {
            return Move::Rest;
        }
        let Some(Reading { value, samples, beyond, .. }) = peer.reading else { return Move::Up };
        let best = others().filter_map(|(_, it)| it.known()).min_by(|a, b| self.compare(a.value, b.value));
        // Where weights are written, whoever can serve is heard soon; where there is an order, the next one is not.
        let unheard = others().any(|(_, it)| it.known().is_none()) && (best.is_none() || self.in_order);
        let is_held = peer.place.left < 1.0;
        let is_enough = if samples >= ENOUGH { beyond >= ENOUGH_BEYOND } else { is_held && beyond >= ENOUGH_HELD };
        let chance = |best: Known| (CHANCE * (1.0 / as_float(samples) + 1.0 / as_float(best.samples)).sqrt()).exp();
        let is_worse = |best: Known| {
            let by = match (self.is_well_inside(best.value), self.is_beyond(best.value)) {
                (true, _) => CLEARLY,
                (false, false) => CLEARLY * chance(best).sqrt(),
                (false, true) => CLEARLY * chance(best),
            };
            self.is_worse(value, best.value, by)
        };
        if self.is_beyond(value) && is_enough && (unheard || best.is_some_and(is_worse)) {
            return Move::Down;
        }
        let is_no_worse = !unheard && best.is_some_and(|best| !self.is_worse(value, best.value, HARDLY / chance(best)));
        if self.is_well_inside(value) || is_no_worse { Move::Up } else { Move::Hold }
    }

    fn moved(&self, peer: &Peer, step: Move, is_rushed: bool) -> Place {
        let mut place = peer.place;
        place.samples = peer.reading.map_or(0, |reading| reading.samples);
        place.value = peer.known().map(|known| known.value);
        match step {
            Move::Down => self.fall(&mut place),
            Move::Up if place.left < 1.0 => self.rise(&mut place, peer.reading, is_rushed),
            Move::Up | Move::Hold | Move::Rest => {}
        }
        if matches!(step, Move::Down | Move::Hold) {
            place.uneasy = self.now;
            place.heard = peer.reading.map_or(place.heard, |reading| reading.heard);
        }
        place.since = if place.left < 1.0 { place.since.or(Some(self.now)) } else { None };
        place
    }

    fn fall(&self, place: &mut Place) {
        let is_forgiven = place.left >= 1.0 && self.now.since(place.whole) >= self.shift.over * FORGIVEN;
        place.relapses = match (place.rises, is_forgiven) {
            (_, true) => 0,
            (true, false) => (place.relapses + 1).min(MOST_RELAPSES),
            (false, false) => place.relapses,
        };
        place.rises = false;
        place.left = (place.left - self.down(place)).max(0.0);
    }

    fn rise(&self, place: &mut Place, reading: Option<Reading>, is_rushed: bool) {
        // The count begins anew with the window: after a reload it may be below what was noted.
        let is_sure = reading.is_some_and(|Reading { heard, .. }| {
            place.heard = place.heard.min(heard);
            heard - place.heard >= self.sure()
        });
        let wait = if is_sure { self.shift.over / 2 } else { self.shift.over };
        let wait = wait.mul_f64(PATIENCE.powi(i32::try_from(place.relapses).unwrap_or_default()));
        if is_rushed {
            place.left += self.down(place);
        } else if self.now.since(place.uneasy) >= wait {
            let rate = if is_sure { UP } else { UP_UNSURE };
            place.left =
                place.left.max(self.shift.floor).max(LEAST) * rate.powf(self.steps / f64::from(1 + place.relapses));
        } else {
            return;
        }
        // A little more, to hear something of it, is no return.
        place.rises |= place.left >= RETURNED;
        if place.left >= 1.0 {
            place.left = 1.0;
            place.whole = self.now;
        }
    }

    /// What goes at once: half as much after each return that did not last.
    fn down(&self, place: &Place) -> f64 {
        DOWN * self.steps / f64::from(1_u32 << place.relapses.min(31))
    }

    /// Answers that are enough to be sure that a target is well: one of them would be beyond the bound.
    fn sure(&self) -> u64 {
        match self.shift.stat {
            Stat::Mean => ENOUGH,
            Stat::Percentile(p) => (100 / u64::from(100_u8.saturating_sub(p)).max(1)).clamp(ENOUGH, SURE),
        }
    }

    /// The better one first.
    fn compare(&self, a: f64, b: f64) -> std::cmp::Ordering {
        if self.shift.above { a.total_cmp(&b) } else { b.total_cmp(&a) }
    }

    fn is_beyond(&self, value: f64) -> bool {
        if self.shift.above { value > self.shift.bound } else { value < self.shift.bound }
    }

    fn is_well_inside(&self, value: f64) -> bool {
        // A billionth for rounding: a bucket ends exactly here.
        let (value, bound) = (value * (1.0 - 1e-9), self.shift.bound);
        if self.shift.above { value <= bound * WELL_INSIDE } else { value * WELL_INSIDE >= bound }
    }

    fn is_worse(&self, value: f64, best: f64, by: f64) -> bool {
        if self.shift.above { value > best * by } else { value * by < best }
    }
}

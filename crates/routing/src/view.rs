//! What is known of a route's candidates at one moment, copied out of [`Health`] so that nothing is held while deciding.

use std::time::Duration;

use ringmain_core::{Now, RequestFacts, Tick, sparse};
use serde::{Deserialize, Serialize};

use crate::balance::peers;
use crate::health::breaker::Admission;
use crate::health::hedge::HedgeHealth;
use crate::health::measures::Form;
use crate::health::quota::{Need, Room};
use crate::health::retry_budget::Account;
use crate::health::shift::ShiftRow;
use crate::{Candidate, Health, KeyIx, KeyRef, Policy, Reason, TargetIx, fit};

/// The candidates of one policy as they stand.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct View {
    pub(crate) rows: Vec<Row>,
    pub(crate) keys: Vec<KeyRow>,
    pub(crate) turn: u64,
    pub(crate) offset: u64,
    pub(crate) budget: f64,
    /// Where this conversation is warm.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub(crate) warm: Option<TargetIx>,
    /// Hedges this route may still make now.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub(crate) hedges: f64,
}

/// One candidate. What is as usual is not written down: records are kept by the million.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Target, host and keys together.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub standing: Standing,
    /// The target and its host alone.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub place: Standing,
    /// Failing enough that a retry sent here may only add to its load.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub suspect: bool,
    /// Below 1 while it returns from an outage.
    #[serde(default = "sparse::all", skip_serializing_if = "sparse::is_all")]
    pub ramp: f64,
    /// Attempts running now, of all routes.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub in_flight: u32,
    /// How it answers, as far as that is known.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub pace: Pace,
    /// What `shift` leaves of its weight: 1 is all.
    #[serde(default = "sparse::all", skip_serializing_if = "sparse::is_all")]
    pub shifted: f64,
    /// What `shift` measures of it; `None` on a route without, or before its first request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<ShiftRow>,
    /// Without a useful token for so long, an attempt is slower than usual; `None`: not known, or nobody asks.
    #[serde(with = "ringmain_core::time::nanos", default, skip_serializing_if = "Option::is_none")]
    pub late: Option<Duration>,
    /// What a comparison with the others of its tier leaves of its weight.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub peers: Peers,
    /// Tokens that this request is expected to use there.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub(crate) need: Need,
    /// For an even pace under its caps, not before.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub(crate) paced: Option<Tick>,
    /// It may be sent, but is larger than what the caps ever allow: where nothing else is left.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub(crate) strained: bool,
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub(crate) first_key: usize,
    pub(crate) end_key: usize,
}

/// How a target answers: what strategies compare. `None`: not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pace {
    /// Expected seconds to the first useful token; jumps up at once, comes down slowly.
    #[serde(skip_serializing_if = "sparse::is_usual")]
    pub first_token: Option<f64>,
    /// Mean seconds to the first useful token over the last minute, failures aside.
    #[serde(skip_serializing_if = "sparse::is_usual")]
    pub recent: Option<f64>,
    /// The same over the last half hour: what is normal for it.
    #[serde(skip_serializing_if = "sparse::is_usual")]
    pub normal: Option<f64>,
    /// Expected seconds for each output token after the first.
    #[serde(skip_serializing_if = "sparse::is_usual")]
    pub per_token: Option<f64>,
    /// Expected output tokens of an answer.
    #[serde(skip_serializing_if = "sparse::is_usual")]
    pub output: Option<f64>,
    /// Expected share of the input that is read from the provider's prompt cache.
    #[serde(skip_serializing_if = "sparse::is_usual")]
    pub cached: Option<f64>,
    /// Expected share of attempts that fail.
    #[serde(skip_serializing_if = "sparse::is_usual")]
    pub failing: f64,
    /// Failures since its last answer.
    #[serde(skip_serializing_if = "sparse::is_usual")]
    pub in_a_row: u32,
    /// Answers it is judged from, recent ones counting more.
    #[serde(skip_serializing_if = "sparse::is_usual")]
    pub answers: f64,
    /// The most attempts that ran beside one whose first token came, recent ones counting more.
    #[serde(skip_serializing_if = "sparse::is_usual")]
    pub beside: f64,
    /// Seconds since something was last learned of its first token.
    #[serde(skip_serializing_if = "sparse::is_usual")]
    pub idle: Option<f64>,
}

/// What is left of a target's share since it does far worse than its peers: 1 is all. See `balance/peers.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Peers {
    /// For how often it fails.
    pub failing: f64,
    /// For how long its first token takes.
    pub slow: f64,
}

impl Default for Peers {
    fn default() -> Self {
        Self { failing: 1.0, slow: 1.0 }
    }
}

/// One credential of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KeyRow {
    /// The credential.
    pub key: KeyIx,
    /// Its share, relative to the others'.
    #[serde(default = "sparse::all", skip_serializing_if = "sparse::is_all")]
    pub weight: f64,
    /// Can it be used for this candidate?
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub standing: Standing,
    /// The scarcest of its limits: what is left of it, from 0 to 1. 1 where none is known.
    #[serde(default = "sparse::all", skip_serializing_if = "sparse::is_all")]
    pub left: f64,
    /// For an even pace, not before.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub(crate) paced: Option<Tick>,
    /// It does not fit, but only by an estimate: where nothing else is left.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub(crate) strained: bool,
}

/// Can it be used?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Yes.
    #[default]
    Ready,
    /// By one request, to find out.
    Probe,
    /// No.
    Out(Reason),
}

impl View {
    /// One row for each candidate, in file order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The credentials of the candidate at `position`.
    #[must_use]
    pub fn keys(&self, position: usize) -> &[KeyRow] {
        self.rows.get(position).and_then(|row| self.keys.get(row.first_key..row.end_key)).unwrap_or_default()
    }

    /// Retries this route may still make now.
    #[must_use]
    pub const fn budget(&self) -> f64 {
        self.budget
    }

    /// Tells the plan what only the caller knows of the candidate at `position`, such as [`Reason::Unserved`].
    /// Only the view given to [`crate::plan`] needs it.
    pub fn exclude(&mut self, position: usize, reason: Reason) {
        if let Some(row) = self.rows.get_mut(position) {
            row.standing = Standing::Out(reason);
        }
    }
}

impl View {
    /// Tells the decision that of the credentials of the candidate at `position` only this one will do. A row without it
    /// stays as it is. Every view of such a request needs it: credentials are chosen for each attempt.
    pub fn only_key(&mut self, position: usize, key: KeyIx) {
        let Some(row) = self.rows.get_mut(position) else { return };
        let Some(keys) = self.keys.get_mut(row.first_key..row.end_key) else { return };
        let Some(standing) = keys.iter().find(|known| known.key == key).map(|known| known.standing) else { return };
        for other in keys.iter_mut().filter(|known| known.key != key) {
            other.standing = Standing::Out(Reason::Pinned);
        }
        // What is known of the candidate already may be worse than its place and the key.
        if !matches!(row.standing, Standing::Out(reason) if reason.is_lasting()) {
            row.standing = row.place.and(standing);
        }
    }
}

/// Copies what is known of the candidates of `policy`, and of them for the request of these `facts`; without facts, as for
/// a request that needs nothing in particular.
#[must_use]
pub fn view(health: &Health, policy: &Policy, facts: Option<&RequestFacts>, now: Now) -> View {
    let route = health.routes.get(&policy.route);
    let mut view = View {
        rows: Vec::with_capacity(policy.candidates.len()),
        keys: Vec::with_capacity(policy.candidates.iter().map(|candidate| candidate.keys.len()).sum()),
        turn: route.map_or(0, |route| route.turn),
        offset: health.offset,
        budget: match route {
            Some(route) => route.budget.balance(&policy.retry_budget, now.mono),
            None => Account::default().balance(&policy.retry_budget, now.mono),
        },
        warm: facts.and_then(|facts| health.warm.find(&facts.marks.earlier, now.mono)),
        hedges: 0.0,
    };
    for candidate in &policy.candidates {
        let row = row(health, policy, candidate, facts, now, &mut view.keys);
        view.rows.push(row);
    }
    if let Some(shift) = policy.shift.and(route).map(|route| &route.shift) {
        for (at, (row, candidate)) in view.rows.iter_mut().zip(&policy.candidates).enumerate() {
            if let Some((left, shift)) = shift.row(at, candidate.target) {
                (row.shifted, row.shift) = (left, Some(shift));
            }
        }
    }
    if let Some(hedge) = &policy.hedge {
        let form = if facts.is_none_or(|facts| facts.stream) { Form::Streamed } else { Form::Plain };
        let first = HedgeHealth::default();
        let known = route.map_or(&first, |route| &route.hedge);
        view.hedges = known.balance(hedge);
        for (row, candidate) in view.rows.iter_mut().zip(&policy.candidates) {
            row.late = known.late(hedge, candidate.target, form);
        }
    }
    peers::compare(policy, &mut view.rows);
    view
}

fn row(
    health: &Health,
    policy: &Policy,
    candidate: &Candidate,
    facts: Option<&RequestFacts>,
    now: Now,
    keys: &mut Vec<KeyRow>,
) -> Row {
    let (now, lease, breaker) = (now.mono, policy.timeouts.total, &policy.breaker);
    let mut row = Row { first_key: keys.len(), end_key: keys.len() + candidate.keys.len(), ..Row::unknown() };
    if let Some(host) = health.hosts.get(candidate.host.0) {
        let (standing, ramp) = admitted(host.admission(breaker, lease, now), |until| Reason::HostDown { until });
        row.place = row.place.and(standing);
        row.ramp = ramp;
        row.suspect = host.is_suspect(breaker);
    }
    if let Some(target) = health.targets.get(candidate.target.0) {
        let admission = target.breaker.admission(breaker, lease, now);
        let (standing, ramp) = admitted(admission, |until| Reason::BreakerOpen { until });
        row.place = row.place.and(standing).and(target.out.standing(lease, now));
        row.ramp = row.ramp.min(ramp);
        row.suspect |= target.breaker.is_suspect(breaker);
        row.in_flight = target.in_flight.count();
        row.pace = target.pace.read(now);
        if candidate.caps.in_flight.is_some_and(|most| row.in_flight >= most) {
            row.place = row.place.and(Standing::Out(Reason::Busy));
        }
    }
    row.need = facts.map_or_else(Need::default, |facts| fit::need(facts, &row.pace));
    if let Some(minute) = health.targets.get(candidate.target.0).and_then(|target| target.minute.as_deref()) {
        let room = minute.room(candidate.caps, row.need, now);
        row.place = row.place.and(capped(room));
        (row.paced, row.strained) = (room.paced, room.strained);
    } else {
        row.strained = candidate.caps.tpm.is_some_and(|cap| row.need.tokens() > cap);
    }
    let mut best = None;
    for key in &candidate.keys {
        let key = key_row(health, candidate, key, row.need, lease, now);
        best = Some(best.map_or(key.standing, |best: Standing| best.or(key.standing)));
        keys.push(key);
    }
    row.standing = row.place.and(best.unwrap_or(Standing::Ready));
    row
}

/// A key as it stands for a candidate: on the provider's word, within the operator's caps, and with what is left of it.
fn key_row(health: &Health, candidate: &Candidate, key: &KeyRef, need: Need, lease: Duration, now: Tick) -> KeyRow {
    let mut row = KeyRow::unknown(key);
    let mut all = Room { strained: key.caps.tpm.is_some_and(|cap| need.tokens() > cap), ..Room::default() };
    let mut word = Standing::Ready;
    if let Some(known) = health.keys.get(key.key.0) {
        word = known.out.standing(lease, now);
        row.standing = word;
        if let Some(minute) = &known.minute {
            all = minute.room(key.caps, need, now);
            row.standing = row.standing.and(capped(all));
        }
    }
    if let Some(pair) = health.pairs.get(&(key.key, candidate.target)) {
        let room = pair.quota.room(need, now);
        let limited = room.until.map_or(Standing::Ready, |until| Standing::Out(Reason::Limited { until }));
        word = word.and(pair.out.standing(lease, now));
        row.standing = row.standing.and(word).and(limited);
        all = all.and(room);
    }
    // An estimate may be wrong, and be tried all the same; what the provider has said may not.
    let strained = all.strained && !matches!(word, Standing::Out(_));
    (row.left, row.paced, row.strained) = (all.left, all.paced, strained);
    row
}

fn capped(room: Room) -> Standing {
    room.until.map_or(Standing::Ready, |until| Standing::Out(Reason::Capped { until }))
}

fn admitted(admission: Admission, open: impl Fn(Tick) -> Reason) -> (Standing, f64) {
    match admission {
        Admission::Pass { ramp } => (Standing::Ready, ramp),
        Admission::Probe => (Standing::Probe, 1.0),
        Admission::Probing => (Standing::Out(Reason::Probing), 1.0),
        Admission::Open { until } => (Standing::Out(open(until)), 1.0),
    }
}

impl Row {
    /// Of a candidate of which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self {
            standing: Standing::Ready,
            place: Standing::Ready,
            suspect: false,
            ramp: 1.0,
            in_flight: 0,
            pace: Pace::default(),
            shifted: 1.0,
            shift: None,
            late: None,
            peers: Peers::default(),
            need: Need::default(),
            paced: None,
            strained: false,
            first_key: 0,
            end_key: 0,
        }
    }
}

impl KeyRow {
    /// A credential of which nothing is known.
    pub(crate) const fn unknown(key: &KeyRef) -> Self {
        Self { key: key.key, weight: key.weight, standing: Standing::Ready, left: 1.0, paced: None, strained: false }
    }
}

impl Standing {
    /// Both must allow it; of two reasons the one that lasts longer.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Out(a), Self::Out(b)) => Self::Out(if b.until() > a.until() { b } else { a }),
            (Self::Out(reason), _) | (_, Self::Out(reason)) => Self::Out(reason),
            (Self::Probe, _) | (_, Self::Probe) => Self::Probe,
            (Self::Ready, Self::Ready) => Self::Ready,
        }
    }

    /// Either will do; of two reasons the one that ends sooner.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Ready, _) | (_, Self::Ready) => Self::Ready,
            (Self::Probe, _) | (_, Self::Probe) => Self::Probe,
            (Self::Out(a), Self::Out(b)) => Self::Out(match (a.until(), b.until()) {
                (Some(first), Some(second)) if second < first => b,
                (None, Some(_)) => b,
                _ => a,
            }),
        }
    }
}

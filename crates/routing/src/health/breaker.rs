//! The circuit breaker of a host or a target.
//!
//! It opens on failures in a row, which finds a dead target within as many requests, or on the share of failures in a
//! sliding window, which finds one that fails half the time and so never fails five times in a row (both, as in
//! Finagle's `FailureAccrualPolicy` and linkerd's unified breaker; comparing a target with its peers, as in Envoy's
//! outlier detection, needs more peers than a route has). It stays open for a time that doubles, half of it drawn at
//! random, so that instances do not come back in step. Then exactly one request finds out: a health check that costs
//! nothing and tests the real thing. A good probe closes it, by its first useful token (a stream may take minutes to
//! end), and the share rises over `ramp`, since a target that just came back is cold; opening again before the ramp is
//! over lasts twice as long.
//!
//! An answer counts only if its attempt began in the present state, or was the probe that led to it: what was sent
//! before the breaker opened says nothing about the target now.

use std::time::Duration;

use ringmain_core::{Seed, Tick};

use super::window::SlidingWindow;
use crate::BreakerPolicy;
use crate::heartbeat::{Asks, News, Pulse};

/// The least share of a target that just came back, so that it is seen at all.
const RAMP_FROM: f64 = 0.05;

const GOOD: usize = 0;
const BAD: usize = 1;

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum State {
    #[default]
    Closed,
    Ramping {
        since: Tick,
        /// When the probe that closed it began. Nothing else passed from then until `since`.
        probe: Tick,
    },
    Open {
        until: Tick,
        /// When the probe that is out began; it is known by that.
        probe: Option<Tick>,
    },
}

/// May a request pass?
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Admission {
    Pass { ramp: f64 },
    Probe,
    Probing,
    Open { until: Tick },
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Breaker {
    state: State,
    in_a_row: u32,
    /// Openings since it was last closed for good.
    openings: u32,
    window: SlidingWindow,
    /// What the provider's list of models said since it opened.
    news: News,
}

impl Breaker {
    /// `lease`: a probe of which nothing was heard for so long is taken for lost.
    pub(crate) fn admission(&self, policy: &BreakerPolicy, lease: Duration, now: Tick) -> Admission {
        match self.state {
            State::Closed => Admission::Pass { ramp: 1.0 },
            State::Ramping { since, .. } => {
                let (risen, whole) = (now.since(since).as_secs_f64(), policy.ramp.as_secs_f64());
                Admission::Pass { ramp: if risen < whole { (risen / whole).max(RAMP_FROM) } else { 1.0 } }
            }
            State::Open { until, .. } if now < until => Admission::Open { until },
            State::Open { probe: Some(began), .. } if now < began + lease => Admission::Probing,
            State::Open { .. } => Admission::Probe,
        }
    }

    /// Halfway to opening, or not closed: a retry here may only add to the load of something that fails.
    pub(crate) fn is_suspect(&self, policy: &BreakerPolicy) -> bool {
        matches!(self.state, State::Open { .. }) || self.in_a_row.saturating_mul(2) >= policy.failures.max(2)
    }

    /// Takes the probe, if there is one to take.
    pub(crate) fn take_probe(&mut self, policy: &BreakerPolicy, lease: Duration, now: Tick) {
        if self.admission(policy, lease, now) == Admission::Probe
            && let State::Open { probe, .. } = &mut self.state
        {
            *probe = Some(now);
        }
    }

    /// The attempt brings an answer. If it is the probe, that closes the breaker; its end counts as any other's then.
    /// Says whether it was.
    pub(crate) fn committed(&mut self, started: Tick, now: Tick) -> bool {
        let is_probe = self.is_probe(started);
        if is_probe {
            self.state = State::Ramping { since: now, probe: started };
            self.in_a_row = 0;
            self.window.clear();
            self.news = News::None;
        }
        is_probe
    }

    /// Says whether it was the probe.
    pub(crate) fn succeeded(&mut self, policy: &BreakerPolicy, started: Tick, now: Tick) -> bool {
        let is_probe = self.committed(started, now);
        if !is_probe && self.counts(policy, started, now) {
            self.in_a_row = 0;
            self.window.add(GOOD, policy.window, now);
        }
        is_probe
    }

    pub(crate) fn failed(&mut self, policy: &BreakerPolicy, started: Tick, now: Tick, seed: Seed) {
        if self.is_probe(started) {
            self.openings = self.openings.saturating_add(1);
            self.open(policy, now, seed);
        } else if self.counts(policy, started, now) {
            self.in_a_row = self.in_a_row.saturating_add(1);
            self.window.add(BAD, policy.window, now);
            if self.in_a_row >= policy.failures.max(1) || self.fails_too_often(policy, now) {
                self.openings = self.openings.saturating_add(1);
                self.open(policy, now, seed);
            }
        }
    }

    /// The probe came back with neither a good nor a bad answer for the target itself, but one that says "not now".
    pub(crate) fn stay_open(&mut self, policy: &BreakerPolicy, started: Tick, now: Tick, seed: Seed) {
        if self.is_probe(started) {
            self.open(policy, now, seed);
        }
    }

    /// The attempt says nothing; if it was the probe, the next request is.
    pub(crate) fn release(&mut self, started: Tick) {
        if self.is_probe(started)
            && let State::Open { probe, .. } = &mut self.state
        {
            *probe = None;
        }
    }

    /// How it stands for a heartbeat.
    pub(crate) fn pulse(&self, asks: Asks, lease: Duration, now: Tick) -> Pulse {
        match self.state {
            State::Closed | State::Ramping { .. } => Pulse::Well,
            State::Open { probe: Some(began), .. } if now < began + lease => Pulse::Busy,
            // Another good list would be no news; a bad one would be, if there is still something to wait for.
            State::Open { until, .. } if asks == Asks::Models && self.news == News::Good => {
                if now < until {
                    Pulse::Out { until: None }
                } else {
                    Pulse::Well
                }
            }
            State::Open { until, .. } => Pulse::Out { until: Some(until) },
        }
    }

    /// A heartbeat takes the probe, before its time if need be.
    pub(crate) fn take_early(&mut self, lease: Duration, now: Tick) {
        if let State::Open { probe, .. } = &mut self.state
            && probe.is_none_or(|began| now >= began + lease)
        {
            *probe = Some(now);
        }
    }

    pub(crate) const fn news(&self) -> News {
        self.news
    }

    /// The provider shows its list of models: if that is news, one request may find out about the model. Says whether.
    pub(crate) fn listed(&mut self, now: Tick) -> bool {
        match &mut self.state {
            State::Open { until, .. } if self.news != News::Good => {
                *until = now.min(*until);
                self.news = News::Good;
                true
            }
            State::Open { .. } | State::Closed | State::Ramping { .. } => false,
        }
    }

    /// The provider cannot even show its list of models.
    pub(crate) fn not_listed(&mut self, policy: &BreakerPolicy, started: Tick, now: Tick, seed: Seed) {
        if let State::Open { .. } = self.state {
            self.news = News::Bad;
            if self.is_probe(started) {
                self.failed(policy, started, now, seed);
            }
        }
    }

    /// Another process opened its own until then. Who is finding out here goes on.
    pub(crate) fn heard_opened(&mut self, until: Tick) {
        match &mut self.state {
            State::Open { until: own, probe: None } => *own = until.max(*own),
            State::Open { probe: Some(_), .. } => {}
            State::Closed | State::Ramping { .. } => {
                self.openings = self.openings.max(1);
                self.state = State::Open { until, probe: None };
                self.in_a_row = 0;
                self.window.clear();
            }
        }
    }

    fn is_probe(&self, started: Tick) -> bool {
        matches!(self.state, State::Open { probe: Some(began), .. } if began == started)
    }

    /// Did the attempt begin in the present state, and does that state count? Ends a ramp that is over.
    fn counts(&mut self, policy: &BreakerPolicy, started: Tick, now: Tick) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { .. } => false,
            State::Ramping { since, probe } => {
                if now.since(since) >= policy.ramp {
                    self.state = State::Closed;
                    self.openings = 0;
                }
                started >= probe
            }
        }
    }

    fn fails_too_often(&self, policy: &BreakerPolicy, now: Tick) -> bool {
        let [good, bad] = self.window.sums(now);
        let all = good + bad;
        #[expect(clippy::cast_precision_loss, reason = "counts of one window")]
        let rate = bad as f64 / all.max(1) as f64;
        all >= u64::from(policy.min_requests.max(1)) && rate >= policy.error_rate
    }

    fn open(&mut self, policy: &BreakerPolicy, now: Tick, seed: Seed) {
        let doublings = self.openings.saturating_sub(1).min(31);
        let whole = policy.open_for.saturating_mul(1 << doublings).min(policy.open_for_max.max(policy.open_for));
        let length = whole / 2 + (whole / 2).mul_f64(seed.nth("open", u64::from(self.openings)).unit());
        self.state = State::Open { until: now + length, probe: None };
        self.in_a_row = 0;
        self.window.clear();
    }
}

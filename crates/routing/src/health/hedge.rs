//! When an attempt is slower than usual, and how often a second one may be started for that.
//!
//! *What an operator expects* of `hedge: { after: p95, budget: 2% }`: one request in twenty is slower than usual, and
//! for some of those another target is asked beside the slow one; callers' slowest answers get faster, and the bill grows
//! by 2 % at most, whatever happens at the providers.
//!
//! **Slower than usual** is a quantile of the target's own times to the first token over the last five minutes, streams
//! and plain answers apart, looked at again every three seconds (as in Finagle's `BackupRequestFilter`). Until there are
//! enough of them nothing is slow: twenty, and as many as the quantile needs to be more than the slowest of all.
//!
//! **The account** gets a share of a hedge with each request and pays a whole one for each hedge. It begins with one and
//! saves up ten at most, so that of any run of requests no more than the share and ten are raced, and of all since the
//! start no more than the share and one. A time window instead would allow none at all where requests are few.

use std::time::Duration;

use ringmain_core::Tick;

use super::Health;
use super::measures::{Asked, Form};
use super::quantile::as_float;
use crate::{Hedge, HedgeAfter, Measure, Policy, TargetIx};

const WINDOW: Duration = Duration::from_secs(300);
const REFRESHED: Duration = Duration::from_secs(3);
const ENOUGH: u64 = 20;
/// The account is kept in millionths, so that ten tenths are a whole.
const HEDGE: u64 = 1_000_000;
const MOST_SAVED: u64 = 10 * HEDGE;
/// No attempt is slow before this.
const SHORTEST: Duration = Duration::from_millis(1);

/// The window in which it is measured.
const ASKED: Asked = Asked { measure: Measure::FirstToken, over: WINDOW, bound: 1.0 };

/// What one route knows of hedging.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HedgeHealth {
    saved: u64,
    at: Option<Tick>,
    usual: Vec<Usual>,
}

/// When an attempt at a target is slow.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Usual {
    target: TargetIx,
    streamed: Option<Duration>,
    plain: Option<Duration>,
}

impl Default for HedgeHealth {
    fn default() -> Self {
        Self { saved: HEDGE, at: None, usual: Vec::new() }
    }
}

impl HedgeHealth {
    /// A request began.
    pub(crate) fn deposit(&mut self, policy: &Hedge) {
        self.saved = self.saved.saturating_add(millionths(policy.budget)).min(MOST_SAVED);
    }

    pub(crate) const fn withdraw(&mut self) {
        self.saved = self.saved.saturating_sub(HEDGE);
    }

    /// Hedges that may be made now.
    pub(crate) fn balance(&self, policy: &Hedge) -> f64 {
        if policy.budget > 0.0 { as_float(self.saved) / as_float(HEDGE) } else { 0.0 }
    }

    /// Without a useful token for so long, an attempt at this target is slow; `None`: not known yet.
    pub(crate) fn late(&self, policy: &Hedge, target: TargetIx, form: Form) -> Option<Duration> {
        match policy.after {
            HedgeAfter::Time(after) => Some(after),
            HedgeAfter::Percentile(_) => {
                let usual = self.usual.iter().find(|usual| usual.target == target)?;
                match form {
                    Form::Streamed => usual.streamed,
                    Form::Plain => usual.plain,
                }
            }
        }
    }
}

/// Looks at the quantiles again, if it is time. Cheap when it is not.
pub(crate) fn refresh(health: &mut Health, policy: &Policy, now: Tick) {
    let Some(Hedge { after: HedgeAfter::Percentile(p), .. }) = policy.hedge else { return };
    let Some(route) = health.route(&policy.route, now) else { return };
    if route.hedge.at.is_some_and(|at| now.since(at) < REFRESHED) {
        return;
    }
    route.hedge.at = Some(now);
    let enough = ENOUGH.max(100_u64.div_ceil(u64::from(100_u8.saturating_sub(p)).max(1)));
    let mut usual = Vec::with_capacity(policy.candidates.len());
    for candidate in &policy.candidates {
        let Some(known) = health.target(candidate.target) else { continue };
        known.measures.ask(ASKED, now);
        let late = |form| {
            let seconds = known.measures.quantile(ASKED, p, enough, form, now)?;
            Duration::try_from_secs_f64(seconds).ok().map(|late| late.max(SHORTEST))
        };
        usual.push(Usual { target: candidate.target, streamed: late(Form::Streamed), plain: late(Form::Plain) });
    }
    if let Some(route) = health.route(&policy.route, now) {
        route.hedge.usual = usual;
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 1 at most")]
fn millionths(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * as_float(HEDGE)).round() as u64
}

//! A second attempt beside one that is slower than usual.
//!
//! It is the next attempt of the request, made early: where a failure or `race_after` would later start another, the
//! hedge is already there. So a request never runs more attempts for being hedged than its failures and races ask for,
//! and one. It goes only where it can do no harm: to a healthy target of the same tier that this request has not tried,
//! once for each request, within the budget.

use std::time::Duration;

use ringmain_core::Tick;

use super::choose::{Request, Use};
use super::{Step, Tried, Try};
use crate::{Policy, Standing, View};

/// When an attempt at the candidate at `position` is slower than usual: without a useful token for so long. `None`:
/// never, or not known. Whoever makes attempts asks [`crate::next`] again then.
#[must_use]
pub fn late_after(policy: &Policy, view: &View, position: usize) -> Option<Duration> {
    policy.hedge.and_then(|_| view.rows.get(position)?.late)
}

impl Request<'_> {
    /// Attempts run, and neither a failure nor a race asks for another.
    pub(super) fn owes_nothing(&self) -> bool {
        let failed = self.faults().count();
        let raced = self.tried.iter().enumerate().filter(|(at, tried)| self.is_raced(*at, tried)).count();
        self.tried.len() > failed + raced
    }

    /// Was or is another started beside this attempt since it was silent for `race_after`? Not beside one that was
    /// itself started for such a reason: see the engine's loop.
    fn is_raced(&self, at: usize, tried: &Tried) -> bool {
        let ran = tried.ended.unwrap_or(self.now).since(tried.started);
        let is_beside = |other: &Tried| other.ended.is_none_or(|ended| ended > tried.started);
        let was_alone = !self.tried.iter().take(at).any(is_beside);
        (was_alone || tried.hedge) && self.policy.race_after(tried.candidate).is_some_and(|after| ran >= after)
    }

    /// The hedge, if it is time for one.
    pub(super) fn hedge(&self) -> Step {
        let never = Step::Wait { until: self.deadline };
        let mut running = self.tried.iter().filter(|tried| tried.result.is_none());
        let (Some(slow), None) = (running.next(), running.next()) else { return never };
        if self.tried.iter().any(|tried| tried.hedge) || self.terminal().is_some() || self.view.hedges < 1.0 {
            return never;
        }
        let Some(after) = late_after(self.policy, self.view, slow.candidate) else { return never };
        let due: Tick = slow.started + after;
        if due > self.now {
            return Step::Wait { until: due.min(self.deadline) };
        }
        self.rival(slow.candidate).map_or(never, Step::Try)
    }

    /// The target to ask beside the one at `slow`.
    fn rival(&self, slow: usize) -> Option<Try> {
        let tier = |at: usize| self.policy.candidates.get(at).map(|candidate| candidate.tier);
        let is_well = |at: usize| {
            self.view.rows.get(at).is_some_and(|row| row.place == Standing::Ready && !row.suspect && row.ramp >= 1.0)
        };
        let mut rivals = self
            .candidates()
            .filter(|at| tier(*at) == tier(slow) && is_well(*at) && self.times(*at) == 0 && self.has_attempt_for(*at));
        rivals.find_map(|at| match self.usable(at) {
            Use::Now(attempt) if !attempt.probe => Some(Try { hedge: true, ..attempt }),
            _ => None,
        })
    }
}

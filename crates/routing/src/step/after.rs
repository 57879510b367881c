//! The rows of the table of failures: what each class makes this request do next.

use ringmain_core::{Fault, FaultClass, Origin, Phase, Tick};

use super::choose::{Request, Use};
use super::{Step, Stop, Tried};
use crate::{OnRefusal, Reason, Resume, Standing};

impl Request<'_> {
    /// Nothing has been tried. Where little is left of a limit, the rest of it is spread over the time that is left: a
    /// short wait for each, or another target of the tier, in place of a stall for all. A retry never waits for this.
    pub(super) fn first(&self) -> Step {
        let Some(attempt) = self.untried() else { return self.again() };
        let Some(until) = self.paced(&attempt) else { return Step::Try(attempt) };
        self.unpaced_peer(attempt.candidate).map_or(Step::Wait { until }, Step::Try)
    }

    /// An attempt still runs: another target or key beside it, or patience. It alone may still bring the answer, so
    /// nothing but the deadline stops the request.
    pub(super) fn race(&self) -> Step {
        if self.terminal().is_some() {
            return Step::Wait { until: self.deadline };
        }
        if let Some(attempt) = self.untried() {
            return Step::Try(attempt);
        }
        let allowed = self.candidates().filter(|at| self.has_attempt_for(*at) && self.is_fresh_covered(*at));
        let back = allowed.filter_map(|at| match self.fresh(at) {
            Use::At(until) if until > self.now => Some(until),
            _ => None,
        });
        Step::Wait { until: back.min().unwrap_or(self.deadline).min(self.deadline) }
    }

    /// The attempt at `last` in `tried` failed, and none runs.
    pub(super) fn after(&self, last: usize, fault: &Fault) -> Step {
        if let Some(at) = self.terminal().or_else(|| self.unresumed()) {
            return Step::Stop(Stop::Return(at));
        }
        let candidate = self.tried.get(last).map_or(0, |tried| tried.candidate);
        if self.spent(None) >= self.attempts() {
            let stop = || Step::Stop(Stop::Attempts { fault: self.most_telling().unwrap_or(last) });
            return self.untried().map_or_else(stop, Step::Try);
        }
        if matches!(fault.class, FaultClass::Server | FaultClass::Interrupted)
            && fault.phase != Phase::AfterCommit
            && let Some(step) = self.same_once(candidate, fault)
        {
            return step;
        }
        if let Some(attempt) = self.untried() {
            return Step::Try(attempt);
        }
        if fault.class == FaultClass::Context && self.candidates().next().is_none() {
            return Step::Stop(Stop::Return(last));
        }
        self.again()
    }

    pub(super) fn attempts(&self) -> usize {
        usize::try_from(self.policy.attempts).unwrap_or(usize::MAX).max(1)
    }

    /// Is an attempt left for this candidate? A refused credential is no attempt at the answer: with five keys of which
    /// four are dead, two attempts do. But one attempt is one attempt.
    pub(super) fn has_attempt_for(&self, at: usize) -> bool {
        self.tried.is_empty() || (self.attempts() > 1 && self.spent(Some(at)) < self.attempts())
    }

    /// Attempts made, without those whose key was refused and another key of the same target was used instead, or will
    /// be if `then` is tried next.
    fn spent(&self, then: Option<usize>) -> usize {
        let replaced = |at: usize, candidate: usize| {
            let mut later = self.tried.iter().skip(at + 1).map(|tried| tried.candidate).chain(then);
            later.any(|later| later == candidate)
        };
        let refused = self.tried.iter().enumerate().filter(|(at, tried)| {
            let class = tried.result.as_ref().map(|fault| fault.class);
            matches!(class, Some(FaultClass::Auth | FaultClass::Billing)) && replaced(*at, tried.candidate)
        });
        self.tried.len() - refused.count()
    }

    /// The failure that is the answer whatever else there is to try.
    pub(super) fn terminal(&self) -> Option<usize> {
        self.tried.iter().position(|tried| {
            tried.result.as_ref().is_some_and(|fault| match fault.class {
                FaultClass::BadRequest | FaultClass::Cancelled | FaultClass::Exhausted => true,
                FaultClass::Refusal => self.policy.on_refusal == OnRefusal::Return,
                FaultClass::Network
                | FaultClass::RateLimit
                | FaultClass::Billing
                | FaultClass::Auth
                | FaultClass::Gone
                | FaultClass::Server
                | FaultClass::Overloaded
                | FaultClass::Timeout
                | FaultClass::Empty
                | FaultClass::Protocol
                | FaultClass::Interrupted
                | FaultClass::Context
                | FaultClass::Unroutable => false,
            })
        })
    }

    /// The answer that broke off, where none is continued.
    fn unresumed(&self) -> Option<usize> {
        let broke_off = |tried: &Tried| tried.result.as_ref().is_some_and(|fault| fault.phase == Phase::AfterCommit);
        self.tried.iter().position(broke_off).filter(|_| self.policy.resume == Resume::Off)
    }

    /// The failure that ended last.
    pub(super) fn last(&self) -> Option<(usize, &Fault)> {
        let ended = self.tried.iter().enumerate().filter_map(|(at, tried)| {
            tried.result.as_ref().map(|fault| (tried.ended.unwrap_or(tried.started), at, fault))
        });
        ended.max_by_key(|(ended, at, _)| (*ended, *at)).map(|(_, at, fault)| (at, fault))
    }

    /// The failure to tell the caller: the last answer of a provider, else the last failure.
    pub(super) fn most_telling(&self) -> Option<usize> {
        let failed = self.tried.iter().enumerate().filter_map(|(at, tried)| {
            let fault = tried.result.as_ref()?;
            let is_answer = match fault.class {
                FaultClass::Network | FaultClass::Timeout | FaultClass::Cancelled => false,
                _ => fault.origin == Origin::Provider,
            };
            Some((is_answer, tried.ended.unwrap_or(tried.started), at))
        });
        failed.max().map(|(_, _, at)| at)
    }

    /// After a failure that a second attempt often cures: the same target once more, after a backoff. Not if the
    /// provider asked for a longer wait and another target or key can be had at once.
    fn same_once(&self, candidate: usize, fault: &Fault) -> Option<Step> {
        let is_cured_by_asking = |class| matches!(class, FaultClass::Server | FaultClass::Interrupted);
        let faults =
            self.faults().filter(|(tried, fault)| tried.candidate == candidate && is_cured_by_asking(fault.class));
        if faults.count() > 1 || !self.is_covered(candidate) {
            return None;
        }
        let Use::Now(attempt) = self.usable(candidate) else { return None };
        let until = self.again_at(candidate);
        if until >= self.deadline || (fault.retry_after.is_some() && self.untried().is_some()) {
            return None;
        }
        Some(if until > self.now { Step::Wait { until } } else { Step::Try(attempt) })
    }

    /// Every way that is open now has been tried: the one that may be tried again, or opens, soonest; or the end.
    fn again(&self) -> Step {
        let mut soonest: Option<(Tick, usize, Step)> = None;
        let mut no_budget = false;
        let ways = self.candidates().flat_map(|at| {
            [(at, self.fresh(at), self.is_fresh_covered(at)), (at, self.usable(at), self.is_covered(at))]
        });
        for (at, way, is_covered) in ways {
            let (until, step) = match way {
                Use::No => continue,
                Use::At(until) => {
                    let until = until.max(self.again_at(at));
                    (until + self.place_in_line(until), None)
                }
                Use::Now(attempt) | Use::Last(attempt) => (self.again_at(at), Some(attempt)),
            };
            if !is_covered {
                no_budget = true;
                continue;
            }
            if until >= self.deadline || (self.attempts() == 1 && until > self.now) {
                continue;
            }
            let step = step.filter(|_| until <= self.now).map_or(Step::Wait { until }, Step::Try);
            let times = self.times(at);
            if soonest.as_ref().is_none_or(|(tick, least, _)| (until.max(self.now), times) < (*tick, *least)) {
                soonest = Some((until.max(self.now), times, step));
            }
        }
        soonest.map_or_else(|| Step::Stop(self.stop(no_budget)), |(_, _, step)| step)
    }

    /// Nothing is left to try in time.
    fn stop(&self, no_budget: bool) -> Stop {
        let mut reasons = Vec::new();
        let (mut limited, mut denied, mut could_serve) = (0, 0, 0);
        for (at, row) in self.view.rows.iter().enumerate() {
            let planned = self.plan.verdicts.get(at).and_then(crate::Verdict::reason).filter(|it| it.is_lasting());
            could_serve += usize::from(planned.is_none());
            let now = match row.standing {
                Standing::Out(reason) => Some(reason),
                Standing::Ready | Standing::Probe => None,
            };
            let Some(reason) = planned.or(now) else { continue };
            limited += usize::from(matches!(reason, Reason::Limited { .. } | Reason::Capped { .. } | Reason::Busy));
            denied += usize::from(matches!(reason, Reason::Benched { class: FaultClass::Auth, .. }));
            reasons.push((at, reason));
        }
        let all_limited = could_serve > 0 && limited == could_serve;
        match self.most_telling() {
            Some(fault) if no_budget => Stop::Budget { fault },
            Some(fault) if !all_limited => Stop::Return(fault),
            fault => Stop::Exhausted {
                all_limited,
                all_denied: could_serve > 0 && denied == could_serve,
                retry_after: reasons.iter().filter_map(|(_, it)| it.until()).min().map(|until| until.since(self.now)),
                reasons,
                fault,
            },
        }
    }
}

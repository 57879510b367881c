//! The calls into routing, in one place. Here alone a run can be given a worse memory (the baseline of a comparison) and,
//! in tests, a planted bug.

use ringmain_core::{Now, RequestFacts, Seed, Tick};
use ringmain_routing::{Health, Limits, Observation, Plan, Policy, Reason, Seen, Step, Tried, Try, View};

/// What is remembered from one request to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Memory {
    /// Everything that routing learns.
    #[default]
    Keeps,
    /// Nothing of how attempts end: every request begins as if it were the first. Plain retry.
    Forgets,
}

/// A bug that a run is given on purpose.
#[cfg(any(test, feature = "planted-bugs"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// The end of some attempts is never told.
    ForgetsAnEnd,
    /// Decides as if nobody were ever out.
    IgnoresBenches,
    /// Takes a refused request for a failure of the server.
    RetriesBadRequests,
    /// Learns nothing from failures.
    LearnsNothing,
    /// Sends probes without taking the probe.
    SendsManyProbes,
    /// Thinks that it has an hour more.
    StartsLate,
    /// Makes more attempts than the policy allows.
    TriesTooOften,
    /// Gives up after the first failure.
    GivesUp,
}

#[cfg(any(test, feature = "planted-bugs"))]
impl Planted {
    /// Every one of them.
    pub const ALL: [Self; 8] = [
        Self::ForgetsAnEnd,
        Self::IgnoresBenches,
        Self::RetriesBadRequests,
        Self::LearnsNothing,
        Self::SendsManyProbes,
        Self::StartsLate,
        Self::TriesTooOften,
        Self::GivesUp,
    ];
}

/// One request, as far as a decision sees it.
pub(super) struct Asking<'a> {
    pub(super) policy: &'a Policy,
    pub(super) facts: &'a RequestFacts,
    pub(super) unserved: &'a [usize],
    pub(super) tried: &'a [Tried],
    pub(super) deadline: Tick,
    pub(super) seed: Seed,
}

/// What decides.
#[derive(Debug)]
pub(super) struct Brain {
    health: Health,
    memory: Memory,
    #[cfg(any(test, feature = "planted-bugs"))]
    planted: Option<Planted>,
    #[cfg(any(test, feature = "planted-bugs"))]
    ends: u64,
}

impl Brain {
    pub(super) fn new(seed: u64, memory: Memory) -> Self {
        Self {
            health: Health::new(Seed(seed)),
            memory,
            #[cfg(any(test, feature = "planted-bugs"))]
            planted: None,
            #[cfg(any(test, feature = "planted-bugs"))]
            ends: 0,
        }
    }

    #[cfg(any(test, feature = "planted-bugs"))]
    pub(super) const fn plant(&mut self, planted: Option<Planted>) {
        self.planted = planted;
    }

    /// What is known of a route's candidates.
    pub(super) fn view(&self, policy: &Policy, facts: Option<&RequestFacts>, now: Now) -> View {
        ringmain_routing::view(&self.health, policy, facts, now)
    }

    /// What now? With the view it was decided from. A try has begun when this returns.
    pub(super) fn decide(&mut self, asking: &Asking<'_>, plan: &mut Option<Plan>, now: Now) -> (Step, View) {
        let Asking { policy, facts, unserved, tried, deadline, seed } = *asking;
        let mut view = self.view(policy, Some(facts), now);
        if plan.is_none() {
            for at in unserved {
                view.exclude(*at, Reason::Unserved);
            }
        }
        let plan = plan.get_or_insert_with(|| self.plan(policy, facts, &view, now, seed));
        #[cfg(any(test, feature = "planted-bugs"))]
        let step = self.next(asking, plan, &view, now);
        #[cfg(not(any(test, feature = "planted-bugs")))]
        let step = ringmain_routing::next(policy, plan, tried, &view, now, deadline, seed);
        if let Step::Try(attempt) = &step {
            self.begin(policy, attempt, tried.is_empty(), now);
        }
        let _ = deadline;
        (step, view)
    }

    fn plan(&self, policy: &Policy, facts: &RequestFacts, view: &View, now: Now, seed: Seed) -> Plan {
        #[cfg(any(test, feature = "planted-bugs"))]
        if self.planted == Some(Planted::IgnoresBenches) {
            let blank = ringmain_routing::view(&Health::default(), policy, Some(facts), now);
            return ringmain_routing::plan(policy, facts, &blank, now, seed);
        }
        ringmain_routing::plan(policy, facts, view, now, seed)
    }

    #[cfg(any(test, feature = "planted-bugs"))]
    fn next(&self, asking: &Asking<'_>, plan: &Plan, view: &View, now: Now) -> Step {
        let Asking { policy, facts, tried, mut deadline, seed, .. } = *asking;
        let (mut policy, mut tried, mut view) = (policy.clone(), tried.to_vec(), view.clone());
        match self.planted {
            Some(Planted::IgnoresBenches) => {
                view = ringmain_routing::view(&Health::default(), &policy, Some(facts), now);
            }
            Some(Planted::RetriesBadRequests) => {
                for fault in tried.iter_mut().filter_map(|tried| tried.result.as_mut()) {
                    if fault.class == ringmain_core::FaultClass::BadRequest {
                        fault.class = ringmain_core::FaultClass::Server;
                    }
                }
            }
            Some(Planted::StartsLate) => deadline = deadline + std::time::Duration::from_secs(3600),
            Some(Planted::TriesTooOften) => policy.attempts += 3,
            Some(Planted::GivesUp) if tried.iter().any(|tried| tried.ended.is_some()) => {
                return Step::Stop(ringmain_routing::Stop::Return(0));
            }
            _ => {}
        }
        ringmain_routing::next(&policy, plan, &tried, &view, now, deadline, seed)
    }

    fn begin(&mut self, policy: &Policy, attempt: &Try, first: bool, now: Now) {
        #[cfg(any(test, feature = "planted-bugs"))]
        if self.planted == Some(Planted::SendsManyProbes) {
            let plain = Try { probe: false, ..*attempt };
            return ringmain_routing::begin(&mut self.health, policy, &plain, first, now);
        }
        ringmain_routing::begin(&mut self.health, policy, attempt, first, now);
    }

    /// The head of an answer that still flows says this of the key's limits.
    pub(super) fn told(&mut self, attempt: &Try, started: Tick, limits: &Limits, now: Now) {
        if self.memory == Memory::Keeps {
            ringmain_routing::told(&mut self.health, attempt, started, limits, now);
        }
    }

    /// The first useful token of a stream.
    pub(super) fn first_token(&mut self, attempt: &Try, started: Tick, now: Now) {
        if self.memory == Memory::Keeps {
            ringmain_routing::first_token(&mut self.health, attempt, started, now);
        }
    }

    /// A probe has brought its first useful token.
    pub(super) fn committed(&mut self, policy: &Policy, attempt: &Try, started: Tick, now: Now) {
        ringmain_routing::committed(&mut self.health, policy, attempt, started, now);
    }

    /// An attempt ended.
    pub(super) fn observe(&mut self, policy: &Policy, mut observation: Observation, now: Now, seed: Seed) {
        if self.memory == Memory::Forgets {
            observation.seen = Seen::Cancelled { first_token: None };
            observation.limits = None;
        }
        #[cfg(any(test, feature = "planted-bugs"))]
        match self.planted {
            Some(Planted::ForgetsAnEnd) => {
                self.ends += 1;
                if self.ends.is_multiple_of(50) {
                    return;
                }
            }
            Some(Planted::LearnsNothing) if matches!(observation.seen, Seen::Failed(_)) => {
                observation.seen = Seen::Cancelled { first_token: None };
            }
            _ => {}
        }
        ringmain_routing::observe(&mut self.health, policy, &observation, now, seed);
    }
}

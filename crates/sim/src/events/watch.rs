//! What must hold at every step of every run, judged from outside: by what the loop saw, by the policy, and by a few counts
//! of its own. It asks routing nothing but the view a decision was made from.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use ringmain_core::{Fault, FaultClass, FaultScope, Phase, Tick};
use ringmain_routing::{Caps, KeyIx, Policy, Reason, Resume, Seen, Standing, Step, Stop, TargetIx, Tried, Try, View};

use super::request::Request;
use super::world::World;

/// The retry budget looks back so far…
const BUDGET_WINDOW: Duration = Duration::from_secs(10);
/// …in steps of this.
const BUDGET_STEP: Duration = Duration::from_secs(1);

/// Something that had to hold and did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What.
    pub what: String,
    /// When, since the run began.
    pub at: Tick,
    /// Of which request, if of one; they are numbered by their arrival.
    pub request: Option<u64>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at {:.6} s", self.what, self.at.since(Tick::ZERO).as_secs_f64())?;
        match self.request {
            Some(number) => write!(f, ", request {number})"),
            None => f.write_str(")"),
        }
    }
}

/// The one who looks.
#[derive(Debug)]
pub(super) struct Watch {
    targets: Vec<TargetSeen>,
    routes: Vec<Budget>,
    /// Until when a provider said that a key is limited on a model.
    limited: BTreeMap<(KeyIx, TargetIx), Tick>,
    /// Promises are made of the real decisions only.
    looks: bool,
    broken: Option<Broken>,
}

/// What was seen of one target.
#[derive(Debug, Clone, Default)]
struct TargetSeen {
    running: u32,
    /// The probe that is out, by when it began.
    probe: Option<Tick>,
    /// Failures in a row, each begun after the one before had ended, and after the last good answer.
    chain: u32,
    chain_end: Tick,
    /// By those failures its breaker must be open until then at least.
    shut_until: Tick,
    /// Nothing in the world can make it fail, and it never has.
    sound: bool,
}

/// First attempts and repeated ones of a route, as of late.
#[derive(Debug, Clone, Default)]
struct Budget {
    name: String,
    first: VecDeque<Tick>,
    again: VecDeque<Tick>,
    /// All first attempts, and all hedges.
    requests: u64,
    hedges: u64,
}

impl Watch {
    pub(super) fn new(world: &World, looks: bool) -> Self {
        let mut targets = vec![TargetSeen::default(); world.targets.len()];
        for (seen, target) in targets.iter_mut().zip(&world.targets) {
            let pace = target.pace;
            seen.sound = target.episodes.is_empty()
                && target.limits.is_none()
                && pace.capacity.is_none()
                && pace.refuses_above.is_none();
        }
        let mut watch = Self { targets, routes: Vec::new(), limited: BTreeMap::new(), looks, broken: None };
        watch.share_blame(world);
        watch.routes =
            world.routes.iter().map(|policy| Budget { name: policy.route.clone(), ..Budget::default() }).collect();
        watch
    }

    /// A target that shares its host or a key with one that may fail may be out for the other's sake.
    fn share_blame(&mut self, world: &World) {
        let all = || world.routes.iter().flat_map(|policy| &policy.candidates);
        for candidate in all() {
            let shares = |other: &ringmain_routing::Candidate| {
                other.host == candidate.host
                    || other.keys.iter().any(|key| candidate.keys.iter().any(|own| own.key == key.key))
            };
            let unsound = |other: &ringmain_routing::Candidate| {
                if other.caps != Caps::default() || other.keys.iter().any(|key| key.caps != Caps::default()) {
                    return true;
                }
                world.targets.get(other.target.0 as usize).is_none_or(|target| {
                    !target.episodes.is_empty() || target.limits.is_some() || target.pace.refuses_above.is_some()
                })
            };
            if all().any(|other| shares(other) && unsound(other))
                && let Some(seen) = self.targets.get_mut(candidate.target.0 as usize)
            {
                seen.sound = false;
            }
        }
    }

    pub(super) const fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    pub(super) fn broken(self) -> Option<Broken> {
        self.broken
    }

    fn report(&mut self, what: String, at: Tick, request: Option<u64>) {
        if self.looks && self.broken.is_none() {
            self.broken = Some(Broken { what, at, request });
        }
    }

    /// A decision was made; if it is a try, it has begun.
    pub(super) fn step(&mut self, policy: &Policy, request: &Request, view: &View, step: &Step, now: Tick) {
        let wrong = match step {
            Step::Try(attempt) => self.tries(policy, request, view, attempt, now).err(),
            Step::Wait { until } if *until <= now => Some("waits for the past".to_owned()),
            Step::Wait { until } if *until > request.deadline => Some("waits beyond its deadline".to_owned()),
            Step::Wait { .. } | Step::Stop(_) => None,
        };
        if let Some(what) = wrong {
            self.report(what, now, Some(request.ticket.number));
        }
    }

    fn tries(
        &mut self,
        policy: &Policy,
        request: &Request,
        view: &View,
        attempt: &Try,
        now: Tick,
    ) -> Result<(), String> {
        let (Some(row), Some(candidate), Some(seen)) = (
            view.rows().get(attempt.candidate),
            policy.candidates.get(attempt.candidate),
            self.targets.get_mut(attempt.target.0 as usize),
        ) else {
            return Err("tries a target that is not there".to_owned());
        };
        let name = &candidate.name;
        if now >= request.deadline {
            return Err(format!("starts an attempt on {name} after its deadline"));
        }
        if let Standing::Out(reason) = row.place {
            return Err(format!("tries {name}, which is out: {reason}"));
        }
        let key = view.keys(attempt.candidate).iter().find(|key| key.key == attempt.key);
        match key.map(|key| key.standing) {
            None => return Err(format!("tries {name} with a key that is not its own")),
            // Out by our own estimate of tokens, it may still be a last resort; the provider's word is looked at next.
            Some(Standing::Out(Reason::Limited { .. } | Reason::Capped { .. }) | Standing::Ready | Standing::Probe) => {
            }
            Some(Standing::Out(reason)) => return Err(format!("tries {name} with a key that is out: {reason}")),
        }
        if self.limited.get(&(attempt.key, attempt.target)).is_some_and(|until| now < *until) {
            return Err(format!("tries {name} with a key sooner than the provider's 429 said"));
        }
        let planned = request.plan.as_ref().and_then(|plan| plan.verdicts.get(attempt.candidate));
        if let Some(reason) = planned.and_then(ringmain_routing::Verdict::reason).filter(|reason| reason.is_lasting()) {
            return Err(format!("tries {name}, which is excluded: {reason}"));
        }
        if row.in_flight != seen.running {
            return Err(format!("{} attempts run on {name}, health knows of {}", seen.running, row.in_flight));
        }
        if now < seen.shut_until {
            return Err(format!("tries {name}, which has failed {} times in a row just now", policy.breaker.failures));
        }
        if row.place == Standing::Probe {
            if !attempt.probe {
                return Err(format!("tries {name}, which is to be probed, without a probe"));
            }
            // One of which nothing is heard for as long as a request may take counts as lost.
            let out = seen.probe.replace(now).filter(|began| now.since(*began) < policy.timeouts.total);
            if let Some(began) = out {
                return Err(format!("sends a second probe to {name}, after {:?}", now.since(began)));
            }
        }
        seen.running += 1;
        history(policy, request, attempt, now).map_err(|what| format!("{what} {name}"))?;
        self.budget(policy, request, attempt, now)
    }

    /// Repeated attempts are a share of first ones. Attempts that may be free (another key) are not counted.
    #[expect(clippy::cast_precision_loss, reason = "counts of ten seconds")]
    fn budget(&mut self, policy: &Policy, request: &Request, attempt: &Try, now: Tick) -> Result<(), String> {
        let Some(budget) = self.routes.iter_mut().find(|route| route.name == policy.route) else { return Ok(()) };
        let trim = |times: &mut VecDeque<Tick>, span: Duration| {
            while times.front().is_some_and(|at| now.since(*at) > span) {
                times.pop_front();
            }
        };
        trim(&mut budget.first, BUDGET_WINDOW + BUDGET_STEP);
        trim(&mut budget.again, BUDGET_WINDOW.saturating_sub(BUDGET_STEP));
        if request.tried.is_empty() {
            budget.first.push_back(now);
            budget.requests += 1;
        }
        if attempt.hedge {
            budget.hedges += 1;
            let most = policy.hedge.map_or(0.0, |hedge| hedge.budget * budget.requests as f64 + 1.0);
            if budget.hedges as f64 > most + 1e-6 {
                return Err(format!("{} hedges, {most:.1} are in the budget", budget.hedges));
            }
            if request.tried.iter().any(|tried| tried.hedge) {
                return Err("hedges a request twice".to_owned());
            }
        }
        let last = request.tried.iter().rev().find(|tried| tried.candidate == attempt.candidate);
        let of_key = |fault: &Fault| matches!(fault.scope, FaultScope::Key | FaultScope::KeyModel);
        if last.and_then(|last| last.result.as_ref()).is_none_or(of_key) {
            return Ok(());
        }
        budget.again.push_back(now);
        let rule = policy.retry_budget;
        let most = rule.share * budget.first.len() as f64 + rule.per_second * BUDGET_WINDOW.as_secs_f64() + 1.0;
        if budget.again.len() as f64 > most {
            return Err(format!("{} retries in ten seconds, {most:.0} are in the budget", budget.again.len()));
        }
        Ok(())
    }

    /// An attempt has brought its first useful token.
    pub(super) fn committed(&mut self, attempt: &Try, now: Tick) {
        if let Some(seen) = self.targets.get_mut(attempt.target.0 as usize) {
            (seen.chain, seen.chain_end) = (0, now);
            if attempt.probe {
                seen.probe = None;
            }
        }
    }

    /// An attempt ended.
    pub(super) fn ended(&mut self, policy: &Policy, attempt: &Try, started: Tick, how: &Seen, now: Tick) {
        let Some(seen) = self.targets.get_mut(attempt.target.0 as usize) else { return };
        seen.running = seen.running.saturating_sub(1);
        seen.probe = seen.probe.filter(|began| *began != started);
        match how {
            Seen::Success { .. } => (seen.chain, seen.chain_end) = (0, now),
            Seen::Cancelled { .. } => {}
            Seen::Failed(fault) => {
                seen.sound = false;
                if let (FaultClass::RateLimit, FaultScope::KeyModel, Some(wait)) =
                    (fault.class, fault.scope, fault.retry_after)
                {
                    let until = self.limited.entry((attempt.key, attempt.target)).or_default();
                    *until = (*until).max(now + wait);
                }
                let counts = fault.scope == FaultScope::Target && fault.class != FaultClass::Gone;
                if counts && started >= seen.chain_end {
                    seen.chain += 1;
                    seen.chain_end = now;
                    if seen.chain >= policy.breaker.failures.max(1) {
                        // Opened by this failure or, for the error rate, since it began.
                        seen.shut_until = started + policy.breaker.open_for / 2;
                        seen.chain = 0;
                    }
                }
            }
        }
    }

    /// Nothing more is tried. A target that is well and was not asked, with time and attempts left, is a broken promise.
    pub(super) fn lost(&mut self, policy: &Policy, request: &Request, stop: &Stop, now: Tick) {
        let is_answer = stop.fault().and_then(|at| request.tried.get(at)).and_then(|tried| tried.result.as_ref());
        let is_answer = is_answer.is_some_and(|fault| fault.scope == FaultScope::Request);
        let attempts = usize::try_from(policy.attempts).unwrap_or(usize::MAX);
        let is_begun = |tried: &Tried| tried.result.as_ref().is_some_and(|fault| fault.phase == Phase::AfterCommit);
        let is_answer = is_answer || policy.resume == Resume::Off && request.tried.iter().any(is_begun);
        if is_answer || now >= request.deadline || request.tried.len() >= attempts {
            return;
        }
        let idle = policy.candidates.iter().enumerate().find(|(at, candidate)| {
            let sound = self.targets.get(candidate.target.0 as usize).is_some_and(|seen| seen.sound);
            let planned = request.plan.as_ref().and_then(|plan| plan.verdicts.get(*at));
            let fits = !planned.and_then(ringmain_routing::Verdict::reason).is_some_and(|reason| reason.is_lasting());
            sound && fits && request.tried.iter().all(|tried| tried.candidate != *at)
        });
        if let Some((_, candidate)) = idle {
            let what = format!("gives up ({stop:?}) though {} is well and was not asked", candidate.name);
            self.report(what, now, Some(request.ticket.number));
        }
    }

    /// Everything has ended: nothing is left over.
    pub(super) fn end<'p>(&mut self, views: impl Iterator<Item = (&'p Policy, View)>, requests: usize, now: Tick) {
        if requests > 0 {
            return self.report(format!("{requests} requests never end"), now, None);
        }
        for (policy, view) in views {
            for (candidate, row) in policy.candidates.iter().zip(view.rows()) {
                if row.in_flight != 0 {
                    let what =
                        format!("all has ended, but {} attempts still count on {}", row.in_flight, candidate.name);
                    return self.report(what, now, None);
                }
            }
        }
    }
}

/// May this request, after what it has tried, make this attempt?
fn history(policy: &Policy, request: &Request, attempt: &Try, now: Tick) -> Result<(), &'static str> {
    let refused = |class| matches!(class, FaultClass::Auth | FaultClass::Billing);
    let mut counted = 0;
    for tried in &request.tried {
        let Some(fault) = &tried.result else {
            counted += 1;
            continue;
        };
        counted += u32::from(!refused(fault.class));
        let same_key = tried.candidate == attempt.candidate && tried.key == attempt.key;
        if fault.phase == Phase::AfterCommit && tried.candidate == attempt.candidate {
            return Err("asks for the rest of an answer where it broke off, of");
        }
        if fault.phase == Phase::AfterCommit && policy.resume == Resume::Off {
            return Err("asks for the rest of an answer though that is off, of");
        }
        if fault.class == FaultClass::BadRequest {
            return Err("sends a request that was refused as wrong again, to");
        }
        if same_key && refused(fault.class) {
            return Err("uses a key again that was refused, on");
        }
        if same_key
            && let (Some(wait), Some(ended)) = (fault.retry_after, tried.ended)
            && now < ended + wait
        {
            return Err("comes back sooner than it was told by");
        }
    }
    let most = policy.attempts.max(1);
    if counted >= most || (most == 1 && !request.tried.is_empty()) {
        return Err("makes more attempts than the policy allows, the last on");
    }
    Ok(())
}

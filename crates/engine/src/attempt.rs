//! Stage 8, the only loop: ask the plan what to do, do it, tell health how it went, until something is worth giving to
//! the caller or nothing is left to try. Two attempts may run side by side (`race_after`, `hedge`); the first
//! useful token wins.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ringmain_core::{Fault, Now, Tick};
use ringmain_routing::{Plan, Reason, Resume, Step, Stop, Tried, Try};
use ringmain_upstream::Upstream;

use crate::exchange::{Answer, Arrived, Failed, Job, ProviderReply};
use crate::gateway::Gateway;
use crate::inspect::Inspected;
use crate::render;
use crate::resume::Rest;
use crate::secret::Secret;
use crate::settle::{AttemptGuard, RequestGuard};
use crate::target::Target;
use crate::{classify, count};

/// An answer won, with the attempt that brought it.
pub struct Won {
    /// The answer.
    pub arrived: Arrived,
    /// Its attempt, still open.
    pub attempt: AttemptGuard,
    /// Its place among the request's attempts.
    pub index: usize,
}

/// Nothing is left to try.
pub struct Lost {
    /// Why nothing more is tried.
    pub stop: Stop,
    /// How each attempt failed.
    pub tried: Vec<Tried>,
    /// The provider's own words of each attempt, where they can be passed on.
    pub replies: Vec<Option<ProviderReply>>,
    /// Targets that could not be told the request, and why.
    pub unfit: Vec<(usize, Fault)>,
}

type Running = Pin<Box<dyn Future<Output = Result<Arrived, Failed>> + Send>>;

/// One attempt under way.
struct Runner {
    /// Its place in `tried`.
    index: usize,
    future: Running,
    attempt: AttemptGuard,
    /// No useful token by then: another target is started beside it.
    race_at: Option<Tick>,
    /// No useful token by then: it is slower than usual, and the plan is asked for a hedge.
    hedge_at: Option<Tick>,
    /// It was silent for `race_after`.
    late: bool,
    /// No useful token by then: it is given up.
    given_up_at: Tick,
}

/// What the loop woke up for.
enum Woken {
    Ended(usize, Box<Result<Arrived, Failed>>),
    Time,
}

/// All attempts of one request: made before the answer begins, and if it breaks off, once more.
pub struct Attempts {
    gateway: Arc<Gateway>,
    upstream: Upstream,
    /// The request.
    pub request: Arc<Inspected>,
    plan: Option<Plan>,
    tried: Vec<Tried>,
    replies: Vec<Option<ProviderReply>>,
    unfit: Vec<(usize, Fault)>,
    running: Vec<Runner>,
    /// The answer has begun and broke off: what is asked for is the rest of it.
    rest: Option<Arc<Rest>>,
    /// Counts the request, however it ends. Dropped last: its record holds how all that ran has ended.
    pub guard: RequestGuard,
}

impl Attempts {
    /// None so far.
    #[must_use]
    pub fn none(gateway: &Arc<Gateway>, upstream: &Upstream, request: &Arc<Inspected>, guard: RequestGuard) -> Self {
        Self {
            gateway: Arc::clone(gateway),
            upstream: upstream.clone(),
            request: Arc::clone(request),
            guard,
            plan: None,
            // One attempt is what nearly every request makes; a list that grows by itself begins with room for four.
            tried: Vec::with_capacity(1),
            replies: Vec::with_capacity(1),
            unfit: Vec::new(),
            running: Vec::with_capacity(1),
            rest: None,
        }
    }

    /// May an answer that breaks off be continued?
    #[must_use]
    pub fn may_resume(&self) -> bool {
        self.request.route.policy.resume == Resume::Auto && !self.gateway.is_ending()
    }

    /// The answer of the attempt at `index` broke off, with part of it at the caller.
    pub fn broke_off(&mut self, index: usize, fault: &Fault) {
        let now = self.gateway.clock.now().mono;
        self.record(index, fault.clone(), now);
    }

    /// Tries targets until one goes on with the answer that broke off.
    pub async fn go_on(mut self: Box<Self>, rest: Arc<Rest>) -> (Box<Self>, Result<Won, Stop>) {
        self.rest = Some(rest);
        let found = self.run().await;
        self.running.clear();
        (self, found)
    }

    /// Tries targets until one answers.
    ///
    /// # Errors
    /// None did: why nothing more is tried.
    pub async fn run(&mut self) -> Result<Won, Stop> {
        loop {
            if self.is_left() || self.is_gone() {
                return Err(Stop::Return(self.tried.len().saturating_sub(1)));
            }
            let now = self.gateway.clock.now();
            let (step, usual) = self.step(now);
            let until = match step {
                Step::Try(attempt) => match self.start(attempt, usual, now) {
                    Some(won) => return Ok(won),
                    None => None,
                },
                Step::Wait { until } => Some(until),
                Step::Stop(_) if !self.running.is_empty() => None,
                Step::Stop(stop) => return Err(stop),
            };
            loop {
                match self.wait(until).await {
                    Woken::Ended(at, result) => match self.ended(at, *result) {
                        Some(won) => return Ok(won),
                        None => break,
                    },
                    Woken::Time => {
                        if self.time_passed(until) || self.is_left() {
                            break;
                        }
                    }
                }
            }
            if self.running.is_empty() && self.gateway.clock.now().mono >= self.request.deadline {
                let fault = self.tried.len().checked_sub(1);
                return Err(Stop::Deadline { fault });
            }
        }
    }

    /// Nobody is asked, nor waited for, any more: the gateway goes out of service, and its callers are to hear that.
    fn is_left(&self) -> bool {
        self.gateway.is_ending()
    }

    /// What is passed through has flowed, and did not come back.
    fn is_gone(&self) -> bool {
        let failed = self.tried.last().and_then(|tried| tried.result.as_ref());
        let passing = self.request.passing.as_ref();
        failed.is_some_and(|fault| passing.is_some_and(|passing| !passing.may_go_again(fault)))
    }

    /// What now? One look at health, and if it is a try, its beginning, under one lock; then also how long such an
    /// attempt usually takes, if that is known and somebody asks.
    fn step(&mut self, now: Now) -> (Step, Option<Duration>) {
        let policy = &self.request.route.policy;
        let mut health = self.gateway.health();
        let mut view = ringmain_routing::view(&health, policy, Some(&self.request.facts), now);
        if let Some(pin) = &self.request.pin {
            pin.hold(&self.request.route, &mut view);
        }
        if self.plan.is_none() && self.request.passing.is_none() {
            self.request.route.exclude_unserved(&self.request.facts, &mut view);
            for (at, _) in &self.unfit {
                view.exclude(*at, Reason::CannotCarry);
            }
            for at in &self.request.over_budget {
                view.exclude(*at, Reason::OverBudget);
            }
        }
        let facts = &self.request.facts;
        let (seed, deadline) = (self.request.seed, self.request.patience());
        let is_new = self.plan.is_none();
        let plan = self.plan.get_or_insert_with(|| ringmain_routing::plan(policy, facts, &view, now, seed));
        let step = ringmain_routing::next(policy, plan, &self.tried, &view, now, deadline, seed);
        let mut usual = None;
        if let Step::Try(attempt) = &step {
            usual = ringmain_routing::late_after(policy, &view, attempt.candidate);
            ringmain_routing::begin(&mut health, policy, attempt, self.tried.is_empty(), now);
        }
        drop(health);
        self.request.trace().decided(now, view, is_new.then_some(&*plan), self.tried.len(), &step);
        (step, usual)
    }

    /// Starts an attempt; the answer, where nobody need be asked. A target that cannot be told this request is left out of
    /// a new plan.
    fn start(&mut self, attempt: Try, usual: Option<Duration>, now: Now) -> Option<Won> {
        let target = self.request.route.targets.get(attempt.candidate).cloned()?;
        let guard = AttemptGuard::begin(&self.gateway, &self.request, &target, attempt, now.mono);
        if count::is_estimated(&self.request, &target) {
            return self.estimated(&target, attempt, guard);
        }
        let rendered = match &self.rest {
            None => render::render(&self.request, &target),
            Some(rest) => render::rest(&self.request, &target, rest, true),
        };
        let rendered = match rendered {
            Ok(rendered) => rendered,
            Err(fault) => {
                self.leave_out(attempt, fault);
                return None;
            }
        };
        let key = target.key(attempt.key);
        let policy = &self.request.route.policy;
        // Beside another, only a hedge is raced in its turn: it was early, and may be the only one soon.
        let is_alone = self.running.is_empty();
        let race_after = policy.race_after(attempt.candidate).filter(|_| is_alone || attempt.hedge);
        let job = Job {
            upstream: self.upstream.clone(),
            request: Arc::clone(&self.request),
            target: Arc::clone(&target),
            credential: key.and_then(|key| key.header(&rendered.auth)).cloned(),
            signer: key.and_then(|key| key.signer(&rendered.auth)).cloned(),
            secret: Secret(key.and_then(|key| key.secret.clone())),
            key: key.map(|key| key.label.clone()).unwrap_or_default(),
            rendered,
            rest: self.rest.clone(),
            now: now.wall,
        };
        self.guard.attempts += 1;
        self.guard.target = Some(target);
        self.running.push(Runner {
            index: self.tried.len(),
            future: Box::pin(job.run()),
            attempt: guard,
            race_at: race_after.map(|after| now.mono + after),
            hedge_at: usual.filter(|_| is_alone).map(|after| now.mono + after),
            late: false,
            // What is passed through has a clock of its own, which runs while nothing moves.
            given_up_at: match self.request.passing {
                Some(_) => self.request.deadline,
                None => now.mono + policy.timeouts.first_token,
            },
        });
        let Try { candidate, key, hedge, .. } = attempt;
        let tried = Tried { candidate, key, result: None, started: now.mono, ended: None, hedge };
        self.request.trace().began(tried.clone());
        self.tried.push(tried);
        self.replies.push(None);
        None
    }

    /// The gateway's own count, for a target whose provider has none.
    fn estimated(&mut self, target: &Arc<Target>, attempt: Try, mut guard: AttemptGuard) -> Option<Won> {
        guard.asked = false;
        match count::estimate(&self.request, target) {
            Ok(arrived) => {
                self.guard.target = Some(Arc::clone(target));
                Some(Won { arrived, attempt: guard, index: self.tried.len() })
            }
            Err(fault) => {
                self.leave_out(attempt, fault);
                None
            }
        }
    }

    /// It cannot be told this request: the plan is made anew without it.
    fn leave_out(&mut self, attempt: Try, fault: Fault) {
        self.request.trace().unfit(attempt.candidate, &fault);
        self.unfit.push((attempt.candidate, fault));
        self.plan = None;
    }

    /// Waits for an attempt to end or for the next clock to run out.
    async fn wait(&mut self, until: Option<Tick>) -> Woken {
        if self.running.is_empty() && until.is_none() {
            return Woken::Time;
        }
        let before = self.gateway.clock.now().mono;
        let clocks = self.running.iter().flat_map(|runner| [Some(runner.given_up_at), runner.race_at, runner.hedge_at]);
        let due = clocks.flatten().chain(until).fold(self.request.deadline, Tick::min);
        let mut timer = std::pin::pin!(tokio::time::sleep_until(self.gateway.clock.instant(due)));
        let (gateway, running) = (&self.gateway, &mut self.running);
        let woken = std::future::poll_fn(|cx| {
            for (at, runner) in running.iter_mut().enumerate() {
                if let Poll::Ready(result) = runner.future.as_mut().poll(cx) {
                    return Poll::Ready(Woken::Ended(at, Box::new(result)));
                }
            }
            if gateway.is_ending() {
                return Poll::Ready(Woken::Time);
            }
            timer.as_mut().poll(cx).map(|()| Woken::Time)
        })
        .await;
        if !self.running.is_empty() && self.rest.is_none() {
            self.guard.waited += self.gateway.clock.now().mono.since(before);
        }
        woken
    }

    /// A clock ran out: give up what has had its time. True if the plan is to be asked again.
    fn time_passed(&mut self, until: Option<Tick>) -> bool {
        let now = self.gateway.clock.now().mono;
        if now >= self.request.deadline {
            // Dropped, and so cancelled: the deadline is the caller's, the targets are not to blame.
            for runner in std::mem::take(&mut self.running) {
                self.record(runner.index, classify::no_first_token(), now);
            }
            return true;
        }
        let mut ask = until.is_some_and(|until| now >= until) || self.running.is_empty();
        while let Some(at) = self.running.iter().position(|runner| now >= runner.given_up_at) {
            let mut runner = self.running.swap_remove(at);
            let fault = classify::no_first_token();
            runner.attempt.failed(&fault);
            self.record(runner.index, fault, now);
            ask = true;
        }
        for runner in &mut self.running {
            if runner.race_at.is_some_and(|race_at| now >= race_at) {
                runner.race_at = None;
                runner.late = true;
                ask = true;
            }
            ask |= runner.hedge_at.take_if(|hedge_at| now >= *hedge_at).is_some();
        }
        ask
    }

    /// An attempt ended: with an answer, which wins and cancels the others, or not.
    fn ended(&mut self, at: usize, result: Result<Arrived, Failed>) -> Option<Won> {
        let mut runner = self.running.swap_remove(at);
        match result {
            Ok(arrived) => {
                runner.attempt.limits = arrived.limits;
                runner.attempt.committed(!matches!(arrived.body, Answer::Plain(_)));
                self.guard.target = Some(Arc::clone(runner.attempt.target()));
                // Who was late and then beaten has failed as surely as who never answers; a rival that only lost has not.
                for loser in self.running.iter_mut().filter(|loser| loser.late) {
                    loser.attempt.failed(&classify::no_first_token());
                }
                // What runs beside the winner is dropped, and so cancelled.
                self.running.clear();
                Some(Won { arrived, attempt: runner.attempt, index: runner.index })
            }
            Err(failed) => {
                runner.attempt.limits = failed.limits;
                runner.attempt.failed(&failed.fault);
                if let Some(slot) = self.replies.get_mut(runner.index) {
                    *slot = failed.reply;
                }
                let now = self.gateway.clock.now().mono;
                self.record(runner.index, failed.fault, now);
                None
            }
        }
    }

    fn record(&mut self, index: usize, fault: Fault, now: Tick) {
        self.request.trace().failed(index, &fault, now);
        if let Some(tried) = self.tried.get_mut(index) {
            tried.result = Some(fault);
            tried.ended = Some(now);
        }
    }

    /// Nothing was won.
    #[must_use]
    pub fn lost(self, stop: Stop) -> (Lost, RequestGuard) {
        (Lost { stop, tried: self.tried, replies: self.replies, unfit: self.unfit }, self.guard)
    }
}

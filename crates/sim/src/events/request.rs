//! The loop of one request, from its arrival to the answer's first useful token; and once more if the answer breaks off.
//!
//! It is the loop of `crates/engine/src/attempt.rs` with events in place of futures, function by function and under the
//! same names: what changes there changes here. What the engine polls is an [`Event::Answered`] here, its timer an
//! [`Event::Clock`]; nothing is rendered, so that nothing is unfit.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass, Now, Phase, RequestFacts, Seed, Tick};
use ringmain_routing::{Limits, Observation, Plan, Policy, Seen, Step, Stop, Tried, Try};

use super::brain::Asking;
use super::provider::{Answer, Ask, Reply, failed};
use super::queue::{Event, Ticket};
use super::run::Run;

/// Stopped before its first useful token.
const CANCELLED: Seen = Seen::Cancelled { first_token: None };

/// One attempt under way.
#[derive(Debug)]
pub(super) struct Runner {
    /// Its place in `tried`.
    pub(super) index: usize,
    pub(super) attempt: Try,
    pub(super) started: Tick,
    /// What will come of it.
    pub(super) result: Result<Answer, Fault>,
    pub(super) limits: Option<Limits>,
    /// No useful token by then: another target is started beside it.
    race_at: Option<Tick>,
    /// No useful token by then: it is slower than usual, and the plan is asked for a hedge.
    hedge_at: Option<Tick>,
    /// It was silent for `race_after`.
    late: bool,
    /// No useful token by then: it is given up.
    given_up_at: Tick,
}

/// One request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) ticket: Ticket,
    pub(super) kind: usize,
    pub(super) way: usize,
    pub(super) route: usize,
    pub(super) facts: RequestFacts,
    pub(super) ask: Ask,
    pub(super) seed: Seed,
    pub(super) started: Tick,
    pub(super) deadline: Tick,
    pub(super) plan: Option<Plan>,
    pub(super) tried: Vec<Tried>,
    pub(super) running: Vec<Runner>,
    /// The plan said to come back then.
    until: Option<Tick>,
    /// The clock that is set.
    clock: Option<Tick>,
    /// The attempt whose answer the caller gets, and its first useful token.
    pub(super) won: Option<(Runner, Tick)>,
    /// The first useful token of an answer that broke off and is continued.
    pub(super) first: Option<Tick>,
}

impl Request {
    pub(super) const fn new(
        ticket: Ticket,
        way: (usize, usize, usize),
        facts: RequestFacts,
        ask: Ask,
        times: [Tick; 2],
        seed: Seed,
    ) -> Self {
        let (kind, way, route) = way;
        let [started, deadline] = times;
        Self {
            ticket,
            kind,
            way,
            route,
            facts,
            ask,
            seed,
            started,
            deadline,
            plan: None,
            tried: Vec::new(),
            running: Vec::new(),
            until: None,
            clock: None,
            won: None,
            first: None,
        }
    }

    /// When the next of its clocks runs out.
    fn due(&self) -> Tick {
        let clocks = |runner: &Runner| [Some(runner.given_up_at), runner.race_at, runner.hedge_at];
        let clocks = self.running.iter().flat_map(clocks).flatten();
        clocks.chain(self.until).fold(self.deadline, Tick::min)
    }

    fn record(&mut self, index: usize, fault: Fault, now: Tick) {
        if let Some(tried) = self.tried.get_mut(index) {
            tried.result = Some(fault);
            tried.ended = Some(now);
        }
    }
}

/// What became of a request at this moment.
pub(super) enum Became {
    /// It goes on.
    Going,
    /// It has an answer, which begins now.
    Won,
    /// Nothing more is tried.
    Lost(Stop),
}

impl Run<'_> {
    /// The head of the engine's loop: ask, and do what is said.
    pub(super) fn advance(&mut self, request: &mut Request) -> Became {
        let now = self.now;
        request.until = None;
        let (step, usual) = self.step(request);
        match step {
            Step::Try(attempt) => self.start(request, attempt, usual, now),
            Step::Wait { until } => request.until = Some(until),
            Step::Stop(_) if !request.running.is_empty() => {}
            Step::Stop(stop) => return Became::Lost(stop),
        }
        self.wait(request);
        Became::Going
    }

    /// What comes after the engine's inner loop was left: the deadline ends a request of which nothing runs.
    fn again(&mut self, request: &mut Request) -> Became {
        if request.running.is_empty() && self.now >= request.deadline {
            return Became::Lost(Stop::Deadline { fault: request.tried.len().checked_sub(1) });
        }
        self.advance(request)
    }

    fn step(&mut self, request: &mut Request) -> (Step, Option<Duration>) {
        let world = self.world;
        let Some(policy) = self.routes.get(request.route) else {
            return (Step::Stop(Stop::Deadline { fault: None }), None);
        };
        let unserved = world.kinds.get(request.kind).and_then(|kind| kind.routes.get(request.way));
        let asking = Asking {
            policy,
            facts: &request.facts,
            unserved: unserved.map_or(&[], |way| &way.unserved),
            tried: &request.tried,
            deadline: request.deadline,
            seed: request.seed,
        };
        let (step, view) = self.brain.decide(&asking, &mut request.plan, at(self.now));
        self.watch.step(policy, request, &view, &step, self.now);
        let usual = match &step {
            Step::Try(attempt) => ringmain_routing::late_after(policy, &view, attempt.candidate),
            Step::Wait { .. } | Step::Stop(_) => None,
        };
        (step, usual)
    }

    fn start(&mut self, request: &mut Request, attempt: Try, usual: Option<Duration>, now: Tick) {
        let (Some(policy), Some(target)) =
            (self.routes.get(request.route), self.world.targets.get(attempt.target.0 as usize))
        else {
            return;
        };
        let index = request.tried.len();
        let seed = request.seed.nth("attempt", index as u64);
        let Reply { at, result, limits } = self.providers.ask(target, &attempt, request.ask, now, seed);
        if let Some(at) = at {
            self.queue.put(at.max(now), Event::Answered { request: request.ticket, attempt: index });
        }
        let is_alone = request.running.is_empty();
        let race_after = policy.race_after(attempt.candidate).filter(|_| is_alone || attempt.hedge);
        self.tally.began(request.started, now, attempt.target, index);
        request.running.push(Runner {
            index,
            attempt,
            started: now,
            result,
            limits,
            race_at: race_after.map(|after| now + after),
            hedge_at: usual.filter(|_| is_alone).map(|after| now + after),
            late: false,
            given_up_at: now + policy.timeouts.first_token,
        });
        request.tried.push(Tried {
            candidate: attempt.candidate,
            key: attempt.key,
            result: None,
            started: now,
            ended: None,
            hedge: attempt.hedge,
        });
    }

    /// Sets the clock to the next time that something runs out.
    fn wait(&mut self, request: &mut Request) {
        let due = request.due().max(self.now);
        if request.clock.is_none_or(|clock| due < clock) {
            request.clock = Some(due);
            self.queue.put(due, Event::Clock { request: request.ticket });
        }
    }

    /// A clock rang. It may be an old one: then nothing has run out, and the next is set.
    pub(super) fn clock(&mut self, request: &mut Request) -> Became {
        if request.won.is_some() {
            return Became::Going;
        }
        if request.clock == Some(self.now) {
            request.clock = None;
        }
        let ran_out = request.due() <= self.now;
        if ran_out && self.time_passed(request) {
            return self.again(request);
        }
        self.wait(request);
        Became::Going
    }

    fn time_passed(&mut self, request: &mut Request) -> bool {
        let now = self.now;
        if now >= request.deadline {
            for runner in std::mem::take(&mut request.running) {
                self.settle(request, &runner, CANCELLED);
                request.record(runner.index, no_first_token(), now);
            }
            return true;
        }
        let mut ask = request.until.is_some_and(|until| now >= until) || request.running.is_empty();
        while let Some(at) = request.running.iter().position(|runner| now >= runner.given_up_at) {
            let runner = request.running.swap_remove(at);
            self.settle(request, &runner, Seen::Failed(no_first_token()));
            request.record(runner.index, no_first_token(), now);
            ask = true;
        }
        for runner in &mut request.running {
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
    pub(super) fn ended(&mut self, request: &mut Request, attempt: usize) -> Became {
        let Some(at) = request.running.iter().position(|runner| runner.index == attempt) else { return Became::Going };
        let mut runner = request.running.swap_remove(at);
        match runner.result.clone() {
            Ok(answer) => {
                self.committed(request, &mut runner, answer.end > self.now);
                self.watch.committed(&runner.attempt, self.now);
                for loser in std::mem::take(&mut request.running) {
                    let seen = if loser.late { Seen::Failed(no_first_token()) } else { CANCELLED };
                    self.settle(request, &loser, seen);
                }
                request.won = Some((runner, self.now));
                Became::Won
            }
            Err(fault) => {
                self.settle(request, &runner, Seen::Failed(fault.clone()));
                request.record(runner.index, fault, self.now);
                self.again(request)
            }
        }
    }

    /// As `Live::died` in the engine's `live.rs`: what is left of the answer is asked of another, who reads what there is.
    pub(super) fn died(&mut self, request: &mut Request, runner: &Runner, fault: Fault, given: u64) -> Became {
        request.record(runner.index, fault, self.now);
        request.ask.input += given;
        request.ask.output = request.ask.output.saturating_sub(given).max(1);
        self.again(request)
    }

    /// As `AttemptGuard::committed` in the engine's `settle.rs`. `flows`: more of the answer is to come.
    fn committed(&mut self, request: &Request, runner: &mut Runner, flows: bool) {
        let now = at(self.now);
        if let Some(limits) = runner.limits.take_if(|_| flows) {
            self.brain.told(&runner.attempt, runner.started, &limits, now);
        }
        if request.facts.stream {
            self.brain.first_token(&runner.attempt, runner.started, now);
        }
        if runner.attempt.probe
            && let Some(policy) = self.routes.get(request.route)
        {
            self.brain.committed(policy, &runner.attempt, runner.started, now);
        }
    }

    /// Tells health how an attempt ended, once.
    pub(super) fn settle(&mut self, request: &Request, runner: &Runner, seen: Seen) {
        let Some(policy) = self.routes.get(request.route) else { return };
        self.providers.done(&runner.attempt);
        self.tally.ended(runner.attempt.target, &seen);
        self.watch.ended(policy, &runner.attempt, runner.started, &seen, self.now);
        let observation = Observation {
            attempt: runner.attempt,
            started: runner.started,
            seen,
            limits: runner.limits,
            marks: request.facts.marks.clone(),
        };
        let seed = request.seed.nth("observe", runner.started.0);
        self.brain.observe(policy, observation, at(self.now), seed);
    }
}

/// How long a request may take, as the engine reckons.
pub(super) fn time(policy: &Policy, facts: &RequestFacts) -> Duration {
    let total = policy.timeouts.total;
    facts.timeout.map_or(total, |timeout| timeout.min(total))
}

/// The clock as routing sees it; the wall's begins with the simulation.
pub(super) const fn at(tick: Tick) -> Now {
    Now { mono: tick, wall: ringmain_core::WallTime(tick.0 / 1_000_000) }
}

fn no_first_token() -> Fault {
    failed(FaultClass::Timeout, Phase::BeforeCommit, "no answer in time")
}

//! A small world to decide in: virtual time, one request after the other.

mod affinity;
mod classes;
mod crowd;
mod fastest;
mod field;
mod forty;
mod heartbeats;
mod hedge;
mod keys;
mod laws;
mod peers;
mod probes;
mod quota;
mod quota_laws;
mod scenarios;
mod shares;
mod shift;
mod strategies;
mod traffic;
mod vectors;

use std::time::Duration;

use ringmain_core::{
    Capabilities, Dialect, Fault, FaultClass, Marks, Now, Operation, Origin, Phase, RequestFacts, Seed, Tick,
};

use crate::{
    Affinity, Backoff, Balance, BreakerPolicy, Candidate, Caps, Health, HostIx, KeyIx, KeyRef, Limits, Observation,
    OnRefusal, Plan, Policy, Resume, RetryBudget, Seen, Step, Stop, TargetIx, Timeouts, Tried, Try, begin, next,
    observe, plan, view,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// `targets` candidates, each on its own host, with these many keys each.
pub(crate) fn policy(keys: &[usize]) -> Policy {
    let candidates = keys.iter().enumerate().map(|(at, keys)| {
        let ix = u32::try_from(at).unwrap();
        let key =
            |n: usize| KeyRef { key: KeyIx(ix * 10 + u32::try_from(n).unwrap()), weight: 1.0, caps: Caps::default() };
        Candidate {
            target: TargetIx(ix),
            name: format!("provider-{at}/model"),
            host: HostIx(ix),
            keys: (0..*keys).map(key).collect(),
            weight: 1.0,
            tier: 1,
            capabilities: None,
            context_window: None,
            price: None,
            caps: Caps::default(),
            out_of_region: false,
            space: None,
            race_after: None,
        }
    });
    Policy {
        route: "text".to_owned(),
        candidates: candidates.collect(),
        balance: Balance::Order,
        shift: None,
        affinity: Affinity::Off,
        hedge: None,
        attempts: 5,
        backoff: Backoff { base: Duration::from_millis(250), max: secs(8) },
        retry_budget: RetryBudget { share: 0.2, per_second: 10.0 },
        breaker: BreakerPolicy {
            failures: 5,
            error_rate: 0.5,
            min_requests: 10,
            window: secs(30),
            open_for: secs(5),
            open_for_max: secs(300),
            ramp: secs(20),
        },
        timeouts: Timeouts {
            connect: secs(3),
            race_after: Some(secs(10)),
            first_token: secs(120),
            idle: secs(30),
            total: secs(600),
        },
        on_refusal: OnRefusal::Return,
        mixes_vectors: false,
        resume: Resume::Auto,
    }
}

pub(crate) fn facts() -> RequestFacts {
    RequestFacts {
        operation: Operation::Chat,
        dialect: Dialect::OpenAiChat,
        model: "text".to_owned(),
        stream: false,
        needs: Capabilities::NONE,
        input_tokens: 100,
        max_output_tokens: None,
        timeout: None,
        tags: Vec::new(),
        marks: Marks::default(),
        key: None,
    }
}

/// A failure as the provider would give it.
pub(crate) fn fault(class: FaultClass) -> Fault {
    let fault = Fault::new(class, Origin::Provider, Phase::AwaitHead, "as the provider says");
    match class {
        FaultClass::Network | FaultClass::Timeout | FaultClass::Interrupted => fault,
        _ => fault.with_status(499),
    }
}

pub(crate) fn asks(class: FaultClass, wait: Duration) -> Fault {
    Fault { retry_after: Some(wait), ..fault(class) }
}

/// An answer of which nothing is told.
pub(crate) fn success() -> Seen {
    Seen::Success { timings: Default::default(), usage: None, cost: None, streamed: true }
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    Served(usize),
    Stopped(Stop),
}

/// What a request did.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) end: End,
    /// Candidate and key of each attempt.
    pub(crate) attempts: Vec<(usize, u32)>,
    /// When each began.
    pub(crate) at: Vec<Tick>,
    pub(crate) tried: Vec<Tried>,
}

impl Told {
    pub(crate) fn order(&self) -> Vec<usize> {
        self.attempts.iter().map(|(candidate, _)| *candidate).collect()
    }

    /// The class of the failure told to the caller.
    pub(crate) fn class(&self) -> Option<FaultClass> {
        let End::Stopped(stop) = &self.end else { return None };
        self.tried[stop.fault()?].result.as_ref().map(|fault| fault.class)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) health: Health,
    pub(crate) policy: Policy,
    pub(crate) facts: RequestFacts,
    pub(crate) now: Tick,
    pub(crate) requests: u64,
    pub(crate) limits: Option<Limits>,
    /// How long a request may take.
    pub(crate) time: Duration,
}

impl World {
    pub(crate) fn new(policy: Policy) -> Self {
        let time = policy.timeouts.total;
        Self {
            health: Health::default(),
            policy,
            facts: facts(),
            now: Tick::ZERO + secs(1000),
            requests: 0,
            limits: None,
            time,
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now { mono: self.now, ..Now::default() }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    pub(crate) fn seed(&self) -> Seed {
        Seed(self.requests).draw("request")
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(
            &self.policy,
            &self.facts,
            &view(&self.health, &self.policy, Some(&self.facts), self.now()),
            self.now(),
            self.seed(),
        )
    }

    /// The plan of a request with these marks.
    pub(crate) fn plan_of(&mut self, marks: &Marks) -> Plan {
        self.facts.marks = marks.clone();
        self.plan()
    }

    pub(crate) fn begin(&mut self, attempt: &Try, first: bool) -> Tick {
        let now = self.now();
        begin(&mut self.health, &self.policy, attempt, first, now);
        self.now
    }

    pub(crate) fn end(&mut self, attempt: Try, started: Tick, seen: Seen) {
        let observation = Observation { attempt, started, seen, limits: self.limits, marks: self.facts.marks.clone() };
        let (now, seed) = (self.now(), self.seed());
        observe(&mut self.health, &self.policy, &observation, now, seed);
    }

    /// One request, each attempt of 10 ms; `answer` is told the attempt and when it began.
    pub(crate) fn request(&mut self, mut answer: impl FnMut(Try, Tick) -> Result<(), Fault>) -> Told {
        self.requests += 1;
        let (plan, seed, deadline) = (self.plan(), self.seed(), self.now + self.time);
        let mut told = Told { end: End::Served(0), attempts: Vec::new(), at: Vec::new(), tried: Vec::new() };
        for _ in 0..100 {
            let known = view(&self.health, &self.policy, Some(&self.facts), self.now());
            match next(&self.policy, &plan, &told.tried, &known, self.now(), deadline, seed) {
                Step::Wait { until } => {
                    assert!(until > self.now && until <= deadline, "a wait is in the future and in time");
                    self.now = until;
                }
                Step::Stop(stop) => {
                    told.end = End::Stopped(stop);
                    return told;
                }
                Step::Try(attempt) => {
                    let started = self.begin(&attempt, told.tried.is_empty());
                    told.attempts.push((attempt.candidate, attempt.key.0));
                    told.at.push(started);
                    self.pass(Duration::from_millis(10));
                    let result = answer(attempt, started);
                    let seen = result.clone().map_or_else(Seen::Failed, |()| success());
                    self.end(attempt, started, seen);
                    let Err(fault) = result else {
                        told.end = End::Served(attempt.candidate);
                        return told;
                    };
                    told.tried.push(Tried {
                        candidate: attempt.candidate,
                        key: attempt.key,
                        result: Some(fault),
                        started,
                        ended: Some(self.now),
                        hedge: false,
                    });
                }
            }
        }
        panic!("a request must end: {told:?}");
    }

    /// Requests served by each candidate.
    pub(crate) fn served(&mut self, requests: usize, mut answer: impl FnMut(Try) -> Result<(), Fault>) -> Vec<usize> {
        let mut served = vec![0; self.policy.candidates.len()];
        for _ in 0..requests {
            if let End::Served(at) = self.request(|attempt, _| answer(attempt)).end {
                served[at] += 1;
            }
        }
        served
    }
}

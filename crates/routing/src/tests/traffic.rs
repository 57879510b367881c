//! Requests that come at their times, whether or not earlier ones are done, and targets that take theirs.

use std::time::Duration;

use ringmain_core::{Fault, Tick, Timings, Usage};

use super::World;
use crate::{Seen, Step, Try, next, view};

/// How a target answers.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// To its first token, or to its failure.
    pub(crate) first: Duration,
    /// From there to its end.
    pub(crate) rest: Duration,
    pub(crate) output: u64,
    pub(crate) fault: Option<Fault>,
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A stream of 100 tokens, 10 ms each.
pub(crate) fn after(first: u64) -> Answer {
    Answer { first: millis(first), rest: millis(990), output: 100, fault: None }
}

pub(crate) fn fails(after: u64, fault: Fault) -> Answer {
    Answer { first: millis(after), rest: Duration::ZERO, output: 0, fault: Some(fault) }
}

#[derive(Debug, Clone)]
struct Running {
    until: Tick,
    attempt: Try,
    started: Tick,
    answer: Answer,
}

/// A world in which attempts run side by side.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) world: World,
    running: Vec<Running>,
}

impl Traffic {
    pub(crate) fn new(world: World) -> Self {
        Self { world, running: Vec::new() }
    }

    /// Lets time pass until `until`: attempts end.
    pub(crate) fn settle(&mut self, until: Tick) {
        while let Some(at) = (0..self.running.len()).min_by_key(|at| (self.running[*at].until, *at))
            && self.running[at].until <= until
        {
            let Running { until, attempt, started, answer } = self.running.remove(at);
            self.world.now = until;
            let Answer { first, rest, output, fault } = answer;
            let seen = fault.map_or_else(
                || Seen::Success {
                    timings: Timings { head: Some(first), first_token: Some(first), total: first + rest },
                    usage: Some(Usage { input: 100, output, ..Usage::default() }),
                    cost: None,
                    streamed: true,
                },
                Seen::Failed,
            );
            self.world.end(attempt, started, seen);
        }
        self.world.now = until;
    }

    /// One request begins now. Its first attempt, if it need not wait for one.
    pub(crate) fn begin(&mut self, answer: impl Fn(usize, Tick) -> Answer) -> Option<usize> {
        self.world.requests += 1;
        let world = &mut self.world;
        let (plan, now) = (world.plan(), world.now());
        let known = view(&world.health, &world.policy, Some(&world.facts), now);
        let step = next(&world.policy, &plan, &[], &known, now, world.now + world.time, world.seed());
        let Step::Try(attempt) = step else { return None };
        let started = world.begin(&attempt, true);
        let answer = answer(attempt.candidate, started);
        self.running.push(Running { until: started + answer.first + answer.rest, attempt, started, answer });
        Some(attempt.candidate)
    }

    /// Requests that come `every` so often; which target each was sent to first.
    pub(crate) fn run(
        &mut self,
        requests: usize,
        every: Duration,
        answer: impl Fn(usize, Tick) -> Answer,
    ) -> Vec<usize> {
        let mut asked = Vec::new();
        for _ in 0..requests {
            let next = self.world.now + every;
            self.settle(next);
            asked.extend(self.begin(&answer));
        }
        asked
    }

    /// Attempts that run on each target.
    pub(crate) fn in_flight(&self) -> Vec<u32> {
        let world = &self.world;
        let known = view(&world.health, &world.policy, Some(&world.facts), world.now());
        known.rows().iter().map(|row| row.in_flight).collect()
    }
}

/// The share of a target.
pub(crate) fn share(asked: &[usize], target: usize) -> f64 {
    asked.iter().filter(|at| **at == target).count() as f64 / asked.len() as f64
}

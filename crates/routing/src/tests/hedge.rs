//! Hedges: when, to whom, and never more than the budget.

use std::time::Duration;

use proptest::prelude::*;
use ringmain_core::{FaultClass, Tick};

use super::{SECOND, World, fault, policy, secs, success};
use crate::{Balance, Candidate, Hedge, HedgeAfter, Policy, Seen, Step, Tried, Try, late_after, next, view};

fn hedging(targets: usize, after: HedgeAfter, budget: f64) -> Policy {
    Policy { hedge: Some(Hedge { after, budget }), ..policy(&vec![1; targets]) }
}

fn after_three() -> HedgeAfter {
    HedgeAfter::Time(secs(3))
}

fn running(attempt: &Try, started: Tick) -> Tried {
    let Try { candidate, key, hedge, .. } = *attempt;
    Tried { candidate, key, result: None, started, ended: None, hedge }
}

impl World {
    fn asked_again(&self, tried: &[Tried]) -> Step {
        let known = view(&self.health, &self.policy, Some(&self.facts), self.now());
        next(&self.policy, &self.plan(), tried, &known, self.now(), self.now + self.time, self.seed())
    }

    /// A request whose first attempt is silent: what it is told after this long.
    fn silent_for(&mut self, time: Duration) -> (Vec<Tried>, Step) {
        self.requests += 1;
        let Step::Try(attempt) = self.asked_again(&[]) else { panic!("nothing to try") };
        let started = self.begin(&attempt, true);
        self.pass(time);
        let tried = vec![running(&attempt, started)];
        let step = self.asked_again(&tried);
        (tried, step)
    }
}

#[test]
fn a_hedge_is_made_when_it_is_time() {
    let table = [(0, None), (2_999, None), (3_000, Some(1)), (9_999, Some(1)), (10_000, Some(1))];
    for (millis, rival) in table {
        let mut world = World::new(hedging(2, after_three(), 0.02));
        let (tried, step) = world.silent_for(Duration::from_millis(millis));
        match (step, rival) {
            (Step::Try(attempt), Some(rival)) => {
                assert_eq!((attempt.candidate, attempt.hedge), (rival, millis < 10_000), "then it is a race: {millis}");
            }
            (Step::Wait { until }, None) => assert_eq!(until, tried[0].started + secs(3)),
            (step, _) => panic!("{millis}: {step:?}"),
        }
    }
}

/// Only to a target that is well, in the same tier; not with the only attempt; not without a rule.
#[test]
fn a_hedge_goes_where_it_does_no_harm() {
    type Change = fn(&mut World);
    let table: [(Change, Option<usize>); 6] = [
        (|_| {}, Some(1)),
        (|world| world.policy.candidates[1].tier = 2, None),
        (|world| world.policy.attempts = 1, None),
        (|world| world.policy.hedge = Some(Hedge { after: after_three(), budget: 0.0 }), None),
        (|world| break_down(world, 3), Some(2)),
        (|world| break_down(world, 9), Some(2)),
    ];
    for (at, (change, rival)) in table.into_iter().enumerate() {
        let mut world = World::new(hedging(3, after_three(), 0.5));
        world.policy.candidates[2].tier = if at < 4 { 2 } else { 1 };
        change(&mut world);
        let (_, step) = world.silent_for(secs(4));
        let to = if let Step::Try(attempt) = step { Some(attempt.candidate) } else { None };
        assert_eq!(to, rival, "{at}");
    }
}

/// The second target fails so often: suspect after three, out after five.
fn break_down(world: &mut World, times: usize) {
    let Candidate { target, host, keys, .. } = world.policy.candidates[1].clone();
    let key = keys[0].key;
    let attempt = Try { candidate: 1, target, host, key, probe: false, warm: false, tokens: 0, input: 0, hedge: false };
    for _ in 0..times {
        let started = world.begin(&attempt, true);
        world.pass(Duration::from_millis(1));
        world.end(attempt, started, Seen::Failed(fault(FaultClass::Overloaded)));
    }
}

#[test]
fn a_hedge_is_the_next_attempt_made_early() {
    let mut world = World::new(hedging(4, after_three(), 0.5));
    let (mut tried, step) = world.silent_for(secs(4));
    let Step::Try(hedge) = step else { panic!("{step:?}") };
    let started = world.begin(&hedge, false);
    tried.push(running(&hedge, started));
    let waits = |world: &World, tried: &[Tried]| matches!(world.asked_again(tried), Step::Wait { .. });
    assert!(waits(&world, &tried), "one hedge for each request");
    let failed = |tried: &[Tried], at: usize, now| {
        let mut tried = tried.to_vec();
        (tried[at].result, tried[at].ended) = (Some(fault(FaultClass::Overloaded)), Some(now));
        tried
    };
    for at in [0, 1] {
        assert!(waits(&world, &failed(&tried, at, world.now)), "the other stands for the next attempt");
    }
    let both = failed(&failed(&tried, 0, world.now), 1, world.now);
    assert!(matches!(world.asked_again(&both), Step::Try(attempt) if attempt.candidate == 2 && !attempt.hedge));
    world.pass(secs(7));
    assert!(waits(&world, &tried), "the first is raced: by the hedge");
    world.pass(secs(3));
    assert!(matches!(world.asked_again(&tried), Step::Try(attempt) if !attempt.hedge), "the hedge is raced too");
}

/// Until twenty answers are known nothing is slow; then it is the quantile of the target's own, and of its form.
#[test]
fn what_is_usual_is_the_targets_own() {
    let mut world = World::new(hedging(2, HedgeAfter::Percentile(95), 0.02));
    world.policy.balance = Balance::Weighted;
    let late = |world: &World| {
        let known = view(&world.health, &world.policy, Some(&world.facts), world.now());
        [0, 1].map(|at| late_after(&world.policy, &known, at))
    };
    world.facts.stream = true;
    for n in 0..60 {
        world.requests += 1;
        assert!(n > 30 || late(&world) == [None, None], "{n}");
        let Step::Try(attempt) = world.asked_again(&[]) else { panic!("nothing to try") };
        let started = world.begin(&attempt, true);
        let time = if attempt.candidate == 0 { SECOND } else { SECOND * 2 };
        world.pass(time);
        let now = world.now();
        crate::first_token(&mut world.health, &attempt, started, now);
        world.end(attempt, started, success());
    }
    let _ = world.silent_for(secs(4));
    let told = late(&world).map(|late| late.unwrap().as_secs_f64());
    assert!((told[0] - 1.0).abs() < 0.04 && (told[1] - 2.0).abs() < 0.08, "{told:?}");
    world.facts.stream = false;
    assert_eq!(late(&world), [None, None], "of plain answers nothing is known");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// However slow who is: of all requests no more than the budget and one are hedged, and of any run of them no more
    /// than the budget and ten.
    #[test]
    fn hedges_stay_within_the_budget(
        budget in prop_oneof![Just(0.02), Just(0.0), 0.0..1.0_f64],
        slow in prop::collection::vec((0..5_000_u64, 0..3_000_u64), 1..400),
    ) {
        let mut world = World::new(hedging(3, after_three(), budget));
        let mut hedged = Vec::new();
        for (silent, apart) in slow {
            let (tried, step) = world.silent_for(Duration::from_millis(silent));
            let hedge = match step {
                Step::Try(attempt) => Some(attempt),
                Step::Wait { .. } | Step::Stop(_) => None,
            };
            if let Some(attempt) = hedge {
                prop_assert!(attempt.hedge && silent >= 3_000 && attempt.candidate != tried[0].candidate);
                let _ = world.begin(&attempt, false);
            }
            hedged.push(hedge.is_some());
            world.pass(Duration::from_millis(apart));
        }
        let count = |run: &[bool]| run.iter().filter(|hedged| **hedged).count() as f64;
        let first = if budget > 0.0 { 1.0 } else { 0.0 };
        prop_assert!(count(&hedged) <= budget * hedged.len() as f64 + first + 1e-9);
        for run in hedged.windows(50) {
            prop_assert!(count(run) <= budget * 50.0 + 10.0 + 1e-9);
        }
    }
}

//! Another key of a target already tried.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass, FaultScope, Tick};

use super::{World, asks, fault, policy, secs};
use crate::{RetryBudget, Seen, Standing, Step, Stop, Tried, Try, next, view};

/// One attempt of a request: candidate, number of its key, how it failed (`None`: it still runs).
pub(crate) type Made = (usize, usize, Option<Fault>);

impl World {
    /// Begins and ends these attempts of one request, one second apart, and asks what it does now.
    pub(crate) fn after(&mut self, made: &[Made]) -> Step {
        self.requests += 1;
        let plan = self.plan();
        let mut tried = Vec::new();
        for (candidate, key, result) in made.iter().cloned() {
            let place = &self.policy.candidates[candidate];
            let (target, host, key) = (place.target, place.host, place.keys[key].key);
            let attempt =
                Try { candidate, target, host, key, probe: false, warm: false, tokens: 0, input: 0, hedge: false };
            let started = self.begin(&attempt, tried.is_empty());
            self.pass(secs(1));
            let ended = result.as_ref().map(|fault| {
                self.end(attempt, started, Seen::Failed(fault.clone()));
                self.now
            });
            tried.push(Tried { candidate, key, result, started, ended, hedge: false });
        }
        let known = view(&self.health, &self.policy, Some(&self.facts), self.now());
        next(&self.policy, &plan, &tried, &known, self.now(), self.deadline(), self.seed())
    }

    fn deadline(&self) -> Tick {
        self.now + self.time
    }
}

/// What is expected.
#[derive(Debug)]
enum Does {
    /// Candidate and number of its key.
    Tries(usize, usize),
    WaitsForTheEnd,
    /// At least and less than this long.
    Waits(Duration, Duration),
    IsOutOfAttempts,
}

/// Two keys at the first target, one at the second.
#[test]
fn a_free_key_of_a_tried_target_is_as_good_as_an_untried_target() {
    use Does::{IsOutOfAttempts, Tries, Waits, WaitsForTheEnd};
    use FaultClass as F;
    let limited = || Some(asks(F::RateLimit, secs(60)));
    let failed = |class| Some(fault(class));
    let of_the_target = Some(Fault { scope: FaultScope::Target, ..asks(F::RateLimit, secs(60)) });
    let table: Vec<(&str, u32, Vec<Made>, Does)> = vec![
        ("limited beside a silent one", 5, vec![(0, 0, limited()), (1, 0, None)], Tries(0, 1)),
        ("refused beside a silent one", 5, vec![(0, 0, failed(F::Auth)), (1, 0, None)], Tries(0, 1)),
        ("no credit beside a silent one", 5, vec![(0, 0, failed(F::Billing)), (1, 0, None)], Tries(0, 1)),
        ("the silent one is older", 5, vec![(1, 0, None), (0, 1, limited())], Tries(0, 0)),
        ("the silent one timed out", 5, vec![(0, 0, limited()), (1, 0, failed(F::Timeout))], Tries(0, 1)),
        ("the other is limited too", 5, vec![(0, 0, limited()), (1, 0, limited())], Tries(0, 1)),
        ("the other serves no such model", 5, vec![(0, 0, limited()), (1, 0, failed(F::Gone))], Tries(0, 1)),
        ("it blamed the target", 5, vec![(0, 0, failed(F::Overloaded)), (1, 0, None)], WaitsForTheEnd),
        ("the limit is the target's", 5, vec![(0, 0, of_the_target), (1, 0, None)], WaitsForTheEnd),
        ("its key still runs", 5, vec![(0, 0, None), (1, 0, failed(F::Gone))], WaitsForTheEnd),
        ("its other key runs", 5, vec![(0, 0, limited()), (1, 0, failed(F::Gone)), (0, 1, None)], WaitsForTheEnd),
        (
            "first its key, then itself",
            5,
            vec![(0, 0, limited()), (0, 1, failed(F::Empty)), (1, 0, None)],
            WaitsForTheEnd,
        ),
        (
            "no key is free: the first that will be",
            5,
            vec![(0, 0, limited()), (0, 1, Some(asks(F::RateLimit, secs(9)))), (1, 0, failed(F::Gone))],
            Waits(secs(8), secs(10)),
        ),
        ("attempts are used", 2, vec![(0, 0, limited()), (1, 0, failed(F::Timeout))], IsOutOfAttempts),
        ("attempts are used in a race", 2, vec![(0, 0, limited()), (1, 0, None)], WaitsForTheEnd),
        ("a refused key is no attempt", 2, vec![(0, 0, failed(F::Auth)), (1, 0, failed(F::Timeout))], Tries(0, 1)),
        ("a refused key is none in a race", 2, vec![(0, 0, failed(F::Auth)), (1, 0, None)], Tries(0, 1)),
        ("one attempt is one attempt", 1, vec![(0, 0, failed(F::Auth))], IsOutOfAttempts),
    ];
    for (name, attempts, made, does) in table {
        for budget in [RetryBudget { share: 0.2, per_second: 10.0 }, RetryBudget { share: 0.0, per_second: 0.0 }] {
            let mut world = World::new(policy(&[2, 1]));
            world.policy.attempts = attempts;
            world.policy.retry_budget = budget;
            let step = world.after(&made);
            match does {
                Tries(candidate, key) => {
                    let key = world.policy.candidates[candidate].keys[key].key;
                    let right = matches!(&step, Step::Try(it) if (it.candidate, it.key) == (candidate, key));
                    assert!(right, "{name}: {step:?}");
                }
                WaitsForTheEnd => assert_eq!(step, Step::Wait { until: world.deadline() }, "{name}"),
                // A key that was used is asked again from the budget only.
                Waits(..) if budget.per_second < 1.0 => {
                    assert!(matches!(step, Step::Stop(Stop::Budget { .. })), "{name}: {step:?}");
                }
                Waits(least, less) => {
                    let Step::Wait { until } = step else { panic!("{name}: {step:?}") };
                    let wait = until.since(world.now);
                    assert!(wait >= least && wait < less, "{name}: {wait:?}");
                }
                IsOutOfAttempts => assert!(matches!(step, Step::Stop(Stop::Attempts { .. })), "{name}: {step:?}"),
            }
        }
    }
}

/// A key that was limited when the race began is waited for as an untried target would be, whatever the budget.
#[test]
fn a_key_that_comes_back_is_waited_for() {
    for other in [None, Some(fault(FaultClass::Gone))] {
        let mut world = World::new(policy(&[2, 1]));
        world.policy.retry_budget = RetryBudget { share: 0.0, per_second: 0.0 };
        // Another request meets the limit of the second key.
        let _ = world.after(&[(0, 1, Some(asks(FaultClass::RateLimit, secs(20))))]);
        let back = world.now + secs(20);
        assert!(matches!(
            view(&world.health, &world.policy, Some(&world.facts), world.now()).keys(0)[1].standing,
            Standing::Out(_)
        ));
        let step = world.after(&[(0, 0, Some(asks(FaultClass::RateLimit, secs(60)))), (1, 0, other)]);
        let Step::Wait { until } = step else { panic!("{step:?}") };
        assert!(until >= back && until < back + secs(1), "{:?}", until.since(back));
    }
}

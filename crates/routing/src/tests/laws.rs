//! What holds in every world.

use std::time::Duration;

use proptest::prelude::*;
use ringmain_core::{Fault, FaultClass, FaultScope, Seed, Tick};

use super::keys::Made;
use super::{End, World, asks, fault, policy, secs};
use crate::health::breaker::{Admission, Breaker};
use crate::health::retry_budget::Account;
use crate::{Balance, Observation, RetryBudget, Seen, Step, Tried, Try, next, view};

const CLASSES: [FaultClass; 15] = [
    FaultClass::Network,
    FaultClass::RateLimit,
    FaultClass::Billing,
    FaultClass::Auth,
    FaultClass::Gone,
    FaultClass::Server,
    FaultClass::Overloaded,
    FaultClass::Timeout,
    FaultClass::Empty,
    FaultClass::Protocol,
    FaultClass::Interrupted,
    FaultClass::BadRequest,
    FaultClass::Context,
    FaultClass::Refusal,
    FaultClass::Cancelled,
];

/// Failures that do not end a request.
fn passing_fault() -> impl Strategy<Value = Fault> {
    let scopes = [FaultScope::Host, FaultScope::Key, FaultScope::KeyModel, FaultScope::Target, FaultScope::Request];
    (0..11_usize, prop::option::of(0..100_u64), prop::option::of(prop::sample::select(scopes.to_vec()))).prop_map(
        |(class, wait, scope)| {
            let class = CLASSES[class];
            let fault = wait.map_or_else(|| fault(class), |wait| asks(class, secs(wait)));
            Fault { scope: scope.unwrap_or(fault.scope), ..fault }
        },
    )
}

/// Failures that blame the key alone.
fn key_fault() -> impl Strategy<Value = Fault> {
    let classes = [FaultClass::RateLimit, FaultClass::Billing, FaultClass::Auth];
    let scopes = [FaultScope::Key, FaultScope::KeyModel];
    let parts = (prop::sample::select(classes.to_vec()), prop::sample::select(scopes.to_vec()));
    (parts, prop::option::of(0..100_u64)).prop_map(|((class, scope), wait)| {
        let fault = wait.map_or_else(|| fault(class), |wait| asks(class, secs(wait)));
        Fault { scope, ..fault }
    })
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![9 => passing_fault(), 1 => (11..15_usize).prop_map(|class| fault(CLASSES[class]))]
}

#[derive(Debug, Clone)]
enum Move {
    Pass(u64),
    Begin,
    Commit(usize),
    Good(usize),
    Bad(usize),
    NotNow(usize),
    Nothing(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (0..8_000_u64).prop_map(Move::Pass),
        Just(Move::Begin),
        Just(Move::Begin),
        (0..8_usize).prop_map(Move::Commit),
        (0..8_usize).prop_map(Move::Good),
        (0..8_usize).prop_map(Move::Bad),
        (0..8_usize).prop_map(Move::Bad),
        (0..8_usize).prop_map(Move::NotNow),
        (0..8_usize).prop_map(Move::Nothing),
    ];
    prop::collection::vec(one, 0..200)
}

fn is_open(admission: Admission) -> bool {
    matches!(admission, Admission::Open { .. })
}

fn passes(admission: Admission) -> bool {
    matches!(admission, Admission::Pass { .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// One probe at most; nobody passes while it is open; N failures in a row open it. A probe that committed is an
    /// attempt like any other.
    #[test]
    fn breaker(moves in moves(), seed: u64) {
        let policy = policy(&[1]).breaker;
        let lease = secs(100_000);
        let (mut breaker, mut now, mut running) = (Breaker::default(), Tick(1), Vec::<(Tick, bool)>::new());
        for (at, step) in moves.into_iter().enumerate() {
            now = now + Duration::from_nanos(1);
            let seed = Seed(seed).nth("move", at as u64);
            let pick = |running: &mut Vec<(Tick, bool)>, n: usize| {
                if running.is_empty() { None } else { Some(running.swap_remove(n % running.len())) }
            };
            match step {
                Move::Pass(millis) => now = now + Duration::from_millis(millis),
                Move::Begin => match breaker.admission(&policy, lease, now) {
                    Admission::Pass { ramp } => {
                        prop_assert!(ramp > 0.0 && ramp <= 1.0);
                        running.push((now, false));
                    }
                    Admission::Probe => {
                        prop_assert!(!running.iter().any(|(_, probe)| *probe), "two probes");
                        breaker.take_probe(&policy, lease, now);
                        prop_assert_eq!(breaker.admission(&policy, lease, now), Admission::Probing);
                        running.push((now, true));
                    }
                    Admission::Probing => prop_assert!(running.iter().any(|(_, probe)| *probe), "a lost probe"),
                    Admission::Open { until } => prop_assert!(until > now && until <= now + policy.open_for_max),
                },
                Move::Commit(n) => if !running.is_empty() {
                    let n = n % running.len();
                    let (started, probe) = (running[n].0, std::mem::take(&mut running[n].1));
                    let before = breaker.clone();
                    prop_assert_eq!(breaker.committed(started, now), probe);
                    prop_assert!(!probe || passes(breaker.admission(&policy, lease, now)));
                    prop_assert!(probe || breaker == before);
                    prop_assert!(!breaker.committed(started, now), "a probe is good once");
                },
                Move::Good(n) => if let Some((started, probe)) = pick(&mut running, n) {
                    breaker.succeeded(&policy, started, now);
                    prop_assert!(!probe || passes(breaker.admission(&policy, lease, now)));
                },
                Move::Bad(n) => if let Some((started, probe)) = pick(&mut running, n) {
                    breaker.failed(&policy, started, now, seed);
                    let admission = breaker.admission(&policy, lease, now);
                    prop_assert!(!probe || is_open(admission));
                },
                Move::NotNow(n) => if let Some((started, probe)) = pick(&mut running, n) {
                    breaker.stay_open(&policy, started, now, seed);
                    prop_assert!(!probe || is_open(breaker.admission(&policy, lease, now)));
                },
                Move::Nothing(n) => if let Some((started, probe)) = pick(&mut running, n) {
                    breaker.release(started);
                    prop_assert!(!probe || breaker.admission(&policy, lease, now) == Admission::Probe);
                },
            }
        }
    }

    #[test]
    fn a_breaker_opens_after_so_many_in_a_row(failures in 1..20_u32, seed: u64) {
        let mut policy = policy(&[1]).breaker;
        policy.failures = failures;
        policy.min_requests = 1000;
        let mut breaker = Breaker::default();
        for n in 1..=failures {
            breaker.failed(&policy, Tick(1), Tick(2), Seed(seed));
            let open = is_open(breaker.admission(&policy, secs(1), Tick(2)));
            prop_assert_eq!(open, n == failures);
        }
        let back = Tick(2) + policy.open_for;
        prop_assert_eq!(breaker.admission(&policy, secs(1), back), Admission::Probe);
        prop_assert!(is_open(breaker.admission(&policy, secs(1), Tick(2) + policy.open_for / 4)));
    }

    /// In any ten seconds: no more retries than a share of the requests and so many a second.
    #[test]
    fn retry_budget(events in prop::collection::vec((0..500_u64, any::<bool>()), 0..300)) {
        let policy = RetryBudget { share: 0.2, per_second: 2.0 };
        let (mut account, mut now) = (Account::default(), Tick(0));
        let (mut requests, mut retries) = (Vec::<Tick>::new(), Vec::<Tick>::new());
        for (millis, is_request) in events {
            now = now + Duration::from_millis(millis);
            if is_request {
                account.deposit(now);
                requests.push(now);
            } else if account.balance(&policy, now) >= 1.0 {
                account.withdraw(&policy, now);
                retries.push(now);
            }
            let recent = |all: &[Tick], window| all.iter().filter(|at| now.since(**at) < window).count() as f64;
            prop_assert!(recent(&retries, secs(9)) <= 0.2 * recent(&requests, secs(20)) + 20.0);
        }
    }

    /// Whatever has failed: while an untried healthy candidate or an untried usable key of one that failed for its keys
    /// only, an attempt and time are left, something is tried, now or (the same target once more) within a backoff. And
    /// every request ends, within its attempts.
    #[test]
    fn failover_lives(
        keys in prop::collection::vec(1..4_usize, 2..6),
        weighted: bool,
        good_key in 0..3_usize,
        history in prop::collection::vec((0..6_usize, any_fault(), 0..3_000_u64), 0..40),
        answers in prop::collection::vec(passing_fault(), 1..10),
        of_keys in prop::collection::vec(key_fault(), 1..5),
        spent: bool,
        healthy in 0..6_usize,
    ) {
        let mut world = World::new(policy(&keys));
        let healthy = healthy % keys.len();
        if weighted { world.policy.balance = Balance::Weighted; }
        if spent { world.policy.retry_budget = RetryBudget { share: 0.0, per_second: 0.0 }; }
        world.policy.attempts = 30;
        let good_key = world.policy.candidates[healthy].keys[good_key % keys[healthy]].key;
        for (candidate, fault, millis) in history {
            let candidate = candidate % keys.len();
            if candidate == healthy { continue; }
            let place = &world.policy.candidates[candidate];
            let attempt = Try { candidate, target: place.target, host: place.host, key: place.keys[0].key, probe: false, warm: false, tokens: 0, input: 0, hedge: false };
            let started = world.begin(&attempt, true);
            world.pass(Duration::from_millis(millis));
            world.end(attempt, started, Seen::Failed(fault));
        }
        let mut turn = 0;
        let told = world.request(|attempt, _| {
            turn += 1;
            match attempt.candidate == healthy {
                true if attempt.key == good_key => Ok(()),
                true => Err(of_keys[turn % of_keys.len()].clone()),
                false => Err(answers[turn % answers.len()].clone()),
            }
        });
        prop_assert_eq!(&told.end, &End::Served(healthy), "{:?}", told);
        prop_assert!(told.attempts.len() <= 30);
        let waits = told.at.windows(2).map(|two| two[1].since(two[0]));
        prop_assert!(waits.max().is_none_or(|longest| longest <= secs(4)), "a backoff at most: {:?}", told);
    }

    /// The same, at any moment of a request of which some attempts still run.
    #[test]
    fn a_race_lives(
        keys in prop::collection::vec(1..4_usize, 2..5),
        drawn in prop::collection::vec((0..5_usize, 0..3_usize, prop::option::weighted(0.7, passing_fault())), 0..8),
        of_keys in prop::collection::vec(key_fault(), 1..5),
        spent: bool,
        healthy in 0..5_usize,
    ) {
        let mut world = World::new(policy(&keys));
        world.policy.attempts = 30;
        world.policy.breaker.failures = 3;
        if spent { world.policy.retry_budget = RetryBudget { share: 0.0, per_second: 0.0 }; }
        let healthy = healthy % keys.len();
        let (mut used, mut made) = (Vec::new(), Vec::<Made>::new());
        for (candidate, key, result) in drawn {
            let candidate = candidate % keys.len();
            if candidate != healthy {
                // None is asked beside itself, or before the time that it asked for.
                let may_be = made.iter().all(|(at, _, result)| {
                    *at != candidate || result.as_ref().is_some_and(|fault| fault.retry_after.is_none())
                });
                if may_be { made.push((candidate, key % keys[candidate], result)); }
            } else if key + 1 < keys[healthy] && !used.contains(&key) {
                // Its last key is the one that is left.
                used.push(key);
                made.push((candidate, key, Some(of_keys[key % of_keys.len()].clone())));
            }
        }
        let step = world.after(&made);
        let may_wait = made.iter().all(|(_, _, result)| result.is_some());
        let backoff = world.now + secs(8);
        match step {
            Step::Try(attempt) => {
                let mut keys = used.iter().map(|key| world.policy.candidates[healthy].keys[*key].key);
                prop_assert!(attempt.candidate != healthy || !keys.any(|key| key == attempt.key));
            }
            Step::Wait { until } => prop_assert!(may_wait && until <= backoff, "{:?}", made),
            Step::Stop(stop) => prop_assert!(false, "{:?} after {:?}", stop, made),
        }
    }

    /// Any request at all ends within its attempts (refused keys aside) and its time.
    #[test]
    fn every_request_ends(
        keys in prop::collection::vec(1..4_usize, 1..5),
        answers in prop::collection::vec(prop::option::weighted(0.95, any_fault()), 1..12),
        requests in 1..10_usize,
        attempts in 1..7_u32,
    ) {
        let mut world = World::new(policy(&keys));
        world.policy.attempts = attempts;
        let mut turn = 0;
        for _ in 0..requests {
            let deadline = world.now + world.time;
            let told = world.request(|_, started| {
                assert!(started < deadline);
                turn += 1;
                answers[turn % answers.len()].clone().map_or(Ok(()), Err)
            });
            let refused = told.tried.iter().filter_map(|tried| tried.result.as_ref());
            let refused = refused.filter(|it| matches!(it.class, FaultClass::Auth | FaultClass::Billing)).count();
            prop_assert!(told.attempts.len() <= attempts as usize + refused);
            if attempts == 1 { prop_assert!(told.attempts.len() <= 1); }
        }
    }

    /// Equal inputs, equal outputs.
    #[test]
    fn decisions_repeat(
        keys in prop::collection::vec(1..3_usize, 1..5),
        answers in prop::collection::vec(prop::option::of(any_fault()), 1..12),
    ) {
        let run = || {
            let mut world = World::new(policy(&keys));
            let mut turn = 0;
            let told: Vec<_> = (0..10).map(|_| world.request(|_, _| {
                turn += 1;
                answers[turn % answers.len()].clone().map_or(Ok(()), Err)
            })).collect();
            (told, world.health)
        };
        prop_assert_eq!(run(), run());
    }
}

/// Many requests at once against a target that is coming back: one of them is sent there.
#[test]
fn one_probe_for_many_requests() {
    let mut world = World::new(policy(&[1, 1]));
    let _ =
        world.served(10, |attempt| if attempt.candidate == 0 { Err(fault(FaultClass::Overloaded)) } else { Ok(()) });
    world.pass(secs(10));
    let mut first = None;
    for request in 0..50 {
        world.requests += 1;
        let known = view(&world.health, &world.policy, Some(&world.facts), world.now());
        let plan = world.plan();
        let step = next(&world.policy, &plan, &[] as &[Tried], &known, world.now(), world.now + secs(9), world.seed());
        let Step::Try(attempt) = step else { panic!("{step:?}") };
        assert_eq!((attempt.candidate, attempt.probe), if request == 0 { (0, true) } else { (1, false) });
        let started = world.begin(&attempt, true);
        first.get_or_insert((attempt, started));
        world.pass(Duration::from_millis(1));
    }
    // The probe's caller leaves: the next request is the probe.
    let (attempt, started) = first.unwrap();
    let gone = Observation {
        attempt,
        started,
        seen: Seen::Cancelled { first_token: None },
        limits: None,
        marks: Default::default(),
    };
    let (now, seed) = (world.now(), world.seed());
    crate::observe(&mut world.health, &world.policy, &gone, now, seed);
    assert_eq!(world.plan().chosen(), Some(0));
}

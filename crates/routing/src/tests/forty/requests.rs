//! What one request does.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass, FaultScope};

use crate::tests::{End, World, fault, policy, secs};
use crate::{Balance, OnRefusal, Seen, Step, Stop, next, view};

#[test]
fn s07_one_failure_inside_one_request() {
    for class in [FaultClass::Overloaded, FaultClass::RateLimit, FaultClass::Auth, FaultClass::Timeout] {
        let mut world = World::new(policy(&[1, 1]));
        let told = world.request(|attempt, _| if attempt.candidate == 0 { Err(fault(class)) } else { Ok(()) });
        assert_eq!((told.end, told.attempts.len()), (End::Served(1), 2), "{class}");
    }
}

#[test]
fn s08_a_target_that_is_always_late() {
    let mut world = World::new(policy(&[1, 1]));
    world.policy.attempts = 25;
    for _ in 0..20 {
        let told = world.request(|attempt, _| match attempt.candidate {
            0 => Err(fault(FaultClass::Timeout)),
            _ => Ok(()),
        });
        assert_eq!(told.end, End::Served(1));
        assert!(told.attempts.len() <= 2, "its retries are not spent on the one that is late");
    }
}

#[test]
fn s12_a_prompt_that_is_too_long() {
    let mut world = World::new(policy(&[1, 1, 1]));
    for (candidate, window) in world.policy.candidates.iter_mut().zip([8_000, 8_000, 32_000]) {
        candidate.context_window = Some(window);
    }
    let too_long = |attempt: crate::Try| if attempt.candidate == 2 { Ok(()) } else { Err(fault(FaultClass::Context)) };
    // Not known before: the provider says it.
    assert_eq!(world.request(|attempt, _| too_long(attempt)).order(), [0, 2]);
    // Known before.
    world.facts.input_tokens = 9_000;
    assert_eq!(world.request(|attempt, _| too_long(attempt)).order(), [2]);
    // The prompt fits and the answer does not: those that hold both first, and no refusal where there are none.
    (world.facts.input_tokens, world.facts.max_output_tokens) = (6_000, Some(4_000));
    assert_eq!(world.plan().order, [2]);
    let told = world.request(|attempt, _| if attempt.candidate == 2 { Err(fault(FaultClass::Empty)) } else { Ok(()) });
    assert_eq!(told.order(), [2, 0]);
    world.policy.candidates.truncate(2);
    assert_eq!(world.plan().order, [0, 1]);
    // As much as there is: no expectation.
    world.policy.candidates[1].context_window = Some(200_000);
    world.facts.max_output_tokens = Some(8_000);
    assert_eq!(world.plan().order, [0, 1]);
}

#[test]
fn s13_a_content_filter() {
    for (on_refusal, order) in [(OnRefusal::Return, &[0][..]), (OnRefusal::Next, &[0, 1])] {
        let mut world = World::new(policy(&[1, 1]));
        world.policy.on_refusal = on_refusal;
        let told = world.request(|attempt, _| match attempt.candidate {
            0 => Err(fault(FaultClass::Refusal)),
            _ => Ok(()),
        });
        assert_eq!(told.order(), order);
        let is_told = told.class() == Some(FaultClass::Refusal);
        assert_eq!(is_told, on_refusal == OnRefusal::Return);
    }
}

#[test]
fn s14_no_other_target_and_the_time_is_up() {
    let mut world = World::new(policy(&[1]));
    world.time = secs(3);
    let mut late = world.clone();
    let told = world.request(|_, _| {
        late.pass(secs(0));
        Err(fault(FaultClass::Timeout))
    });
    assert_eq!(told.class(), Some(FaultClass::Timeout), "{told:?}");
    assert!(told.at.iter().all(|at| at.since(told.at[0]) < secs(3)), "nothing begins after the deadline");
    let known = view(&late.health, &late.policy, Some(&late.facts), late.now());
    let deadline = late.now;
    let step = next(&late.policy, &late.plan(), &told.tried, &known, late.now(), deadline, late.seed());
    let Step::Stop(Stop::Deadline { fault: Some(at) }) = step else { panic!("{step:?}") };
    assert_eq!(told.tried[at].result.as_ref().map(|fault| fault.class), Some(FaultClass::Timeout));
}

#[test]
fn s15_a_caller_hangs_up() {
    let mut world = World::new(policy(&[1, 1]));
    world.policy.breaker.failures = 1;
    for _ in 0..10 {
        let known = view(&world.health, &world.policy, Some(&world.facts), world.now());
        let deadline = world.now + world.time;
        let step = next(&world.policy, &world.plan(), &[], &known, world.now(), deadline, world.seed());
        let Step::Try(attempt) = step else { panic!("{step:?}") };
        let started = world.begin(&attempt, true);
        world.pass(secs(8));
        world.end(attempt, started, Seen::Cancelled { first_token: None });
    }
    assert_eq!(world.served(6, |_| Ok(())), [6, 0]);
}

/// Labels, a session, a model's name: nothing that a caller writes is a fact about a target.
#[test]
fn s24_a_caller_cannot_bench_a_target() {
    let mut world = World::new(policy(&[1, 1]));
    let tags = ["cooldown", "failed", "status"].map(|name| (name.to_owned(), "provider-0/model".to_owned()));
    world.facts.tags = tags.to_vec();
    world.facts.timeout = Some(Duration::from_millis(1));
    assert_eq!(world.served(20, |_| Ok(())), [20, 0]);
    for class in [FaultClass::BadRequest, FaultClass::Cancelled] {
        let _ = world.served(20, |_| Err(fault(class)));
    }
    world.facts.tags.clear();
    assert_eq!(world.served(20, |_| Ok(())), [20, 0]);
}

#[test]
fn s28_s29_a_target_listed_twice_is_tried_once() {
    let mut policy = policy(&[1, 1, 1]);
    policy.candidates[2] = policy.candidates[0].clone();
    for class in [FaultClass::Overloaded, FaultClass::Empty, FaultClass::Gone, FaultClass::Auth] {
        let mut world = World::new(policy.clone());
        world.policy.attempts = 3;
        let told = world.request(|_, _| Err(fault(class)));
        assert_eq!(told.order()[..2], [0, 1], "{class}");
        let again = told.at.get(2).map(|at| at.since(told.at[1]));
        assert!(again.is_none_or(|after| after > Duration::from_millis(10)), "{class}: after a backoff only: {told:?}");
        assert!(!told.order().contains(&2), "{class}");
    }
}

#[test]
fn s37_two_tiers() {
    let mut policy = policy(&[1, 1, 1]);
    policy.balance = Balance::Weighted;
    policy.candidates[2].tier = 2;
    let mut world = World::new(policy);
    for down in 0..2 {
        let told = world.request(|attempt, _| match attempt.candidate == down {
            true => Err(Fault { scope: FaultScope::Request, ..fault(FaultClass::Empty) }),
            false => Ok(()),
        });
        assert_eq!(told.end, End::Served(told.order().pop().unwrap()));
        assert!(!told.order().contains(&2), "the peer first: {told:?}");
    }
    let told = world.request(|attempt, _| match attempt.candidate {
        2 => Ok(()),
        _ => Err(Fault { scope: FaultScope::Request, ..fault(FaultClass::Empty) }),
    });
    assert_eq!((told.end, told.attempts.len()), (End::Served(2), 3));
}

#[test]
fn s40_a_refusal_of_the_request_benches_nobody() {
    for class in [FaultClass::BadRequest, FaultClass::Refusal] {
        let mut world = World::new(policy(&[1, 1]));
        world.policy.breaker.failures = 1;
        for _ in 0..20 {
            let told = world.request(|_, _| Err(fault(class)));
            assert_eq!((told.order(), told.class()), (vec![0], Some(class)));
        }
        assert_eq!(world.request(|_, _| Ok(())).order(), [0], "{class}");
    }
}

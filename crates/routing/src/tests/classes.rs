//! Each row of the table of failures.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass, Phase};

use super::{End, World, asks, fault, policy, secs};
use crate::{OnRefusal, Policy, Reason, Resume, Step, Stop, Tried, next, view};

/// Two targets with one key each; the first always fails like this, the second serves.
#[test]
fn one_failing_target() {
    use FaultClass as F;
    // (class, attempts in order, the failure told)
    let table: [(F, &[usize], Option<F>); 16] = [
        (F::Network, &[0, 1], None),
        (F::RateLimit, &[0, 1], None),
        (F::Billing, &[0, 1], None),
        (F::Auth, &[0, 1], None),
        (F::Gone, &[0, 1], None),
        (F::Server, &[0, 0, 1], None),
        (F::Overloaded, &[0, 1], None),
        (F::Timeout, &[0, 1], None),
        (F::Empty, &[0, 1], None),
        (F::Protocol, &[0, 1], None),
        (F::Interrupted, &[0, 0, 1], None),
        (F::BadRequest, &[0], Some(F::BadRequest)),
        (F::Context, &[0], Some(F::Context)),
        (F::Refusal, &[0], Some(F::Refusal)),
        (F::Cancelled, &[0], Some(F::Cancelled)),
        (F::Unroutable, &[0, 1], None),
    ];
    for (class, order, told_class) in table {
        let mut world = World::new(policy(&[1, 1]));
        let told = world.request(|attempt, _| if attempt.candidate == 0 { Err(fault(class)) } else { Ok(()) });
        assert_eq!(told.order(), order, "{class}");
        assert_eq!(told.class(), told_class, "{class}");
        if told_class.is_none() {
            assert_eq!(told.end, End::Served(1), "{class}");
        }
        let moved_at_once = order != [0, 0, 1];
        let waited = world.now.since(told.at[0]) > Duration::from_millis(10 * order.len() as u64);
        assert!(!(moved_at_once && waited), "{class} waits");
    }
}

/// One target alone: what is tried again, and what is not.
#[test]
fn a_target_alone() {
    use FaultClass as F;
    let table = [
        (F::Network, 5),
        (F::RateLimit, 5),
        (F::Billing, 1),
        (F::Auth, 1),
        (F::Gone, 1),
        (F::Server, 5),
        (F::Overloaded, 5),
        (F::Timeout, 5),
        (F::Empty, 5),
        (F::Protocol, 5),
        (F::Interrupted, 5),
        (F::BadRequest, 1),
        (F::Context, 1),
        (F::Refusal, 1),
        (F::Cancelled, 1),
        (F::Unroutable, 1),
    ];
    for (class, attempts) in table {
        let told = World::new(policy(&[1])).request(|_, _| Err(fault(class)));
        assert_eq!((told.attempts.len(), told.class()), (attempts, Some(class)), "{class}");
        let mut once = policy(&[1]);
        once.attempts = 1;
        let mut world = World::new(once);
        let began = world.now;
        let told = world.request(|_, _| Err(fault(class)));
        assert_eq!((told.attempts.len(), told.class()), (1, Some(class)), "{class}: one attempt is one attempt");
        assert_eq!(world.now.since(began).as_millis(), 10, "{class}: and no wait");
    }
}

#[test]
fn a_bad_key_gives_way_to_another_key_of_the_same_target() {
    for class in [FaultClass::RateLimit, FaultClass::Billing, FaultClass::Auth] {
        let mut world = World::new(policy(&[2, 1]));
        let mut refused = None;
        let told = world.request(|attempt, _| match refused {
            None => {
                refused = Some(attempt.key);
                Err(fault(class))
            }
            Some(_) => Ok(()),
        });
        assert_eq!(told.order(), [0, 0], "{class}");
        assert_ne!(told.attempts[0], told.attempts[1], "{class}");
        let key = refused.unwrap();
        for _ in 0..20 {
            let told = world.request(|_, _| Ok(()));
            assert!(told.attempts.len() == 1 && told.attempts[0].1 != key.0, "{class}: benched for the others");
        }
    }
}

#[test]
fn a_longer_prompt_goes_to_a_larger_window_only() {
    let mut policy = policy(&[1, 1, 1, 1]);
    for (candidate, window) in policy.candidates.iter_mut().zip([Some(8_000), None, Some(8_000), Some(32_000)]) {
        candidate.context_window = window;
    }
    let mut world = World::new(policy);
    let told =
        world.request(|attempt, _| if attempt.candidate == 3 { Ok(()) } else { Err(fault(FaultClass::Context)) });
    assert_eq!(told.order(), [0, 3]);
    let told = world.request(|_, _| Err(fault(FaultClass::Context)));
    assert_eq!((told.order(), told.class()), (vec![0, 3], Some(FaultClass::Context)));
}

#[test]
fn a_refusal_moves_on_where_the_policy_says_so() {
    let mut policy = policy(&[1, 1]);
    policy.on_refusal = OnRefusal::Next;
    let told = World::new(policy).request(|attempt, _| match attempt.candidate {
        0 => Err(fault(FaultClass::Refusal)),
        _ => Ok(()),
    });
    assert_eq!(told.order(), [0, 1]);
}

#[test]
fn a_running_attempt_is_raced_not_repeated() {
    let world = World::new(policy(&[1, 1]));
    let (plan, known, deadline) =
        (world.plan(), view(&world.health, &world.policy, Some(&world.facts), world.now()), world.now + secs(60));
    let running = |candidate: usize| Tried {
        candidate,
        key: world.policy.candidates[candidate].keys[0].key,
        result: None,
        started: world.now,
        ended: None,
        hedge: false,
    };
    let step = |tried: &[Tried]| next(&world.policy, &plan, tried, &known, world.now(), deadline, world.seed());
    assert!(matches!(step(&[running(0)]), Step::Try(attempt) if attempt.candidate == 1));
    assert_eq!(step(&[running(0), running(1)]), Step::Wait { until: deadline });
    let refused = Tried { result: Some(fault(FaultClass::BadRequest)), ended: Some(world.now), ..running(1) };
    assert_eq!(step(&[running(0), refused.clone()]), Step::Wait { until: deadline });
    let failed = Tried { result: Some(fault(FaultClass::Server)), ended: Some(world.now), ..running(0) };
    assert_eq!(step(&[failed, refused]), Step::Stop(Stop::Return(1)));
    let late = next(&world.policy, &plan, &[], &known, world.now(), world.now, world.seed());
    assert_eq!(late, Step::Stop(Stop::Deadline { fault: None }));
}

#[test]
fn the_time_a_provider_asks_for_is_never_shortened() {
    for class in [FaultClass::RateLimit, FaultClass::Overloaded, FaultClass::Server] {
        let mut world = World::new(policy(&[1]));
        let mut first = true;
        let told = world.request(|_, _| if std::mem::take(&mut first) { Err(asks(class, secs(40))) } else { Ok(()) });
        assert_eq!(told.end, End::Served(0), "{class}");
        let waited = told.at[1].since(told.at[0]);
        assert!(waited >= secs(40) && waited < secs(42), "{class}: {waited:?}");
    }
}

#[test]
fn what_is_out_is_told_with_its_reasons() {
    let mut world = World::new(policy(&[1, 1]));
    world.time = secs(5);
    let told = world.request(|_, _| Err(asks(FaultClass::RateLimit, secs(30))));
    assert_eq!(told.order(), [0, 1]);
    let again = world.request(|_, _| Ok(()));
    let End::Stopped(Stop::Exhausted { all_limited, all_denied, retry_after, reasons, fault }) = again.end else {
        panic!("{again:?}")
    };
    assert!(all_limited && !all_denied && fault.is_none() && again.attempts.is_empty());
    assert!(retry_after.is_some_and(|after| after > secs(29) && after <= secs(30)), "{retry_after:?}");
    assert!(matches!(reasons[..], [(0, Reason::Limited { .. }), (1, Reason::Limited { .. })]), "{reasons:?}");

    let mut world = World::new(policy(&[1, 1]));
    world.request(|_, _| Err(super::fault(FaultClass::Auth)));
    let again = world.request(|_, _| Ok(()));
    assert!(
        matches!(again.end, End::Stopped(Stop::Exhausted { all_limited: false, all_denied: true, .. })),
        "{again:?}"
    );
}

/// Each target in turn breaks off after part of its answer is with the caller.
#[test]
fn an_answer_that_breaks_off_is_continued_by_another_target() {
    let broken = Fault { phase: Phase::AfterCommit, ..fault(FaultClass::Interrupted) };
    let mut world = World::new(policy(&[1, 1, 1]));
    let told = world.request(|attempt, _| if attempt.candidate < 2 { Err(broken.clone()) } else { Ok(()) });
    assert_eq!((told.order(), told.end), (vec![0, 1, 2], End::Served(2)));
    assert_eq!(told.at[1].since(told.at[0]), Duration::from_millis(10), "at once");
    // Who died is not asked to go on.
    let told = World::new(policy(&[1, 1])).request(|_, _| Err(broken.clone()));
    assert_eq!(told.order(), [0, 1]);
    // One attempt is one attempt, and `resume: off` is off.
    for policy in [Policy { attempts: 1, ..policy(&[1, 1]) }, Policy { resume: Resume::Off, ..policy(&[1, 1]) }] {
        let told = World::new(policy).request(|_, _| Err(broken.clone()));
        assert_eq!((told.order(), told.class()), (vec![0], Some(FaultClass::Interrupted)));
    }
}

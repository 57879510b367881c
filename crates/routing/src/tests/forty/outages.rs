//! Targets and hosts that fail for everybody.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass};

use crate::tests::{End, World, fault, policy, secs};
use crate::{Balance, Policy, Stop};

/// Weights 1 and 0.
fn all_or_nothing() -> Policy {
    let mut policy = policy(&[1, 1]);
    policy.balance = Balance::Weighted;
    policy.candidates[1].weight = 0.0;
    policy
}

/// The first of the targets always fails like this.
fn fails_with(class: FaultClass) -> impl Fn(crate::Try) -> Result<(), Fault> {
    move |attempt| if attempt.candidate == 0 { Err(fault(class)) } else { Ok(()) }
}

#[test]
fn s01_to_s04_a_primary_with_all_the_weight_goes_and_returns() {
    let classes =
        [FaultClass::Server, FaultClass::RateLimit, FaultClass::Auth, FaultClass::Network, FaultClass::Timeout];
    for class in classes {
        let mut world = World::new(all_or_nothing());
        assert_eq!(world.served(20, fails_with(class)), [0, 20], "{class}: every call, the first too");
        let mut asked = 0;
        let _ = world.served(20, |attempt| {
            asked += usize::from(attempt.candidate == 0);
            if attempt.candidate == 0 { Err(fault(class)) } else { Ok(()) }
        });
        assert_eq!(asked, 0, "{class}: left alone meanwhile");
        world.pass(secs(400));
        assert_eq!(world.request(|_, _| Ok(())).order(), [0], "{class}: then asked again");
        world.pass(secs(30));
        assert_eq!(world.served(10, |_| Ok(())), [10, 0], "{class}");
    }
}

#[test]
fn s09_twenty_five_failures_in_a_row() {
    let mut world = World::new(all_or_nothing());
    let mut asked = 0;
    let served = world.served(25, |attempt| {
        asked += usize::from(attempt.candidate == 0);
        fails_with(FaultClass::Server)(attempt)
    });
    assert!(served == [0, 25] && asked <= 6, "{asked}");
}

#[test]
fn s10_nothing_is_sent_inside_the_time_out() {
    let mut policy = all_or_nothing();
    (policy.breaker.open_for, policy.breaker.open_for_max) = (secs(30), secs(30));
    let mut world = World::new(policy);
    let _ = world.served(10, fails_with(FaultClass::Overloaded));
    // Half of the time is certain, the rest is jitter.
    for _ in 0..3 {
        world.pass(secs(4));
        assert_eq!(world.request(|_, _| Ok(())).order(), [1]);
    }
    world.pass(secs(30));
    assert_eq!(world.request(|_, _| Ok(())).order(), [0]);
}

#[test]
fn s11_a_host_that_cannot_be_reached() {
    let mut world = World::new(policy(&[1, 1, 1]));
    world.policy.candidates[1].host = world.policy.candidates[0].host;
    let unreachable =
        |attempt: crate::Try| if attempt.candidate < 2 { Err(fault(FaultClass::Network)) } else { Ok(()) };
    let first = world.request(|attempt, _| unreachable(attempt));
    assert_eq!((first.end, first.attempts.len()), (End::Served(2), 3));
    assert_eq!(world.served(10, unreachable), [0, 0, 10]);
    assert_eq!(world.request(|_, _| Ok(())).order(), [2], "both targets of the host are out");
}

#[test]
fn s21_a_breaker_is_the_targets_own() {
    let mut policy = policy(&[1, 1]);
    policy.breaker.failures = 1;
    policy.candidates[1].host = policy.candidates[0].host;
    policy.candidates[1].keys = policy.candidates[0].keys.clone();
    let mut world = World::new(policy);
    let told = world.request(|attempt, _| fails_with(FaultClass::Overloaded)(attempt));
    assert_eq!(told.order(), [0, 1]);
    for _ in 0..20 {
        assert_eq!(world.request(|_, _| Ok(())).order(), [1], "out at the first failure, its sibling is not");
    }
}

#[test]
fn s23_failures_of_the_second_target_count_too() {
    let mut world = World::new(policy(&[1, 1, 1]));
    let mut asked = 0;
    for _ in 0..20 {
        let told = world.request(|attempt, _| {
            asked += usize::from(attempt.candidate == 1);
            if attempt.candidate < 2 { Err(fault(FaultClass::Overloaded)) } else { Ok(()) }
        });
        assert_eq!(told.end, End::Served(2));
    }
    assert_eq!(asked, 5, "and then it is out");
}

#[test]
fn s33_a_route_with_one_target() {
    let mut world = World::new(policy(&[1]));
    world.policy.attempts = 1;
    let mut asked = 0;
    let all: Vec<_> = (0..20)
        .map(|_| {
            world.request(|_, _| {
                asked += 1;
                Err(fault(FaultClass::Overloaded))
            })
        })
        .collect();
    assert_eq!(asked, 5);
    let End::Stopped(Stop::Exhausted { retry_after: Some(after), all_limited: false, .. }) = &all[19].end else {
        panic!("{:?}", all[19].end)
    };
    assert!(*after <= secs(5), "{after:?}");
}

#[test]
fn s39_every_breaker_is_open() {
    let mut world = World::new(policy(&[1, 1]));
    let _ = world.served(20, |_| Err(fault(FaultClass::Overloaded)));
    let (began, mut asked) = (world.now, 0);
    for _ in 0..50 {
        let told = world.request(|_, _| {
            asked += 1;
            Ok(())
        });
        let End::Stopped(Stop::Exhausted { retry_after, reasons, .. }) = told.end else { panic!("{told:?}") };
        assert!(reasons.len() == 2 && retry_after.is_some());
    }
    assert_eq!((asked, world.now), (0, began), "told at once, and nobody is asked");
    world.pass(secs(6));
    let told = world.request(|_, _| Ok(()));
    assert!(matches!(told.end, End::Served(_)) && told.attempts.len() == 1, "one finds out");
    assert!(world.now.since(began) < secs(7) + Duration::from_millis(10));
}

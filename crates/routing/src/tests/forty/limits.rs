//! Limits, caps and refused keys.

use std::time::Duration;

use ringmain_core::FaultClass;

use crate::tests::{End, World, asks, fault, policy, secs};
use crate::{Balance, Caps, Reason, Standing, Stop, view};

#[test]
fn s18_a_target_capped_at_one_token_a_minute() {
    let mut world = World::new(policy(&[1, 1]));
    world.policy.balance = Balance::Weighted;
    world.policy.candidates[0].caps = Caps { tpm: Some(1), ..Caps::default() };
    assert_eq!(world.served(50, |_| Ok(())), [0, 50]);
    // And one request a minute is one request a minute; when both are capped, the caller waits, or is told until when.
    world.policy.candidates[0].caps = Caps { rpm: Some(1), ..Caps::default() };
    world.policy.candidates[1].caps = Caps { rpm: Some(2), ..Caps::default() };
    world.pass(secs(61));
    assert_eq!(world.served(3, |_| Ok(())), [1, 2]);
    world.time = secs(10);
    let told = world.request(|_, _| Ok(()));
    let End::Stopped(Stop::Exhausted { all_limited: true, retry_after: Some(after), reasons, .. }) = told.end else {
        panic!("{told:?}")
    };
    assert!(after > secs(59) && after <= secs(61), "{after:?}");
    assert!(reasons.iter().all(|(_, reason)| matches!(reason, Reason::Capped { .. })), "{reasons:?}");
    world.time = secs(120);
    assert!(matches!(world.request(|_, _| Ok(())).end, End::Served(_)));
}

#[test]
fn s22_rate_limits_are_no_failures() {
    let mut world = World::new(policy(&[1, 1]));
    for _ in 0..3 {
        let _ = world.request(|attempt, _| match attempt.candidate {
            0 => Err(asks(FaultClass::RateLimit, Duration::from_millis(50))),
            _ => Ok(()),
        });
        world.pass(secs(1));
    }
    let mut failed = 0;
    while world
        .request(|attempt, _| if attempt.candidate == 0 { Err(fault(FaultClass::Empty)) } else { Ok(()) })
        .order()[0]
        == 0
    {
        failed += 1;
    }
    assert_eq!(failed, 5, "five in a row open it, as if it had never been limited");
}

#[test]
fn s32_a_time_out_that_is_over_is_forgotten() {
    let mut world = World::new(policy(&[1, 1]));
    let _ = world.request(|attempt, _| match attempt.candidate {
        0 => Err(asks(FaultClass::RateLimit, secs(5))),
        _ => Ok(()),
    });
    for _ in 0..3 {
        // Reading it does not extend it.
        let _ = view(&world.health, &world.policy, Some(&world.facts), world.now());
        world.pass(secs(2));
    }
    let known = view(&world.health, &world.policy, Some(&world.facts), world.now());
    assert_eq!(known.rows()[0].standing, Standing::Ready);
    assert_eq!(world.served(10, |_| Ok(())), [10, 0]);
}

#[test]
fn s36_a_refused_key_waits_for_a_probe_and_a_limited_one_does_not() {
    for (class, finds_out) in [(FaultClass::Auth, true), (FaultClass::RateLimit, false)] {
        let mut world = World::new(policy(&[1, 1]));
        let refused = |attempt: crate::Try| if attempt.candidate == 0 { Err(fault(class)) } else { Ok(()) };
        assert_eq!(world.served(10, refused), [0, 10]);
        world.pass(secs(3601));
        let mut probed = false;
        let told = world.request(|attempt, _| {
            probed |= attempt.probe;
            refused(attempt)
        });
        assert_eq!((told.order(), probed), (vec![0, 1], finds_out), "{class}");
        world.pass(secs(7200));
        let _ = world.request(|_, _| Ok(()));
        assert_eq!(world.served(10, |_| Ok(())), [10, 0], "{class}: good again");
    }
}

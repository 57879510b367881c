//! Outages seen in the field, as whole requests.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass, FaultScope};

use super::{End, World, asks, fault, policy, secs};
use crate::{Balance, HostIx, Limits, Seen, Stop, Window};

/// A primary that always fails leaves rotation, callers see nothing of it, and it comes back by one probe.
#[test]
fn a_dead_primary_leaves_rotation_and_comes_back() {
    for class in
        [FaultClass::Server, FaultClass::Overloaded, FaultClass::Timeout, FaultClass::Network, FaultClass::Auth]
    {
        let mut world = World::new(policy(&[1, 1]));
        let mut asked = 0;
        let served = world.served(25, |attempt| {
            asked += usize::from(attempt.candidate == 0);
            if attempt.candidate == 0 { Err(fault(class)) } else { Ok(()) }
        });
        assert_eq!(served, [0, 25], "{class}");
        assert!(asked <= 7, "{class}: {asked} requests reached it");
        world.pass(secs(400));
        let back = world.request(|_, _| Ok(()));
        assert_eq!(back.order(), [0], "{class}: back by a probe");
        world.pass(secs(30));
        assert_eq!(world.served(20, |_| Ok(())), [20, 0], "{class}: and whole again");
    }
}

#[test]
fn a_target_out_for_a_limit_is_back_when_it_ends() {
    let mut world = World::new(policy(&[1, 1]));
    let told = world.request(|attempt, _| match attempt.candidate {
        0 => Err(asks(FaultClass::RateLimit, secs(5))),
        _ => Ok(()),
    });
    assert_eq!(told.order(), [0, 1]);
    for _ in 0..49 {
        world.pass(Duration::from_millis(80));
        assert_eq!(world.request(|_, _| Ok(())).order(), [1]);
    }
    world.pass(secs(1));
    assert_eq!(world.request(|_, _| Ok(())).order(), [0]);
}

/// A short limit that comes after a long one does not shorten it; the headers' reset is believed.
#[test]
fn the_longest_deadline_wins() {
    let mut world = World::new(policy(&[1]));
    let plan = world.plan();
    let known = crate::view(&world.health, &world.policy, Some(&world.facts), world.now());
    let step = crate::next(&world.policy, &plan, &[], &known, world.now(), world.now + secs(9), world.seed());
    let crate::Step::Try(attempt) = step else { panic!("{step:?}") };
    let started = world.now;
    for _ in 0..5 {
        let _ = world.begin(&attempt, true);
    }
    world.pass(secs(1));
    let until = |world: &World| match crate::view(&world.health, &world.policy, Some(&world.facts), world.now()).rows()
        [0]
    .standing
    {
        crate::Standing::Out(reason) => reason.until().unwrap().since(started + secs(1)),
        standing => panic!("{standing:?}"),
    };
    world.end(attempt, started, Seen::Failed(fault(FaultClass::RateLimit)));
    assert_eq!(until(&world), secs(1));
    world.end(attempt, started, Seen::Failed(fault(FaultClass::RateLimit)));
    assert_eq!(until(&world), secs(1), "answers to requests sent together are one piece of news");
    world.limits = Some(Limits {
        requests: Window { remaining: Some(3), reset: Some(secs(500)), ..Window::default() },
        tokens: Window { remaining: Some(0), reset: Some(secs(70)), ..Window::default() },
        ..Limits::default()
    });
    world.end(attempt, started, Seen::Failed(fault(FaultClass::RateLimit)));
    assert_eq!(until(&world), secs(70));
    world.end(attempt, started, Seen::Failed(asks(FaultClass::RateLimit, secs(2))));
    assert_eq!(until(&world), secs(70));
    world.end(attempt, started, super::success());
    assert_eq!(until(&world), secs(70), "a success from before the limit does not end it");
}

/// Retry-After 20, then 50, with 60 s: the second is not waited for.
#[test]
fn a_wait_beyond_the_deadline_is_not_begun() {
    let mut world = World::new(policy(&[1]));
    world.time = secs(60);
    let began = world.now;
    let mut waits = [20, 50].into_iter();
    let told = world.request(|_, _| Err(asks(FaultClass::RateLimit, secs(waits.next().unwrap()))));
    assert_eq!(told.attempts.len(), 2);
    assert!(world.now.since(began) < secs(21));
    let End::Stopped(Stop::Exhausted { all_limited: true, retry_after: Some(after), fault: Some(1), .. }) = told.end
    else {
        panic!("{told:?}")
    };
    assert_eq!(after, secs(50));
}

#[test]
fn all_out_for_seven_seconds_is_waited_for() {
    let mut world = World::new(policy(&[1, 1]));
    world.time = secs(1);
    world.request(|_, _| Err(asks(FaultClass::RateLimit, secs(7))));
    world.time = secs(60);
    let began = world.now;
    let told = world.request(|_, _| Ok(()));
    assert!(matches!(told.end, End::Served(_)), "{told:?}");
    let waited = world.now.since(began);
    assert!(waited > Duration::from_millis(6_900) && waited < Duration::from_millis(7_500), "{waited:?}");
}

/// Five keys of which four are dead: the fifth serves, even with one retry; the dead are left alone after.
#[test]
fn a_pool_with_dead_keys() {
    for class in [FaultClass::Auth, FaultClass::Billing] {
        let mut policy = policy(&[5]);
        policy.attempts = 2;
        let mut world = World::new(policy);
        let answer = |attempt: crate::Try, _| if attempt.key.0 == 4 { Ok(()) } else { Err(fault(class)) };
        let told = world.request(answer);
        assert_eq!(told.end, End::Served(0), "{class}");
        let dead = |told: &super::Told| told.attempts.iter().filter(|(_, key)| *key != 4).count();
        let mut refused = dead(&told);
        for _ in 0..50 {
            let told = world.request(answer);
            assert_eq!(told.end, End::Served(0), "{class}");
            refused += dead(&told);
        }
        assert!(refused <= 4, "{class}: each dead key is met once");
        // And when the last is dead too, the failure names credentials.
        let mut dead = World::new(world.policy.clone());
        let told = dead.request(|_, _| Err(fault(class)));
        assert_eq!((told.attempts.len(), told.class()), (5, Some(class)));
    }
}

#[test]
fn a_hang_up_blames_nobody() {
    let mut world = World::new(policy(&[1, 1]));
    for _ in 0..20 {
        let told = world.request(|_, _| Err(fault(FaultClass::Cancelled)));
        assert_eq!(told.order(), [0]);
    }
    for class in [FaultClass::BadRequest, FaultClass::Refusal, FaultClass::Context] {
        let told = (0..20).map(|_| world.request(|_, _| Err(fault(class))).order()).collect::<Vec<_>>();
        assert!(told.iter().all(|order| order == &[0]), "{class} benches nobody");
    }
}

/// Two in the first tier, one in the second: the peer before the reserve.
#[test]
fn tiers_are_used_up_in_order() {
    let mut policy = policy(&[1, 1, 1]);
    policy.balance = Balance::Weighted;
    policy.candidates[2].tier = 2;
    let mut world = World::new(policy);
    for _ in 0..20 {
        let told = world.request(|attempt, _| match attempt.candidate {
            2 => Ok(()),
            _ => Err(Fault { scope: FaultScope::Request, ..fault(FaultClass::Empty) }),
        });
        assert_eq!(told.order().len(), 3);
        assert_eq!(told.order()[2], 2);
    }
}

#[test]
fn all_failing_tells_the_last_answer_of_a_provider() {
    let mut world = World::new(policy(&[1, 1, 1]));
    world.policy.attempts = 3;
    let classes = [FaultClass::Overloaded, FaultClass::Gone, FaultClass::Network];
    let told = world.request(|attempt, _| Err(fault(classes[attempt.candidate])));
    assert_eq!((told.order(), told.class()), (vec![0, 1, 2], Some(FaultClass::Gone)));
    assert!(matches!(told.end, End::Stopped(Stop::Attempts { .. })));
}

/// A host that cannot be reached is out for every target on it, and a key's limit for every model of that key.
#[test]
fn scopes_reach_as_far_as_they_say() {
    let shared = |scope| {
        let mut policy = policy(&[1, 1, 1]);
        policy.candidates[1].host = HostIx(0);
        policy.candidates[1].keys = policy.candidates[0].keys.clone();
        policy.breaker.failures = 1;
        let mut world = World::new(policy);
        let class = if scope == FaultScope::Host { FaultClass::Network } else { FaultClass::RateLimit };
        let told = world.request(|attempt, _| match attempt.candidate {
            0 => Err(Fault { scope, ..fault(class) }),
            _ => Ok(()),
        });
        told.order()
    };
    assert_eq!(shared(FaultScope::Host), [0, 2]);
    assert_eq!(shared(FaultScope::Key), [0, 2]);
    assert_eq!(shared(FaultScope::KeyModel), [0, 1]);
    assert_eq!(shared(FaultScope::Target), [0, 1]);
}

/// A target that fails two times in three, never five in a row, is found by its rate.
#[test]
fn a_flaky_target_is_found_by_its_rate() {
    let mut world = World::new(policy(&[1, 1]));
    let mut turn = 0;
    let _ = world.served(40, |attempt| {
        turn += usize::from(attempt.candidate == 0);
        if attempt.candidate == 0 && turn % 3 != 0 { Err(fault(FaultClass::Empty)) } else { Ok(()) }
    });
    assert_eq!(turn, 10);
}

/// Two hundred callers, everything down: attempts beyond the first stay within the budget.
#[test]
fn a_storm_stays_within_the_budget() {
    let mut policy = policy(&[1]);
    policy.retry_budget.per_second = 1.0;
    policy.breaker.failures = 10_000;
    policy.breaker.error_rate = 2.0;
    policy.backoff.max = Duration::from_millis(1);
    policy.backoff.base = Duration::from_millis(1);
    let mut world = World::new(policy);
    let began = world.now;
    let (mut sent, mut refused) = (0, 0);
    for _ in 0..200 {
        let told = world.request(|_, _| Err(fault(FaultClass::Overloaded)));
        sent += told.attempts.len();
        refused += usize::from(matches!(told.end, End::Stopped(Stop::Budget { .. })));
    }
    assert!(world.now.since(began) < secs(10) && refused > 100);
    assert!(sent <= 200 + 40 + 10, "{sent}");
}

/// With the budget empty, a move to a healthy target is free; to one that fails too, it is not made.
#[test]
fn a_move_to_a_suspect_target_is_paid_for() {
    let mut policy = policy(&[1, 1]);
    policy.retry_budget = crate::RetryBudget { share: 0.0, per_second: 0.0 };
    policy.breaker.failures = 6;
    let mut world = World::new(policy);
    let orders: Vec<_> = (0..4).map(|_| world.request(|_, _| Err(fault(FaultClass::Overloaded)))).collect();
    let orders: Vec<_> = orders.iter().map(super::Told::order).collect();
    assert_eq!(orders, [vec![0, 1], vec![0, 1], vec![0, 1], vec![0]]);
}

/// Route names may come from callers (a model no file knows): what is kept of them is bounded.
#[test]
fn routes_are_bounded() {
    let mut world = World::new(policy(&[1]));
    for n in 0..5_000 {
        world.policy.route = format!("model-{n}");
        let _ = world.request(|_, _| Ok(()));
    }
    assert_eq!(world.health.routes.len(), 4096);
    assert!(world.health.routes.contains_key("model-4999") && !world.health.routes.contains_key("model-0"));
}

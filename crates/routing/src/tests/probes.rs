//! A probe whose answer is long: its first useful token brings the target back.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass, Tick};

use super::{SECOND, World, asks, fault, policy, secs};
use crate::{Seen, Standing, Step, Try, committed, next, view};

/// The first of two targets was out after `fault`, its time is over, and one request begins to find out.
fn probing(broken: &Fault, failures: u32) -> (World, Try, Tick) {
    let mut world = World::new(policy(&[1, 1]));
    world.policy.breaker.failures = failures;
    let _ = world.served(10, |attempt| if attempt.candidate == 0 { Err(broken.clone()) } else { Ok(()) });
    world.pass(secs(400));
    let (attempt, started) = asked(&mut world);
    assert!(attempt.probe && attempt.candidate == 0);
    (world, attempt, started)
}

/// Another request begins.
fn asked(world: &mut World) -> (Try, Tick) {
    world.requests += 1;
    let (known, plan) = (view(&world.health, &world.policy, Some(&world.facts), world.now()), world.plan());
    let step = next(&world.policy, &plan, &[], &known, world.now(), world.now + secs(9), world.seed());
    let Step::Try(attempt) = step else { panic!("{step:?}") };
    let started = world.begin(&attempt, true);
    (attempt, started)
}

fn commit(world: &mut World, attempt: &Try, started: Tick) {
    let now = world.now();
    committed(&mut world.health, &world.policy, attempt, started, now);
}

/// Standing, ramp and running attempts of the first target.
fn first(world: &World) -> (Standing, f64, u32) {
    let row = view(&world.health, &world.policy, Some(&world.facts), world.now()).rows()[0];
    (row.standing, row.ramp, row.in_flight)
}

/// All that a probe can find out: a target, a host, a credential, an account, a model.
const BROKEN: [FaultClass; 5] =
    [FaultClass::Overloaded, FaultClass::Network, FaultClass::Auth, FaultClass::Billing, FaultClass::Gone];

#[test]
fn a_first_token_brings_it_back() {
    for class in BROKEN {
        let (mut world, attempt, started) = probing(&fault(class), 5);
        world.pass(SECOND);
        assert!(matches!(first(&world).0, Standing::Out(_)), "{class}: one request finds out");
        commit(&mut world, &attempt, started);
        let ramps = matches!(class, FaultClass::Overloaded | FaultClass::Network);
        assert_eq!(first(&world), (Standing::Ready, if ramps { 0.05 } else { 1.0 }, 1), "{class}");
        let once = world.health.clone();
        commit(&mut world, &attempt, started);
        assert_eq!(world.health, once, "{class}: told again");

        // The ramp began at the token: it is whole before the answer ends, and its end does not begin another.
        world.pass(secs(30));
        assert_eq!(first(&world), (Standing::Ready, 1.0, 1), "{class}");
        commit(&mut world, &attempt, started);
        world.end(attempt, started, super::success());
        assert_eq!(first(&world), (Standing::Ready, 1.0, 0), "{class}");
    }
}

#[test]
fn its_end_is_an_end_like_any_other() {
    let success = super::success;
    let failed = |class| Seen::Failed(fault(class));
    let limited = Seen::Failed(asks(FaultClass::RateLimit, secs(60)));
    // (failures in a row that open it, how the probe ends after its first token, whether the target is out then)
    let table = [
        (5, success(), false),
        (5, Seen::Cancelled { first_token: None }, false),
        (5, failed(FaultClass::Interrupted), false),
        (1, failed(FaultClass::Interrupted), true),
        (5, failed(FaultClass::Auth), true),
        (5, limited, true),
    ];
    for class in BROKEN {
        for (failures, end, is_out) in &table {
            let (mut world, attempt, started) = probing(&fault(class), *failures);
            world.pass(SECOND);
            commit(&mut world, &attempt, started);
            world.pass(SECOND);
            world.end(attempt, started, end.clone());
            let (standing, _, in_flight) = first(&world);
            assert_eq!(matches!(standing, Standing::Out(_)), *is_out, "{class}, then {end:?}: {standing:?}");
            assert_eq!(in_flight, 0, "{class}, then {end:?}");
        }
    }
}

/// A failure after the first token is one failure: with one more in a row it opens, for twice as long as before.
#[test]
fn a_later_failure_counts_once() {
    let (mut world, attempt, started) = probing(&fault(FaultClass::Overloaded), 2);
    commit(&mut world, &attempt, started);
    world.pass(SECOND);
    world.end(attempt, started, Seen::Failed(fault(FaultClass::Interrupted)));
    assert_eq!(first(&world).0, Standing::Ready);
    world.begin(&Try { probe: false, ..attempt }, true);
    let second = world.now;
    world.pass(Duration::from_millis(10));
    world.end(Try { probe: false, ..attempt }, second, Seen::Failed(fault(FaultClass::Server)));
    let Standing::Out(reason) = first(&world).0 else { panic!("it is open") };
    let open_for = reason.until().unwrap().since(world.now);
    assert!(open_for >= secs(5) && open_for <= secs(10), "{open_for:?}");
}

#[test]
fn who_is_no_probe_changes_nothing() {
    let mut world = World::new(policy(&[1, 1]));
    let (attempt, started) = asked(&mut world);
    let _ = world.served(10, |attempt| if attempt.candidate == 0 { Err(fault(FaultClass::Server)) } else { Ok(()) });
    let before = world.health.clone();
    commit(&mut world, &attempt, started);
    assert_eq!(world.health, before, "sent before it opened");

    // A probe that was silent for longer than its lease is replaced: its token is too late to close anything.
    let (mut world, attempt, started) = probing(&fault(FaultClass::Server), 5);
    world.pass(world.policy.timeouts.total + SECOND);
    let (other, _) = asked(&mut world);
    assert!(other.probe && other.candidate == 0);
    let before = world.health.clone();
    commit(&mut world, &attempt, started);
    assert_eq!(world.health, before);
}

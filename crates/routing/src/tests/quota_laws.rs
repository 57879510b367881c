//! What holds of quotas in every order of events.

use std::time::Duration;

use proptest::prelude::*;
use ringmain_core::{Fault, FaultClass, Phase, Tick, Usage};

use super::{World, fault, policy, secs, success};
use crate::{Caps, Limits, Seen, Standing, Step, Try, Window, next, told, view};

#[derive(Debug, Clone)]
enum Move {
    Pass(u64),
    Ask,
    Tell(usize, u64, u64),
    End(usize, usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        2 => (0..8_000_u64).prop_map(Move::Pass),
        4 => Just(Move::Ask),
        1 => (0..8_usize, 0..20_u64, 0..90_u64).prop_map(|(which, left, reset)| Move::Tell(which, left, reset)),
        3 => (0..8_usize, 0..6_usize).prop_map(|(which, how)| Move::End(which, how)),
    ];
    prop::collection::vec(one, 0..150)
}

/// The ways an attempt can end, never sent among them.
fn ends(how: usize) -> Seen {
    let usage = Some(Usage { input: 90, output: 7, ..Usage::default() });
    match how {
        0 => success(),
        1 => Seen::Success { timings: Default::default(), usage, cost: None, streamed: false },
        2 => Seen::Cancelled { first_token: None },
        3 => Seen::Failed(fault(FaultClass::Timeout)),
        4 => Seen::Failed(Fault { phase: Phase::Connect, ..fault(FaultClass::Timeout) }),
        _ => Seen::Failed(fault(FaultClass::Empty)),
    }
}

/// Now, or not.
fn asks(world: &mut World) -> Option<Try> {
    world.requests += 1;
    let known = view(&world.health, &world.policy, Some(&world.facts), world.now());
    match next(&world.policy, &world.plan(), &[], &known, world.now(), world.now + secs(9), world.seed()) {
        Step::Try(attempt) => Some(attempt),
        Step::Wait { .. } | Step::Stop(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// No minute, wherever it begins, sees more than its cap, however the attempts end: of a key, of a target, in tokens.
    #[test]
    fn caps_hold_in_any_minute(moves in moves(), rpm in 1..12_u64, tpm in 1..9_u64) {
        let mut world = World::new(policy(&[2]));
        world.policy.breaker.failures = 100_000;
        world.policy.breaker.error_rate = 2.0;
        let tokens = 600;
        for key in &mut world.policy.candidates[0].keys {
            key.caps = Caps { rpm: Some(rpm), tpm: Some(tpm * tokens), in_flight: None };
        }
        world.policy.candidates[0].caps = Caps { rpm: Some(rpm + 3), tpm: None, in_flight: None };
        let (mut sent, mut running) = (Vec::<(u32, Tick)>::new(), Vec::<(Try, Tick)>::new());
        for step in moves {
            match step {
                Move::Pass(millis) => world.pass(Duration::from_millis(millis)),
                Move::Ask => if let Some(attempt) = asks(&mut world) {
                    // Less once it has been seen how short answers are.
                    prop_assert!(attempt.tokens <= tokens);
                    running.push((attempt, world.begin(&attempt, true)));
                    sent.push((attempt.key.0, world.now));
                },
                Move::End(which, how) if !running.is_empty() => {
                    let (attempt, started) = running.swap_remove(which % running.len());
                    let seen = ends(how);
                    if matches!(&seen, Seen::Failed(fault) if fault.phase == Phase::Connect) {
                        let at = sent.iter().position(|one| *one == (attempt.key.0, started)).unwrap();
                        sent.swap_remove(at);
                    }
                    world.end(attempt, started, seen);
                }
                Move::End(..) | Move::Tell(..) => {}
            }
            let recent = |key: Option<u32>| {
                let minute = |at: Tick| world.now.since(at) < secs(60);
                sent.iter().filter(|(by, at)| minute(*at) && key.is_none_or(|key| key == *by)).count() as u64
            };
            prop_assert!(recent(Some(0)) <= rpm && recent(Some(1)) <= rpm && recent(None) <= rpm + 3);
        }
    }

    /// Whatever the order in which attempts begin, are told of and end: when all have ended, nothing is set aside, and one
    /// header says again exactly what is left.
    #[test]
    fn what_is_set_aside_is_given_back_once(moves in moves()) {
        let mut world = World::new(policy(&[1]));
        world.policy.breaker.failures = 100_000;
        world.policy.breaker.error_rate = 2.0;
        let mut running = Vec::<(Try, Tick)>::new();
        for step in moves {
            match step {
                Move::Pass(millis) => world.pass(Duration::from_millis(millis)),
                Move::Ask => if let Some(attempt) = asks(&mut world) {
                    running.push((attempt, world.begin(&attempt, true)));
                },
                Move::Tell(which, left, reset) if !running.is_empty() => {
                    let (attempt, started) = running[which % running.len()];
                    let (limits, now) = (limits(left, secs(reset)), world.now());
                    told(&mut world.health, &attempt, started, &limits, now);
                }
                Move::End(which, how) if !running.is_empty() => {
                    let (attempt, started) = running.swap_remove(which % running.len());
                    world.end(attempt, started, ends(how));
                }
                Move::End(..) | Move::Tell(..) => {}
            }
            let row = view(&world.health, &world.policy, Some(&world.facts), world.now()).keys(0)[0];
            prop_assert!((0.0..=1.0).contains(&row.left));
            if let Standing::Out(reason) = row.standing {
                prop_assert!(reason.until().is_some_and(|until| until.since(world.now) <= secs(90)));
            }
        }
        for (attempt, started) in running.drain(..) {
            world.end(attempt, started, Seen::Cancelled { first_token: None });
        }
        // In a later window than all of these.
        world.pass(secs(200));
        let Some(attempt) = asks(&mut world) else { return Err(TestCaseError::fail("the window is whole")) };
        let started = world.begin(&attempt, true);
        world.limits = Some(limits(10, secs(60)));
        world.end(attempt, started, success());
        world.limits = None;
        prop_assert_eq!(view(&world.health, &world.policy, None, world.now()).keys(0)[0].left, 0.5);
        // And so ten more fit, and not eleven.
        let more = (0..11).filter(|_| asks(&mut world).is_some_and(|attempt| { world.begin(&attempt, true); true })).count();
        prop_assert_eq!(more, 10);
    }
}

fn limits(left: u64, reset: Duration) -> Limits {
    let requests = Window { limit: Some(20), remaining: Some(left), reset: Some(reset) };
    Limits { requests, ..Limits::default() }
}

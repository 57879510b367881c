//! Conversations stay where they are warm, and weights hold over conversations.

use ringmain_core::{FaultClass, Marks};

use super::{End, World, fault, policy, secs};
use crate::{Affinity, Balance};

fn world(weights: &[f64]) -> World {
    let mut policy = policy(&vec![1; weights.len()]);
    policy.balance = Balance::Weighted;
    policy.affinity = Affinity::Prefix;
    for (candidate, weight) in policy.candidates.iter_mut().zip(weights) {
        candidate.weight = *weight;
    }
    World::new(policy)
}

/// The `turn`th turn of a conversation: it finds the turn before, and leaves a mark of its own.
fn say(world: &mut World, conversation: u64, turn: u64) -> usize {
    let mark = |turn| conversation * 1000 + turn;
    let earlier = if turn == 0 { Vec::new() } else { vec![mark(turn - 1)] };
    world.facts.marks = Marks { earlier, own: Some(mark(turn)) };
    match world.request(|_, _| Ok(())).end {
        End::Served(at) => at,
        End::Stopped(stop) => panic!("{stop:?}"),
    }
}

#[test]
fn weights_hold_over_conversations_not_turns() {
    let mut world = world(&[70.0, 30.0]);
    let mut begun = [0_u32; 2];
    for conversation in 1..=1000 {
        let home = say(&mut world, conversation, 0);
        begun[home] += 1;
        // Long conversations at one target must not push the next ones to the other.
        for turn in 1..=(conversation % 7) {
            assert_eq!(say(&mut world, conversation, turn), home, "conversation {conversation}, turn {turn}");
        }
    }
    assert!(begun[0].abs_diff(700) <= 10, "{begun:?}");
}

/// Scenario 38: a pinned conversation whose target is limited fails over, and stays with the new one.
#[test]
fn s38_a_conversation_that_must_move_stays_where_it_went() {
    let mut world = world(&[50.0, 50.0]);
    let home = say(&mut world, 1, 0);
    world.facts.marks = Marks { earlier: vec![1000], own: Some(1001) };
    let told = world.request(|attempt, _| {
        if attempt.candidate == home { Err(super::asks(FaultClass::RateLimit, secs(5))) } else { Ok(()) }
    });
    assert_eq!(told.order(), [home, 1 - home]);
    world.pass(secs(60));
    for turn in 2..20 {
        assert_eq!(say(&mut world, 1, turn), 1 - home, "it is warm there now");
    }
}

#[test]
fn it_yields_to_a_breaker_a_better_tier_and_a_crowd() {
    // Out: the breaker.
    let mut world = world(&[50.0, 50.0]);
    let home = say(&mut world, 1, 0);
    let _ =
        world.served(20, |attempt| if attempt.candidate == home { Err(fault(FaultClass::Overloaded)) } else { Ok(()) });
    assert_eq!(say(&mut world, 1, 1), 1 - home);

    // A lower tier is left when the upper one is back.
    let mut world = self::world(&[1.0, 1.0]);
    world.policy.candidates[1].tier = 2;
    world.facts.marks = Marks { earlier: Vec::new(), own: Some(1000) };
    let told = world.request(|attempt, _| match attempt.candidate {
        0 => Err(super::asks(FaultClass::RateLimit, secs(1))),
        _ => Ok(()),
    });
    assert_eq!(told.order(), [0, 1]);
    world.pass(secs(5));
    assert_eq!(say(&mut world, 1, 1), 0);

    // A crowd: a target that runs far more than its peers sends even its own elsewhere.
    let mut world = self::world(&[50.0, 50.0]);
    let home = say(&mut world, 1, 0);
    let attempt = crate::Try {
        candidate: home,
        target: world.policy.candidates[home].target,
        host: world.policy.candidates[home].host,
        key: world.policy.candidates[home].keys[0].key,
        probe: false,
        warm: true,
        tokens: 0,
        input: 0,
        hedge: false,
    };
    for _ in 0..8 {
        let _ = world.begin(&attempt, true);
    }
    assert_eq!(world.plan_of(&Marks { earlier: vec![1000], own: None }).warm, Some(home));
    let _ = world.begin(&attempt, true);
    assert_eq!(world.plan_of(&Marks { earlier: vec![1000], own: None }).warm, None);
}

#[test]
fn a_shared_beginning_gathers_nobody() {
    let mut world = world(&[50.0, 50.0]);
    let mut begun = [0; 2];
    for conversation in 1..=200 {
        // All first turns leave the same mark: the same greeting under the same system prompt.
        world.facts.marks = Marks { earlier: Vec::new(), own: Some(42) };
        let End::Served(at) = world.request(|_, _| Ok(())).end else { panic!("conversation {conversation}") };
        begun[at] += 1;
    }
    assert_eq!(begun, [100, 100]);
}

#[test]
fn without_affinity_nothing_is_remembered() {
    let mut world = world(&[50.0, 50.0]);
    world.policy.affinity = Affinity::Off;
    let homes: Vec<_> = (0..10).map(|turn| say(&mut world, 1, turn)).collect();
    assert_eq!(homes.iter().filter(|at| **at == 0).count(), 5, "{homes:?}");
}

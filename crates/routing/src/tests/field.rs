//! What holds for every strategy in every state.

use std::time::Duration;

use proptest::prelude::*;
use ringmain_core::{FaultClass, Money, Price, Seed, Timings, TokenPrices, Usage};

use super::{World, asks, fault, policy, secs};
use crate::{Balance, Policy, Score, Seen, Try, Verdict, Worth, first_token, plan, view};

fn balances() -> impl Strategy<Value = Balance> {
    let worth = (0..10_000_u32, 0..10_000_u32, 0..=10_000_u16).prop_map(|(second, failure, explore)| {
        let cents = |of: u32| Money::from_dollars(f64::from(of) / 1e4);
        Balance::Adaptive(Worth { second: cents(second), failure: cents(failure), explore })
    });
    prop_oneof![
        Just(Balance::Order),
        Just(Balance::Weighted),
        Just(Balance::Fastest),
        Just(Balance::Cheapest),
        Just(Balance::LeastBusy),
        worth,
    ]
}

/// Weight, tier, price, cap and whether it thinks first.
type Kind = (u8, u8, Option<u16>, Option<u8>, bool);

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    let kind = (0..4_u8, 1..3_u8, prop::option::of(0..50_u16), prop::option::weighted(0.2, 0..3_u8), any::<bool>());
    prop::collection::vec(kind, 1..6)
}

fn of(balance: Balance, kinds: &[Kind]) -> Policy {
    let mut policy = policy(&vec![1; kinds.len()]);
    policy.balance = balance;
    for (candidate, (weight, tier, cost, cap, thinks)) in policy.candidates.iter_mut().zip(kinds) {
        (candidate.weight, candidate.tier) = (f64::from(*weight), *tier);
        candidate.caps.in_flight = cap.map(u32::from);
        candidate.race_after = thinks.then_some(secs(60));
        candidate.price = cost.map(|cost| {
            let input = Money::from_dollars(f64::from(cost));
            let tokens = TokenPrices { input, output: input, ..TokenPrices::default() };
            Price { tokens: Some(tokens), ..Price::default() }
        });
    }
    policy
}

/// What happens to a target: when, which, how, and after how many milliseconds.
type Event = (u32, usize, u8, u32);

fn happen(world: &mut World, events: &[Event]) {
    let mut held = Vec::new();
    for (pause, candidate, kind, took) in events {
        let candidate = candidate % world.policy.candidates.len();
        let at = &world.policy.candidates[candidate];
        let (target, host, key) = (at.target, at.host, at.keys[0].key);
        let attempt =
            Try { candidate, target, host, key, probe: false, warm: false, tokens: 0, input: 0, hedge: false };
        let started = world.begin(&attempt, true);
        let took = Duration::from_millis(u64::from(*took));
        world.pass(took);
        let timings = Timings { head: None, first_token: Some(took / 2), total: took };
        let usage = Some(Usage { input: 50, cache_read: 20, output: u64::from(*pause), ..Usage::default() });
        let served = |streamed, usage| Seen::Success { timings, usage, cost: None, streamed };
        let seen = match kind {
            0 => served(true, usage),
            1 => served(false, usage),
            2 => served(false, None),
            3 => Seen::Failed(fault(FaultClass::Server)),
            4 => Seen::Failed(fault(FaultClass::Timeout)),
            5 => Seen::Failed(asks(FaultClass::Overloaded, secs(100_000))),
            6 => Seen::Failed(fault(FaultClass::Interrupted)),
            7 => Seen::Cancelled { first_token: None },
            8 => super::success(),
            9 => {
                let now = world.now();
                first_token(&mut world.health, &attempt, started, now);
                served(true, usage)
            }
            _ => {
                held.push(attempt);
                continue;
            }
        };
        world.end(attempt, started, seen);
        world.pass(Duration::from_millis(u64::from(*pause)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// The order is a permutation of the eligible, tier by tier; shares are of 1; scores and paces are numbers; a
    /// decision repeats; and weight 0 is asked last.
    #[test]
    fn a_plan_is_sound(
        balance in balances(),
        kinds in kinds(),
        events in prop::collection::vec((0..100_000_u32, 0..6_usize, 0..12_u8, 0..200_000_u32), 0..40),
        later in 0..4_000_000_u64,
        input in 0..1_000_000_u64,
        seed: u64,
    ) {
        let mut world = World::new(of(balance, &kinds));
        world.facts.input_tokens = input;
        happen(&mut world, &events);
        world.pass(Duration::from_millis(later));
        let known = view(&world.health, &world.policy, Some(&world.facts), world.now());
        let decide = || plan(&world.policy, &world.facts, &known, world.now(), Seed(seed));
        let decided = decide();
        prop_assert_eq!(&decided, &decide());

        let (mut eligible, mut sum) = (Vec::new(), 0.0);
        for (at, verdict) in decided.verdicts.iter().enumerate() {
            let (Verdict::Chosen { share, score } | Verdict::Eligible { share, score, .. }) = verdict else { continue };
            eligible.push(at);
            sum += share;
            prop_assert!((0.0..=1.0 + 1e-9).contains(share), "{:?}", decided);
            let numbers = match *score {
                Score::Place => vec![],
                Score::Weight(one) | Score::Seconds(one) | Score::Busy(one) => vec![one],
                Score::Dollars(one) => one.into_iter().collect(),
                Score::Sum { cost, time, risk } => vec![cost.unwrap_or_default(), time, risk],
            };
            prop_assert!(numbers.iter().all(|number| number.is_finite() && *number >= 0.0), "{:?}", score);
        }
        let mut sorted = decided.order.clone();
        sorted.sort_unstable();
        prop_assert_eq!(&sorted, &eligible);
        prop_assert!(eligible.is_empty() || (sum - 1.0).abs() < 1e-9, "{} {:?}", sum, decided);
        let tier = |at: &usize| world.policy.candidates[*at].tier;
        prop_assert!(decided.order.is_sorted_by_key(tier));
        if let (Some(first), false) = (decided.order.first(), balance == Balance::Order) {
            let weight = |at: &usize| world.policy.candidates[*at].weight;
            let weighty = eligible.iter().any(|at| tier(at) == tier(first) && weight(at) > 0.0);
            prop_assert!(!weighty || weight(first) > 0.0, "{:?}", decided);
        }
        for row in known.rows() {
            let pace = row.pace;
            let numbers = [pace.first_token, pace.recent, pace.normal, pace.per_token, pace.output, pace.cached, pace.idle];
            prop_assert!(numbers.into_iter().flatten().all(|number| number.is_finite() && number >= 0.0), "{:?}", pace);
            prop_assert!((0.0..=1.0).contains(&pace.failing) && pace.answers <= 50.0, "{:?}", pace);
            prop_assert!((0.2..=1.0).contains(&row.peers.failing) && (0.2..=1.0).contains(&row.peers.slow));
        }
    }
}

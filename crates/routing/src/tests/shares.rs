//! Shares hold, and plans say why.

use std::time::{Duration, Instant};

use ringmain_core::{Capabilities, FaultClass, Money, Seed, Timings, Usage};

use super::{SECOND, World, fault, policy, secs};
use crate::{Balance, Health, Hedge, HedgeAfter, Policy, Reason, Seen, Step, Verdict, Worth, next, plan, view};

fn weighted(weights: &[f64]) -> Policy {
    let mut policy = policy(&vec![1; weights.len()]);
    policy.balance = Balance::Weighted;
    for (candidate, weight) in policy.candidates.iter_mut().zip(weights) {
        candidate.weight = *weight;
    }
    policy
}

#[test]
fn weights_hold_within_a_point() {
    let table: [&[f64]; 7] = [
        &[50.0, 50.0],
        &[1.0, 0.0],
        &[99.0, 1.0],
        &[2.0, 1.0, 1.0],
        &[0.1, 0.2, 0.3, 0.4],
        &[1.0, 1.0, 1.0, 1.0, 1.0],
        &[70.0, 20.0, 5.0, 3.0, 2.0],
    ];
    for weights in table {
        for requests in [1_000, 10_000] {
            for seed in [0, 1, 99] {
                let mut world = World::new(weighted(weights));
                world.health = Health::new(Seed(seed));
                let served = world.served(requests, |_| Ok(()));
                let total: f64 = weights.iter().sum();
                for (served, weight) in served.iter().zip(weights) {
                    let off = *served as f64 / requests as f64 - weight / total;
                    assert!(off.abs() < 0.01, "{weights:?} {requests} {served:?} {off}");
                }
            }
        }
    }
}

#[test]
fn a_failed_targets_load_spreads_by_weight() {
    let mut world = World::new(weighted(&[50.0, 40.0, 10.0]));
    let served = world.served(4_000, |attempt| match attempt.candidate {
        0 => Err(fault(FaultClass::Overloaded)),
        _ => Ok(()),
    });
    let share = served[1] as f64 / 4_000.0;
    assert!(served[0] == 0 && (share - 0.8).abs() < 0.03, "{served:?}");
}

#[test]
fn tiers_and_zero_weights_come_last() {
    let mut policy = weighted(&[0.0, 1.0, 5.0]);
    policy.candidates[2].tier = 2;
    let mut world = World::new(policy);
    for _ in 0..50 {
        assert_eq!(world.plan().order, [1, 0, 2]);
        let _ = world.request(|_, _| Ok(()));
    }
}

#[test]
fn a_plan_says_why() {
    let mut world = World::new(policy(&[1, 1, 1, 1]));
    world.facts.needs = Capabilities::TOOLS;
    world.facts.input_tokens = 9_000;
    world.policy.candidates[0].capabilities = Some(Capabilities::VISION);
    world.policy.candidates[1].context_window = Some(8_000);
    world.policy.candidates[3].capabilities = Some(Capabilities::TOOLS);
    let mut known = view(&world.health, &world.policy, Some(&world.facts), world.now());
    known.exclude(2, Reason::Unserved);
    let decided = plan(&world.policy, &world.facts, &known, world.now(), world.seed());
    let expected = [
        Verdict::Excluded(Reason::MissingCapability(Capabilities::TOOLS)),
        Verdict::Excluded(Reason::ContextTooSmall { window: 8_000, needed: 9_000 }),
        Verdict::Excluded(Reason::Unserved),
        Verdict::Chosen { share: 1.0, score: crate::Score::Place },
    ];
    assert_eq!(decided.verdicts, expected);
    // An estimate alone refuses nobody: the largest window is asked.
    world.policy.candidates.truncate(2);
    world.policy.candidates[0].capabilities = None;
    world.policy.candidates[0].context_window = Some(4_000);
    assert_eq!(world.plan().order, [1]);
}

#[test]
fn thinking_is_a_wish_where_nobody_thinks() {
    let mut world = World::new(policy(&[1, 1]));
    world.facts.needs = Capabilities::TOOLS.with(Capabilities::REASONING);
    world.policy.candidates[0].capabilities = Some(Capabilities::TOOLS);
    world.policy.candidates[1].capabilities = Some(Capabilities::TOOLS.with(Capabilities::REASONING));
    assert_eq!(world.plan().order, [1], "one thinks");
    world.policy.candidates[1].capabilities = Some(Capabilities::REASONING);
    assert_eq!(world.plan().order, [0], "the one that thinks has no tools");
    world.policy.candidates[0].capabilities = Some(Capabilities::VISION);
    assert_eq!(world.plan().order, [0; 0], "tools are a need");
}

#[test]
fn a_returning_primary_ramps() {
    let mut world = World::new(policy(&[1, 1]));
    let _ =
        world.served(10, |attempt| if attempt.candidate == 0 { Err(fault(FaultClass::Overloaded)) } else { Ok(()) });
    world.pass(secs(6));
    assert_eq!(world.request(|_, _| Ok(())).order(), [0], "the probe");
    let mut shares = Vec::new();
    for _ in 0..3 {
        shares.push(
            (0..400)
                .filter(|_| {
                    world.requests += 1;
                    world.plan().chosen() == Some(0)
                })
                .count(),
        );
        world.pass(SECOND * 10);
    }
    assert!(shares[0] < 60 && (140..260).contains(&shares[1]) && shares[2] == 400, "{shares:?}");
}

/// `cargo nextest run -p ringmain-routing --release --run-ignored only timing --no-capture`
#[test]
#[ignore = "prints a timing"]
#[expect(clippy::print_stdout, reason = "that is its purpose")]
fn timing_of_a_request() {
    let worth = Worth { second: Money(1_000_000_000), failure: Money(1_000_000_000), explore: 100 };
    let adaptive = Balance::Adaptive(worth);
    let learning = [Balance::Fastest, Balance::Cheapest, Balance::LeastBusy, adaptive];
    let plain = [Balance::Order, Balance::Weighted].into_iter().chain(learning).map(|balance| (balance, false));
    for (balance, ruled) in plain.chain([(Balance::Weighted, true)]) {
        let mut world = World::new(policy(&[1, 1]));
        world.policy.balance = balance;
        if ruled {
            world.policy.shift = Some(super::shift::rule());
            world.policy.hedge = Some(Hedge { after: HedgeAfter::Percentile(95), budget: 0.02 });
        }
        let (policy, facts) = (world.policy.clone(), world.facts.clone());
        let rounds: u32 = 500_000;
        let decide = |world: &World, now, seed| {
            let known = view(&world.health, &policy, Some(&facts), now);
            let decided = plan(&policy, &facts, &known, now, seed);
            let step = next(&policy, &decided, &[], &known, now, now.mono + SECOND, seed);
            let Step::Try(attempt) = std::hint::black_box(step) else { panic!("nothing to try") };
            attempt
        };
        let clock = Instant::now();
        for round in 0..rounds {
            let _ = decide(&world, world.now(), Seed(u64::from(round)));
        }
        let deciding = clock.elapsed() / rounds;
        let clock = Instant::now();
        for round in 0..rounds {
            world.pass(Duration::from_millis(1));
            let (now, seed) = (world.now(), Seed(u64::from(round)));
            let attempt = decide(&world, now, seed);
            let started = world.begin(&attempt, true);
            let timings = Timings { head: None, first_token: Some(SECOND), total: SECOND * 2 };
            let usage = Some(Usage { input: 100, output: 100, ..Usage::default() });
            world.end(attempt, started, Seen::Success { timings, usage, cost: None, streamed: true });
        }
        let all = clock.elapsed() / rounds;
        let rules = if ruled { " with shift and hedge" } else { "" };
        println!("{balance:?}{rules}: {deciding:?} for view + plan + next, {all:?} with begin + observe");
    }
}

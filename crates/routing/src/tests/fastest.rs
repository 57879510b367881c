//! `fastest` and what it is told of targets.

use ringmain_core::{FaultClass, Seed};

use super::traffic::{Traffic, after, fails, millis, share};
use super::{SECOND, World, fault, policy, secs};
use crate::{Balance, Score, Verdict, view};

fn fastest(targets: usize) -> Traffic {
    let mut policy = policy(&vec![1; targets]);
    policy.balance = Balance::Fastest;
    Traffic::new(World::new(policy))
}

/// Log-normal around a median, with the tail that models have: one in a hundred takes three times as long.
fn noisy(median: u64, at: u64) -> u64 {
    let normal = (0..12).map(|n| Seed(at).nth("noise", n).unit()).sum::<f64>() - 6.0;
    (median as f64 * (normal * 0.5).exp()) as u64
}

#[test]
fn the_fast_one_is_asked_and_the_slow_one_still_sampled() {
    // Sequential and side by side; steady and noisy.
    for (every, is_noisy) in [(1_500, false), (1_500, true), (200, false), (200, true)] {
        let mut traffic = fastest(2);
        let asked = traffic.run(3_000, millis(every), |at, now| {
            let median = if at == 0 { 200 } else { 800 };
            after(if is_noisy { noisy(median, now.0) } else { median })
        });
        let fast = share(&asked, 0);
        assert!(fast > 0.8, "{every} {is_noisy} {fast}");
        for part in asked.chunks(1_000) {
            assert!(part.contains(&1), "{every} {is_noisy} {fast}: the slow one is sampled");
        }
    }
}

#[test]
fn the_pace_of_tokens_counts_as_the_first_does() {
    // The second begins later and ends earlier.
    let mut traffic = fastest(2);
    let asked = traffic.run(500, secs(8), |at, _| {
        let mut answer = after(if at == 0 { 200 } else { 600 });
        answer.rest = if at == 0 { secs(6) } else { secs(2) };
        answer
    });
    assert!(share(&asked[100..], 1) > 0.9, "{}", share(&asked, 1));
}

#[test]
fn traffic_leaves_within_twenty_requests_and_comes_back() {
    for every in [200, 4_000] {
        let mut traffic = fastest(2);
        let _ = traffic.run(200, millis(every), |at, _| after(if at == 0 { 200 } else { 800 }));
        let slow = traffic.run(100, millis(every), |at, _| after(if at == 0 { 3_000 } else { 800 }));
        assert!(share(&slow[20..], 1) > 0.9, "{every}: {slow:?}");
        let healed = traffic.run(3_000, millis(every), |at, _| after(if at == 0 { 200 } else { 800 }));
        assert!(share(&healed[2_000..], 0) > 0.8, "{every}: it is seen to be quick again");
    }
}

#[test]
fn one_slow_answer_moves_nobody() {
    let mut traffic = fastest(2);
    let answer = |at, _| after(if at == 0 { 200 } else { 800 });
    let _ = traffic.run(100, secs(2), answer);
    traffic.settle(traffic.world.now + secs(30));
    let _ = traffic.run(1, secs(2), |_, _| after(20_000));
    traffic.settle(traffic.world.now + secs(21));
    let asked = traffic.run(50, secs(2), answer);
    assert!(share(&asked, 0) > 0.9, "{asked:?}");
}

#[test]
fn who_fails_fast_never_wins() {
    for class in [FaultClass::Server, FaultClass::Overloaded, FaultClass::Empty, FaultClass::Network] {
        let mut traffic = fastest(2);
        traffic.world.policy.breaker.failures = 1_000;
        traffic.world.policy.breaker.min_requests = 1_000;
        let asked = traffic.run(1_000, secs(1), |at, _| if at == 0 { fails(5, fault(class)) } else { after(800) });
        assert!(share(&asked[5..], 0) < 0.03, "{class} {}", share(&asked[5..], 0));
    }
}

/// Scenario 19: a target that times out every call is met once, then three in a row go to the other.
#[test]
fn scenario_19_a_timeout_is_met_once() {
    let mut traffic = fastest(2);
    let mut met = 0;
    for request in 0..20 {
        let now = traffic.world.now;
        traffic.settle(now + secs(12));
        let asked = traffic.begin(|at, _| if at == 0 { fails(10_000, fault(FaultClass::Timeout)) } else { after(900) });
        met += usize::from(asked == Some(0));
        assert!(request > 3 || met <= 1, "three in a row on the other");
    }
    assert!(met <= 2, "{met}");
}

/// Scenario 20: one long stream is held on one of four: the next short calls avoid it until it drains.
#[test]
fn scenario_20_a_long_stream_is_avoided() {
    for balance in [Balance::LeastBusy, Balance::Fastest] {
        let mut traffic = fastest(4);
        traffic.world.policy.balance = balance;
        let _ = traffic.run(200, secs(2), |_, _| after(300));
        let mut long = after(300);
        (long.rest, long.output) = (secs(100), 10_000);
        let held = traffic.run(1, secs(2), |_, _| long.clone())[0];
        let asked = traffic.run(45, secs(2), |_, _| after(300));
        let share_of_held = share(&asked, held);
        // `fastest` looks at who was not heard of now and then, but not at who has something running.
        assert!(share_of_held == 0.0, "{balance:?} {share_of_held}");
        traffic.settle(traffic.world.now + secs(100));
        let asked = traffic.run(200, secs(2), |_, _| after(300));
        assert!(share(&asked, held) > 0.1, "{balance:?}: drained");
    }
}

#[test]
fn a_burst_spreads() {
    // As many as the first tokens are apart.
    let mut traffic = fastest(2);
    let _ = traffic.run(100, secs(2), |at, _| after(if at == 0 { 200 } else { 800 }));
    traffic.settle(traffic.world.now + secs(5));
    for _ in 0..1_000 {
        let _ = traffic.begin(|_, _| after(5_000));
    }
    let running = traffic.in_flight();
    assert!((750..850).contains(&running[0]), "{running:?}");

    // Nothing known of anybody, or of one only: nobody gets it all.
    for known in [0, 100] {
        let mut traffic = fastest(4);
        traffic.world.policy.candidates.truncate(3);
        let _ = traffic.run(known, secs(2), |_, _| after(300));
        traffic.settle(traffic.world.now + secs(60));
        traffic.world.policy = fastest(4).world.policy;
        for _ in 0..1_000 {
            let _ = traffic.begin(|_, _| after(5_000));
        }
        let running = traffic.in_flight();
        assert!(running.iter().all(|running| (100..400).contains(running)), "{known}: {running:?}");
    }
}

#[test]
fn a_new_target_starts_as_its_peers_are_on_average() {
    let mut traffic = fastest(2);
    let _ = traffic.run(400, secs(2), |at, _| after(if at == 0 { 200 } else { 800 }));
    let mut three = fastest(3).world.policy;
    three.balance = Balance::Order;
    let pace =
        |traffic: &Traffic, at: usize| view(&traffic.world.health, &three, None, traffic.world.now()).rows()[at].pace;
    let (fast, slow, new) = (pace(&traffic, 0), pace(&traffic, 1), pace(&traffic, 2));
    let (fast_token, new_token) = (fast.first_token.unwrap(), new.first_token.unwrap());
    assert!((fast_token - 0.2).abs() < 0.02 && (0.3..0.6).contains(&new_token), "{fast_token} {new_token}");
    assert!(slow.first_token.unwrap() > new_token && new.answers == 0.0);
    assert!((new.per_token.unwrap() - 0.01).abs() < 0.001 && (new.output.unwrap() - 100.0).abs() < 1.0);
    // Long unheard of, each is thought to be as the others; the slow one never the faster.
    let mut last = slow.first_token.unwrap();
    for _ in 0..20 {
        traffic.settle(traffic.world.now + secs(120));
        let (fast, slow) = (pace(&traffic, 0).first_token.unwrap(), pace(&traffic, 1).first_token.unwrap());
        assert!(slow >= fast && slow <= last, "{fast} {slow} {last}");
        last = slow;
    }
}

#[test]
fn a_returning_target_gets_no_more_than_its_ramp() {
    for balance in [Balance::Fastest, Balance::LeastBusy, Balance::Cheapest] {
        let mut traffic = fastest(2);
        traffic.world.policy.balance = balance;
        let answer = |at, _| after(if at == 0 { 100 } else { 900 });
        let _ = traffic.run(50, millis(500), answer);
        while traffic.world.plan().verdicts[0].reason().is_none() {
            let _ = traffic.run(
                1,
                SECOND,
                |at, _| {
                    if at == 0 { fails(5, fault(FaultClass::Overloaded)) } else { after(900) }
                },
            );
        }
        while traffic.world.plan().verdicts[0].reason().is_some() {
            traffic.settle(traffic.world.now + SECOND);
        }
        for _ in 0..2_000 {
            let known = view(&traffic.world.health, &traffic.world.policy, None, traffic.world.now());
            if known.rows()[0].ramp < 1.0 {
                break;
            }
            let _ = traffic.run(1, millis(100), answer);
        }
        let asked = traffic.run(100, millis(50), answer);
        assert!(share(&asked, 0) < 0.25, "{balance:?} of the first quarter of its ramp: {}", share(&asked, 0));
    }
}

#[test]
fn shares_are_what_happens() {
    // Of four, with weights, as things stand: nothing is learned while they are drawn.
    let mut traffic = fastest(4);
    for (candidate, weight) in traffic.world.policy.candidates.iter_mut().zip([1.0, 2.0, 3.0, 0.0]) {
        candidate.weight = weight;
    }
    let _ = traffic.run(300, secs(2), |at, _| after(100 + 200 * at as u64));
    traffic.settle(traffic.world.now + secs(20));
    let mut counts = [0.0; 4];
    let mut told = Vec::new();
    for _ in 0..20_000 {
        traffic.world.requests += 1;
        let plan = traffic.world.plan();
        counts[plan.chosen().unwrap()] += 1.0 / 20_000.0;
        if let Some(route) = traffic.world.health.route("text", traffic.world.now) {
            route.turn += 1;
        }
        told = plan.verdicts;
    }
    let mut sum = 0.0;
    for (count, verdict) in counts.iter().zip(&told) {
        let (Verdict::Chosen { share, score } | Verdict::Eligible { share, score, .. }) = verdict else { panic!() };
        assert!((share - count).abs() < 0.015, "{counts:?} {told:?}");
        assert!(matches!(score, Score::Seconds(_)));
        sum += share;
    }
    assert!((sum - 1.0_f64).abs() < 1e-9 && counts[3] == 0.0, "{counts:?}");
}

//! What `cheapest`, `least-busy`, `adaptive` and weights promise, with numbers.

use ringmain_core::{FaultClass, LongContext, Money, Operation, Price, Seed, Tick, TokenPrices};

use super::traffic::{Traffic, after, fails, millis, share};
use super::{World, fault, policy, secs};
use crate::{
    Balance, Plan, Policy, Reason, Score, Standing, Step, Stop, TargetIx, Verdict, Worth, begin, next, plan, view,
};

/// Dollars per million tokens.
fn price(input: f64, output: f64) -> Option<Price> {
    let tokens = TokenPrices {
        input: Money::from_dollars(input),
        output: Money::from_dollars(output),
        cache_read: Some(Money::from_dollars(input / 10.0)),
        ..TokenPrices::default()
    };
    Some(Price { tokens: Some(tokens), ..Price::default() })
}

fn of(balance: Balance, weights: &[f64]) -> Policy {
    let mut policy = policy(&vec![1; weights.len()]);
    policy.balance = balance;
    for (candidate, weight) in policy.candidates.iter_mut().zip(weights) {
        candidate.weight = *weight;
    }
    policy
}

fn scores(plan: &Plan) -> Vec<Score> {
    let score = |verdict: &Verdict| match verdict {
        Verdict::Chosen { score, .. } | Verdict::Eligible { score, .. } => Some(*score),
        Verdict::Excluded(_) => None,
    };
    plan.verdicts.iter().filter_map(score).collect()
}

fn shares(plan: &Plan) -> Vec<f64> {
    let share = |verdict: &Verdict| match verdict {
        Verdict::Chosen { share, .. } | Verdict::Eligible { share, .. } => *share,
        Verdict::Excluded(_) => 0.0,
    };
    plan.verdicts.iter().map(share).collect()
}

fn dollars(score: Score) -> Option<f64> {
    let Score::Dollars(dollars) = score else { panic!("{score:?}") };
    dollars
}

/// Scenario 16: weights 1:0, ten picks: all on the first.
#[test]
fn scenario_16_no_weight_no_request() {
    for balance in [Balance::Weighted, Balance::Fastest, Balance::LeastBusy, Balance::Cheapest] {
        let served = World::new(of(balance, &[1.0, 0.0])).served(10, |_| Ok(()));
        assert_eq!(served, [10, 0], "{balance:?}");
    }
}

/// Scenario 17: by cost, weights do not matter: all on the cheap one.
#[test]
fn scenario_17_the_cheap_one_whatever_the_weights() {
    let mut policy = of(Balance::Cheapest, &[99.0, 1.0]);
    policy.candidates[0].price = price(3.0, 15.0);
    policy.candidates[1].price = price(0.5, 1.5);
    assert_eq!(World::new(policy).served(10, |_| Ok(())), [0, 10]);
}

#[test]
fn cheapest_is_of_this_request() {
    // Cheap input and dear output, and the other way round; a third that doubles beyond 200,000 tokens.
    let mut policy = of(Balance::Cheapest, &[1.0; 3]);
    policy.candidates[0].price = price(0.5, 20.0);
    policy.candidates[1].price = price(3.0, 4.0);
    let mut long = price(0.4, 21.0).unwrap();
    long.tokens.as_mut().unwrap().long = Some(LongContext {
        above: 200_000,
        input: Money::from_dollars(0.8),
        output: Money::from_dollars(30.0),
        cache_read: None,
        cache_write: None,
        cache_write_1h: None,
    });
    policy.candidates[2].price = Some(long);
    let mut world = World::new(policy);
    let table = [
        // Input, most output, who is asked, for how many dollars.
        (1_000, None, 1, 0.003 + 500.0 * 4e-6),
        (1_000, Some(10), 2, 0.0004 + 10.0 * 21e-6),
        (3_000, Some(1_000), 1, 0.009 + 500.0 * 4e-6),
        (100_000, None, 2, 0.04 + 500.0 * 21e-6),
        (200_000, None, 2, 0.08 + 500.0 * 21e-6),
        (200_001, None, 0, 0.100_000_5 + 500.0 * 20e-6),
    ];
    for (input, most, asked, cost) in table {
        (world.facts.input_tokens, world.facts.max_output_tokens) = (input, most);
        let plan = world.plan();
        assert_eq!(plan.chosen(), Some(asked), "{input} {most:?} {:?}", scores(&plan));
        assert!((dollars(scores(&plan)[asked]).unwrap() - cost).abs() < 1e-9, "{input} {most:?} {:?}", scores(&plan));
        assert_eq!(shares(&plan)[asked], 1.0);
    }
    // Answers here are long, as has been seen.
    (world.facts.input_tokens, world.facts.max_output_tokens) = (100_000, None);
    let mut traffic = Traffic::new(world);
    let mut answer = after(100);
    answer.output = 40_000;
    let _ = traffic.run(30, secs(2), |_, _| answer.clone());
    assert_eq!(traffic.world.plan().chosen(), Some(1));
}

#[test]
fn an_unknown_price_is_not_free_and_a_warm_cache_is_cheap() {
    let mut policy = of(Balance::Cheapest, &[1.0; 3]);
    policy.candidates[1].price = price(2.0, 10.0);
    policy.candidates[2].price = price(3.0, 10.0);
    let mut world = World::new(policy);
    world.facts.input_tokens = 100_000;
    let plan_of = |world: &World, warm, cached| {
        let mut known = view(&world.health, &world.policy, Some(&world.facts), world.now());
        known.warm = warm;
        known.rows[2].pace.cached = cached;
        plan(&world.policy, &world.facts, &known, world.now(), world.seed())
    };
    let cold = plan_of(&world, None, Some(0.9));
    assert_eq!((&*cold.order, dollars(scores(&cold)[0])), (&[1, 2, 0][..], None));
    let cost = dollars(scores(&plan_of(&world, Some(TargetIx(2)), Some(0.9)))[2]).unwrap();
    assert!((cost - (0.01 * 3.0 + 0.09 * 0.3 + 500.0 * 10e-6)).abs() < 1e-9, "{cost}");
    // Free is known, and cheapest.
    world.policy.candidates[2].price = price(0.0, 0.0);
    assert_eq!(plan_of(&world, None, None).order, [2, 1, 0]);
    // Where all cost the same, or nobody knows, weights count.
    for known in [price(1.0, 1.0), None] {
        let mut policy = of(Balance::Cheapest, &[3.0, 1.0]);
        policy.candidates[0].price.clone_from(&known);
        policy.candidates[1].price = known;
        let mut world = World::new(policy);
        assert_eq!(shares(&world.plan()), [0.75, 0.25]);
        let served = world.served(1_000, |_| Ok(()));
        assert!(served[0].abs_diff(750) < 10, "{served:?}");
    }
}

#[test]
fn what_is_not_billed_by_the_token_is_compared_too() {
    let of_images = |dollars| Some(Price { per_image: Some(Money::from_dollars(dollars)), ..Price::default() });
    let mut policy = of(Balance::Cheapest, &[1.0; 3]);
    policy.candidates[0].price = of_images(0.04);
    policy.candidates[1].price = of_images(0.03);
    let mut world = World::new(policy);
    world.facts.operation = Operation::Images;
    assert_eq!(world.plan().order, [1, 0, 2]);
}

#[test]
fn least_busy_is_even_and_relative_to_weight() {
    // One after the other: by weight. Side by side, answers of very different length: evenly busy.
    let served = World::new(of(Balance::LeastBusy, &[1.0, 1.0, 1.0])).served(3_000, |_| Ok(()));
    assert!(served.iter().all(|served| served.abs_diff(1_000) < 10), "{served:?}");
    let mut traffic = Traffic::new(World::new(of(Balance::LeastBusy, &[3.0, 1.0])));
    for _ in 0..400 {
        let _ = traffic.begin(|_, _| after(60_000));
    }
    assert_eq!(traffic.in_flight(), [300, 100]);
    let mut traffic = Traffic::new(World::new(of(Balance::LeastBusy, &[1.0, 1.0])));
    let asked = traffic.run(2_000, millis(100), |at, _| after(if at == 0 { 1_000 } else { 7_000 }));
    assert!((share(&asked, 0) - 0.8).abs() < 0.05, "2 s against 8 s: {}", share(&asked, 0));
}

fn worth(second: f64, failure: f64, explore: u16) -> Balance {
    Balance::Adaptive(Worth { second: Money::from_dollars(second), failure: Money::from_dollars(failure), explore })
}

/// The first is slow and cheap: 5 s and 0.1 cents. The second is quick and dear: 1.2 s and 1 cent.
fn money_or_time(second: f64) -> Traffic {
    let mut policy = of(worth(second, 0.01, 100), &[1.0, 1.0]);
    policy.candidates[0].price = price(0.0, 10.0);
    policy.candidates[1].price = price(0.0, 100.0);
    let mut traffic = Traffic::new(World::new(policy));
    let _ = traffic.run(2_000, secs(1), |at, _| after(if at == 0 { 4_010 } else { 210 }));
    traffic
}

#[test]
fn adaptive_trades_money_for_time_and_says_how() {
    // 0.9 cents for 3.8 s: 0.24 cents a second is where it turns.
    for (second, chosen) in [(0.0, 0), (0.001, 0), (0.004, 1), (0.1, 1)] {
        let mut traffic = money_or_time(second);
        let answer = |at, _| after(if at == 0 { 4_010 } else { 210 });
        let asked = traffic.run(2_000, secs(1), answer);
        let others = 1.0 - share(&asked, chosen);
        assert!((0.004..0.02).contains(&others), "{second}: {others} of explored");
        traffic.settle(traffic.world.now + secs(10));
        let told = traffic.world.plan();
        let Score::Sum { cost: Some(cost), time, risk } = scores(&told)[1] else { panic!() };
        assert!((cost - 0.01).abs() < 0.001 && (time - 1.2 * second).abs() < 0.4 * second + 1e-9, "{cost} {time}");
        assert_eq!(risk, 0.0);
        let of_chosen = shares(&told)[chosen];
        assert!((of_chosen - 0.99).abs() < 1e-9, "{told:?}");
    }
}

#[test]
fn adaptive_leaves_who_fails() {
    // A third of the cheap one's answers are failures that cost a caller 5 cents each.
    let mut traffic = money_or_time(0.0);
    let answer = |at, now: Tick| match at {
        0 if Seed(now.0).unit() < 0.33 => fails(100, fault(FaultClass::Server)),
        _ => after(210),
    };
    (traffic.world.policy.breaker.failures, traffic.world.policy.breaker.min_requests) = (1_000, 1_000);
    let _ = traffic.run(400, secs(3), answer);
    traffic.world.policy.balance = worth(0.0, 0.05, 100);
    let now = traffic.world.plan();
    let asked = traffic.run(100, secs(3), answer);
    assert!(share(&asked, 1) > 0.8, "{} {now:?}", share(&asked, 1));
    let Score::Sum { risk, .. } = scores(&now)[0] else { panic!() };
    assert!(risk > 0.005, "{risk}");
}

#[test]
fn explored_shares_are_what_happens() {
    let mut policy = of(worth(0.0, 0.0, 1_000), &[1.0, 1.0, 3.0, 0.0]);
    for (candidate, cost) in policy.candidates.iter_mut().zip([1.0, 2.0, 3.0, 0.5]) {
        candidate.price = price(0.0, cost);
    }
    let mut world = World::new(policy);
    let mut counts = [0.0; 4];
    for _ in 0..20_000 {
        world.requests += 1;
        counts[world.plan().chosen().unwrap()] += 1.0 / 20_000.0;
    }
    let told = shares(&world.plan());
    assert_eq!(told.iter().map(|share| (share * 1e6).round() as u64).collect::<Vec<_>>(), [900_000, 25_000, 75_000, 0]);
    assert!(told.iter().zip(counts).all(|(told, count)| (told - count).abs() < 0.01), "{counts:?}");
}

#[test]
fn a_cap_is_kept_and_a_slot_is_waited_for() {
    for balance in [Balance::Order, Balance::Weighted, Balance::Fastest, Balance::LeastBusy] {
        let mut traffic = Traffic::new(World::new(of(balance, &[1.0, 1.0])));
        traffic.world.policy.candidates[0].caps.in_flight = Some(3);
        for _ in 0..20 {
            assert!(traffic.begin(|_, _| after(1_000)).is_some());
        }
        assert!(traffic.in_flight()[0] <= 3 && traffic.in_flight()[1] >= 17, "{balance:?}");
    }
    // Everybody is busy: a short wait, again and again, until a slot is free or the time is up.
    let mut world = World::new(of(Balance::Order, &[1.0]));
    world.policy.candidates[0].caps.in_flight = Some(1);
    let held = match at(&world, world.now + secs(9)) {
        Step::Try(attempt) => attempt,
        step => panic!("{step:?}"),
    };
    let now = world.now();
    begin(&mut world.health, &world.policy, &held, true, now);
    let (started, deadline) = (world.now, world.now + secs(9));
    let mut looks = 0;
    while let Step::Wait { until } = at(&world, deadline) {
        assert!(until > world.now && until.since(world.now) < millis(600));
        world.now = until;
        looks += 1;
        if looks == 5 {
            break;
        }
    }
    assert_eq!(looks, 5);
    assert!(matches!(world.plan().verdicts[0].reason(), Some(Reason::Busy)));
    world.end(held, started, super::success());
    assert!(matches!(at(&world, deadline), Step::Try(_)));
    // `attempts: 1` means no wait.
    let now = world.now();
    begin(&mut world.health, &world.policy, &held, true, now);
    world.policy.attempts = 1;
    let Step::Stop(Stop::Exhausted { all_limited, reasons, .. }) = at(&world, deadline) else { panic!() };
    assert_eq!((all_limited, reasons), (true, vec![(0, Reason::Busy)]));
}

fn at(world: &World, deadline: Tick) -> Step {
    let known = view(&world.health, &world.policy, Some(&world.facts), world.now());
    next(&world.policy, &world.plan(), &[], &known, world.now(), deadline, Seed(7))
}

/// Nothing of what is learned moves written weights, as long as nobody is far worse than the others.
#[test]
fn weights_hold_while_paces_differ() {
    for weights in [[50.0, 50.0], [90.0, 10.0]] {
        let mut traffic = Traffic::new(World::new(of(Balance::Weighted, &weights)));
        // The second is six times slower by nature, and each fails now and then.
        let asked = traffic.run(10_000, millis(100), |at, now| match at {
            _ if Seed(now.0).unit() < 0.02 => fails(50, fault(FaultClass::Server)),
            0 => after(400),
            _ => after(2_400),
        });
        let off = share(&asked, 0) - weights[0] / 100.0;
        assert!(off.abs() < 0.01, "{weights:?} {off}");
        let ready = view(&traffic.world.health, &traffic.world.policy, None, traffic.world.now());
        assert!(ready.rows().iter().all(|row| row.standing == Standing::Ready));
    }
}

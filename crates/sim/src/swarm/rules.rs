//! Random rules: one or two routes over a few targets, with any setting of the design's section 3.

use std::time::Duration;

use ringmain_core::{Money, Price, Seed, TokenPrices};
use ringmain_routing::{
    Affinity, Backoff, Balance, BreakerPolicy, Candidate, Caps, Hedge, HedgeAfter, HostIx, KeyIx, KeyRef, Measure,
    OnRefusal, Policy, Resume, RetryBudget, Shift, Stat, TargetIx, Timeouts, Worth,
};

/// A number from `least` to `most`, both included.
pub(super) fn between(seed: Seed, least: u64, most: u64) -> u64 {
    least + seed.below(most - least + 1)
}

/// One of them.
pub(super) fn one<T: Clone>(seed: Seed, of: &[T]) -> Option<T> {
    of.get(usize::try_from(seed.below(of.len() as u64)).unwrap_or(0)).cloned()
}

/// True with this probability.
pub(super) fn chance(seed: Seed, probability: f64) -> bool {
    seed.unit() < probability
}

fn millis(seed: Seed, of: &[u64]) -> Duration {
    Duration::from_millis(one(seed, of).unwrap_or(1000))
}

/// What each target is: its place and its keys, the same in every route.
pub(super) fn targets(seed: Seed) -> Vec<Candidate> {
    let count = u32::try_from(between(seed.draw("targets"), 1, 6)).unwrap_or(1);
    let sharing = chance(seed.draw("sharing"), 0.3);
    let capped = chance(seed.draw("capped"), 0.3);
    let mut candidates: Vec<Candidate> = Vec::new();
    for number in 0..count {
        let seed = seed.nth("target", u64::from(number));
        let keys = u32::try_from(between(seed.draw("keys"), 1, 4)).unwrap_or(1);
        let neighbour = candidates.last().filter(|_| sharing && chance(seed.draw("shared"), 0.5));
        let (host, keys) = match neighbour {
            Some(other) => (other.host, other.keys.clone()),
            None => {
                let key = |n: u32| KeyRef {
                    key: KeyIx(number * 8 + n),
                    weight: between(seed.nth("key", u64::from(n)), 1, 3) as f64,
                    caps: caps(seed.nth("key caps", u64::from(n)), capped),
                };
                (HostIx(number), (0..keys).map(key).collect())
            }
        };
        let dollars = |label: &str| Money::from_dollars(between(seed.draw(label), 1, 60) as f64 / 4.0);
        let tokens = TokenPrices { input: dollars("input"), output: dollars("output"), ..TokenPrices::default() };
        candidates.push(Candidate {
            target: TargetIx(number),
            name: format!("provider-{}/model-{number}", host.0),
            host,
            keys,
            weight: 1.0,
            tier: 1,
            capabilities: None,
            context_window: None,
            price: chance(seed.draw("priced"), 0.8).then(|| Price { tokens: Some(tokens), ..Price::default() }),
            caps: caps(seed.draw("caps"), capped),
            out_of_region: false,
            space: None,
            race_after: None,
        });
    }
    candidates
}

fn caps(seed: Seed, capped: bool) -> Caps {
    if !capped || chance(seed.draw("free"), 0.6) {
        return Caps::default();
    }
    let rpm = between(seed.draw("rpm"), 10, 2_000);
    Caps {
        in_flight: chance(seed.draw("in flight"), 0.4).then_some(u32::try_from(rpm / 10).unwrap_or(1)),
        rpm: chance(seed.draw("by requests"), 0.6).then_some(rpm),
        tpm: chance(seed.draw("by tokens"), 0.4).then_some(rpm * 1000),
    }
}

/// What routes that share targets have in common here: the breaker's rules, and the time after which a probe that is not
/// heard of is lost, which a route takes from its own `total`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common {
    pub(super) breaker: BreakerPolicy,
    pub(super) total: Duration,
}

/// Drawn once for each world.
pub(super) fn common(seed: Seed) -> Common {
    Common { breaker: breaker(seed.draw("breaker")), total: millis(seed.draw("total"), &[3_000, 30_000, 600_000]) }
}

/// One route over some of the targets.
pub(super) fn route(seed: Seed, number: usize, targets: &[Candidate], common: Common) -> Policy {
    let balance = balance(seed.draw("balance"));
    let tiers = chance(seed.draw("tiers"), 0.3);
    let mut candidates: Vec<Candidate> =
        targets.iter().filter(|it| chance(seed.nth("in", u64::from(it.target.0)), 0.85)).cloned().collect();
    if candidates.is_empty() {
        candidates = targets.to_vec();
    }
    let turn = usize::try_from(seed.draw("order").below(candidates.len() as u64)).unwrap_or(0);
    candidates.rotate_left(turn);
    for candidate in &mut candidates {
        let seed = seed.nth("candidate", u64::from(candidate.target.0));
        candidate.weight = between(seed.draw("weight"), u64::from(turn > 0), 5) as f64;
        candidate.tier = if tiers && chance(seed.draw("tier"), 0.4) { 2 } else { 1 };
    }
    Policy {
        route: format!("route-{number}"),
        candidates,
        balance,
        shift: shift(seed.draw("shift")),
        affinity: Affinity::Off,
        hedge: hedge(seed.draw("hedge")),
        attempts: u32::try_from(between(seed.draw("attempts"), 1, 7)).unwrap_or(1),
        backoff: Backoff {
            base: millis(seed.draw("base"), &[1, 50, 250, 1000]),
            max: millis(seed.draw("max"), &[1000, 8000, 30_000]),
        },
        retry_budget: RetryBudget {
            share: one(seed.draw("budget"), &[0.0, 0.1, 0.2, 0.5]).unwrap_or(0.2),
            per_second: one(seed.draw("per_second"), &[0.0, 1.0, 10.0]).unwrap_or(10.0),
        },
        breaker: common.breaker,
        timeouts: Timeouts {
            connect: Duration::from_secs(3),
            race_after: one(seed.draw("race"), &[None, Some(800), Some(3_000), Some(10_000)])
                .flatten()
                .map(Duration::from_millis),
            first_token: millis(seed.draw("first_token"), &[2_000, 15_000, 120_000]),
            idle: Duration::from_secs(30),
            total: common.total,
        },
        on_refusal: OnRefusal::Return,
        mixes_vectors: false,
        resume: if chance(seed.draw("resume"), 0.2) { Resume::Off } else { Resume::Auto },
    }
}

fn shift(seed: Seed) -> Option<Shift> {
    if !chance(seed.draw("some"), 0.4) {
        return None;
    }
    let measures = [Measure::FirstToken, Measure::Latency, Measure::ErrorRate, Measure::Cost];
    let measure = one(seed.draw("measure"), &measures).unwrap_or(Measure::Latency);
    let bound = match measure {
        Measure::FirstToken | Measure::Latency => one(seed.draw("bound"), &[0.5, 2.0, 10.0]),
        Measure::ErrorRate => one(seed.draw("bound"), &[0.0, 0.05, 0.3]),
        Measure::Cost => one(seed.draw("bound"), &[0.0001, 0.01]),
    };
    Some(Shift {
        measure,
        stat: one(seed.draw("stat"), &[Stat::Mean, Stat::Percentile(50), Stat::Percentile(95)]).unwrap_or(Stat::Mean),
        above: chance(seed.draw("above"), 0.9),
        bound: bound.unwrap_or(1.0),
        over: millis(seed.draw("over"), &[1_000, 10_000, 60_000, 600_000]),
        floor: one(seed.draw("floor"), &[0.0, 0.05, 0.3, 1.0]).unwrap_or(0.05),
    })
}

fn hedge(seed: Seed) -> Option<Hedge> {
    let after = [
        HedgeAfter::Percentile(50),
        HedgeAfter::Percentile(95),
        HedgeAfter::Time(Duration::ZERO),
        HedgeAfter::Time(Duration::from_millis(700)),
    ];
    let after = one(seed.draw("after"), &after).filter(|_| chance(seed.draw("some"), 0.4))?;
    Some(Hedge { after, budget: one(seed.draw("budget"), &[0.0, 0.02, 0.2, 1.0])? })
}

fn balance(seed: Seed) -> Balance {
    let worth = Worth { second: Money::from_dollars(0.001), failure: Money::from_dollars(0.01), explore: 200 };
    let all = [
        Balance::Order,
        Balance::Weighted,
        Balance::Fastest,
        Balance::Cheapest,
        Balance::LeastBusy,
        Balance::Adaptive(worth),
    ];
    one(seed, &all).unwrap_or(Balance::Order)
}

/// When a target is benched.
fn breaker(seed: Seed) -> BreakerPolicy {
    BreakerPolicy {
        failures: u32::try_from(between(seed.draw("failures"), 1, 8)).unwrap_or(5),
        error_rate: one(seed.draw("rate"), &[0.2, 0.5, 0.9]).unwrap_or(0.5),
        min_requests: 10,
        window: millis(seed.draw("window"), &[5_000, 30_000]),
        open_for: millis(seed.draw("open_for"), &[500, 5_000, 20_000]),
        open_for_max: Duration::from_secs(300),
        ramp: millis(seed.draw("ramp"), &[1, 5_000, 20_000]),
    }
}

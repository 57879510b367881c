//! Strategies, limits, regions, heartbeats: what is written and what comes of it, and what is said of a slip.

use std::time::Duration;

use ringmain_core::{Money, Operation};
use ringmain_routing::{Affinity, Balance, Caps, Hedge, HedgeAfter, Measure, Policy, Stat, Worth};

use super::problems::{Case, check};
use super::{config, facts};
use crate::{Heartbeat, HeartbeatBy, Topology};

const TWO: &str = "targets: [openai/gpt-4o, anthropic/claude-sonnet-4-5]";

/// The policy of a route of two targets with these further settings.
fn policy(settings: &str) -> Policy {
    of_route(&format!("routes: [{{ name: a, {TWO}, {settings} }}]"))
}

/// The policy of the route `a`.
fn of_route(text: &str) -> Policy {
    let config = config(text);
    let selection = config.select(&facts(Operation::Chat, "a"), &|_| None).unwrap();
    config.policy(&selection, &mut Topology::new()).policy
}

#[test]
fn every_balance() {
    let worth = |second, failure, explore| Worth {
        second: Money::from_dollars(second),
        failure: Money::from_dollars(failure),
        explore,
    };
    let table = [
        ("balance: auto", Balance::Order),
        ("balance: order", Balance::Order),
        ("balance: weighted", Balance::Weighted),
        ("balance: fastest", Balance::Fastest),
        ("balance: cheapest", Balance::Cheapest),
        ("balance: least-busy", Balance::LeastBusy),
        ("balance: adaptive", Balance::Adaptive(worth(0.002, 0.01, 200))),
        ("balance: adaptive, adaptive: { second: $0.01, explore: 0.5% }", Balance::Adaptive(worth(0.01, 0.01, 50))),
    ];
    for (text, balance) in table {
        let policy = policy(text);
        assert_eq!(policy.balance, balance, "{text}");
        assert!(policy.candidates.iter().all(|candidate| candidate.weight == 1.0), "{text}");
    }
    // What a route does not say of it is as in `defaults`.
    let text =
        format!("defaults: {{ adaptive: {{ failure: $1 }} }}\nroutes: [{{ name: a, balance: adaptive, {TWO} }}]");
    assert_eq!(of_route(&text).balance, Balance::Adaptive(worth(0.002, 1.0, 200)));
}

#[test]
fn a_weight_of_nothing_is_a_reserve_whatever_the_balance() {
    for balance in ["fastest", "cheapest", "least-busy", "adaptive", "weighted"] {
        let text = format!(
            "routes: [{{ name: a, balance: {balance}, targets: [{{ to: openai/gpt-4o, weight: 0 }}, \
             {{ to: openai/o3, weight: 1 }}] }}]"
        );
        let weights: Vec<f64> = of_route(&text).candidates.iter().map(|candidate| candidate.weight).collect();
        assert_eq!(weights, [0.0, 1.0], "{balance}");
    }
}

#[test]
fn every_shift() {
    let table = [
        ("p95(ttft) > 2s", Measure::FirstToken, Stat::Percentile(95), 2.0),
        ("p50(latency) > 800ms", Measure::Latency, Stat::Percentile(50), 0.8),
        ("error_rate > 5%", Measure::ErrorRate, Stat::Mean, 0.05),
        ("mean(error_rate) > 5%", Measure::ErrorRate, Stat::Mean, 0.05),
        ("mean(cost) > $0.01", Measure::Cost, Stat::Mean, 0.01),
    ];
    for (when, measure, stat, bound) in table {
        let shift = policy(&format!("balance: weighted, shift: {{ when: '{when}', over: 30s }}")).shift.unwrap();
        assert_eq!((shift.measure, shift.stat, shift.above, shift.bound), (measure, stat, true, bound), "{when}");
        assert_eq!((shift.over, shift.floor), (Duration::from_secs(30), 0.05), "{when}");
    }
    // Without weights what is in order stays in order.
    let ordered = policy("shift: { when: p95(ttft) > 2s }");
    assert_eq!((ordered.balance, ordered.shift.is_some()), (Balance::Order, true));
}

#[test]
fn every_affinity_and_hedge() {
    assert_eq!(policy("affinity: prefix").affinity, Affinity::Prefix);
    assert_eq!(policy("affinity: session").affinity, Affinity::Session);
    assert_eq!(policy("affinity: off").affinity, Affinity::Off);
    let hedge = |after, budget| Some(Hedge { after, budget });
    let table = [
        ("hedge: { after: off }", None),
        ("hedge: { after: p95 }", hedge(HedgeAfter::Percentile(95), 0.02)),
        ("hedge: { after: 800ms, budget: 5% }", hedge(HedgeAfter::Time(Duration::from_millis(800)), 0.05)),
    ];
    for (text, wanted) in table {
        assert_eq!(policy(text).hedge, wanted, "{text}");
    }
}

#[test]
fn every_limit() {
    let text = "
providers: { openai: { keys: ['${OPENAI_API_KEY}', { key: '${OPENAI_KEY_2}', rpm: 500, tpm: 2M }] } }
routes: [{ name: a, targets: [{ to: openai/gpt-4o, max_in_flight: 8, rpm: 60, tpm: 200k }, openai/o3] }]
";
    let candidates = of_route(text).candidates;
    assert_eq!(candidates[0].caps, Caps { in_flight: Some(8), rpm: Some(60), tpm: Some(200_000) });
    assert_eq!(candidates[1].caps, Caps::default());
    assert_eq!(candidates[1].keys[1].caps, Caps { in_flight: None, rpm: Some(500), tpm: Some(2_000_000) });
}

#[test]
fn regions_leave_targets_out() {
    let text = "
providers:
  eu: { kind: openai, region: eu-west-1, keys: ['${OPENAI_API_KEY}'] }
  us: { kind: openai, region: us-east-1, keys: ['${OPENAI_API_KEY}'] }
  anthropic: { keys: ['${ANTHROPIC_API_KEY}'] }
defaults: { regions: [eu-*] }
routes:
  - { name: a, targets: [eu/gpt-4o, us/gpt-4o, anthropic/claude-sonnet-4-5] }
  - { name: b, targets: [us/gpt-4o, anthropic/claude-sonnet-4-5], regions: [] }
";
    let out = |policy: Policy| policy.candidates.iter().map(|candidate| candidate.out_of_region).collect::<Vec<_>>();
    assert_eq!(out(of_route(text)), [false, true, true]);
    let config = config(text);
    let selection = config.route_selection(config.route("b").unwrap().0).unwrap();
    assert_eq!(out(config.policy(&selection, &mut Topology::new()).policy), [false, false]);
    // Whoever asks for a model by its name is bound by the defaults, too.
    let direct = config.select(&facts(Operation::Chat, "us/gpt-4o"), &|_| None).unwrap();
    assert_eq!(out(config.policy(&direct, &mut Topology::new()).policy), [true]);
}

#[test]
fn every_heartbeat() {
    let beat = |seconds, by, always| Some(Heartbeat { every: Duration::from_secs(seconds), by, always });
    let (models, token) = (HeartbeatBy::Models, HeartbeatBy::Token);
    let table = [
        ("", None),
        (", heartbeat: off", None),
        (", heartbeat: on", beat(30, models, false)),
        (", heartbeat: {}", beat(30, models, false)),
        (", heartbeat: 1m", beat(60, models, false)),
        (", heartbeat: { every: 10s, by: token, when: always }", beat(10, token, true)),
    ];
    for (written, wanted) in table {
        let text = format!("providers: {{ openai: {{ keys: ['${{OPENAI_API_KEY}}'] {written} }} }}");
        assert_eq!(config(&text).providers[0].heartbeat, wanted, "{written}");
    }
}

#[test]
fn slips() {
    check(SLIPS);
}

const SLIPS: &[Case] = &[
    (
        "routes: [{ name: a, targets: [openai/gpt-4o, openai/o3], shift: { when: p96(ttft) > 2s, over: 1m } }]",
        &["E RM0004 1:73 `p96(ttft) > 2s` is not a condition on a measure | did you mean `p95(ttft) > 2s`?"],
    ),
    (
        "routes: [{ name: a, targets: [openai/gpt-4o, openai/o3], shift: { when: error_rate > 5 } }]",
        &["E RM0004 1:73 `error_rate > 5` is not a condition on a measure | did you mean `error_rate > 5%`?"],
    ),
    (
        "routes: [{ name: a, targets: [openai/gpt-4o, openai/o3], shift: { when: p95(ttft) > 5% } }]",
        &["E RM0004 1:73 `p95(ttft) > 5%` is not a condition on a measure | ttft is compared with a duration above 0"],
    ),
    (
        "routes: [{ name: a, targets: [openai/gpt-4o, openai/o3], shift: { when: '${OPENAI_API_KEY}' } }]",
        &["E RM0004 1:73 what `${OPENAI_API_KEY}` stands for is not a condition on a measure | "],
    ),
    (
        "routes: [{ name: a, targets: [openai/gpt-4o, openai/o3], shift: { over: 1m } }]",
        &["E RM0005 1:58 `routes[0].shift` does not say `when` | write a measure and a bound: `when: p95(ttft) > 2s`"],
    ),
    (
        "routes: [{ name: a, targets: [openai/gpt-4o, openai/o3], shift: { when: p95(ttft) > 2s, over: 100ms, floor: 50% } }]",
        &[
            "E RM0004 1:95 `routes[0].shift.over` is too short a window to judge by | write `1s` or more",
            "E RM0004 1:109 `routes[0].shift.floor` keeps the whole for 2 targets: nothing can be moved | write a share below 50%",
        ],
    ),
    (
        "routes: [{ name: a, targets: [openai/gpt-4o, { to: openai/o3, tier: 2 }], shift: { when: p95(ttft) > 2s, floor: 0% } }]",
        &[
            "W RM0016 1:75 `routes[0].shift` has no other target of the same tier to move weight to",
            "W RM0012 1:113 `routes[0].shift.floor` is nothing: a target without a share is never seen to recover",
        ],
    ),
    (
        "routes: [{ name: a, balance: fastest, targets: [openai/gpt-4o, openai/o3], shift: { when: p95(error_rate) > 5% } }]",
        &[
            "W RM0016 1:76 `routes[0].shift` has no effect: `balance: fastest` has no weights to move",
            "W RM0016 1:85 an error rate is one number: `p95` of it is the same | write `error_rate` alone",
        ],
    ),
    (
        "routes: [{ name: a, targets: [openai/gpt-4o, openai/o3], shift: { when: mean(cost) > $1 } }]",
        &[
            "W RM0016 1:73 the price of `openai/gpt-4o` is not known: its cost is never measured",
            "W RM0016 1:73 the price of `openai/o3` is not known",
        ],
    ),
    (
        "routes: [{ name: a, balance: cheapest, targets: [{ to: openai/gpt-4o, weight: 2 }, { to: openai/o3, weight: 0 }] }]",
        &["W RM0012 1:40 with `balance: cheapest` the weights here have no effect"],
    ),
    (
        "routes: [{ name: a, targets: [openai/gpt-4o], adaptive: { second: 2 }, hedge: { budget: 5% } }]",
        &[
            "W RM0016 1:47 `routes[0].adaptive` has no effect here | it is for `balance: adaptive`",
            "E RM0004 1:67 `2` is not an amount of money | write it in dollars: `$0.002`",
            "W RM0016 1:81 `routes[0].hedge.budget` has no effect here | say `after` what time",
        ],
    ),
    (
        "defaults: { balance: fastst, affinity: sesion, hedge: { after: p96, budget: 2 } }",
        &[
            "E RM0004 1:22 `fastst` is not one of `auto`",
            "E RM0004 1:40 `sesion` is not one of `prefix`, `session`, `off` | did you mean `session`?",
            "E RM0004 1:64 `p96` is not `off`, a percentile or a duration | write p50, p90, p95, p99, or a time",
            "E RM0004 1:77 `2` is not a share",
        ],
    ),
    ("defaults: { hedge: { after: 0s } }", &["E RM0004 1:29 `defaults.hedge.after` is no time at all"]),
    (
        "routes: [{ name: a, targets: [{ to: openai/gpt-4o, max_in_flight: 0, rpm: 0, tpm: many }] }]",
        &[
            "E RM0004 1:67 `0` is not a whole number from 1 to 1000000",
            "E RM0004 1:75 `0` is not a whole number of at least 1 | write it like `500` or `200k`",
            "E RM0004 1:83 `many` is not a whole number of at least 1",
        ],
    ),
    (
        "routes: [{ name: a, targets: [openai/gpt-4o], regions: [eu-*] }]",
        &[
            "E RM0015 1:56 no target of the route `a` is in the regions that may serve",
            "W RM0016 1:56 `openai/gpt-4o` is left out: `openai` does not say its region | write `region: …` under `providers.openai`",
        ],
    ),
    (
        "routes: [{ name: a, targets: [openai/text-embedding-3-small, openai/text-embedding-3-large] }]",
        &[
            "W RM0016 1:21 `openai/text-embedding-3-large` does not stand in for `openai/text-embedding-3-small`: vectors of two models cannot be compared | write a route for each model, or `mix_embeddings: true`",
        ],
    ),
    (
        "routes: [{ name: a, targets: [openai/text-embedding-3-small, openai/text-embedding-3-large], mix_embeddings: true }]",
        &[],
    ),
    (
        "providers: { openai: { keys: ['${OPENAI_API_KEY}'], heartbeat: { every: 10ms } } }",
        &["E RM0004 1:73 `providers.openai.heartbeat.every` asks more than once a second | write `1s` or more"],
    ),
    (
        "providers: { openai: { keys: ['${OPENAI_API_KEY}'], heartbeat: sometimes } }",
        &["E RM0004 1:64 `sometimes` is not `on`, `off` or a duration | write `on`, or how often: `30s`"],
    ),
    (
        "providers: { anthropic: { keys: ['${ANTHROPIC_API_KEY}'], heartbeat: on } }",
        &["E RM0004 1:70 Anthropic has no list of models that is free to ask | write `heartbeat: { by: token }`"],
    ),
    (
        "providers: { openai: { keys: ['${OPENAI_API_KEY}'], heartbeat: { by: tokens } } }",
        &["E RM0004 1:70 `tokens` is not one of `models`, `token` | did you mean `token`?"],
    ),
];

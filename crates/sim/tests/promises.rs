//! The numbers that are promised of the rules, each where it can be missed.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use ringmain_catalog::Catalog;
use ringmain_core::Tick;
use ringmain_sim::events::{Memory, Outcome, Tally, World, run};
use ringmain_sim::report::{self, Comparison, Summary};
use ringmain_sim::scenario::{PlaceholderKeys, Scenario, plain_retry, world};

const THIRDS: &str = "
routes:
  - name: text
    match: { operation: chat }
    targets:
      - { to: anthropic/claude-sonnet-4-5, weight: 1 }
      - { to: openai/gpt-4o, weight: 1 }
      - { to: mistral/mistral-large-4, weight: 1 }
";

fn second(second: u64) -> Duration {
    Duration::from_secs(second)
}

fn made(rules: &str, scenario: &str, seed: u64) -> anyhow::Result<World> {
    let catalog = Catalog::embedded().unwrap();
    let loaded = ringmain_config::load(rules, &PlaceholderKeys::of(rules, &catalog), &catalog);
    world(&loaded.config.unwrap(), &Scenario::read(scenario)?, seed)
}

fn played(rules: &str, scenario: &str) -> Tally {
    let Outcome { tally, broken } = run(&made(rules, scenario, 1).unwrap(), Memory::Keeps);
    assert_eq!(broken, None);
    tally
}

/// One minute of peace, two of trouble, two of peace.
fn outage(rate: u32, trouble: &str) -> String {
    format!(
        "{{ title: outage, for: 5m, traffic: {{ rate: {rate}/s }}, requests: [{{ model: text, output: 50 }}],
           targets: [{{ to: anthropic/*, events: [{{ at: 1m, for: 2m, {trouble} }}] }}] }}"
    )
}

#[test]
fn a_total_outage_of_one_of_three_costs_callers_nothing() {
    for trouble in
        ["answers: 503", "answers: 500", "answers: refused", "answers: reset", "answers: empty", "answers: 404"]
    {
        let tally = played(THIRDS, &outage(40, trouble));
        assert_eq!(tally.failed_requests(), 0, "{trouble}: {:?}", tally.failures);
        let after = tally.attempts_per_request(second(61), second(180));
        assert!(after <= 1.2, "{trouble}: {after} attempts for each request");
        let moved = tally.targets.iter().find_map(|target| target.moved).unwrap();
        assert!(moved.left.is_some_and(|left| left <= second(2)), "{trouble}: {moved:?}");
    }
    // Silence shows only by the clock for racing; from then on it is no dearer.
    let tally = played(THIRDS, &outage(40, "answers: timeout"));
    assert_eq!(tally.failed_requests(), 0, "{:?}", tally.failures);
    let after = tally.attempts_per_request(second(61), second(180));
    assert!(after <= 1.2, "{after} attempts for each request");
}

/// What comes back is asked by one probe, then by no more than its ramped share: a third of the requests, times the part
/// of the ramp (20 s) that has passed, or a twentieth.
#[test]
fn a_returning_provider_gets_its_ramped_share() {
    let tally = played(THIRDS, &outage(200, "answers: 503"));
    let end = Tick::ZERO + second(180);
    let hits = |from: Tick, until: Tick| {
        let all = tally.firsts().iter().filter(|(at, _)| from <= *at && *at < until);
        all.fold((0.0, 0.0), |(all, here), (_, target)| {
            (all + 1.0, here + f64::from(u8::from(tally.targets[target.0 as usize].name.starts_with("anthropic"))))
        })
    };
    let back = tally
        .firsts()
        .iter()
        .find(|(at, target)| *at >= end && tally.targets[target.0 as usize].name.starts_with("anthropic"));
    let back = back.map(|(at, _)| *at).unwrap();
    let step = Duration::from_millis(500);
    for n in 0..60 {
        let (from, until) = (back + step * n, back + step * (n + 1));
        let (all, here) = hits(from, until);
        let ramp = (until.since(back).as_secs_f64() / 20.0).clamp(0.05, 1.0);
        // Its weight among the others' at the end of the step, and four standard deviations.
        let most = all * ramp / (ramp + 2.0);
        assert!(here <= most + 4.0 * most.sqrt() + 1.0, "{here} of {all} at {:?}, {most} at most", from.since(back));
    }
}

#[test]
fn weights_hold_within_a_point() {
    let rules = THIRDS.replacen("weight: 1", "weight: 70", 1).replacen("weight: 1", "weight: 25", 1).replacen(
        "weight: 1 ",
        "weight: 5 ",
        1,
    );
    let scenario = "{ title: peace, for: 200s, traffic: { rate: 50/s }, requests: [{ model: text }] }";
    let tally = played(&rules, scenario);
    assert!(tally.arrived > 9_500, "{}", tally.arrived);
    for (target, weight) in tally.targets.iter().zip([0.70, 0.25, 0.05]) {
        let share = target.served as f64 / tally.served as f64;
        assert!((share - weight).abs() < 0.01, "{}: {share}", target.name);
    }
}

#[test]
fn plain_retry_asks_the_dead_every_time() {
    let mut world = made(THIRDS, &outage(40, "answers: 503"), 1).unwrap();
    world = plain_retry(&world);
    let tally = run(&world, Memory::Forgets).tally;
    assert_eq!(tally.failed_requests(), 0);
    let during = tally.attempts_per_request(second(60), second(180));
    assert!((1.95..2.05).contains(&during), "{during}");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let told = |seed| {
        let world = made(THIRDS, &outage(20, "answers: 500, share: 50%"), seed).unwrap();
        let tally = run(&world, Memory::Keeps).tally;
        let runs = vec![Summary::of("rules", &tally)];
        let comparison = Comparison { title: "outage".to_owned(), length: world.length, tally, runs };
        [report::table(&comparison), report::chart(&comparison), report::json(&comparison).to_string()].concat()
    };
    assert!(told(1) == told(1) && told(1) != told(2));
}

#[test]
fn traffic_has_its_shape() {
    let count = |traffic: &str| {
        let text =
            format!("{{ title: t, for: 100s, traffic: {{ {traffic} }}, requests: [{{ model: text, output: 1 }}] }}");
        played(THIRDS, &text).arrived as f64
    };
    let table = [
        ("rate: 10/s, arrivals: constant", 1000.0),
        ("rate: 600/m", 1000.0),
        ("rate: 10/s, steps: [{ at: 50s, rate: 30/s }]", 2000.0),
        ("rate: 10/s, surges: [{ at: 50s, for: 10s, times: 10x }]", 1900.0),
        ("rate: 20/s, diurnal: { period: 100s, low: 50% }", 1500.0),
    ];
    for (traffic, expected) in table {
        let arrived = count(traffic);
        assert!((arrived - expected).abs() < 0.09 * expected, "{traffic}: {arrived}");
    }
}

#[test]
fn limits_are_kept_by_the_provider() {
    let scenario = "{ title: t, for: 2m, traffic: { rate: 10/s, arrivals: constant }, requests: [{ model: text, output: 10, input: 100 }],
        targets: [{ to: openai/*, limits: { rpm: 120 } }] }";
    let rules = "routes: [{ name: text, targets: [openai/gpt-4o, anthropic/claude-sonnet-4-5] }]";
    let tally = played(rules, scenario);
    assert_eq!(tally.failed_requests(), 0, "{:?}", tally.failures);
    // A full bucket, and what flowed in.
    let openai = &tally.targets[0];
    assert!((330..=365).contains(&openai.served), "{openai:?}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let rules = "routes: [{ name: text, targets: [openai/gpt-4o] }]";
    let base = "title: t\nfor: 1m\ntraffic: { rate: 1/s }\nrequests: [{ model: text }]\n";
    let table = [
        ("targets:\n  - to: openai/*\n    outages: []\n", "outages"),
        ("targets:\n  - to: openai/*\n    first_token: 5\n", "`5` is not a time"),
        ("targets:\n  - to: openai/*\n    events: [{ at: 1s, answers: 200 }]\n", "`200` is not an error status"),
        ("targets:\n  - to: mistral/*\n", "line 6"),
        ("targets:\n  - to: openai/*\n    events: [{ at: 1s, key: 3, answers: 401 }]\n", "there is no key 3"),
        ("targets:\n  - to: openai/*\n    events:\n      - { at: 1s }\n", "line 8"),
        ("expect: { sucess: 5% }\n", "sucess"),
        ("shows: a\nshows: b\n", "shows"),
    ];
    for (text, part) in table {
        let error = format!("{:#}", made(rules, &format!("{base}{text}"), 1).unwrap_err());
        assert!(error.contains(part), "{text}: {error}");
    }
    let other = base.replace("model: text", "model: nobodys/model");
    assert!(format!("{:#}", made(rules, &other, 1).unwrap_err()).contains("line 4"));
}

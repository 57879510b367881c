//! Every request leaves a record, and every record can be decided again to the same end.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on may stop")]

mod pipes;

use std::sync::Arc;
use std::time::Duration;

use pipes::{Act, World, finish, piece, plain, status, stream_head};
use ringmain_core::{FaultClass, RequestId};
use ringmain_routing::Record;
use ringmain_routing::record::{dressed, reconsider, replay};

/// What an answer's id leads to, as it would be read back from a store.
fn record_of(world: &World, answer: &pipes::Answer) -> Record {
    let id = RequestId::parse(answer.header("x-ringmain-request-id")).unwrap();
    let record = world.gateway().records.get(id).unwrap().unwrap();
    serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap()
}

/// The route's policy as another process would make it: other numbers, the same names.
fn elsewhere(world: &World) -> ringmain_routing::Policy {
    let mut policy = world.gateway().rules().routes().find(|route| &*route.name == "r").unwrap().policy.clone();
    for candidate in &mut policy.candidates {
        (candidate.target.0, candidate.host.0) = (candidate.target.0 + 40, candidate.host.0 + 50);
        candidate.keys.iter_mut().for_each(|key| key.key.0 += 60);
    }
    policy
}

#[tokio::test(start_paused = true)]
async fn every_decision_comes_out_again() {
    let limited = status(429, "retry-after: 2\r\n", r#"{"error":{"message":"slow","code":"rate_limit_exceeded"}}"#);
    let broken = status(500, "", "{}");
    let cut = vec![stream_head(), piece("x"), Act::Silence];
    let streamed = [vec![stream_head(), piece("b")], finish()].concat();
    let silent = vec![Act::Silence];
    let worlds = [
        ("served at once", vec![("a", vec![vec![plain("a")]])], false, 1),
        ("limited, then next", vec![("a", vec![vec![limited.clone()]]), ("b", vec![vec![plain("b")]])], false, 2),
        ("waited out", vec![("a", vec![vec![limited], vec![plain("a")]])], false, 2),
        ("broken twice, then next", vec![("a", vec![vec![broken]]), ("b", vec![vec![plain("b")]])], false, 3),
        ("raced", vec![("a", vec![silent.clone()]), ("b", vec![streamed])], true, 2),
        ("cut after content", vec![("a", vec![cut])], true, 1),
        ("nobody answers", vec![("a", vec![silent.clone()]), ("b", vec![silent])], false, 2),
    ];
    for (name, providers, stream, attempts) in worlds {
        let world = World::new(&providers, "timeouts: { total: 60s }");
        for round in 0..4 {
            let answer = world.ask(stream, &[]).await;
            let record = record_of(&world, &answer);
            if round == 0 {
                assert_eq!(record.attempts.len(), attempts, "{name}");
                assert_eq!(record.attempts.iter().any(|made| made.served), record.fault.is_none(), "{name}");
            }
            assert!(record.attempts.iter().all(|made| made.tried.ended.is_some()), "{name}: {record:#?}");
            let policy = dressed(&elsewhere(&world), &record);
            assert_eq!(replay(&record, &policy), Ok(()), "{name}, request {round}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_tells_what_happened() {
    let broken = status(503, "", r#"{"error":{"message":"too busy"}}"#);
    let world = World::new(&[("a", vec![vec![broken]]), ("b", vec![vec![plain("b")]])], "");
    let record = record_of(&world, &world.ask(false, &[("x-ringmain-tag", "team=search")]).await);
    assert_eq!((&*record.route, record.facts.model.as_str()), ("r", "r"));
    assert!(record.why.contains('r') && record.headers.is_empty(), "{record:?}");
    let [first, second] = &record.attempts[..] else { panic!("{record:?}") };
    assert_eq!(first.tried.result.as_ref().map(|fault| fault.class), Some(FaultClass::Overloaded));
    assert_eq!((second.served, second.usage.map(|usage| usage.total())), (true, Some(2)));
    assert_eq!(record.candidates[1].keys[0].1, "b#1");
    let text = serde_json::to_string(&record).unwrap();
    assert!(!text.contains("b-key"), "no secret in a record");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_is_in_the_record() {
    let world = World::new(&[("a", vec![vec![Act::Silence]])], "");
    assert!(tokio::time::timeout(Duration::from_secs(3), world.ask(false, &[])).await.is_err());
    let record: Arc<Record> = world.gateway().records.latest(1).remove(0);
    assert_eq!(record.fault.as_ref().map(|fault| fault.class), Some(FaultClass::Cancelled));
    assert!(record.attempts[0].tried.ended.is_some() && !record.attempts[0].served);
}

/// With the order turned round, the other would have been asked first.
#[tokio::test(start_paused = true)]
async fn other_rules_are_tried_on_the_past() {
    let world = World::new(&[("a", vec![vec![plain("a")]]), ("b", vec![vec![plain("b")]])], "");
    let record = record_of(&world, &world.ask(false, &[]).await);
    let mut policy = elsewhere(&world);
    let same = reconsider(&record, &policy).unwrap();
    assert_eq!((same.first.as_deref(), same.is_other()), (Some("a/m"), false));
    policy.candidates.reverse();
    let other = reconsider(&record, &policy).unwrap();
    assert_eq!((other.first.as_deref(), other.is_other()), (Some("b/m"), true));
}

#[tokio::test(start_paused = true)]
async fn a_reply_says_why_in_short() {
    let busy = status(503, "", r#"{"error":{"message":"too busy"}}"#);
    let world = World::new(&[("a", vec![vec![busy], vec![plain("a")]]), ("b", vec![vec![plain("b")]])], "");
    assert_eq!(world.ask(false, &[]).await.header("x-ringmain-why"), "order; a/m overloaded");
    assert_eq!(world.ask(false, &[]).await.header("x-ringmain-why"), "order");
}

/// A caller whose own key is good must not go looking for what is wrong with it.
#[tokio::test(start_paused = true)]
async fn what_a_provider_wants_of_the_gateway_is_not_put_to_the_caller() {
    let wants = [
        (401, "the provider refused the gateway's credentials: no"),
        (402, "the gateway's account at the provider is out of credit or quota: no"),
    ];
    for (code, words) in wants {
        let world = World::new(&[("a", vec![vec![status(code, "", r#"{"error":{"message":"no"}}"#)]])], "");
        let answer = world.ask(false, &[]).await;
        assert_eq!(answer.status.as_u16(), 502, "{}", answer.text);
        assert!(answer.text.contains(words), "{}", answer.text);
    }
}

const PRICED: &str = "providers: { openai: { base_url: 'http://openai.test/v1', keys: [sk-openai-one] } }";

async fn priced(world: &World, stream: bool) -> pipes::Answer {
    let body =
        format!(r#"{{"model":"openai/gpt-4o","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#);
    world.send("/v1/chat/completions", body, &[]).await
}

/// The value of a metric of that target.
fn metric(world: &World, name: &str, target: &str) -> f64 {
    let text = world.metrics();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}{{target=\"{target}\"}} ")));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_counts_nothing_is_estimated() {
    let said =
        r#"{"choices":[{"message":{"role":"assistant","content":"one two three four"},"finish_reason":"stop"}]}"#;
    let streamed =
        [vec![stream_head(), piece("one"), piece(" two"), piece(" three"), piece(" four")], finish()].concat();
    for (acts, stream) in [(vec![status(200, "", said)], false), (streamed, true)] {
        let world = World::of(&[("openai", vec![acts.clone()])], PRICED);
        let record = record_of(&world, &priced(&world, stream).await);
        let [attempt] = &record.attempts[..] else { panic!("{record:?}") };
        let usage = attempt.usage.unwrap();
        assert_eq!((usage.input, usage.output), (record.facts.input_tokens, 4), "stream: {stream}");
        assert!(attempt.estimated && attempt.served, "{attempt:?}");
        let cost = attempt.cost.unwrap().as_dollars();
        assert!(cost > 0.0, "{attempt:?}");
        assert!((metric(&world, "ringmain_cost_dollars_total", "openai/gpt-4o") - cost).abs() < 1e-9);
        assert_eq!(metric(&world, "ringmain_unpriced_requests_total", "openai/gpt-4o"), 0.0);

        let world = World::new(&[("a", vec![acts])], "");
        let record = record_of(&world, &world.ask(stream, &[]).await);
        assert_eq!((record.attempts[0].usage.unwrap().output, record.attempts[0].cost), (4, None));
        assert_eq!(metric(&world, "ringmain_unpriced_requests_total", "a/m"), 1.0, "nobody knows the price");
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_have_what_callers_left_behind() {
    let world = World::of(&[("openai", vec![vec![stream_head(), piece("one"), Act::Silence]])], PRICED);
    for _ in 0..3 {
        assert!(tokio::time::timeout(Duration::from_secs(3), priced(&world, true)).await.is_err());
    }
    let costs =
        world.gateway().records.latest(3).into_iter().map(|record| record.attempts[0].cost.unwrap().as_dollars());
    let cost: f64 = costs.sum();
    assert!(cost > 0.0 && (metric(&world, "ringmain_cost_dollars_total", "openai/gpt-4o") - cost).abs() < 1e-9);
}

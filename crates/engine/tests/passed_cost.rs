//! What is passed through is billed where its answer says what it used; elsewhere nobody knows, and that is said.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

mod pipes;

use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Empty};
use pipes::{Act, Answer, World, chunk, status, stream_head};
use ringmain_core::{Money, RequestId, Usage};
use ringmain_state::ledger::Entry;

const RULES: &str = "
providers: { openai: { base_url: 'http://openai.test/v1', keys: [sk-openai-one] } }
keys:
  - { name: free, key: virtual-free-key }
  - { name: poor, key: virtual-poor-key, routes: [passthrough], limits: [$0.005/day] }
  - { name: one, key: virtual-one-key, limits: [1 at once] }
";
const CHAT: &str = "/providers/openai/chat/completions";
const ASKED: &str = r#"{"model":"gpt-4o","messages":[]}"#;
const SAID: &str =
    r#"{"model":"gpt-4o","choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100}}"#;

fn world(acts: Vec<Vec<Act>>) -> World {
    World::of(&[("openai", acts)], RULES)
}

async fn post(world: &World, path: &str, body: &str, key: &str) -> Answer {
    let headers = [("authorization", format!("Bearer {key}")), ("content-type", "application/json".to_owned())];
    world.call("POST", path, body, &headers.each_ref().map(|(name, value)| (*name, value.as_str()))).await
}

/// What the ledger has of it: usage, cost, and how many attempts have no price.
fn booked(world: &World, answer: &Answer) -> (Option<Usage>, Option<Money>, u32) {
    let id = RequestId::parse(answer.header("x-ringmain-request-id")).unwrap();
    let record = world.gateway().records.get(id).unwrap().unwrap();
    let attempt = record.attempts.last().unwrap();
    (attempt.usage, attempt.cost, Entry::of(&record).unpriced)
}

fn tokens(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_counts_is_paid_for() {
    let world = world(vec![vec![status(200, "", SAID)]]);
    let answer = post(&world, CHAT, ASKED, "virtual-free-key").await;
    assert_eq!(answer.text, SAID);
    // 1000 tokens at $2.5 a million, 100 at $10.
    let cost = Some(Money::from_dollars(0.0035));
    assert_eq!(booked(&world, &answer), (Some(tokens(1000, 100)), cost, 0));

    let usage = r#"data: {"id":"c","choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":100}}"#;
    let delta = r#"data: {"id":"c","choices":[{"index":0,"delta":{"content":"hi"}}],"usage":null}"#;
    let end = Act::Send("0\r\n\r\n".to_owned());
    let acts =
        vec![stream_head(), chunk(delta), Act::Wait(Duration::from_secs(20)), chunk(usage), chunk("data: [DONE]"), end];
    let world = self::world(vec![acts]);
    let answer = post(&world, CHAT, ASKED, "virtual-free-key").await;
    assert_eq!(answer.text, format!("{delta}\n\n{usage}\n\ndata: [DONE]\n\n"), "byte for byte");
    assert!(answer.done_at - answer.head_at >= Duration::from_secs(20), "as it comes");
    assert_eq!(booked(&world, &answer), (Some(tokens(1000, 100)), cost, 0));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_counts_has_no_price() {
    let unknown = ASKED.replace("gpt-4o", "our-own");
    let table = [
        // A model the catalog does not know; an answer that counts nothing; a request that asks no model; and one in
        // whose answer things are counted in words that mean something else.
        (CHAT, unknown.as_str(), SAID, Some(tokens(1000, 100))),
        (CHAT, ASKED, r#"{"choices":[]}"#, None),
        ("/providers/openai/responses/resp_1/cancel", "{}", SAID, None),
        (CHAT, ASKED, r#"{"usage":{"input_tokens":1000,"output_tokens":100}}"#, None),
    ];
    for (path, asked, said, usage) in table {
        let world = world(vec![vec![status(200, "", said)]]);
        let answer = post(&world, path, asked, "virtual-free-key").await;
        assert_eq!(booked(&world, &answer), (usage, None, 1), "{path} {asked} {said}");
    }
    let world = world(vec![vec![status(200, "", SAID)]]);
    let key = [("authorization", "Bearer virtual-free-key")];
    let again = world.call("GET", "/providers/openai/responses/resp_1", "", &key).await;
    assert_eq!(booked(&world, &again).1, None, "what is looked at again is not billed again");
    let refused = self::world(vec![vec![status(400, "", SAID)]]);
    let answer = post(&refused, CHAT, ASKED, "virtual-free-key").await;
    assert_eq!(booked(&refused, &answer).1, None);
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_settled_by_what_was_read() {
    let world = world(vec![vec![status(200, "", SAID)]]);
    for wanted in [200, 200, 429] {
        let answer = post(&world, CHAT, ASKED, "virtual-poor-key").await;
        assert_eq!(answer.status.as_u16(), wanted, "$0.0035 each of $0.005: {}", answer.text);
    }
    assert_eq!(world.asked("openai"), 2);
}

#[tokio::test(start_paused = true)]
async fn so_many_run_at_once() {
    let acts = vec![Act::Send("HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\npiece".to_owned()), Act::Silence];
    let world = world(vec![acts, vec![status(200, "", "{}")]]);
    let open = || Request::get("/providers/openai/files/f/content").header("authorization", "Bearer virtual-one-key");
    let mut first = world.open(open().body(Empty::new()).unwrap()).await;
    assert_eq!(first.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "piece");
    let second = world.answer(world.open(open().body(Empty::new()).unwrap()).await).await;
    assert_eq!(second.status.as_u16(), 429, "{}", second.text);
    drop(first);
    let third = world.answer(world.open(open().body(Empty::new()).unwrap()).await).await;
    assert_eq!(third.status.as_u16(), 200, "its place is given back: {}", third.text);
}

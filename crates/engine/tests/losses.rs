//! What a translation cannot carry is said: in a header, in the record, in a counter; or it is refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

mod pipes;

use http::{HeaderMap, StatusCode};
use pipes::{Act, Answer, World, finish, piece, plain, status, stream_head};
use ringmain_core::{Loss, RequestId};
use ringmain_routing::record::reconsider;
use ringmain_routing::{Record, explain};
use serde_json::json;

fn record_of(world: &World, answer: &Answer) -> Record {
    let id = RequestId::parse(answer.header("x-ringmain-request-id")).unwrap();
    (*world.gateway().records.get(id).unwrap().unwrap()).clone()
}

/// A plain answer with log probabilities, which Anthropic's dialect has no place for.
fn with_logprobs() -> Act {
    let choice = json!({
        "index": 0,
        "message": { "role": "assistant", "content": "x" },
        "logprobs": { "content": [{ "token": "x", "logprob": -0.1, "bytes": null, "top_logprobs": [] }] },
        "finish_reason": "stop",
    });
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 });
    let body = json!({ "id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage });
    status(200, "", &body.to_string())
}

/// A chunk whose text comes with a source that Anthropic's dialect has no form for.
fn cited() -> Act {
    let source = json!({ "type": "url_citation", "url_citation": { "url": "https://a", "title": "", "start_index": 0, "end_index": 0 } });
    let choice = json!({ "index": 0, "delta": { "annotations": [source] }, "finish_reason": null });
    let event =
        json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice] });
    let event = format!("data: {event}\n\n");
    Act::Send(format!("{:x}\r\n{event}\r\n", event.len()))
}

fn messages(stream: bool) -> String {
    let said = json!([{ "role": "user", "content": "hi" }]);
    json!({ "model": "r", "max_tokens": 9, "top_k": 3, "stream": stream, "messages": said }).to_string()
}

#[tokio::test(start_paused = true)]
async fn a_plain_answer_tells_what_both_ways_lost() {
    let world = World::new(&[("a", vec![vec![with_logprobs()]])], "");
    let answer = world.send("/v1/messages", messages(false), &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.header("x-ringmain-loss"), "top_k,logprobs");
    let lost = record_of(&world, &answer).lost;
    assert_eq!(lost.request, [Loss::dropped("top_k")]);
    assert_eq!(lost.answer, [Loss::dropped("logprobs")]);
    let metrics = world.metrics();
    for of in ["request", "answer"] {
        let line = format!("ringmain_lost_fields_total{{target=\"a/m\",of=\"{of}\"}} 1");
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_what_is_known_before_it_and_records_the_rest() {
    let stream = [vec![stream_head(), piece("x"), cited()], finish()].concat();
    let world = World::new(&[("a", vec![stream])], "");
    let answer = world.send("/v1/messages", messages(true), &[]).await;
    assert!(answer.text.contains("message_stop"), "{}", answer.text);
    assert_eq!(answer.header("x-ringmain-loss"), "top_k");
    let record = record_of(&world, &answer);
    assert_eq!(record.lost.answer, [Loss::dropped("citations")]);
    let story = explain::story(&record).join("\n");
    assert!(story.contains("the request lost top_k") && story.contains("the answer lost citations"), "{story}");
}

#[tokio::test(start_paused = true)]
async fn losses_that_are_allowed_are_recorded_all_the_same() {
    let world = World::new(&[("a", vec![vec![plain("x")]])], "on_loss: allow");
    let answer = world.send("/v1/messages", messages(false), &[]).await;
    assert_eq!((answer.status, answer.header("x-ringmain-loss")), (StatusCode::OK, ""));
    assert_eq!(record_of(&world, &answer).lost.request, [Loss::dropped("top_k")]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_loss_names_the_field_in_the_callers_dialect() {
    let world = World::new(&[("a", vec![vec![plain("x")]])], "on_loss: reject");
    let answer = world.send("/v1/messages", messages(false), &[]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let error: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(error["error"]["type"], "invalid_request_error");
    assert!(error["error"]["message"].as_str().unwrap().contains("top_k"), "{error}");
    assert_eq!(world.asked("a"), 0);
    let record = record_of(&world, &answer);
    assert!(record.lost.unfit.iter().any(|unfit| unfit.why.contains("top_k")), "{record:?}");
    assert!(explain::story(&record).join("\n").contains("was not asked: top_k cannot be carried"));
}

#[tokio::test(start_paused = true)]
async fn where_losses_are_refused_a_target_without_one_is_asked() {
    let targets = "targets: [a/claude-x, b/m]\non_loss: reject";
    let world = World::with_kinds(&[("a", vec![vec![]]), ("b", vec![vec![plain("x")]])], &["a"], targets);
    let body = json!({ "model": "r", "seed": 7, "messages": [{ "role": "user", "content": "hi" }] }).to_string();
    let answer = world.send("/v1/chat/completions", body, &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!((answer.header("x-ringmain-target"), answer.header("x-ringmain-loss")), ("b/m", ""));
    assert_eq!((world.asked("a"), world.asked("b")), (0, 1));
    let record = record_of(&world, &answer);
    let verdicts = explain::verdicts(&record.candidates, record.plan().unwrap(), record.decisions[0].now);
    assert!(
        verdicts.iter().any(|line| line.contains("a/claude-x") && line.contains("cannot be carried")),
        "{verdicts:?}"
    );
    // The past is judged with what was known of the request.
    let route = world.gateway().route(&record.facts, &HeaderMap::new()).unwrap().route;
    let again = reconsider(&record, &route.policy).unwrap();
    assert_eq!((again.first.as_deref(), again.is_other()), (Some("b/m"), false));
}

/// The target that could carry it is only out for now: that is no bad request.
#[tokio::test(start_paused = true)]
async fn a_target_that_is_out_for_now_is_no_reason_for_a_400() {
    let targets = "targets: [a/claude-x, b/m]\non_loss: reject\ntimeouts: { total: 2s }";
    let limited = status(429, "retry-after: 60\r\n", r#"{"error":{"message":"slow","code":"rate_limit_exceeded"}}"#);
    let world = World::with_kinds(&[("a", vec![vec![]]), ("b", vec![vec![limited]])], &["a"], targets);
    let body = json!({ "model": "r", "seed": 7, "messages": [{ "role": "user", "content": "hi" }] }).to_string();
    for _ in 0..2 {
        let answer = world.send("/v1/chat/completions", body.clone(), &[]).await;
        assert!(matches!(answer.status.as_u16(), 429 | 503), "{} {}", answer.status, answer.text);
    }
    assert_eq!(world.asked("a"), 0);
}

//! Images as a stream: what OpenAI's shape sends is passed on from the first picture, and whoever has no stream is
//! given in one event.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

mod pipes;

use std::time::Duration;

use pipes::{Act, Answer, Noted, World, chunk, status, stream_head};
use ringmain_core::RequestId;
use serde_json::{Value, json};

/// 1 by 1.
const DOT: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn event(kind: &str, image: &str, more: &Value) -> String {
    let mut data = json!({"type": kind, "b64_json": image, "size": "1024x1024", "quality": "high"});
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    format!("event: {kind}\ndata: {data}")
}

fn preview(image: &str) -> Act {
    chunk(&event("image_generation.partial_image", image, &json!({"partial_image_index": 0})))
}

fn done(image: &str) -> Act {
    let usage = json!({"input_tokens": 5, "output_tokens": 100, "total_tokens": 105});
    chunk(&event("image_generation.completed", image, &json!({ "usage": usage })))
}

fn end() -> Act {
    Act::Send("0\r\n\r\n".to_owned())
}

fn whole() -> Vec<Act> {
    vec![stream_head(), preview(DOT), done(DOT), end()]
}

fn asks(more: &Value) -> String {
    let mut body = json!({"model": "r", "prompt": "a cat", "stream": true, "partial_images": 1});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

async fn send(world: &World) -> Answer {
    world.send("/v1/images/generations", asks(&json!({})), &[]).await
}

/// The types of the events, and their data.
fn events(text: &str) -> Vec<(String, Value)> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let data = data.map(|line| serde_json::from_str::<Value>(line).unwrap());
    data.map(|data| (data["type"].as_str().unwrap_or_default().to_owned(), data)).collect()
}

fn kinds(text: &str) -> Vec<String> {
    events(text).into_iter().map(|(kind, _)| kind).collect()
}

#[tokio::test(start_paused = true)]
async fn pictures_are_passed_on_while_they_are_made() {
    let acts = vec![
        stream_head(),
        Act::Wait(Duration::from_secs(5)),
        preview(DOT),
        Act::Wait(Duration::from_secs(50)),
        done(DOT),
        end(),
    ];
    let world = World::new(&[("a", vec![acts])], "");
    let answer = send(&world).await;
    let expected = [preview(DOT), done(DOT)].map(|act| match act {
        Act::Send(bytes) => bytes.split_once("\r\n").unwrap().1.trim_end_matches("\r\n").to_owned(),
        _ => String::new(),
    });
    // A picture may take longer than a token: between them a comment keeps the connection.
    let said: String = answer.text.replace(": ping\n\n", "");
    assert_eq!(said, expected.concat());
    assert!(answer.text.contains(": ping"));
    assert_eq!((answer.head_at, answer.done_at), (Duration::from_secs(5), Duration::from_secs(55)));
    assert_eq!((answer.header("content-type"), answer.header("x-ringmain-target")), ("text/event-stream", "a/m"));
    let id = RequestId::parse(answer.header("x-ringmain-request-id")).unwrap();
    let record = world.gateway().records.get(id).unwrap().unwrap();
    let usage = record.attempts[0].usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.units.images, usage.units.width), (5, 100, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_fails_before_the_first_picture_is_made_elsewhere() {
    let error =
        |code: &str| chunk(&format!("data: {}", json!({"type": "error", "error": {"code": code, "message": "x"}})));
    let spoilt = &DOT[..40];
    let table: Vec<(&str, Vec<Act>)> = vec![
        ("500", vec![status(500, "", r#"{"error":{"message":"x"}}"#)]),
        ("429", vec![status(429, "retry-after: 60\r\n", r#"{"error":{"message":"x"}}"#)]),
        ("200 with an error", vec![status(200, "", r#"{"error":{"code":"server_error","message":"x"}}"#)]),
        ("an error event", vec![stream_head(), error("server_error"), end()]),
        ("nothing", vec![stream_head(), end()]),
        ("a cut", vec![stream_head(), Act::Close]),
        ("spoilt pictures", vec![stream_head(), preview(spoilt), done(spoilt), end()]),
        ("silence", vec![Act::Silence]),
        ("silence after the head", vec![stream_head(), Act::Silence]),
    ];
    for (what, acts) in table {
        let world = World::new(&[("a", vec![acts]), ("b", vec![whole()])], "timeouts: { race_after: 10s }");
        let answer = send(&world).await;
        assert_eq!(answer.header("x-ringmain-target"), "b/m", "{what}: {}", answer.text);
        assert_eq!(kinds(&answer.text), ["image_generation.partial_image", "image_generation.completed"], "{what}");
        if what.starts_with("silence") {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(
                world.noted("a").iter().any(|noted| matches!(noted, Noted::Closed(_))),
                "{what}: the loser is closed"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_returned() {
    let refused = json!({"type": "error", "error": {"code": "moderation_blocked", "message": "not that"}});
    let acts = vec![stream_head(), chunk(&format!("data: {refused}")), end()];
    let world = World::new(&[("a", vec![acts]), ("b", vec![whole()])], "");
    let answer = send(&world).await;
    assert_eq!((answer.status.as_u16(), world.asked("b")), (400, 0), "{}", answer.text);
    assert!(answer.text.contains("content_filter") && answer.text.contains("not that"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn what_breaks_off_after_a_picture_says_so() {
    let table = [
        ("a cut", vec![stream_head(), preview(DOT), Act::Close]),
        ("an end", vec![stream_head(), preview(DOT), end()]),
        ("silence", vec![stream_head(), preview(DOT), Act::Silence]),
        ("a spoilt picture", vec![stream_head(), preview(DOT), done(&DOT[..40]), end()]),
    ];
    for (what, acts) in table {
        let world = World::new(&[("a", vec![acts]), ("b", vec![whole()])], "");
        let answer = send(&world).await;
        let events = events(&answer.text);
        assert_eq!(events.len(), 2, "{what}: {}", answer.text);
        assert_eq!(events[0].0, "image_generation.partial_image", "{what}");
        assert!(events[1].1["error"]["message"].is_string(), "{what}: {}", answer.text);
        assert_eq!(world.asked("b"), 0, "{what}");
    }
    // A spoilt preview is only left out: the picture itself is still to come.
    let world =
        World::new(&[("a", vec![vec![stream_head(), preview(DOT), preview(&DOT[..40]), done(DOT), end()]])], "");
    let answer = send(&world).await;
    assert_eq!(kinds(&answer.text), ["image_generation.partial_image", "image_generation.completed"]);
}

#[tokio::test(start_paused = true)]
async fn who_has_no_stream_is_given_in_one_event() {
    let body = json!({"created": 1, "data": [{"b64_json": DOT}, {"b64_json": DOT}]}).to_string();
    let world = World::with_targets(&[("a", vec![vec![status(200, "", &body)]])], "targets: [a/dall-e-3]");
    let answer = world.send("/v1/images/generations", asks(&json!({"n": 2, "quality": "hd"})), &[]).await;
    assert_eq!(answer.header("content-type"), "text/event-stream", "{}", answer.text);
    assert_eq!(answer.header("x-ringmain-loss"), "partial_images");
    let events = events(&answer.text);
    assert!(!events.is_empty() && events.iter().all(|(kind, _)| kind == "image_generation.completed"));
    assert_eq!((events[0].1["quality"].as_str(), events[0].1["size"].as_str()), (Some("high"), Some("1x1")));
    // A server that takes the wish and answers whole.
    let world = World::new(&[("a", vec![vec![status(200, "", &body)]])], "");
    let answer = send(&world).await;
    assert_eq!(kinds(&answer.text), ["image_generation.completed"; 2]);
}

//! Streams, event by event.

use ringmain_core::{Fault, FaultClass, Origin, Phase, Usage};
use serde_json::{Value, json};

use crate::codec::{Codec, StreamStart};
use crate::ir::fold::unfold;
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Finish, Media, MediaSource, Response};
use crate::openai_responses::OpenAiResponses;
use crate::tests::{decode, encode, folded, frames};

fn start() -> StreamStart {
    StreamStart { id: "resp_1".to_owned(), model: "m".to_owned(), created: 7, ..StreamStart::default() }
}

/// Everything a stream can hold.
fn everything() -> Response {
    let call = |id: &str, arguments: &str, signature: Option<&str>| {
        let (name, arguments) = ("f".to_owned(), arguments.to_owned());
        BlockKind::ToolCall { id: id.to_owned(), name, arguments, signature: signature.map(str::to_owned) }
    };
    let citation =
        json!({ "type": "url_citation", "url": "https://a", "title": "A", "start_index": 1, "end_index": 2 });
    let picture = Media {
        source: MediaSource::Base64("AAAA".into()),
        media_type: Some("image/png".into()),
        name: None,
        detail: None,
    };
    let kinds = vec![
        BlockKind::Reasoning { text: "hm".into(), signature: Some("EqQ".into()), redacted: None },
        BlockKind::Reasoning { text: String::new(), signature: None, redacted: Some("gAAAA".into()) },
        BlockKind::Text { text: "Grüße".into(), citations: vec![citation] },
        BlockKind::Refusal { text: "no".into() },
        call("c1", "{\"a\":1}", Some("c2ln")),
        call("c2", "{}", None),
        BlockKind::Image(picture),
        BlockKind::Text { text: "end".into(), citations: Vec::new() },
    ];
    Response {
        id: "resp_1".into(),
        model: "m".into(),
        created: Some(7),
        blocks: kinds.into_iter().map(Block::from).collect(),
        finish: Finish::ToolUse,
        usage: Some(Usage { input: 10, cache_read: 4, output: 5, reasoning: 2, ..Usage::default() }),
        logprobs: Vec::new(),
        losses: Vec::new(),
    }
}

#[test]
fn an_answer_is_the_same_streamed_and_whole() {
    let response = everything();
    let encoded = OpenAiResponses.encode_response(&response);
    assert_eq!(encoded.losses, []);
    assert_eq!(OpenAiResponses.decode_response(&encoded.body).unwrap(), response);
    let stream = encode(OpenAiResponses.stream_encoder(&start()), &unfold(&response));
    assert_eq!(folded(decode(OpenAiResponses.stream_decoder(), &frames(&stream))), response);
    // The last event repeats the answer as it is written whole.
    let last: Value = serde_json::from_slice(&frames(&stream).pop().unwrap().1).unwrap();
    assert_eq!(last["response"], serde_json::from_slice::<Value>(&encoded.body).unwrap());
}

/// What strict clients count on: numbers without a gap, items and parts that are added before anything is said of them,
/// pieces that spell what the `done` events repeat, and one last event.
#[test]
fn streams_are_coherent() {
    let stream = encode(OpenAiResponses.stream_encoder(&start()), &unfold(&everything()));
    let events = frames(&stream);
    let mut items: Vec<Value> = Vec::new();
    let mut said = String::new();
    for (at, (name, data)) in events.iter().enumerate() {
        let event: Value = serde_json::from_slice(data).unwrap();
        assert_eq!((&event["sequence_number"], event["type"].as_str()), (&json!(at), name.as_deref()));
        let index = event["output_index"].as_u64().and_then(|index| usize::try_from(index).ok());
        match name.as_deref().unwrap() {
            "response.output_item.added" => {
                assert_eq!(index, Some(items.len()));
                items.push(event["item"].clone());
            }
            "response.output_item.done" => {
                let added = &items[index.unwrap()];
                assert_eq!((&event["item"]["id"], &event["item"]["type"]), (&added["id"], &added["type"]));
            }
            kind if kind.ends_with(".delta") => {
                assert_eq!(event["item_id"], items[index.unwrap()]["id"]);
                said.push_str(event["delta"].as_str().unwrap());
            }
            "response.output_text.done" | "response.reasoning_summary_text.done" => {
                assert_eq!(event["text"], std::mem::take(&mut said));
            }
            "response.function_call_arguments.done" => assert_eq!(event["arguments"], std::mem::take(&mut said)),
            "response.refusal.done" => assert_eq!(event["refusal"], std::mem::take(&mut said)),
            "response.completed" => assert_eq!(at, events.len() - 1),
            _ => {}
        }
    }
    let kinds: Vec<&str> = items.iter().map(|item| item["type"].as_str().unwrap()).collect();
    let ids: std::collections::BTreeSet<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), items.len());
    assert_eq!(
        kinds,
        [
            "reasoning",
            "reasoning",
            "message",
            "reasoning",
            "function_call",
            "function_call",
            "image_generation_call",
            "message",
        ]
    );
    assert_eq!(events.iter().filter(|(name, _)| name.as_deref() == Some("response.completed")).count(), 1);
}

#[test]
fn endings() {
    let table = [
        (Finish::Stop, "response.completed", Value::Null),
        (Finish::Length, "response.incomplete", json!({ "reason": "max_output_tokens" })),
        (Finish::Refusal, "response.incomplete", json!({ "reason": "content_filter" })),
        (Finish::Other("RECITATION".into()), "response.incomplete", json!({ "reason": "content_filter" })),
    ];
    for (finish, kind, details) in table {
        let response = Response { blocks: vec![Block::text("a")], finish, ..Response::default() };
        let stream = encode(OpenAiResponses.stream_encoder(&start()), &unfold(&response));
        let (name, data) = frames(&stream).pop().unwrap();
        let last: Value = serde_json::from_slice(&data).unwrap();
        assert_eq!((name.as_deref(), &last["response"]["incomplete_details"]), (Some(kind), &details));
        let status = kind.trim_start_matches("response.");
        assert_eq!(last["response"]["status"], status);
        assert_eq!(last["response"]["output"][0]["status"], status);
    }
}

#[test]
fn an_error_is_said_twice_and_ends_in_failed() {
    let fault = Fault::new(FaultClass::Overloaded, Origin::Provider, Phase::AfterCommit, "busy");
    let events = [
        Event::Start { id: String::new(), model: String::new(), created: None },
        Event::BlockStart { index: 0, head: BlockHead::Text },
        Event::Delta { index: 0, delta: Delta::Text("a".into()) },
        Event::Error(Box::new(fault)),
    ];
    let stream = encode(OpenAiResponses.stream_encoder(&start()), &events);
    let frames = frames(&stream);
    let names: Vec<_> = frames.iter().rev().take(2).map(|(name, _)| name.as_deref().unwrap()).collect();
    assert_eq!(names, ["response.failed", "error"]);
    let decoded = decode(OpenAiResponses.stream_decoder(), &frames);
    let Some(Event::Error(fault)) = decoded.last() else { panic!("{decoded:?}") };
    assert_eq!(fault.message, "busy");
}

/// Servers that leave out the pieces, or say a call's arguments only at its end.
#[test]
fn what_only_the_last_events_say() {
    let created = json!({ "type": "response.created", "response": { "id": "r", "model": "m", "created_at": 7.5 } });
    let answer = json!({ "id": "r", "model": "m", "created_at": 7, "status": "completed", "output": [
        { "type": "message", "id": "m1", "role": "assistant", "content": [{ "type": "output_text", "text": "hi" }] },
        { "type": "function_call", "id": "f1", "call_id": "c", "name": "f", "arguments": "{\"a\":1}" },
    ], "usage": { "input_tokens": 1, "output_tokens": 2 } });
    let end = json!({ "type": "response.completed", "response": answer });
    let item =
        |nth: usize| json!({ "type": "response.output_item.done", "output_index": nth, "item": answer["output"][nth] });
    let table = [vec![created.clone(), end.clone()], vec![created, item(0), item(1), end.clone()], vec![end.clone()]];
    for stream in table {
        let frames: Vec<_> = stream.iter().map(|event| (None, event.to_string().into_bytes())).collect();
        let response = folded(decode(OpenAiResponses.stream_decoder(), &frames));
        let whole = OpenAiResponses.decode_response(answer.to_string().as_bytes()).unwrap();
        assert_eq!(response, whole);
        assert_eq!(whole.finish, Finish::ToolUse);
    }
}

#[test]
fn a_stream_without_its_last_event_is_cut() {
    let delta = json!({ "type": "response.output_text.delta", "delta": "a" }).to_string();
    let mut decoder = OpenAiResponses.stream_decoder();
    let mut events = Vec::new();
    decoder.event(None, delta.as_bytes(), &mut events).unwrap();
    assert!(decoder.end(true, &mut events).is_err());
    let mut tap = OpenAiResponses.tap();
    tap.event(None, delta.as_bytes());
    assert!(!tap.is_whole(true));
}

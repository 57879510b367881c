//! Errors, in and out.

use http::HeaderMap;
use ringmain_core::{Fault, FaultClass, Origin, Phase};
use serde_json::{Value, json};

use crate::codec::{Codec, Framing};
use crate::ir::Event;
use crate::openai_responses::OpenAiResponses;
use crate::tests::frames;

use super::all;

#[test]
fn each_recorded_error_is_understood() {
    use FaultClass::{Auth, BadRequest, Gone};
    let table = [
        ("openai-responses-069f9d1480-01", BadRequest),
        ("openai-responses-301e722196-02", BadRequest),
        ("openai-responses-58fd4054fb-00", BadRequest),
        ("openai-responses-7bca5d847e-00", Auth),
        ("openai-responses-bb7e3c27dc-00", Auth),
        ("openai-responses-ca3591046a-00", Gone),
        ("openai-responses-e5e74caf9e-02", BadRequest),
        ("openai-responses-ede69bd0a7-00", Gone),
        // The catalog knows that this one is about the key.
        ("xai-responses-6d27e2850c-00", BadRequest),
    ];
    for recording in all().iter().filter(|recording| recording.status >= 400) {
        let body = recording.body.as_ref().unwrap();
        let fault = OpenAiResponses.decode_fault(recording.status, &HeaderMap::new(), body.to_string().as_bytes());
        let (_, class) = table.iter().find(|(id, _)| *id == recording.id).unwrap_or_else(|| panic!("{}", recording.id));
        assert_eq!(fault.class, *class, "{}", recording.id);
        let words = body["error"]["message"].as_str().or(body["error"].as_str()).unwrap();
        assert_eq!(fault.message, words, "{}", recording.id);
    }
}

/// An answer that failed is a fault, wherever it says so.
#[test]
fn failures_under_a_success_status() {
    use FaultClass::{RateLimit, Refusal, Server};
    let failed = |error: Value| json!({ "id": "resp_1", "status": "failed", "error": error, "output": [] });
    let table = [
        (failed(json!({ "code": "server_error", "message": "x" })), Server, "x"),
        (failed(json!({ "code": "rate_limit_exceeded", "message": "x" })), RateLimit, "x"),
        (failed(json!({ "code": "invalid_prompt", "message": "x" })), Refusal, "x"),
        (failed(Value::Null), Server, "the provider gave up with status failed"),
        (json!({ "status": "cancelled", "output": [] }), Server, "the provider gave up with status cancelled"),
    ];
    for (body, class, message) in table {
        let text = body.to_string();
        let mut tap = OpenAiResponses.tap();
        let error = tap.body(text.as_bytes()).error.unwrap();
        assert_eq!((error.class, error.message.as_str()), (class, message), "{text}");
        assert!(!tap.is_whole(true));
        assert!(OpenAiResponses.decode_response(text.as_bytes()).is_err(), "{text}");
        let event = json!({ "type": "response.failed", "sequence_number": 3, "response": body }).to_string();
        let mut events = Vec::new();
        let mut decoder = OpenAiResponses.stream_decoder();
        decoder.event(Some("response.failed"), event.as_bytes(), &mut events).unwrap();
        let Some(Event::Error(error)) = events.last() else { panic!("{events:?}") };
        assert_eq!((error.class, error.message.as_str()), (class, message), "{text}");
        let mut tap = OpenAiResponses.tap();
        let glance = tap.event(None, event.as_bytes());
        assert!(glance.error.is_some() && glance.terminal && !tap.is_whole(true), "{text}");
    }
}

#[test]
fn error_events_of_either_form() {
    let table = [
        r#"{"type":"error","code":"rate_limit_exceeded","message":"x","param":null,"sequence_number":2}"#,
        r#"{"type":"error","error":{"type":"tokens","code":"rate_limit_exceeded","message":"x"},"sequence_number":2}"#,
        r#"{"error":{"code":"rate_limit_exceeded","message":"x"}}"#,
    ];
    for event in table {
        let glance = OpenAiResponses.tap().event(None, event.as_bytes());
        let mut events = Vec::new();
        OpenAiResponses.stream_decoder().event(None, event.as_bytes(), &mut events).unwrap();
        let [Event::Error(error)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(glance.error.as_ref(), Some(error), "{event}");
        assert_eq!((error.class, error.message.as_str()), (FaultClass::RateLimit, "x"), "{event}");
    }
}

/// A relayed stream that breaks off goes on counting, says the error that SDKs raise on, and ends in `response.failed`.
#[test]
fn a_broken_relay_ends_in_words() {
    let mut tap = OpenAiResponses.tap();
    let begin = json!({ "type": "response.created", "sequence_number": 0,
        "response": { "id": "resp_9", "model": "m", "created_at": 5, "status": "in_progress", "output": [] } });
    let more = json!({ "type": "response.output_text.delta", "sequence_number": 7, "output_index": 0,
        "content_index": 0, "item_id": "msg_1", "delta": "a" });
    assert!(!tap.event(None, begin.to_string().as_bytes()).useful);
    assert!(tap.event(None, more.to_string().as_bytes()).useful);
    let fault = Fault::new(FaultClass::Interrupted, Origin::Provider, Phase::AfterCommit, "cut");
    let out = tap.encode_error(&fault, "req_1", Framing::Sse);
    let events: Vec<(String, Value)> =
        frames(&out).into_iter().map(|(name, data)| (name.unwrap(), serde_json::from_slice(&data).unwrap())).collect();
    let [(error, first), (failed, last)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((error.as_str(), failed.as_str()), ("error", "response.failed"));
    assert_eq!((&first["sequence_number"], &last["sequence_number"]), (&json!(8), &json!(9)));
    assert_eq!((&first["error"]["message"], &first["message"]), (&json!("cut"), &json!("cut")));
    assert_eq!(last["response"]["id"], "resp_9");
    assert_eq!(last["response"]["error"], json!({ "code": "server_error", "message": "cut" }));
}

//! Errors, in and out.

use http::HeaderMap;
use ringmain_core::{Fault, FaultClass, FaultScope, Origin, Phase};
use serde_json::{Value, json};

use super::API;
use crate::codec::{Codec as _, Framing};
use crate::cohere_v2::CohereV2;
use crate::ir::Event;
use crate::tests::{frames, recordings};

fn fault(class: FaultClass, status: Option<u16>) -> Fault {
    Fault { status, ..Fault::new(class, Origin::Provider, Phase::AwaitHead, "no") }
}

#[test]
fn each_recorded_error_is_understood() {
    let table = [("cohere-chat-153652cd9d-00", FaultClass::Context), ("cohere-chat-8c782c8bde-00", FaultClass::Auth)];
    let mut seen = 0;
    for recording in recordings(API).into_iter().filter(|recording| recording.status >= 400) {
        let (_, class) = table.into_iter().find(|(id, _)| *id == recording.id).unwrap();
        let body = recording.body.unwrap();
        let fault = CohereV2.decode_fault(recording.status, &HeaderMap::new(), body.to_string().as_bytes());
        assert_eq!((fault.class, fault.status), (class, Some(recording.status)), "{}", recording.id);
        assert_eq!(body["message"], fault.message, "{}", recording.id);
        seen += 1;
    }
    assert!(seen == 0 || seen == table.len());
}

#[test]
fn what_errors_mean() {
    use FaultClass as F;
    let table = [
        (400, r#"{"message":"too many tokens: size limit exceeded by 3 tokens."}"#, F::Context, FaultScope::Request),
        (400, r#"{"id":"x","message":"invalid request"}"#, F::BadRequest, FaultScope::Request),
        (401, r#"{"message":"invalid api token"}"#, F::Auth, FaultScope::Key),
        (402, r#"{"message":"please add a payment method"}"#, F::Billing, FaultScope::Key),
        (404, r#"{"message":"model 'command-r' was removed on September 15, 2025."}"#, F::Gone, FaultScope::Target),
        (
            422,
            r#"{"message":"unknown field: parameter 'strict' is not a valid field"}"#,
            F::BadRequest,
            FaultScope::Request,
        ),
        (429, r#"{"message":"Trial key: limited to 20 API calls / minute"}"#, F::RateLimit, FaultScope::KeyModel),
        (429, r#"{"message":"Trial key: limited to 1000 API calls / month"}"#, F::Billing, FaultScope::Key),
        (400, r#"{"message":"invalid request: tool 'billing' is not known"}"#, F::BadRequest, FaultScope::Request),
        (404, r#"{"message":"dataset with id 'model' not found"}"#, F::BadRequest, FaultScope::Request),
        (404, "", F::Gone, FaultScope::Target),
        (500, r#"{"message":"x","error_type":"PAYMENT_REQUIRED"}"#, F::Server, FaultScope::Target),
        (498, r#"{"message":"blocked"}"#, F::Refusal, FaultScope::Request),
        (499, r#"{"message":"request cancelled"}"#, F::Server, FaultScope::Target),
        (500, r#"{"message":"internal server error, this has been reported"}"#, F::Server, FaultScope::Target),
        (503, "<html>busy</html>", F::Overloaded, FaultScope::Target),
        (502, "", F::Server, FaultScope::Target),
    ];
    for (status, body, class, scope) in table {
        let fault = CohereV2.decode_fault(status, &HeaderMap::new(), body.as_bytes());
        assert_eq!((fault.class, fault.scope), (class, scope), "{status} {body}");
        assert!(!fault.message.is_empty() && !fault.message.contains('<'), "{status} {body}");
    }
}

#[test]
fn what_a_caller_is_told() {
    use FaultClass as F;
    let table = [
        (fault(F::Auth, None), 401, "INVALID_API_KEY"),
        (fault(F::Gone, Some(410)), 404, "MODEL_NOT_FOUND"),
        (fault(F::RateLimit, Some(429)), 429, "TOO_MANY_REQUESTS"),
        (fault(F::Billing, Some(429)), 429, "PAYMENT_REQUIRED"),
        (fault(F::Context, None), 400, "TOO_MANY_TOKENS"),
        (fault(F::Refusal, None), 400, "CONTENT_FILTERED"),
        (fault(F::Overloaded, Some(529)), 503, ""),
        (fault(F::Protocol, Some(200)), 502, ""),
        (fault(F::Timeout, None), 504, ""),
    ];
    for (fault, status, kind) in table {
        let reply = CohereV2.encode_fault(&fault, "req_1");
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(reply.status, status, "{fault:?}");
        assert_eq!((&body["id"], &body["message"]), (&json!("req_1"), &json!("no")));
        assert_eq!(body["error_type"].as_str().unwrap_or_default(), kind, "{fault:?}");
        if !kind.is_empty() {
            let back = CohereV2.decode_fault(reply.status, &HeaderMap::new(), &reply.body);
            assert_eq!(back.class, fault.class, "{fault:?}");
        }
    }
}

#[test]
fn a_stream_that_fails_says_so_at_its_end() {
    let mut tap = CohereV2.tap();
    let bytes = tap.encode_error(&fault(FaultClass::Interrupted, None), "req_1", Framing::Sse);
    let cut = frames(&bytes);
    assert_eq!(cut.len(), 1);
    let mut decoder = CohereV2.stream_decoder();
    let mut events = Vec::new();
    decoder.event(cut[0].0.as_deref(), &cut[0].1, &mut events).unwrap();
    assert!(matches!(events.last(), Some(Event::Error(fault)) if fault.message == "no"), "{events:?}");
    let glance = tap.event(cut[0].0.as_deref(), &cut[0].1);
    assert!(glance.error.is_some() && !tap.is_whole(true));

    // Where an event is due, and in the place of a whole answer.
    let error = br#"{"id":"x","message":"too many tokens"}"#;
    let mut events = Vec::new();
    CohereV2.stream_decoder().event(None, error, &mut events).unwrap();
    assert!(matches!(events.last(), Some(Event::Error(fault)) if fault.class == FaultClass::Context), "{events:?}");
    assert_eq!(CohereV2.tap().event(None, error).error.unwrap().class, FaultClass::Context);
    assert_eq!(CohereV2.tap().body(error).error.unwrap().class, FaultClass::Context);
    assert_eq!(CohereV2.decode_response(error).unwrap_err().field, "message");
    for reason in ["ERROR", "TIMEOUT"] {
        let body = json!({ "id": "x", "finish_reason": reason, "message": { "role": "assistant", "content": [] } });
        let body = body.to_string();
        assert_eq!(CohereV2.tap().body(body.as_bytes()).error.unwrap().class, FaultClass::Server);
        assert_eq!(CohereV2.decode_response(body.as_bytes()).unwrap_err().field, "finish_reason");
    }
}

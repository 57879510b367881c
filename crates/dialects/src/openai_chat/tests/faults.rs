//! Errors, in and out.

use http::HeaderMap;
use ringmain_core::{Fault, FaultClass, FaultScope, Origin, Phase};
use serde_json::{Value, json};

use crate::codec::{Codec, Framing};
use crate::openai_chat::OpenAiChat;

use super::all;

#[test]
fn each_recorded_error_is_understood() {
    use FaultClass::{Auth, BadRequest, Context, Gone, RateLimit};
    let table = [
        ("azure-chat-89c3caea4c-01", Gone),
        ("deepseek-chat-2df583fd82-00", Auth),
        ("groq-chat-af6baf093f-00", Gone),
        ("groq-chat-b83bcecae4-00", Gone),
        ("groq-chat-cd4a542694-00", BadRequest),
        ("mistral-chat-6145e84984-00", Auth),
        ("ollama-chat-1df3cd8588-00", Auth),
        ("openai-chat-1679e690f9-00", Auth),
        ("openai-chat-22a1c58c02-02", BadRequest),
        ("openai-chat-25f40f31ca-00", BadRequest),
        ("openai-chat-6dc7c332a1-02", BadRequest),
        ("openai-chat-902aae8144-00", Gone),
        ("openai-chat-a554d08048-00", Auth),
        ("openai-chat-e1b5b66ccb-00", BadRequest),
        ("openai-chat-ec66247745-00", BadRequest),
        ("openai-chat-f529f56816-00", Gone),
        ("openai-chat-fba7549ae9-03", BadRequest),
        ("openrouter-chat-a2b8ac8522-00", RateLimit),
        ("openrouter-chat-a2f2fd486f-00", Context),
        ("perplexity-chat-8f5f818355-00", Auth),
    ];
    let recordings = all();
    for recording in recordings.iter().filter(|recording| recording.status >= 400) {
        let body = recording.body.as_ref().unwrap();
        let fault = OpenAiChat.decode_fault(recording.status, &HeaderMap::new(), body.to_string().as_bytes());
        let (_, class) = table.iter().find(|(id, _)| *id == recording.id).unwrap_or_else(|| panic!("{}", recording.id));
        assert_eq!(fault.class, *class, "{}", recording.id);
        let words = body["error"]["message"].as_str().or(body["detail"].as_str()).unwrap();
        assert!(fault.message.contains(words), "{}", recording.id);
        assert_eq!(fault.status, Some(recording.status));
    }
}

#[test]
fn the_shapes_of_errors() {
    use FaultClass::{Auth, BadRequest, Billing, Context, Gone, Overloaded, RateLimit, Refusal, Server};
    let table = [
        (429, r#"{"error":{"message":"x","type":"insufficient_quota","code":"insufficient_quota"}}"#, Billing, "x"),
        (429, r#"{"error":{"message":"x","type":"requests","code":"rate_limit_exceeded"}}"#, RateLimit, "x"),
        (400, r#"{"error":{"message":"x","code":"context_length_exceeded"}}"#, Context, "x"),
        (400, r#"{"error":{"message":"x","code":"content_filter","innererror":{}}}"#, Refusal, "x"),
        (
            400,
            r#"[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}]"#,
            Auth,
            "API key not valid.",
        ),
        (404, r#"{"error":{"code":404,"message":"x","status":"NOT_FOUND"}}"#, Gone, "x"),
        (422, r#"{"detail":[{"loc":["body"],"msg":"x"}]}"#, BadRequest, "x"),
        (402, r#"{"error":{"message":"Insufficient Balance"}}"#, Billing, "Insufficient Balance"),
        (429, r#"{"object":"error","message":"x","type":"service_tier_capacity_exceeded"}"#, Overloaded, "x"),
        (404, r#"{"error":"model 'y' not found"}"#, Gone, "model 'y' not found"),
        (400, r#"{"errors":[{"message":"x","code":5007}]}"#, BadRequest, "x"),
        (503, "<html>busy</html>", Overloaded, "<html>busy</html>"),
        (500, "", Server, "HTTP status 500"),
        (200, r#"{"error":{"message":"x","code":"content_filter","status":400}}"#, Refusal, "x"),
        (200, r#"{"error":{"message":"x","code":502}}"#, Server, "x"),
        (200, r#"{"error":{"message":"x"}}"#, Server, "x"),
    ];
    for (status, body, class, message) in table {
        let fault = OpenAiChat.decode_fault(status, &HeaderMap::new(), body.as_bytes());
        assert_eq!((fault.class, fault.message.as_str()), (class, message), "{body}");
    }
    let behind = r#"{"error":{"code":429,"message":"a","metadata":{"provider_name":"P","raw":"b"}}}"#;
    let fault = OpenAiChat.decode_fault(429, &HeaderMap::new(), behind.as_bytes());
    assert_eq!((fault.scope, fault.message.as_str()), (FaultScope::KeyModel, "a: b"));
}

#[test]
fn a_caller_gets_the_exception_that_fits() {
    let table = [
        (FaultClass::RateLimit, None, 429, json!("rate_limit_exceeded")),
        (FaultClass::Billing, None, 402, json!("insufficient_quota")),
        (FaultClass::Auth, None, 401, json!("invalid_api_key")),
        (FaultClass::Context, None, 400, json!("context_length_exceeded")),
        (FaultClass::Refusal, Some(403), 403, json!("content_filter")),
        (FaultClass::Gone, None, 404, json!("model_not_found")),
        (FaultClass::Overloaded, Some(529), 529, Value::Null),
    ];
    for (class, given, status, code) in table {
        let mut fault = Fault::new(class, Origin::Provider, Phase::BeforeCommit, "its own words");
        fault.status = given;
        let reply = OpenAiChat.encode_fault(&fault, "req-1");
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, &body["error"]["code"]), (status, &code), "{class}");
        assert_eq!(body["error"]["message"], "its own words");
        assert_eq!(reply.headers, [("x-request-id", "req-1".to_owned())]);
        let event = OpenAiChat.tap().encode_error(&fault, "req-1", Framing::Sse);
        assert_eq!(event, [b"data: ".as_slice(), &reply.body, b"\n\n"].concat());
        let again = OpenAiChat.decode_fault(reply.status, &HeaderMap::new(), &reply.body);
        assert_eq!(again.class, class);
    }
}

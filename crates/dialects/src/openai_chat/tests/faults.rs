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
        (404, r#"{"error":{"code":404,"message":"models/x","status":"NOT_FOUND"}}"#, Gone, "models/x"),
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

fn decoded(status: u16, error: &Value) -> Fault {
    let body = json!({ "error": error }).to_string();
    OpenAiChat.decode_fault(status, &HeaderMap::new(), body.as_bytes())
}

/// What one caller names and nobody else misses, beside what all ask for.
#[test]
fn what_is_not_there() {
    use FaultClass::{BadRequest, Gone};
    let table = [
        (json!({ "message": "Item with id 'rs_1' not found.", "param": null, "code": null }), BadRequest),
        (json!({ "message": "Conversation with id 'conv_1' not found.", "type": "invalid_request_error" }), BadRequest),
        (json!({ "message": "Prompt with id 'pmpt_1' not found." }), BadRequest),
        (json!({ "message": "Vector store with id 'vs_1' not found." }), BadRequest),
        (json!({ "message": "No such File object: file-1", "param": "id" }), BadRequest),
        (json!({ "message": "gone", "code": "previous_response_not_found" }), BadRequest),
        (json!({ "message": "no such thing", "param": "model" }), Gone),
        (json!({ "message": "no such thing", "code": "model_not_found", "param": "input" }), Gone),
        (json!({ "message": "The model `x` does not exist.", "code": null }), Gone),
        (json!({ "message": "Invalid URL (POST /v1/responses)" }), Gone),
        (json!({ "code": "404", "message": "Resource not found" }), Gone),
        (json!("model 'x' not found, try pulling it first"), Gone),
        (json!({}), Gone),
    ];
    for (error, class) in table {
        let fault = decoded(404, &error);
        assert_eq!((fault.class, fault.scope), (class, class.scope()), "{error}");
    }
    for page in ["", "404 page not found", "<html>404</html>", "default backend"] {
        assert_eq!(OpenAiChat.decode_fault(404, &HeaderMap::new(), page.as_bytes()).class, Gone, "{page}");
    }
}

/// What a refusal quotes of the request says nothing of the account.
#[test]
fn words_that_a_caller_chose() {
    use FaultClass::{Auth, BadRequest, Billing, Gone};
    let quoted = "Invalid value: 'credit balance'. Supported values are: 'auto'.";
    let low = "Your credit balance is too low";
    let table = [
        (400, json!({ "message": quoted, "code": "invalid_value", "param": "service_tier" }), BadRequest),
        (400, json!({ "message": quoted }), BadRequest),
        (400, json!({ "message": low, "code": "invalid_value" }), BadRequest),
        (400, json!({ "message": low, "param": "input" }), BadRequest),
        (400, json!({ "message": low, "code": "invalid_request_error", "param": null }), Billing),
        (400, json!({ "message": "x/y is not a valid model ID", "code": 400 }), Gone),
        (400, json!({ "message": "API key not valid. Please pass one.", "status": "INVALID_ARGUMENT" }), Auth),
        (400, json!({ "message": "tools[0]: api key not valid", "status": "INVALID_ARGUMENT" }), BadRequest),
        (429, json!({ "message": "Rejected: insufficient balance", "type": "requests" }), Billing),
    ];
    for (status, error, class) in table {
        assert_eq!(decoded(status, &error).class, class, "{error}");
    }
}

/// What an error calls itself does not undo its status, and decides where there is none.
#[test]
fn a_status_stands_above_the_code() {
    use FaultClass::{Auth, BadRequest, Billing, RateLimit, Server};
    let words = [
        ("invalid_request_error", BadRequest),
        ("rate_limit_error", RateLimit),
        ("authentication_error", Auth),
        ("server_error", Server),
    ];
    for (word, class) in words {
        let error = json!({ "message": "model", "type": word });
        for status in [400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 529] {
            assert_eq!(Some(decoded(status, &error).class), FaultClass::of_status(status), "{status} {word}");
        }
        assert_eq!(decoded(200, &error).class, class, "{word}");
    }
    for status in [404, 413, 500, 503, 529] {
        let fault = decoded(status, &json!({ "message": "model", "code": "insufficient_quota" }));
        assert_eq!(Some(fault.class), FaultClass::of_status(status), "{status}");
    }
    assert_eq!(decoded(403, &json!({ "message": "x", "code": "insufficient_quota" })).class, Billing);
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

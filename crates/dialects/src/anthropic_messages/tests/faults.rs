//! Errors, in both directions.

use http::HeaderMap;
use ringmain_core::{Fault, FaultClass, FaultScope, Origin, Phase};
use serde_json::Value;

use super::API;
use crate::anthropic_messages::AnthropicMessages;
use crate::codec::{Codec as _, Framing};
use crate::tests::recordings;

fn decode(status: u16, body: &str) -> Fault {
    AnthropicMessages.decode_fault(status, &HeaderMap::new(), body.as_bytes())
}

#[test]
fn recorded_errors() {
    for recording in recordings(API).into_iter().filter(|recording| recording.status != 200) {
        let body = recording.body.unwrap();
        let fault = decode(recording.status, &body.to_string());
        assert_eq!(Some(fault.message.as_str()), body["error"]["message"].as_str(), "{}", recording.id);
        let class = match recording.status {
            404 => FaultClass::Gone,
            _ if fault.message.starts_with("prompt is too long") => FaultClass::Context,
            _ => FaultClass::BadRequest,
        };
        assert_eq!(fault.class, class, "{}", recording.id);
    }
}

#[test]
fn classes_and_scopes() {
    use {FaultClass as C, FaultScope as S};
    let error =
        |kind: &str, message: &str| format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}}}}"#);
    let thread =
        r#"{"error":{"type":"not_found_error","message":"Not Found","details":{"error_code":"thread_not_found"}}}"#;
    let fast = "This organization has not been granted access to fast mode. Contact your account team.";
    let low = "Your credit balance is too low to access the Anthropic API.";
    let table = [
        (400, error("invalid_request_error", low), C::Billing, S::Key),
        (400, error("invalid_request_error", "You have reached your specified API usage limits."), C::Billing, S::Key),
        (400, error("invalid_request_error", "Output blocked by content filtering policy"), C::Refusal, S::Request),
        (400, error("invalid_request_error", "messages: roles must alternate"), C::BadRequest, S::Request),
        (400, error("invalid_request_error", "speed: 'your credit balance is too low'"), C::BadRequest, S::Request),
        (401, error("authentication_error", "invalid x-api-key"), C::Auth, S::Key),
        (402, error("billing_error", "pay"), C::Billing, S::Key),
        (403, error("permission_error", "no"), C::Auth, S::Key),
        (404, error("not_found_error", "model: claude-0"), C::Gone, S::Target),
        (404, error("not_found_error", "File not found: file_1"), C::BadRequest, S::Request),
        (404, error("not_found_error", "Skill not found"), C::BadRequest, S::Request),
        (404, error("not_found_error", ""), C::Gone, S::Target),
        (404, error("not_found_error", "Not Found"), C::Gone, S::Target),
        (404, "<html>404</html>".to_owned(), C::Gone, S::Target),
        (404, thread.to_owned(), C::BadRequest, S::Request),
        (403, error("permission_error", fast), C::BadRequest, S::Request),
        (
            403,
            error("permission_error", "This account has not been granted access to this workspace."),
            C::Auth,
            S::Key,
        ),
        (413, error("request_too_large", "Request exceeds the maximum size"), C::Context, S::Request),
        (429, error("rate_limit_error", "slow"), C::RateLimit, S::KeyModel),
        (500, error("api_error", "Internal server error"), C::Server, S::Target),
        (504, error("timeout_error", "late"), C::Server, S::Target),
        (529, error("overloaded_error", "Overloaded"), C::Overloaded, S::Target),
        (502, "<html>Bad gateway</html>".to_owned(), C::Server, S::Target),
        (503, "upstream connect error".to_owned(), C::Overloaded, S::Target),
        (400, r#"{"message":"prompt is too long"}"#.to_owned(), C::Context, S::Request),
    ];
    for (status, body, class, scope) in table {
        let fault = decode(status, &body);
        assert_eq!((fault.class, fault.scope, fault.status), (class, scope, Some(status)), "{body}");
        assert!(!fault.message.is_empty() && !fault.message.contains('<'), "{body}");
    }
}

/// What an error calls itself does not undo its status.
#[test]
fn a_status_stands_above_the_type() {
    let kinds = ["invalid_request_error", "api_error", "rate_limit_error", "authentication_error", "not_found_error"];
    for kind in kinds {
        let body = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"model: x"}}}}"#);
        for status in [400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 529] {
            assert_eq!(Some(decode(status, &body).class), FaultClass::of_status(status), "{status} {kind}");
        }
    }
}

#[test]
fn callers_are_told_in_their_words() {
    use FaultClass as C;
    let table = [
        (C::BadRequest, None, 400, "invalid_request_error"),
        (C::Auth, None, 401, "authentication_error"),
        (C::Auth, Some(403), 403, "permission_error"),
        (C::Billing, None, 402, "billing_error"),
        (C::Gone, Some(410), 404, "not_found_error"),
        (C::Context, None, 413, "request_too_large"),
        (C::Context, Some(400), 400, "invalid_request_error"),
        (C::RateLimit, None, 429, "rate_limit_error"),
        (C::Server, Some(500), 500, "api_error"),
        (C::Network, None, 502, "api_error"),
        (C::Timeout, None, 504, "timeout_error"),
        (C::Overloaded, Some(529), 529, "overloaded_error"),
        (C::Overloaded, Some(503), 529, "overloaded_error"),
        (C::Exhausted, None, 503, "overloaded_error"),
        (C::Server, Some(200), 502, "api_error"),
    ];
    for (class, status, sent, kind) in table {
        let mut fault = Fault::new(class, Origin::Provider, Phase::AwaitHead, "its own words");
        fault.status = status;
        let reply = AnthropicMessages.encode_fault(&fault, "req_7");
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, body["error"]["type"].as_str()), (sent, Some(kind)), "{class} {status:?}");
        assert_eq!(body["error"]["message"], "its own words");
        assert_eq!((body["type"].as_str(), body["request_id"].as_str()), (Some("error"), Some("req_7")));
        assert_eq!(reply.headers, [("request-id", "req_7".to_owned())]);

        let event = AnthropicMessages.tap().encode_error(&fault, "req_7", Framing::Sse);
        let event = String::from_utf8(event).unwrap();
        assert!(event.starts_with("event: error\ndata: {") && event.ends_with("}\n\n"), "{event}");
        assert!(event.contains(kind), "{event}");
    }
}

#[test]
fn a_thread_that_is_not_here_is_told_in_the_code_that_clients_look_for() {
    let mut fault = Fault::new(FaultClass::BadRequest, Origin::Gateway, Phase::Before, "no").with_status(400);
    let details = |fault: &Fault| {
        let body: Value = serde_json::from_slice(&AnthropicMessages.encode_fault(fault, "r").body).unwrap();
        body["error"].get("details").cloned()
    };
    assert_eq!(details(&fault), None);
    fault.code = crate::registry::forgotten(ringmain_core::Dialect::AnthropicMessages, "thread").map(str::to_owned);
    assert_eq!(details(&fault), Some(serde_json::json!({ "error_code": "thread_unsupported_request" })));
    assert_eq!(crate::registry::forgotten(ringmain_core::Dialect::OpenAiResponses, "previous_response_id"), None);
}

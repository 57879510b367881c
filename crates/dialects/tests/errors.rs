//! What each SDK finds where it looks: an error of any provider has the status, the word and the request's id that make the
//! caller's own client raise the exception that fits.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use http::HeaderMap;
use ringmain_core::{Dialect, Fault, FaultClass, Origin, Phase};
use ringmain_dialects::{Codec, ErrorReply, registry};
use serde_json::{Value, json};

fn codec(dialect: Dialect) -> &'static dyn Codec {
    registry::codec(dialect).unwrap()
}

/// What a client of this dialect looks at: the status, its own word for the kind, and a code where it has one.
fn seen(dialect: Dialect, reply: &ErrorReply) -> (u16, String, String) {
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let header = |name: &str| {
        reply.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let (word, code, id) = match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            (text(&body["error"]["type"]), text(&body["error"]["code"]), header("x-request-id"))
        }
        Dialect::AnthropicMessages => (text(&body["error"]["type"]), String::new(), text(&body["request_id"])),
        Dialect::Gemini => {
            assert_eq!(body["error"]["code"], reply.status);
            let details = body["error"]["details"].as_array().unwrap();
            let id = details.iter().find_map(|detail| detail["requestId"].as_str()).unwrap_or_default();
            (text(&body["error"]["status"]), String::new(), id.to_owned())
        }
        Dialect::BedrockConverse => (header("x-amzn-errortype"), String::new(), header("x-amzn-requestid")),
        Dialect::CohereV2 => (text(&body["error_type"]), String::new(), text(&body["id"])),
    };
    assert_eq!(id, "req_1", "{dialect}: {body}");
    (reply.status, word, code)
}

/// Errors as their providers write them: dialect, status, body.
fn errors() -> [(Dialect, u16, Value); 7] {
    use Dialect::{AnthropicMessages, BedrockConverse, CohereV2, Gemini, OpenAiChat};
    let openai =
        |kind: &str, code: &str, message: &str| json!({ "error": { "type": kind, "code": code, "message": message } });
    [
        (
            OpenAiChat,
            400,
            openai("invalid_request_error", "context_length_exceeded", "This model's maximum context length is 8"),
        ),
        (OpenAiChat, 400, openai("invalid_request_error", "content_filter", "The response was filtered")),
        (
            AnthropicMessages,
            429,
            json!({ "type": "error", "error": { "type": "rate_limit_error", "message": "slow down" } }),
        ),
        (Gemini, 404, json!({ "error": { "code": 404, "status": "NOT_FOUND", "message": "no such model" } })),
        (
            Gemini,
            400,
            json!({ "error": { "code": 400, "status": "INVALID_ARGUMENT", "message": "topK is too large" } }),
        ),
        (BedrockConverse, 503, json!({ "message": "Too many connections" })),
        (CohereV2, 500, json!({ "message": "internal error" })),
    ]
}

/// Status, word and code for each of [`errors`].
type Seen = [(u16, &'static str, &'static str); 7];

#[expect(clippy::too_many_lines, reason = "a table")]
fn expected() -> [(Dialect, Seen); 6] {
    [
        (
            Dialect::OpenAiChat,
            [
                (400, "invalid_request_error", "context_length_exceeded"),
                (400, "invalid_request_error", "content_filter"),
                (429, "rate_limit_error", "rate_limit_error"),
                (404, "invalid_request_error", "NOT_FOUND"),
                (400, "invalid_request_error", "INVALID_ARGUMENT"),
                (503, "server_error", ""),
                (500, "server_error", ""),
            ],
        ),
        (
            Dialect::OpenAiResponses,
            [
                (400, "invalid_request_error", "context_length_exceeded"),
                (400, "invalid_request_error", "content_filter"),
                (429, "rate_limit_error", "rate_limit_error"),
                (404, "invalid_request_error", "NOT_FOUND"),
                (400, "invalid_request_error", "INVALID_ARGUMENT"),
                (503, "server_error", ""),
                (500, "server_error", ""),
            ],
        ),
        (
            Dialect::AnthropicMessages,
            [
                (400, "invalid_request_error", ""),
                (400, "invalid_request_error", ""),
                (429, "rate_limit_error", ""),
                (404, "not_found_error", ""),
                (400, "invalid_request_error", ""),
                (529, "overloaded_error", ""),
                (500, "api_error", ""),
            ],
        ),
        (
            Dialect::Gemini,
            [
                (400, "INVALID_ARGUMENT", ""),
                (400, "INVALID_ARGUMENT", ""),
                (429, "RESOURCE_EXHAUSTED", ""),
                (404, "NOT_FOUND", ""),
                (400, "INVALID_ARGUMENT", ""),
                (503, "UNAVAILABLE", ""),
                (500, "INTERNAL", ""),
            ],
        ),
        (
            Dialect::BedrockConverse,
            [
                (400, "ValidationException", ""),
                (400, "ValidationException", ""),
                (429, "ThrottlingException", ""),
                (404, "ResourceNotFoundException", ""),
                (400, "ValidationException", ""),
                (503, "ServiceUnavailableException", ""),
                (500, "InternalServerException", ""),
            ],
        ),
        (
            Dialect::CohereV2,
            [
                (400, "TOO_MANY_TOKENS", ""),
                (400, "CONTENT_FILTERED", ""),
                (429, "TOO_MANY_REQUESTS", ""),
                (404, "MODEL_NOT_FOUND", ""),
                (400, "INVALID_ARGUMENT", ""),
                (503, "", ""),
                (500, "", ""),
            ],
        ),
    ]
}

#[test]
fn every_client_raises_what_it_would_raise_at_its_own_provider() {
    for (caller, expected) in expected() {
        for ((provider, status, body), (told, word, code)) in errors().into_iter().zip(expected) {
            let fault = codec(provider).decode_fault(status, &HeaderMap::new(), body.to_string().as_bytes());
            let reply = codec(caller).encode_fault(&fault, "req_1");
            let wanted = (told, word.to_owned(), code.to_owned());
            assert_eq!(seen(caller, &reply), wanted, "{body} of {provider} to {caller}");
            let said: Value = serde_json::from_slice(&reply.body).unwrap();
            let message = said.pointer("/error/message").or(said.get("message")).and_then(Value::as_str);
            assert_eq!(message, Some(fault.message.as_str()), "{provider} to {caller}: the provider's own words");
        }
    }
}

/// Google's clients wait as long as `RetryInfo` says.
#[test]
fn a_wait_is_in_the_details_that_google_clients_read() {
    let mut fault = Fault::new(FaultClass::RateLimit, Origin::Provider, Phase::AwaitHead, "slow down").with_status(429);
    fault.retry_after = Some(Duration::from_secs(7));
    let reply = codec(Dialect::Gemini).encode_fault(&fault, "req_1");
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let details = body["error"]["details"].as_array().unwrap();
    let info = details.iter().find(|detail| detail["@type"] == "type.googleapis.com/google.rpc.RetryInfo").unwrap();
    assert_eq!(info["retryDelay"], "7s");
}

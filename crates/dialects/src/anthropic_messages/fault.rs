//! Errors, in both directions.

use ringmain_core::{Fault, FaultClass, Origin, Phase};
use serde_json::{Value, json};

use crate::codec::ErrorReply;
use crate::shared::status::status_of;

/// Of a body that is no error of this dialect, at most this many characters are told on.
const MAX_FOREIGN_TEXT: usize = 500;

/// The code by which official clients know that there is no thread to go on with: they send the whole conversation.
pub(super) const NO_THREAD: &str = "thread_unsupported_request";

/// Reads an error answer.
pub(super) fn decode(status: u16, body: &[u8]) -> Fault {
    let mut parsed: Option<Value> = serde_json::from_slice(body).ok();
    // Google's own errors, as Vertex AI answers instead of Anthropic, may be the one element of an array.
    if let Some(Value::Array(items)) = &mut parsed {
        parsed = items.first_mut().map(Value::take);
    }
    let (code, message) = parsed.as_ref().map(words).unwrap_or_default();
    let message = message.unwrap_or_else(|| foreign_text(status, body));
    let class = code
        .as_deref()
        .and_then(|code| class_of(code, &message))
        .or_else(|| class_of_message(&message).filter(|_| (400..500).contains(&status)))
        .or_else(|| FaultClass::of_status(status))
        .unwrap_or(FaultClass::Server);
    let mut fault = Fault::new(class, Origin::Provider, Phase::AwaitHead, message).with_status(status);
    fault.code = code;
    fault
}

/// Is it `{"type": "error", "error": {…}}`?
pub(super) fn is_own(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: std::borrow::Cow<'a, str>,
    }
    serde_json::from_slice::<Kind<'_>>(body).is_ok_and(|kind| kind.kind == "error")
}

/// Reads the `error` object of an error event, or of a body under a success status.
pub(super) fn decode_event(data: &Value) -> Fault {
    let (code, message) = words(data);
    let message = message.unwrap_or_else(|| "the provider ended the stream with an error".to_owned());
    let class = code.as_deref().and_then(|code| class_of(code, &message)).or_else(|| class_of_message(&message));
    let mut fault = Fault::new(class.unwrap_or(FaultClass::Server), Origin::Provider, Phase::BeforeCommit, message);
    fault.code = code;
    fault
}

/// The error's type and message. Proxies in front of the API write `error` or `message` as a string.
fn words(value: &Value) -> (Option<String>, Option<String>) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    match value.get("error") {
        Some(error @ Value::Object(_)) => (text(error.get("type")), text(error.get("message"))),
        Some(Value::String(message)) => (None, Some(message.clone())),
        _ => (None, text(value.get("message"))),
    }
}

fn foreign_text(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    // A page from something in front of the provider is not the provider's words.
    if text.is_empty() || text.starts_with(['<', '{', '[']) {
        return format!("the provider answered with status {status} and no message");
    }
    text.chars().take(MAX_FOREIGN_TEXT).collect()
}

fn class_of(code: &str, message: &str) -> Option<FaultClass> {
    Some(match code {
        "invalid_request_error" => return class_of_message(message).or(Some(FaultClass::BadRequest)),
        "authentication_error" | "permission_error" => FaultClass::Auth,
        "billing_error" => FaultClass::Billing,
        "not_found_error" if message.starts_with("File") || message.starts_with("Container") => FaultClass::BadRequest,
        "not_found_error" => FaultClass::Gone,
        "request_too_large" => FaultClass::Context,
        "rate_limit_error" => FaultClass::RateLimit,
        "overloaded_error" => FaultClass::Overloaded,
        "api_error" | "timeout_error" => FaultClass::Server,
        _ => return None,
    })
}

/// Causes that share the type `invalid_request_error` and only differ in their words.
fn class_of_message(message: &str) -> Option<FaultClass> {
    let table = [
        ("prompt is too long", FaultClass::Context),
        ("exceed context limit", FaultClass::Context),
        ("context window", FaultClass::Context),
        ("credit balance is too low", FaultClass::Billing),
        ("specified api usage limits", FaultClass::Billing),
        ("content filtering policy", FaultClass::Refusal),
    ];
    let message = message.to_ascii_lowercase();
    table.into_iter().find(|(words, _)| message.contains(words)).map(|(_, class)| class)
}

/// The error type that goes with a status; official clients choose their exception by the status.
const fn type_of(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 | 410 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        400..=498 => "invalid_request_error",
        _ => "api_error",
    }
}

/// Writes an error answer.
pub(super) fn encode(fault: &Fault, request_id: &str) -> ErrorReply {
    let status = match status_of(fault) {
        // This dialect's status for a provider's overload. Our own "every target is out" stays what it is.
        503 if fault.class != FaultClass::Exhausted => 529,
        410 => 404,
        status @ 400..=599 => status,
        // An error under a success status is still an error.
        _ => status_of(&Fault { status: None, ..fault.clone() }),
    };
    let status = if status == 503 && fault.class == FaultClass::Overloaded { 529 } else { status };
    ErrorReply {
        status,
        headers: vec![("request-id", request_id.to_owned())],
        body: body(fault, status, request_id).to_string().into_bytes(),
    }
}

fn body(fault: &Fault, status: u16, request_id: &str) -> Value {
    let mut error = json!({ "type": type_of(status), "message": fault.message });
    if fault.code.as_deref() == Some(NO_THREAD) {
        error["details"] = json!({ "error_code": NO_THREAD });
    }
    json!({ "type": "error", "error": error, "request_id": request_id })
}

/// Appends the event that ends a stream with an error.
pub(super) fn encode_event(fault: &Fault, request_id: &str, out: &mut Vec<u8>) {
    let mut value = body(fault, status_of(fault), request_id);
    if request_id.is_empty()
        && let Some(object) = value.as_object_mut()
    {
        object.shift_remove("request_id");
    }
    out.extend_from_slice(b"event: error\ndata: ");
    out.extend_from_slice(value.to_string().as_bytes());
    out.extend_from_slice(b"\n\n");
}

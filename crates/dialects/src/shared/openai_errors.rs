//! OpenAI's error object, in and out: the dialects of its API share it, and the many providers that follow it.

use ringmain_core::{Fault, FaultClass, FaultScope, Origin, Phase};
use serde_json::{Value, json};

use crate::codec::ErrorReply;
use crate::shared::status::status_of;

/// Longer messages are cut, in bytes: some providers quote the whole request.
const MAX_MESSAGE: usize = 4096;

/// What a code says, whatever the status. Compared without case, `-` and `_` alike.
const CODES: &[(&str, FaultClass)] = &[
    ("insufficient_quota", FaultClass::Billing),
    ("insufficient_balance", FaultClass::Billing),
    ("insufficient_credits", FaultClass::Billing),
    ("billing_hard_limit_reached", FaultClass::Billing),
    ("billing_not_active", FaultClass::Billing),
    ("billing_error", FaultClass::Billing),
    ("payment_required", FaultClass::Billing),
    ("context_length_exceeded", FaultClass::Context),
    ("context_window_exceeded", FaultClass::Context),
    ("request_too_large", FaultClass::Context),
    ("content_filter", FaultClass::Refusal),
    ("content_policy_violation", FaultClass::Refusal),
    ("responsibleaipolicyviolation", FaultClass::Refusal),
    ("moderation_blocked", FaultClass::Refusal),
    ("invalid_prompt", FaultClass::Refusal),
    ("bio_policy", FaultClass::Refusal),
    ("image_content_policy_violation", FaultClass::Refusal),
    ("previous_response_not_found", FaultClass::BadRequest),
    ("model_not_found", FaultClass::Gone),
    ("deploymentnotfound", FaultClass::Gone),
    ("model_decommissioned", FaultClass::Gone),
    ("model_not_available", FaultClass::Gone),
    ("invalid_model", FaultClass::Gone),
    ("invalid_api_key", FaultClass::Auth),
    ("wrong_api_key", FaultClass::Auth),
    ("account_deactivated", FaultClass::Auth),
    ("authentication_error", FaultClass::Auth),
    ("permission_error", FaultClass::Auth),
    ("permission_denied", FaultClass::Auth),
    ("unauthenticated", FaultClass::Auth),
    ("rate_limit_exceeded", FaultClass::RateLimit),
    ("rate_limit_error", FaultClass::RateLimit),
    ("rate_limited", FaultClass::RateLimit),
    ("too_many_requests", FaultClass::RateLimit),
    ("resource_exhausted", FaultClass::RateLimit),
    ("overloaded_error", FaultClass::Overloaded),
    ("overloaded", FaultClass::Overloaded),
    ("server_overloaded", FaultClass::Overloaded),
    ("engine_overloaded", FaultClass::Overloaded),
    ("service_unavailable", FaultClass::Overloaded),
    ("service_tier_capacity_exceeded", FaultClass::Overloaded),
];

/// What a code says where there is no status: too general to stand above one.
const GENERAL: &[(&str, FaultClass)] = &[
    ("invalid_request_error", FaultClass::BadRequest),
    ("bad_request", FaultClass::BadRequest),
    ("invalid_argument", FaultClass::BadRequest),
    ("tool_use_failed", FaultClass::BadRequest),
    ("not_found_error", FaultClass::Gone),
    ("timeout", FaultClass::Server),
];

/// What a message says of a request that was refused with a general code.
const PHRASES: &[(&str, FaultClass)] = &[
    ("maximum context length", FaultClass::Context),
    ("prompt is too long", FaultClass::Context),
    ("context window", FaultClass::Context),
    ("exceeds the maximum number of tokens", FaultClass::Context),
    ("input token count", FaultClass::Context),
    ("content management policy", FaultClass::Refusal),
    ("credit balance", FaultClass::Billing),
    ("insufficient balance", FaultClass::Billing),
    ("api key not valid", FaultClass::Auth),
    ("is not a valid model", FaultClass::Gone),
    // The model is there; the stored answer that the request goes on from is not.
    ("response with id", FaultClass::BadRequest),
];

/// What an error body says.
#[derive(Debug, Default)]
struct Words {
    message: String,
    codes: Vec<String>,
    /// A status inside the body.
    status: Option<u16>,
    /// The error is that of a provider behind the provider.
    behind: bool,
}

/// What a provider's error answer means.
pub(crate) fn decode(status: u16, body: &[u8]) -> Fault {
    let words = serde_json::from_slice(body)
        .map(words)
        .unwrap_or_else(|_| Words { message: cut(String::from_utf8_lossy(body).trim()), ..Words::default() });
    let status = Some(status).filter(|status| !(200..300).contains(status));
    fault(words, status, Phase::BeforeCommit)
}

/// What an error inside a stream means.
pub(crate) fn of_stream(data: &[u8], phase: Phase) -> Fault {
    fault(serde_json::from_slice(data).map(words).unwrap_or_default(), None, phase)
}

fn fault(words: Words, status: Option<u16>, phase: Phase) -> Fault {
    let status = status.or(words.status);
    let class = class(&words, status);
    let message = if words.message.is_empty() {
        status.map_or_else(|| "the provider gave no reason".to_owned(), |status| format!("HTTP status {status}"))
    } else {
        words.message
    };
    let mut fault = Fault::new(class, Origin::Provider, phase, message);
    fault.status = status;
    fault.code = words.codes.into_iter().next();
    if words.behind && class == FaultClass::RateLimit {
        // Other models of this key are served by others.
        fault.scope = FaultScope::KeyModel;
    }
    fault
}

fn class(words: &Words, status: Option<u16>) -> FaultClass {
    let known = |table: &[(&str, FaultClass)]| {
        words.codes.iter().find_map(|code| {
            let code = code.to_ascii_lowercase().replace('-', "_");
            table.iter().find(|(known, _)| *known == code).map(|(_, class)| *class)
        })
    };
    if let Some(class) = known(CODES) {
        return class;
    }
    let by_status = status.and_then(FaultClass::of_status);
    if matches!(
        by_status,
        None | Some(FaultClass::BadRequest | FaultClass::Gone | FaultClass::RateLimit | FaultClass::Server)
    ) {
        let message = words.message.to_ascii_lowercase();
        if let Some((_, class)) = PHRASES.iter().find(|(phrase, _)| message.contains(phrase)) {
            return *class;
        }
    }
    by_status.or_else(|| known(GENERAL)).unwrap_or(FaultClass::Server)
}

/// The many shapes: `{"error": {…}}`, `{"error": "…"}`, `[{"error": …}]`, `{"message": …}`, `{"detail": …}`, `{"errors": […]}`.
fn words(body: Value) -> Words {
    let body = match body {
        Value::Array(items) => items.into_iter().next().unwrap_or_default(),
        other => other,
    };
    let inner = ["error", "detail", "errors"].into_iter().find_map(|field| body.get(field).filter(|v| !v.is_null()));
    let error = match inner.unwrap_or(&body) {
        Value::Array(items) => items.first().unwrap_or(&Value::Null),
        other => other,
    };
    let word = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let message = match error {
        Value::String(text) => text.clone(),
        _ => ["message", "msg", "detail"]
            .into_iter()
            .find_map(|field| error.get(field).filter(|value| !value.is_null()))
            .or_else(|| body.get("message"))
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .unwrap_or_default(),
    };
    let metadata = error.get("metadata");
    let behind = metadata.and_then(|metadata| metadata.get("provider_name")).is_some_and(Value::is_string);
    // OpenRouter: its own message says nothing, the words of the provider behind it are here.
    let raw = metadata.and_then(|metadata| word(metadata, "raw"));
    let message = raw.map_or_else(|| message.clone(), |raw| format!("{message}: {raw}"));
    let codes = ["code", "type", "status"]
        .into_iter()
        .filter_map(|field| word(error, field).or_else(|| word(&body, field)))
        .chain(error.get("innererror").and_then(|inner| word(inner, "code")))
        .filter(|code| !code.is_empty())
        .collect();
    let status = ["status_code", "status", "code"]
        .into_iter()
        .find_map(|field| error.get(field)?.as_u64())
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (400..600).contains(status));
    Words { message: cut(&message), codes, status, behind }
}

fn cut(message: &str) -> String {
    message[..message.floor_char_boundary(MAX_MESSAGE)].to_owned()
}

/// An error answer for a caller.
pub(crate) fn encode(fault: &Fault, request_id: &str) -> ErrorReply {
    // OpenAI says 400 where the prompt is too long, and its SDK has no exception for 413.
    let unsaid = fault.status.is_none() && fault.class == FaultClass::Context;
    let status = if unsaid { 400 } else { status_of(fault) };
    let headers = vec![("x-request-id", request_id.to_owned())];
    ErrorReply { status, headers, body: body(fault) }
}

/// The error object, as an answer and inside a stream.
pub(crate) fn body(fault: &Fault) -> Vec<u8> {
    let (kind, usual, own) = match fault.class {
        FaultClass::RateLimit => ("rate_limit_error", Some("rate_limit_exceeded"), false),
        FaultClass::Billing => ("insufficient_quota", Some("insufficient_quota"), true),
        FaultClass::Auth => ("invalid_request_error", Some("invalid_api_key"), false),
        FaultClass::Gone | FaultClass::Unroutable => ("invalid_request_error", Some("model_not_found"), false),
        FaultClass::BadRequest | FaultClass::Cancelled => ("invalid_request_error", None, false),
        FaultClass::Context => ("invalid_request_error", Some("context_length_exceeded"), true),
        FaultClass::Refusal => ("invalid_request_error", Some("content_filter"), true),
        FaultClass::Network
        | FaultClass::Server
        | FaultClass::Overloaded
        | FaultClass::Timeout
        | FaultClass::Empty
        | FaultClass::Protocol
        | FaultClass::Interrupted
        | FaultClass::Exhausted => ("server_error", None, false),
    };
    // Programs look for these words; elsewhere the provider's own code says more.
    let code = if own { usual } else { fault.code.as_deref().or(usual) };
    let error = json!({ "message": fault.message, "type": kind, "param": null, "code": code });
    json!({ "error": error }).to_string().into_bytes()
}

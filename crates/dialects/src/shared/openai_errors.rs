//! OpenAI's error object, in and out: the dialects of its API share it, and the many providers that follow it.

use ringmain_core::{Fault, FaultClass, Origin, Phase};
use serde_json::{Value, json};

use crate::codec::ErrorReply;
use crate::shared::absent;
use crate::shared::said;
use crate::shared::said::Said::{self, Cause, Kind};
use crate::shared::status::status_of;

/// Longer messages are cut, in bytes: some providers quote the whole request.
const MAX_MESSAGE: usize = 4096;

/// What a code says. Compared without case, `-` and `_` alike.
const CODES: &[(&str, Said)] = &[
    ("insufficient_quota", Cause(FaultClass::Billing)),
    ("insufficient_balance", Cause(FaultClass::Billing)),
    ("insufficient_credits", Cause(FaultClass::Billing)),
    ("billing_hard_limit_reached", Cause(FaultClass::Billing)),
    ("billing_not_active", Cause(FaultClass::Billing)),
    ("billing_error", Cause(FaultClass::Billing)),
    ("payment_required", Cause(FaultClass::Billing)),
    ("context_length_exceeded", Cause(FaultClass::Context)),
    ("context_window_exceeded", Cause(FaultClass::Context)),
    ("request_too_large", Cause(FaultClass::Context)),
    ("content_filter", Cause(FaultClass::Refusal)),
    ("content_policy_violation", Cause(FaultClass::Refusal)),
    ("responsibleaipolicyviolation", Cause(FaultClass::Refusal)),
    ("moderation_blocked", Cause(FaultClass::Refusal)),
    ("invalid_prompt", Cause(FaultClass::Refusal)),
    ("bio_policy", Cause(FaultClass::Refusal)),
    ("image_content_policy_violation", Cause(FaultClass::Refusal)),
    ("previous_response_not_found", Cause(FaultClass::BadRequest)),
    ("model_not_found", Cause(FaultClass::Gone)),
    ("deploymentnotfound", Cause(FaultClass::Gone)),
    ("model_decommissioned", Cause(FaultClass::Gone)),
    ("model_not_available", Cause(FaultClass::Gone)),
    ("invalid_model", Cause(FaultClass::Gone)),
    ("invalid_api_key", Cause(FaultClass::Auth)),
    ("wrong_api_key", Cause(FaultClass::Auth)),
    ("account_deactivated", Cause(FaultClass::Auth)),
    ("authentication_error", Kind(FaultClass::Auth)),
    ("permission_error", Kind(FaultClass::Auth)),
    ("permission_denied", Kind(FaultClass::Auth)),
    ("unauthenticated", Kind(FaultClass::Auth)),
    ("rate_limit_exceeded", Kind(FaultClass::RateLimit)),
    ("rate_limit_error", Kind(FaultClass::RateLimit)),
    ("rate_limited", Kind(FaultClass::RateLimit)),
    ("too_many_requests", Kind(FaultClass::RateLimit)),
    ("resource_exhausted", Kind(FaultClass::RateLimit)),
    ("overloaded_error", Cause(FaultClass::Overloaded)),
    ("overloaded", Cause(FaultClass::Overloaded)),
    ("server_overloaded", Cause(FaultClass::Overloaded)),
    ("engine_overloaded", Cause(FaultClass::Overloaded)),
    ("service_unavailable", Kind(FaultClass::Overloaded)),
    ("service_tier_capacity_exceeded", Cause(FaultClass::Overloaded)),
];

/// What a code says where there is no status at all, not even one in the body.
const GENERAL: &[(&str, Said)] = &[
    ("invalid_request_error", Kind(FaultClass::BadRequest)),
    ("bad_request", Kind(FaultClass::BadRequest)),
    ("invalid_argument", Kind(FaultClass::BadRequest)),
    ("tool_use_failed", Kind(FaultClass::BadRequest)),
    ("not_found_error", Kind(FaultClass::Gone)),
    ("timeout", Kind(FaultClass::Server)),
];

/// What a message says of a request that was refused with a general code.
const PHRASES: &[(&str, FaultClass)] = &[
    ("maximum context length", FaultClass::Context),
    ("prompt is too long", FaultClass::Context),
    ("context window", FaultClass::Context),
    ("exceeds the maximum number of tokens", FaultClass::Context),
    ("input token count", FaultClass::Context),
    ("content management policy", FaultClass::Refusal),
    // The model is there; the stored answer that the request goes on from is not.
    ("response with id", FaultClass::BadRequest),
];

/// What the beginning of a message says of others than the request.
const BEGINNINGS: &[(&str, FaultClass)] = &[
    ("your credit balance", FaultClass::Billing),
    ("credit balance", FaultClass::Billing),
    ("insufficient balance", FaultClass::Billing),
    ("api key not valid", FaultClass::Auth),
];

/// Members of a request that name its model.
const MODEL_MEMBERS: [&str; 3] = ["model", "engine", "deployment"];

/// What an error body says.
#[derive(Debug, Default)]
struct Words {
    message: String,
    codes: Vec<String>,
    /// A status inside the body.
    status: Option<u16>,
    /// The member of the request that it is about.
    param: Option<String>,
    /// Not in the provider's own form: the words of what stands in front of it, or of a provider behind it.
    foreign: bool,
}

/// What a provider's error answer means.
pub(crate) fn decode(status: u16, body: &[u8]) -> Fault {
    let words = serde_json::from_slice(body).map(words).unwrap_or_else(|_| Words {
        message: cut(String::from_utf8_lossy(body).trim()),
        foreign: true,
        ..Words::default()
    });
    let status = Some(status).filter(|status| !(200..300).contains(status));
    fault(words, status, Phase::BeforeCommit)
}

/// What an error inside a stream means.
pub(crate) fn of_stream(data: &[u8], phase: Phase) -> Fault {
    fault(serde_json::from_slice(data).map(words).unwrap_or_default(), None, phase)
}

fn fault(words: Words, status: Option<u16>, phase: Phase) -> Fault {
    let class = class(&words, status);
    let status = status.or(words.status);
    let message = if words.message.is_empty() {
        status.map_or_else(|| "the provider gave no reason".to_owned(), |status| format!("HTTP status {status}"))
    } else {
        words.message
    };
    let mut fault = Fault::new(class, Origin::Provider, phase, message);
    fault.status = status;
    fault.code = words.codes.into_iter().next();
    fault
}

fn class(words: &Words, status: Option<u16>) -> FaultClass {
    let by_status = status.and_then(FaultClass::of_status);
    let inside = words.status.and_then(FaultClass::of_status);
    let codes = words.codes.iter().filter_map(|code| known(CODES, code));
    let said = codes
        .chain(absent(words, by_status).map(Cause))
        .chain(phrase(words, by_status, inside).map(Cause))
        .chain(inside.map(Kind))
        .chain(words.codes.iter().filter_map(|code| known(GENERAL, code)));
    said::class(by_status, said)
}

fn known(table: &[(&str, Said)], code: &str) -> Option<Said> {
    let code = code.to_ascii_lowercase().replace('-', "_");
    table.iter().find(|(known, _)| *known == code).map(|(_, said)| *said)
}

/// Is what is not there something that the request names? Then nobody else misses it.
fn absent(words: &Words, by_status: Option<FaultClass>) -> Option<FaultClass> {
    let named = match &words.param {
        Some(param) => !MODEL_MEMBERS.contains(&param.as_str()),
        None => absent::is_of_request(&words.message),
    };
    (by_status == Some(FaultClass::Gone) && !words.foreign && named).then_some(FaultClass::BadRequest)
}

/// What the message says, where the status leaves it open.
fn phrase(words: &Words, by_status: Option<FaultClass>, inside: Option<FaultClass>) -> Option<FaultClass> {
    let is_open = match by_status.or(inside) {
        None | Some(FaultClass::BadRequest | FaultClass::Gone | FaultClass::RateLimit) => true,
        Some(class) => by_status.is_none() && class == FaultClass::Server,
    };
    if !is_open {
        return None;
    }
    let message = words.message.to_ascii_lowercase();
    let find = |table: &[(&str, FaultClass)], so: &dyn Fn(&str) -> bool| {
        table.iter().find(|(words, _)| so(words)).map(|(_, class)| *class)
    };
    if by_status == Some(FaultClass::RateLimit) {
        return find(BEGINNINGS, &|words| message.contains(words));
    }
    let of_request = find(PHRASES, &|words| message.contains(words));
    if of_request.is_some() {
        return of_request;
    }
    // What says what is wrong with the request speaks of nobody else, and any other refusal may quote the request.
    if words.param.is_some() || !words.codes.iter().all(|code| is_general(code)) {
        return None;
    }
    let behind_a_name = message.split_once(' ').is_some_and(|(_, rest)| rest.starts_with("is not a valid model"));
    find(BEGINNINGS, &|words| message.starts_with(words)).or(behind_a_name.then_some(FaultClass::Gone))
}

/// Does a code say no more than a status would?
fn is_general(code: &str) -> bool {
    let is_kind = || matches!(known(CODES, code), Some(Kind(_))) || known(GENERAL, code).is_some();
    matches!(code, "error" | "api_error" | "server_error")
        || code.bytes().all(|byte| byte.is_ascii_digit())
        || is_kind()
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
    // OpenRouter: its own message says nothing, the words of the provider behind it are here.
    let raw = metadata.and_then(|metadata| word(metadata, "raw"));
    let foreign = raw.is_some();
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
    let param = word(error, "param").filter(|param| !param.is_empty());
    Words { message: cut(&message), codes, status, param, foreign }
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

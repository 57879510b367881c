//! Errors: `{"error": {"code", "message", "status", "details"}}`, sometimes as the one element of an array.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass, FaultScope, Origin, Phase};
use serde_json::{Value, json};

use super::names::Builder;
use crate::codec::ErrorReply;
use crate::shared::absent;
use crate::shared::said;
use crate::shared::said::Said::{Cause, Kind};
use crate::shared::status::status_of;

/// What the provider's answer means.
pub(super) fn decode(status: u16, body: &[u8]) -> Fault {
    let mut document = serde_json::from_slice::<Value>(body).unwrap_or_default();
    if let Value::Array(items) = &mut document {
        document = items.first_mut().map(Value::take).unwrap_or_default();
    }
    let error = document.get_mut("error").map(Value::take).unwrap_or_default();
    let mut fault = read(Some(status).filter(|status| !(200..300).contains(status)), &error);
    if fault.message.is_empty() {
        fault.message = format!("the provider answered with status {status} and no message");
    }
    fault
}

/// What an error inside a stream means.
pub(super) fn of_chunk(error: &Value) -> Fault {
    let mut fault = read(None, error);
    fault.status.get_or_insert(500);
    if fault.message.is_empty() {
        fault.message = "the provider broke the stream off with an error".to_owned();
    }
    fault
}

/// Without the status of an answer, the error's own code is one.
fn read(status: Option<u16>, error: &Value) -> Fault {
    // Behind some proxies the error is the message alone.
    let message = error["message"].as_str().or(error.as_str()).unwrap_or_default();
    let word = error["status"].as_str();
    let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    let reasons: Vec<&str> = details.iter().filter_map(|detail| detail["reason"].as_str()).collect();
    let inside = error["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let inside = inside.filter(|status| (400..600).contains(status));
    let by_status = status.and_then(of_status);
    let words = cause(by_status, word, &reasons, &message.to_ascii_lowercase()).map(Cause);
    let kinds = word.and_then(kind).or_else(|| inside.and_then(of_status)).map(Kind);
    let class = said::class(by_status, words.into_iter().chain(kinds));
    let mut fault = Fault::new(class, Origin::Provider, Phase::AwaitHead, message);
    fault.status = status.or(inside);
    if class == FaultClass::RateLimit && is_of_project(details) {
        fault.scope = FaultScope::Key;
    }
    fault.code = reasons.first().copied().or(word).map(str::to_owned);
    fault.retry_after = details.iter().find_map(|detail| duration(detail["retryDelay"].as_str()?));
    fault
}

/// 499 is the provider's own word for a request it stopped.
fn of_status(status: u16) -> Option<FaultClass> {
    if status == 499 { Some(FaultClass::Server) } else { FaultClass::of_status(status) }
}

/// What only the reasons, or the words of a message, say. A refusal may quote the request: of a key it speaks at its beginning.
fn cause(by_status: Option<FaultClass>, word: Option<&str>, reasons: &[&str], message: &str) -> Option<FaultClass> {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let begins = |words: &[&str]| words.iter().any(|word| message.starts_with(word));
    let reason = |words: &[&str]| reasons.iter().any(|reason| words.contains(reason));
    if reason(&["BILLING_DISABLED", "CONSUMER_SUSPENDED"]) {
        return Some(FaultClass::Billing);
    }
    if reason(&["API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "SERVICE_DISABLED"]) {
        return Some(FaultClass::Auth);
    }
    let refused = matches!(by_status, None | Some(FaultClass::BadRequest));
    match (word, by_status) {
        (Some("INVALID_ARGUMENT"), _) if begins(&["api key not valid", "api key expired"]) => Some(FaultClass::Auth),
        (Some("INVALID_ARGUMENT"), _) if refused && says(&["token count", "maximum number of tokens"]) => {
            Some(FaultClass::Context)
        }
        // The account or its country, not this request.
        (Some("FAILED_PRECONDITION"), _) if says(&["enable billing"]) => Some(FaultClass::Billing),
        (Some("FAILED_PRECONDITION"), _) if says(&["location is not supported"]) => Some(FaultClass::Auth),
        (Some("RESOURCE_EXHAUSTED"), _) if says(&["credits are depleted", "credit balance"]) => {
            Some(FaultClass::Billing)
        }
        (Some("PERMISSION_DENIED"), None | Some(FaultClass::Auth)) if begins(&OF_CALLERS) => {
            Some(FaultClass::BadRequest)
        }
        (Some("NOT_FOUND"), None) | (_, Some(FaultClass::Gone)) if absent::is_of_request(message) => {
            Some(FaultClass::BadRequest)
        }
        _ => None,
    }
}

/// How a refusal begins that is about something the caller named, and not about the key.
const OF_CALLERS: [&str; 6] = [
    "cachedcontent not found",
    "you do not have permission to access the cachedcontent",
    "you do not have permission to access the cached content",
    "you do not have permission to access the corpus",
    "you do not have permission to access the file",
    "you do not have permission to access the document",
];

/// What the API's own word says.
fn kind(word: &str) -> Option<FaultClass> {
    Some(match word {
        "INVALID_ARGUMENT" | "OUT_OF_RANGE" | "FAILED_PRECONDITION" => FaultClass::BadRequest,
        "RESOURCE_EXHAUSTED" => FaultClass::RateLimit,
        "PERMISSION_DENIED" | "UNAUTHENTICATED" => FaultClass::Auth,
        "NOT_FOUND" => FaultClass::Gone,
        "UNAVAILABLE" => FaultClass::Overloaded,
        "INTERNAL" | "UNKNOWN" | "DEADLINE_EXCEEDED" | "ABORTED" | "CANCELLED" | "DATA_LOSS" => FaultClass::Server,
        _ => return None,
    })
}

/// Does it name quotas, and none of them one of a single model?
fn is_of_project(details: &[Value]) -> bool {
    let mut violations = details.iter().filter_map(|detail| detail["violations"].as_array()).flatten().peekable();
    let of_model = |violation: &Value| {
        let id = violation["quotaId"].as_str().unwrap_or_default();
        violation["quotaDimensions"]["model"].is_string() || id.contains("PerModel")
    };
    violations.peek().is_some() && !violations.any(of_model)
}

/// `13s`, `48.9s`.
fn duration(text: &str) -> Option<Duration> {
    let seconds = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// An error answer for a caller.
pub(super) fn encode(fault: &Fault, request_id: &str) -> ErrorReply {
    let body = document(fault, Some(request_id));
    ErrorReply { status: status_of(fault), headers: Vec::new(), body }
}

/// The error document. `error` is its first field: the official Python client looks for it there in streams.
pub(super) fn document(fault: &Fault, request_id: Option<&str>) -> Vec<u8> {
    let status = status_of(fault);
    let mut details = Vec::new();
    if let Some(code) = fault.code.as_deref().filter(|code| !is_word(code)) {
        let kind = "type.googleapis.com/google.rpc.ErrorInfo";
        details.push(json!({ "@type": kind, "reason": code, "domain": "ringmain" }));
    }
    if let Some(wait) = fault.retry_after {
        let kind = "type.googleapis.com/google.rpc.RetryInfo";
        details.push(json!({ "@type": kind, "retryDelay": format!("{}s", wait.as_secs_f64()) }));
    }
    if let Some(id) = request_id {
        let kind = "type.googleapis.com/google.rpc.RequestInfo";
        details.push(json!({ "@type": kind, "requestId": id }));
    }
    let mut error = Builder::default();
    error.set("code", status);
    error.set("message", fault.message.as_str());
    error.set(
        "status",
        fault.code.as_deref().filter(|code| is_word(code)).unwrap_or_else(|| word_of(fault.class, status)),
    );
    if !details.is_empty() {
        error.set("details", details);
    }
    let mut document = Builder::default();
    document.set("error", error.0);
    document.bytes()
}

const fn word_of(class: FaultClass, status: u16) -> &'static str {
    match class {
        FaultClass::RateLimit => "RESOURCE_EXHAUSTED",
        FaultClass::Billing => "FAILED_PRECONDITION",
        FaultClass::Auth if status == 403 => "PERMISSION_DENIED",
        FaultClass::Auth => "UNAUTHENTICATED",
        FaultClass::Gone | FaultClass::Unroutable => "NOT_FOUND",
        FaultClass::Overloaded | FaultClass::Exhausted => "UNAVAILABLE",
        FaultClass::Timeout => "DEADLINE_EXCEEDED",
        FaultClass::BadRequest | FaultClass::Refusal | FaultClass::Context => "INVALID_ARGUMENT",
        FaultClass::Cancelled => "CANCELLED",
        FaultClass::Network
        | FaultClass::Server
        | FaultClass::Empty
        | FaultClass::Protocol
        | FaultClass::Interrupted => "INTERNAL",
    }
}

/// The API's own words for errors.
fn is_word(code: &str) -> bool {
    matches!(
        code,
        "RESOURCE_EXHAUSTED"
            | "FAILED_PRECONDITION"
            | "UNAUTHENTICATED"
            | "PERMISSION_DENIED"
            | "NOT_FOUND"
            | "UNAVAILABLE"
            | "DEADLINE_EXCEEDED"
            | "INVALID_ARGUMENT"
            | "OUT_OF_RANGE"
            | "CANCELLED"
            | "ABORTED"
            | "ALREADY_EXISTS"
            | "UNIMPLEMENTED"
            | "UNKNOWN"
            | "DATA_LOSS"
            | "INTERNAL"
    )
}

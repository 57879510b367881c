//! Errors: `{"error": {"code", "message", "status", "details"}}`, sometimes as the one element of an array.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass, FaultScope, Origin, Phase};
use serde_json::{Value, json};

use super::names::Builder;
use crate::codec::ErrorReply;
use crate::shared::status::status_of;

/// What the provider's answer means.
pub(super) fn decode(status: u16, body: &[u8]) -> Fault {
    let mut document = serde_json::from_slice::<Value>(body).unwrap_or_default();
    if let Value::Array(items) = &mut document {
        document = items.first_mut().map(Value::take).unwrap_or_default();
    }
    let error = document.get_mut("error").map(Value::take).unwrap_or_default();
    let mut fault = read(status, &error);
    if fault.message.is_empty() {
        fault.message = format!("the provider answered with status {status} and no message");
    }
    fault
}

/// What an error inside a stream means; its own code is the status.
pub(super) fn of_chunk(error: &Value) -> Fault {
    let status = error["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let status = status.filter(|status| (400..600).contains(status)).unwrap_or(500);
    let mut fault = read(status, error);
    if fault.message.is_empty() {
        fault.message = "the provider broke the stream off with an error".to_owned();
    }
    fault
}

fn read(status: u16, error: &Value) -> Fault {
    // Behind some proxies the error is the message alone.
    let message = error["message"].as_str().or(error.as_str()).unwrap_or_default();
    let word = error["status"].as_str();
    let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    let reasons: Vec<&str> = details.iter().filter_map(|detail| detail["reason"].as_str()).collect();
    let class = class_of(status, word, &reasons, message);
    let mut fault = Fault::new(class, Origin::Provider, Phase::AwaitHead, message).with_status(status);
    if class == FaultClass::RateLimit && details.iter().any(is_quota_of_model) {
        fault.scope = FaultScope::KeyModel;
    }
    fault.code = reasons.first().copied().or(word).map(str::to_owned);
    fault.retry_after = details.iter().find_map(|detail| duration(detail["retryDelay"].as_str()?));
    fault
}

fn class_of(status: u16, word: Option<&str>, reasons: &[&str], message: &str) -> FaultClass {
    let says = |words: &[&str]| {
        let message = message.to_ascii_lowercase();
        words.iter().any(|word| message.contains(word))
    };
    let reason = |words: &[&str]| reasons.iter().any(|reason| words.contains(reason));
    if reason(&["BILLING_DISABLED", "CONSUMER_SUSPENDED"]) {
        return FaultClass::Billing;
    }
    if reason(&["API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "SERVICE_DISABLED"]) {
        return FaultClass::Auth;
    }
    match word {
        Some("INVALID_ARGUMENT") if says(&["api key not valid", "api key expired"]) => FaultClass::Auth,
        Some("INVALID_ARGUMENT") if says(&["token count", "maximum number of tokens"]) => FaultClass::Context,
        Some("INVALID_ARGUMENT" | "OUT_OF_RANGE") => FaultClass::BadRequest,
        // The account or its country, not this request.
        Some("FAILED_PRECONDITION") if says(&["billing"]) => FaultClass::Billing,
        Some("FAILED_PRECONDITION") if says(&["location is not supported"]) => FaultClass::Auth,
        Some("FAILED_PRECONDITION") => FaultClass::BadRequest,
        Some("RESOURCE_EXHAUSTED") if says(&["credits are depleted", "credit balance"]) => FaultClass::Billing,
        Some("RESOURCE_EXHAUSTED") => FaultClass::RateLimit,
        Some("PERMISSION_DENIED" | "UNAUTHENTICATED") => FaultClass::Auth,
        Some("NOT_FOUND") => FaultClass::Gone,
        Some("UNAVAILABLE") => FaultClass::Overloaded,
        Some("INTERNAL" | "UNKNOWN" | "DEADLINE_EXCEEDED" | "ABORTED" | "CANCELLED" | "DATA_LOSS") => {
            FaultClass::Server
        }
        _ => FaultClass::of_status(status).unwrap_or(FaultClass::Server),
    }
}

/// Is the quota one of a single model?
fn is_quota_of_model(detail: &Value) -> bool {
    let violations = detail["violations"].as_array().map(Vec::as_slice).unwrap_or_default();
    violations.iter().any(|violation| violation["quotaDimensions"]["model"].is_string())
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

//! Error answers, in and out.

use ringmain_core::{Fault, FaultClass, Origin, Phase};
use ringmain_wire::sse;
use serde_json::{Value, json};

use super::finish;
use crate::codec::ErrorReply;
use crate::shared::absent;
use crate::shared::said;
use crate::shared::said::Said::Cause;
use crate::shared::status::status_of;

/// Longer messages are cut, in bytes: some errors quote the request.
const MAX_MESSAGE: usize = 4096;

/// Where an error says nothing.
const NO_WORDS: &str = "the provider gave no reason";

/// What an `error_type` says. The first is the API's own; the others are what we say where the status alone would not tell.
const TYPES: [(&str, FaultClass); 6] = [
    ("TOO_MANY_TOKENS", FaultClass::Context),
    ("PAYMENT_REQUIRED", FaultClass::Billing),
    ("CONTENT_FILTERED", FaultClass::Refusal),
    ("MODEL_NOT_FOUND", FaultClass::Gone),
    ("INVALID_API_KEY", FaultClass::Auth),
    ("TOO_MANY_REQUESTS", FaultClass::RateLimit),
];

/// What a message says of a request that was refused with a general status.
const PHRASES: [(&str, FaultClass); 2] =
    [("too many tokens", FaultClass::Context), ("blocked output", FaultClass::Refusal)];

/// What a message says of the account. One that refuses a request may quote it: there it counts at the beginning alone.
const BLAMES: [(&str, FaultClass); 4] = [
    // A trial key's month is over: waiting for seconds does not help.
    ("calls / month", FaultClass::Billing),
    ("billing", FaultClass::Billing),
    ("invalid api token", FaultClass::Auth),
    ("incorrect api key", FaultClass::Auth),
];

/// What a provider's error answer means.
pub(super) fn decode(status: u16, body: &[u8]) -> Fault {
    let document = serde_json::from_slice(body).ok();
    let (message, code) =
        document.as_ref().map_or_else(|| (String::from_utf8_lossy(body).trim().to_owned(), None), words);
    let message = if message.is_empty() || message.starts_with('<') {
        NO_WORDS.to_owned()
    } else {
        message[..message.floor_char_boundary(MAX_MESSAGE)].to_owned()
    };
    let status = Some(status).filter(|status| !(200..300).contains(status));
    let class = class(status, code.as_deref(), if document.is_some() { &message } else { "" });
    let mut fault = Fault::new(class, Origin::Provider, Phase::AwaitHead, message);
    fault.status = status;
    fault.code = code;
    fault
}

/// The message and the error's type. Servers in front of the API write other shapes.
fn words(value: &Value) -> (String, Option<String>) {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let error = value.get("error").unwrap_or(value);
    let message = text(value, "message")
        .or_else(|| error.as_str().map(str::to_owned))
        .or_else(|| text(error, "message"))
        .or_else(|| text(value, "detail"))
        .unwrap_or_default();
    (message, text(value, "error_type").filter(|code| !code.is_empty()))
}

fn class(status: Option<u16>, code: Option<&str>, message: &str) -> FaultClass {
    let by_status = match status {
        // "Invalid token": the request or the answer holds a word that the account's deny list forbids.
        Some(498) => Some(FaultClass::Refusal),
        // The provider's own word for a request it stopped.
        Some(499) => Some(FaultClass::Server),
        status => status.and_then(FaultClass::of_status),
    };
    let typed = TYPES.iter().find(|(known, _)| Some(*known) == code).map(|(_, class)| *class);
    said::class(by_status, typed.or_else(|| cause(by_status, message)).map(Cause))
}

/// What the message says where the status leaves it open.
fn cause(by_status: Option<FaultClass>, message: &str) -> Option<FaultClass> {
    let lower = message.to_ascii_lowercase();
    let phrase = || PHRASES.iter().find(|(phrase, _)| lower.contains(phrase));
    let found = match by_status {
        None | Some(FaultClass::RateLimit) => {
            phrase().or_else(|| BLAMES.iter().find(|(blame, _)| lower.contains(blame)))
        }
        Some(FaultClass::BadRequest) => phrase().or_else(|| BLAMES.iter().find(|(blame, _)| lower.starts_with(blame))),
        Some(FaultClass::Gone) => return absent::is_of_request(message).then_some(FaultClass::BadRequest),
        Some(_) => None,
    };
    found.map(|(_, class)| *class)
}

/// What an error in the place of an event means.
pub(super) fn of_stream(data: &[u8], phase: Phase) -> Fault {
    Fault { phase, ..decode(200, data) }
}

/// What the end of a stream, or the reason of a whole answer, says of an answer that broke off.
pub(super) fn of_end(reason: &str, message: Option<&str>, phase: Phase) -> Fault {
    let usual =
        if reason == finish::TIMEOUT { "the provider stopped the generation: it took too long" } else { NO_WORDS };
    let message = message.filter(|message| !message.is_empty()).unwrap_or(usual);
    let message = &message[..message.floor_char_boundary(MAX_MESSAGE)];
    let mut fault = Fault::new(class(None, None, message), Origin::Provider, phase, message);
    fault.code = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
    fault
}

/// An error answer for a caller; its SDK chooses the exception by the status.
pub(super) fn encode(fault: &Fault, request_id: &str) -> ErrorReply {
    let status = match status_of(fault) {
        // The API says 400 where the prompt is too long.
        413 if fault.status.is_none() => 400,
        // The SDK knows neither; these mean the same to it.
        410 => 404,
        529 => 503,
        status @ 400..=599 => status,
        // An error under a success status is still an error.
        _ => status_of(&Fault { status: None, ..fault.clone() }),
    };
    let kind = TYPES.iter().find(|(_, class)| *class == fault.class).map(|(kind, _)| *kind);
    let mut body = json!({ "id": request_id, "message": fault.message });
    if let Some(kind) = kind.or(fault.code.as_deref()) {
        body["error_type"] = kind.into();
    }
    ErrorReply { status, headers: Vec::new(), body: body.to_string().into_bytes() }
}

/// Appends the event that ends a stream with an error.
pub(super) fn encode_event(fault: &Fault, usage: Option<Value>, out: &mut Vec<u8>) {
    let reason = if fault.class == FaultClass::Timeout { finish::TIMEOUT } else { finish::ERROR };
    let mut delta = json!({ "error": fault.message, "finish_reason": reason });
    if let Some(usage) = usage {
        delta["usage"] = usage;
    }
    let event = json!({ "type": "message-end", "delta": delta });
    sse::encode(Some("message-end"), event.to_string().as_bytes(), out);
}

//! Errors, in both directions: as answers, whose type is in a header, and as exceptions that end a stream.

use http::HeaderMap;
use ringmain_core::{Fault, FaultClass, FaultScope, Origin, Phase};
use ringmain_wire::event_stream;
use serde_json::{Value, json};

use crate::codec::ErrorReply;
use crate::shared::said;
use crate::shared::said::Said::{self, Cause, Kind};
use crate::shared::status::status_of;

/// The header that names the exception.
const ERROR_TYPE: &str = "x-amzn-errortype";
/// Of a body that is no error of this dialect, at most this many characters are told on.
const MAX_FOREIGN_TEXT: usize = 500;

/// Reads an error answer.
pub(super) fn decode(status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let member = |names: [&str; 2]| {
        let found = names.into_iter().find_map(|name| parsed.as_ref()?.get(name)?.as_str());
        found.map(str::to_owned)
    };
    let header = headers.get(ERROR_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let code = header.or_else(|| member(["__type", "code"])).map(|code| short(&code).to_owned());
    let message = member(["message", "Message"]).unwrap_or_else(|| foreign_text(status, body));
    let class = class_of(by_status(status, code.as_deref()), code.as_deref(), &message);
    let mut fault = Fault::new(class, Origin::Provider, Phase::AwaitHead, message);
    fault.status = Some(status).filter(|status| !(200..300).contains(status));
    fault.scope = scope_of(code.as_deref(), class);
    fault.code = code;
    fault
}

/// Reads an exception inside a stream.
pub(super) fn decode_event(exception: &str, data: &[u8]) -> Fault {
    let parsed: Option<Value> = serde_json::from_slice(data).ok();
    let message = parsed.as_ref().and_then(|value| value.get("message")?.as_str());
    let message = message.filter(|message| !message.is_empty());
    let message = message.unwrap_or("the provider ended the stream with an error");
    let code = short(exception);
    let class = class_of(None, Some(code), message);
    let mut fault = Fault::new(class, Origin::Provider, Phase::BeforeCommit, message);
    fault.scope = scope_of(Some(code), class);
    fault.code = (!code.is_empty()).then(|| code.to_owned());
    fault
}

/// `ValidationException` of `com.amazon.coral#ValidationException:http://…`.
fn short(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default().trim()
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

/// What a status says, where the exception is one that has it. 424 is the model's failure, not the caller's.
fn by_status(status: u16, code: Option<&str>) -> Option<FaultClass> {
    match code.and_then(exception) {
        Some((Cause(class) | Kind(class), own)) if own.contains(&status) => Some(class),
        _ if status == 424 => Some(FaultClass::Server),
        _ => FaultClass::of_status(status),
    }
}

fn class_of(by_status: Option<FaultClass>, code: Option<&str>, message: &str) -> FaultClass {
    let said = code.and_then(exception).map(|(said, _)| said);
    let message = message.to_ascii_lowercase();
    let cause = match (by_status, said) {
        // What a model refuses and what it does not know come under the same name.
        (Some(FaultClass::BadRequest), _) | (None, None | Some(Kind(FaultClass::BadRequest))) => {
            class_of_message(&message)
        }
        (Some(kind @ (FaultClass::Gone | FaultClass::Auth)), _) => of_guardrail(kind, &message),
        _ => None,
    };
    said::class(by_status, cause.map(Cause).into_iter().chain(said))
}

/// The class of an exception, and the statuses that are its own. In streams the same names begin in lower case.
fn exception(code: &str) -> Option<(Said, &'static [u16])> {
    const TABLE: [(&str, Said, &[u16]); 21] = [
        ("ValidationException", Kind(FaultClass::BadRequest), &[400]),
        ("ConflictException", Kind(FaultClass::BadRequest), &[400]),
        ("ThrottlingException", Kind(FaultClass::RateLimit), &[400, 429]),
        ("TooManyRequestsException", Kind(FaultClass::RateLimit), &[429]),
        ("ServiceQuotaExceededException", Kind(FaultClass::RateLimit), &[400]),
        ("ModelNotReadyException", Cause(FaultClass::Overloaded), &[429]),
        ("ServiceUnavailableException", Kind(FaultClass::Overloaded), &[503]),
        ("ModelTimeoutException", Kind(FaultClass::Server), &[408]),
        ("ModelErrorException", Kind(FaultClass::Server), &[424]),
        ("ModelStreamErrorException", Kind(FaultClass::Server), &[424]),
        ("InternalServerException", Kind(FaultClass::Server), &[500]),
        ("InternalFailure", Kind(FaultClass::Server), &[500]),
        ("ResourceNotFoundException", Kind(FaultClass::Gone), &[404]),
        ("AccessDeniedException", Kind(FaultClass::Auth), &[403]),
        ("UnrecognizedClientException", Cause(FaultClass::Auth), &[403]),
        ("InvalidSignatureException", Cause(FaultClass::Auth), &[403]),
        ("IncompleteSignature", Cause(FaultClass::Auth), &[403]),
        ("MissingAuthenticationToken", Cause(FaultClass::Auth), &[403]),
        ("ExpiredTokenException", Cause(FaultClass::Auth), &[403]),
        ("InvalidClientTokenId", Cause(FaultClass::Auth), &[403]),
        ("OptInRequired", Cause(FaultClass::Auth), &[403]),
    ];
    let known = TABLE.into_iter().find(|(name, ..)| name.eq_ignore_ascii_case(code));
    known.map(|(_, said, own)| (said, own))
}

/// Causes that share a type and only differ in their words; `message` is in lower case.
fn class_of_message(message: &str) -> Option<FaultClass> {
    // Of the model. A message that quotes the request begins otherwise.
    let beginnings = [
        "the provided model identifier is invalid",
        "invocation of model id",
        "this model version has reached the end of its life",
    ];
    let table = [
        ("prompt is too long", FaultClass::Context),
        ("input is too long", FaultClass::Context),
        ("too many input tokens", FaultClass::Context),
        ("maximum context length", FaultClass::Context),
        ("exceeds the model's maximum", FaultClass::Context),
        ("exceed context limit", FaultClass::Context),
        ("context window", FaultClass::Context),
        ("content filtering policy", FaultClass::Refusal),
    ];
    if beginnings.into_iter().any(|words| message.starts_with(words)) {
        return Some(FaultClass::Gone);
    }
    table.into_iter().find(|(words, _)| message.contains(words)).map(|(_, class)| class)
}

/// A guardrail that is not there, or not this credential's to apply, is one that the caller named.
fn of_guardrail(kind: FaultClass, message: &str) -> Option<FaultClass> {
    let words = if kind == FaultClass::Auth { "perform: bedrock:applyguardrail" } else { "guardrail" };
    message.contains(words).then_some(FaultClass::BadRequest)
}

/// Permissions are given by model: the same credential may be good for another one.
fn scope_of(code: Option<&str>, class: FaultClass) -> FaultScope {
    let denied = code.is_some_and(|code| code.eq_ignore_ascii_case("AccessDeniedException"));
    if denied && class == FaultClass::Auth { FaultScope::KeyModel } else { class.scope() }
}

/// The status and the exception for a caller: SDKs choose what they raise by the name, and what they retry by both.
const fn exception_of(status: u16) -> (u16, &'static str) {
    match status {
        401..=403 => (403, "AccessDeniedException"),
        404 | 410 => (404, "ResourceNotFoundException"),
        405 => (405, "ValidationException"),
        408 | 504 => (408, "ModelTimeoutException"),
        424 => (424, "ModelErrorException"),
        429 => (429, "ThrottlingException"),
        503 | 529 => (503, "ServiceUnavailableException"),
        400..=499 => (400, "ValidationException"),
        501 | 502 => (status, "InternalServerException"),
        _ => (500, "InternalServerException"),
    }
}

/// Writes an error answer.
pub(super) fn encode(fault: &Fault, request_id: &str) -> ErrorReply {
    let status = match status_of(fault) {
        status @ 400..=599 => status,
        // An error under a success status is still an error.
        _ => status_of(&Fault { status: None, ..fault.clone() }),
    };
    let (status, exception) = exception_of(status);
    ErrorReply {
        status,
        headers: vec![(ERROR_TYPE, exception.to_owned()), ("x-amzn-requestid", request_id.to_owned())],
        body: json!({ "message": fault.message }).to_string().into_bytes(),
    }
}

/// Appends the exception that ends a stream with an error. A stream has fewer of them than an answer.
pub(super) fn encode_event(fault: &Fault, out: &mut Vec<u8>) {
    let exception = match fault.class {
        FaultClass::RateLimit => "throttlingException",
        FaultClass::Overloaded | FaultClass::Exhausted => "serviceUnavailableException",
        FaultClass::BadRequest | FaultClass::Context | FaultClass::Refusal => "validationException",
        FaultClass::Network
        | FaultClass::Timeout
        | FaultClass::Empty
        | FaultClass::Protocol
        | FaultClass::Interrupted => "modelStreamErrorException",
        FaultClass::Billing
        | FaultClass::Auth
        | FaultClass::Gone
        | FaultClass::Server
        | FaultClass::Cancelled
        | FaultClass::Unroutable => "internalServerException",
    };
    let body = json!({ "message": fault.message }).to_string();
    event_stream::encode_exception(exception, body.as_bytes(), out);
}

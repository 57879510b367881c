//! Errors, in both directions: as answers, whose type is in a header, and as exceptions that end a stream.

use http::HeaderMap;
use ringmain_core::{Fault, FaultClass, FaultScope, Origin, Phase};
use ringmain_wire::event_stream;
use serde_json::{Value, json};

use crate::codec::ErrorReply;
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
    let class = code
        .as_deref()
        .and_then(|code| class_of(code, &message))
        .or_else(|| class_of_message(&message).filter(|_| (400..500).contains(&status)))
        .or_else(|| of_status(status))
        .unwrap_or(FaultClass::Server);
    let mut fault = Fault::new(class, Origin::Provider, Phase::AwaitHead, message).with_status(status);
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
    let class = class_of(code, message).or_else(|| class_of_message(message)).unwrap_or(FaultClass::Server);
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

/// 424 is the model's failure, not the caller's.
fn of_status(status: u16) -> Option<FaultClass> {
    if status == 424 { Some(FaultClass::Server) } else { FaultClass::of_status(status) }
}

/// The class of an exception. In streams the same names begin in lower case.
fn class_of(code: &str, message: &str) -> Option<FaultClass> {
    let table = [
        ("ValidationException", FaultClass::BadRequest),
        ("ConflictException", FaultClass::BadRequest),
        ("ThrottlingException", FaultClass::RateLimit),
        ("TooManyRequestsException", FaultClass::RateLimit),
        ("ServiceQuotaExceededException", FaultClass::RateLimit),
        ("ModelNotReadyException", FaultClass::Overloaded),
        ("ServiceUnavailableException", FaultClass::Overloaded),
        ("ModelTimeoutException", FaultClass::Server),
        ("ModelErrorException", FaultClass::Server),
        ("ModelStreamErrorException", FaultClass::Server),
        ("InternalServerException", FaultClass::Server),
        ("InternalFailure", FaultClass::Server),
        ("ResourceNotFoundException", FaultClass::Gone),
        ("AccessDeniedException", FaultClass::Auth),
        ("UnrecognizedClientException", FaultClass::Auth),
        ("InvalidSignatureException", FaultClass::Auth),
        ("IncompleteSignature", FaultClass::Auth),
        ("MissingAuthenticationToken", FaultClass::Auth),
        ("ExpiredTokenException", FaultClass::Auth),
        ("InvalidClientTokenId", FaultClass::Auth),
        ("OptInRequired", FaultClass::Auth),
    ];
    let class = table.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(code)).map(|(_, class)| class)?;
    // What a model refuses and what it does not know come under the same name.
    if class == FaultClass::BadRequest { class_of_message(message).or(Some(class)) } else { Some(class) }
}

/// Causes that share a type and only differ in their words.
fn class_of_message(message: &str) -> Option<FaultClass> {
    let table = [
        ("prompt is too long", FaultClass::Context),
        ("input is too long", FaultClass::Context),
        ("too many input tokens", FaultClass::Context),
        ("maximum context length", FaultClass::Context),
        ("exceeds the model's maximum", FaultClass::Context),
        ("exceed context limit", FaultClass::Context),
        ("context window", FaultClass::Context),
        ("model identifier is invalid", FaultClass::Gone),
        ("on-demand throughput", FaultClass::Gone),
        ("reached the end of its life", FaultClass::Gone),
        ("content filtering policy", FaultClass::Refusal),
    ];
    let message = message.to_ascii_lowercase();
    table.into_iter().find(|(words, _)| message.contains(words)).map(|(_, class)| class)
}

/// Quotas and permissions are counted by model: the same credential may be good for another one.
fn scope_of(code: Option<&str>, class: FaultClass) -> FaultScope {
    let by_model = ["AccessDeniedException", "ThrottlingException", "ServiceQuotaExceededException"];
    let named = code.is_some_and(|code| by_model.iter().any(|name| name.eq_ignore_ascii_case(code)));
    if named && class.scope() == FaultScope::Key { FaultScope::KeyModel } else { class.scope() }
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

//! Errors, in both directions.

use ringmain_core::{Fault, FaultClass, Origin, Phase};
use serde_json::{Value, json};

use crate::codec::ErrorReply;
use crate::shared::absent;
use crate::shared::said;
use crate::shared::said::Said::{self, Cause, Kind};
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
    let words = parsed.as_ref().map(words).unwrap_or_default();
    let by_status = FaultClass::of_status(status);
    let class = words.class(by_status);
    let message = words.message.unwrap_or_else(|| foreign_text(status, body));
    let mut fault = Fault::new(class, Origin::Provider, Phase::AwaitHead, message);
    fault.status = by_status.map(|_| status);
    fault.code = words.code;
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
    let words = words(data);
    let class = words.class(None);
    let message = words.message.unwrap_or_else(|| "the provider ended the stream with an error".to_owned());
    let mut fault = Fault::new(class, Origin::Provider, Phase::BeforeCommit, message);
    fault.code = words.code;
    fault
}

/// What an error says.
#[derive(Debug, Default)]
struct Words {
    code: Option<String>,
    message: Option<String>,
    /// What the code is too general for, in `details`.
    detail: Option<String>,
}

/// The error's type and message. Proxies in front of the API write `error` or `message` as a string.
fn words(value: &Value) -> Words {
    let text = |value: Option<&Value>| value?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    match value.get("error") {
        Some(error @ Value::Object(_)) => Words {
            code: text(error.get("type")),
            message: text(error.get("message")),
            detail: text(error.pointer("/details/error_code")),
        },
        error @ Some(Value::String(_)) => Words { message: text(error), ..Words::default() },
        _ => Words { message: text(value.get("message")), ..Words::default() },
    }
}

impl Words {
    fn class(&self, by_status: Option<FaultClass>) -> FaultClass {
        let kind = self.code.as_deref().and_then(class_of);
        let message = self.message.as_deref().unwrap_or_default();
        let cause = match (by_status, self.code.as_deref()) {
            (Some(FaultClass::Gone), _) | (None, Some("not_found_error")) => self.absent(),
            (Some(FaultClass::Auth), _) => class_of_lacking(message).or_else(|| class_of_message(message)),
            // A server that fails may quote anything.
            (Some(FaultClass::Server | FaultClass::Overloaded), _) => None,
            (None, Some(code)) if kind.is_some() && code != "invalid_request_error" => None,
            _ => class_of_message(message),
        };
        said::class(by_status, cause.map(Cause).into_iter().chain(kind))
    }

    /// Is what is not there something that the request names? Then nobody else misses it.
    fn absent(&self) -> Option<FaultClass> {
        let named = match &self.detail {
            Some(detail) => !detail.starts_with("model"),
            None => self.message.as_deref().is_some_and(absent::is_of_request),
        };
        named.then_some(FaultClass::BadRequest)
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

fn class_of(code: &str) -> Option<Said> {
    Some(match code {
        "invalid_request_error" => Kind(FaultClass::BadRequest),
        "authentication_error" | "permission_error" => Kind(FaultClass::Auth),
        "billing_error" => Cause(FaultClass::Billing),
        "not_found_error" => Kind(FaultClass::Gone),
        "request_too_large" => Cause(FaultClass::Context),
        "rate_limit_error" => Kind(FaultClass::RateLimit),
        "overloaded_error" => Cause(FaultClass::Overloaded),
        "api_error" | "timeout_error" => Kind(FaultClass::Server),
        _ => return None,
    })
}

/// Causes that share the type `invalid_request_error` and only differ in their words.
fn class_of_message(message: &str) -> Option<FaultClass> {
    // Of the account. A message that quotes the request begins otherwise.
    let beginnings = [
        ("your credit balance is too low", FaultClass::Billing),
        ("you have reached your specified", FaultClass::Billing),
    ];
    let phrases = [
        ("prompt is too long", FaultClass::Context),
        ("exceed context limit", FaultClass::Context),
        ("context window", FaultClass::Context),
        ("content filtering policy", FaultClass::Refusal),
    ];
    let message = message.to_ascii_lowercase();
    let begins = beginnings.into_iter().find(|(words, _)| message.starts_with(words));
    begins.or_else(|| phrases.into_iter().find(|(words, _)| message.contains(words))).map(|(_, class)| class)
}

/// What a permission is lacking for: something that this request asks for, or the model. Else the credential is at fault.
fn class_of_lacking(message: &str) -> Option<FaultClass> {
    let message = message.to_ascii_lowercase();
    let (_, what) = message.split_once("granted access to ")?;
    let what = ["the ", "this ", "your "].into_iter().find_map(|article| what.strip_prefix(article)).unwrap_or(what);
    let begins = |words: &[&str]| words.iter().any(|word| what.starts_with(word));
    match () {
        () if begins(&["workspace", "organization", "account", "api"]) => None,
        () if begins(&["model", "claude"]) => Some(FaultClass::Gone),
        () => Some(FaultClass::BadRequest),
    }
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

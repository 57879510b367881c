//! Errors inside a stream; as whole answers they are OpenAI's error object as it is.

use ringmain_core::{Fault, Phase};
use serde_json::{Value, json};

use crate::shared::openai_errors;

pub(super) use crate::shared::openai_errors::{decode, encode, of_stream};

/// What an answer that says it failed means: its `error`, else its status.
pub(super) fn of_response(response: &Value, phase: Phase) -> Fault {
    if response.get("error").is_some_and(|error| !error.is_null()) {
        return of_stream(response.to_string().as_bytes(), phase);
    }
    let status = response.get("status").and_then(Value::as_str).unwrap_or("failed");
    let body = json!({ "message": format!("the provider gave up with status {status}") });
    of_stream(body.to_string().as_bytes(), phase)
}

/// The members of an error event. OpenAI's reference has them at its top, and its SDKs raise on those in `error`.
pub(super) fn event(fault: &Fault) -> Value {
    let body: Value = serde_json::from_slice(&openai_errors::body(fault)).unwrap_or_default();
    let error = body.get("error").cloned().unwrap_or_default();
    json!({ "type": "error", "code": error.get("code"), "message": fault.message, "param": null, "error": error })
}

/// The `error` of an answer that failed. Its code is from a short list.
pub(super) fn in_response(fault: &Fault) -> Value {
    use ringmain_core::FaultClass::{BadRequest, Context, RateLimit, Refusal};
    let code = match fault.class {
        RateLimit => "rate_limit_exceeded",
        BadRequest | Context | Refusal => "invalid_prompt",
        _ => "server_error",
    };
    json!({ "code": code, "message": fault.message })
}

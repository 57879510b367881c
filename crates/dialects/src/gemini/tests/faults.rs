//! Errors, recorded and by table.

use std::time::Duration;

use http::HeaderMap;
use ringmain_core::{Fault, FaultClass, FaultScope, Origin, Phase};
use serde_json::{Value, json};

use super::all;
use crate::codec::Codec as _;
use crate::gemini::Gemini;

fn decoded(status: u16, body: &Value) -> Fault {
    Gemini.decode_fault(status, &HeaderMap::new(), body.to_string().as_bytes())
}

#[test]
fn recorded_errors_keep_their_words() {
    for recording in all().into_iter().filter(|recording| recording.status != 200) {
        let body = recording.body.unwrap();
        let fault = decoded(recording.status, &body);
        let message = body["error"]["message"].as_str().unwrap();
        assert_eq!((fault.message.as_str(), fault.status), (message, Some(recording.status)), "{}", recording.id);
        let class = match recording.status {
            404 => FaultClass::Gone,
            429 => FaultClass::RateLimit,
            _ if message.contains("token count") => FaultClass::Context,
            _ => FaultClass::BadRequest,
        };
        assert_eq!(fault.class, class, "{}", recording.id);
        if class == FaultClass::RateLimit {
            assert_eq!((fault.scope, fault.retry_after), (FaultScope::KeyModel, Some(Duration::from_secs(48))));
        }
        let again = Gemini.encode_fault(&fault, "req_1");
        let reply: Value = serde_json::from_slice(&again.body).unwrap();
        assert_eq!(again.status, recording.status);
        for field in ["code", "message", "status"] {
            assert_eq!(reply["error"][field].to_string(), body["error"][field].to_string(), "{}", recording.id);
        }
    }
}

#[test]
fn classes_by_word_and_reason() {
    use FaultClass as C;
    let reason = |reason: &str| json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason }]);
    let none = json!([]);
    let file = "You do not have permission to access the File abc or it may not exist.";
    let table = [
        (
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
            reason("API_KEY_INVALID"),
            C::Auth,
        ),
        (400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", none.clone(), C::Auth),
        (400, "INVALID_ARGUMENT", "Unknown name \"x\"", none.clone(), C::BadRequest),
        (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", none.clone(), C::Auth),
        (400, "FAILED_PRECONDITION", "Please enable billing on your project", none.clone(), C::Billing),
        (403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers", none.clone(), C::Auth),
        (403, "PERMISSION_DENIED", "This API method requires billing", reason("BILLING_DISABLED"), C::Billing),
        (401, "UNAUTHENTICATED", "invalid credentials", none.clone(), C::Auth),
        (400, "INVALID_ARGUMENT", "Invalid value at 'x': api key not valid", none.clone(), C::BadRequest),
        (403, "PERMISSION_DENIED", file, none.clone(), C::BadRequest),
        (403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)", none.clone(), C::BadRequest),
        (404, "NOT_FOUND", "models/x is not found", none.clone(), C::Gone),
        (404, "NOT_FOUND", "Requested entity was not found.", none.clone(), C::Gone),
        (404, "NOT_FOUND", "Not found: cached content metadata for 7.", none.clone(), C::BadRequest),
        (429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later.", none.clone(), C::RateLimit),
        (500, "INTERNAL", "An internal error has occurred", none.clone(), C::Server),
        (503, "UNAVAILABLE", "The model is overloaded.", none.clone(), C::Overloaded),
        (504, "DEADLINE_EXCEEDED", "Deadline expired", none.clone(), C::Server),
        (418, "", "odd", none, C::BadRequest),
    ];
    for (status, word, message, details, class) in table {
        let error = json!({ "error": { "code": status, "message": message, "status": word, "details": details } });
        let fault = decoded(status, &error);
        assert_eq!((fault.class, fault.message.as_str()), (class, message), "{message}");
        assert_eq!(decoded(status, &json!([error])), fault, "an array of one");
    }
    let unreadable = Gemini.decode_fault(502, &HeaderMap::new(), b"<html>");
    assert_eq!((unreadable.class, unreadable.message.is_empty()), (C::Server, false));
}

/// The API's word for an error does not undo its status, and decides where there is none.
#[test]
fn a_status_stands_above_the_word() {
    use FaultClass as C;
    let words = [
        ("INVALID_ARGUMENT", C::BadRequest),
        ("INTERNAL", C::Server),
        ("UNKNOWN", C::Server),
        ("UNAVAILABLE", C::Overloaded),
        ("RESOURCE_EXHAUSTED", C::RateLimit),
        ("UNAUTHENTICATED", C::Auth),
    ];
    for (word, class) in words {
        let error = json!({ "error": { "message": "model", "status": word } });
        for status in [400, 401, 403, 404, 413, 429, 500, 502, 503] {
            assert_eq!(Some(decoded(status, &error).class), C::of_status(status), "{status} {word}");
        }
        assert_eq!((decoded(200, &error).class, decoded(200, &error).status), (class, None), "{word}");
    }
}

#[test]
fn a_quota_is_one_of_a_model_unless_it_is_one_of_the_project() {
    let scope = |violation: Value| {
        let details = json!([{ "violations": [violation] }]);
        let status = "RESOURCE_EXHAUSTED";
        decoded(429, &json!({ "error": { "code": 429, "message": "x", "status": status, "details": details } })).scope
    };
    assert_eq!(scope(json!({ "quotaId": "x", "quotaDimensions": { "model": "m" } })), FaultScope::KeyModel);
    assert_eq!(scope(json!({ "quotaId": "RequestsPerDayPerProjectPerModel" })), FaultScope::KeyModel);
    assert_eq!(scope(json!({ "quotaId": "RequestsPerMinutePerProject" })), FaultScope::Key);
}

#[test]
fn callers_get_the_word_their_client_knows() {
    let fault = |class| Fault::new(class, Origin::Gateway, Phase::Before, "no");
    let table = [
        (fault(FaultClass::RateLimit), 429, "RESOURCE_EXHAUSTED"),
        (fault(FaultClass::Auth), 401, "UNAUTHENTICATED"),
        (fault(FaultClass::Auth).with_status(403), 403, "PERMISSION_DENIED"),
        (fault(FaultClass::Exhausted), 503, "UNAVAILABLE"),
        (fault(FaultClass::BadRequest), 400, "INVALID_ARGUMENT"),
        (fault(FaultClass::Interrupted), 502, "INTERNAL"),
    ];
    for (mut fault, status, word) in table {
        fault.retry_after = Some(Duration::from_millis(1500));
        fault.code = Some("overloaded_error".to_owned());
        let reply = Gemini.encode_fault(&fault, "req_7");
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, body["error"]["code"].as_u64()), (status, Some(u64::from(status))));
        assert_eq!(body["error"]["status"], word);
        let details = body["error"]["details"].to_string();
        for part in ["\"1.5s\"", "req_7", "overloaded_error"] {
            assert!(details.contains(part), "{details}");
        }
    }
}

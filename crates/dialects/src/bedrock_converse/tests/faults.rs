//! Errors, in both directions.

use http::{HeaderMap, HeaderValue};
use ringmain_core::{Fault, FaultClass, FaultScope, Origin, Phase};
use serde_json::Value;

use super::APIS;
use crate::bedrock_converse::BedrockConverse;
use crate::codec::Codec as _;
use crate::tests::recordings;

fn headers(kind: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !kind.is_empty() {
        headers.insert("x-amzn-errortype", HeaderValue::from_str(kind).unwrap());
    }
    headers
}

#[test]
fn recorded_errors() {
    for recording in APIS.into_iter().flat_map(recordings).filter(|recording| recording.status != 200) {
        let body = recording.body.unwrap();
        let fault = BedrockConverse.decode_fault(recording.status, &HeaderMap::new(), body.to_string().as_bytes());
        assert_eq!(Some(fault.message.as_str()), body["message"].as_str(), "{}", recording.id);
        let class = match recording.status {
            403 => FaultClass::Auth,
            _ if fault.message.contains("identifier is invalid") => FaultClass::Gone,
            _ => FaultClass::BadRequest,
        };
        assert_eq!(fault.class, class, "{}: {}", recording.id, fault.message);
    }
}

#[test]
fn classes_and_scopes() {
    use {FaultClass as C, FaultScope as S};
    let long = "Input is too long for requested model.";
    let on_demand = "Invocation of model ID x with on-demand throughput isn\u{2019}t supported.";
    let guardrail = "User: arn:aws:iam::1:user/u is not authorized to perform: bedrock:ApplyGuardrail on resource: g";
    let invoke = "User: arn:aws:iam::1:user/guardrail is not authorized to perform: bedrock:InvokeModel on resource: m";
    let unknown = "UnrecognizedClientException:http://internal.amazon.com/coral/com.amazon.coral.service/";
    let table = [
        (400, "ValidationException", long, C::Context, S::Request),
        (400, "ValidationException", on_demand, C::Gone, S::Target),
        (400, "ValidationException", "The provided model identifier is invalid.", C::Gone, S::Target),
        (400, "ValidationException", "roles must alternate", C::BadRequest, S::Request),
        (400, "ServiceQuotaExceededException", "quota", C::RateLimit, S::KeyModel),
        (403, "AccessDeniedException", "no access to the model", C::Auth, S::KeyModel),
        (403, unknown, "The security token included in the request is invalid.", C::Auth, S::Key),
        (403, "ExpiredTokenException", "expired", C::Auth, S::Key),
        (403, "AccessDeniedException", guardrail, C::BadRequest, S::Request),
        (403, "AccessDeniedException", invoke, C::Auth, S::KeyModel),
        (404, "ResourceNotFoundException", "gone", C::Gone, S::Target),
        (404, "ResourceNotFoundException", "The guardrail identifier does not exist.", C::BadRequest, S::Request),
        (400, "ValidationException", "#/x: the provided model identifier is invalid", C::BadRequest, S::Request),
        (400, "InternalServerException", "odd", C::BadRequest, S::Request),
        (403, "ValidationException", "odd", C::Auth, S::Key),
        (429, "ValidationException", "odd", C::RateLimit, S::KeyModel),
        (500, "ValidationException", "odd", C::Server, S::Target),
        (408, "ModelTimeoutException", "slow", C::Server, S::Target),
        (424, "ModelErrorException", "oops", C::Server, S::Target),
        (424, "", "oops", C::Server, S::Target),
        (429, "ThrottlingException", "Too many tokens, please wait", C::RateLimit, S::KeyModel),
        (429, "ModelNotReadyException", "warming up", C::Overloaded, S::Target),
        (500, "InternalServerException", "oops", C::Server, S::Target),
        (503, "ServiceUnavailableException", "busy", C::Overloaded, S::Target),
        (502, "", "<html>", C::Server, S::Target),
        (400, "", long, C::Context, S::Request),
    ];
    for (status, kind, message, class, scope) in table {
        let body = if message.starts_with('<') {
            message.to_owned()
        } else {
            serde_json::json!({"message": message}).to_string()
        };
        let fault = BedrockConverse.decode_fault(status, &headers(kind), body.as_bytes());
        assert_eq!((fault.class, fault.scope, fault.status), (class, scope, Some(status)), "{kind} {message}");
        assert!(!fault.message.is_empty() && !fault.message.contains('<'), "{message}");
        assert!(fault.code.as_deref().is_none_or(|code| !code.contains(':')), "{:?}", fault.code);
    }
}

#[test]
fn errors_name_their_exception() {
    let table = [
        (FaultClass::BadRequest, Some(400), 400, "ValidationException"),
        (FaultClass::BadRequest, Some(422), 400, "ValidationException"),
        (FaultClass::Context, None, 400, "ValidationException"),
        (FaultClass::Auth, Some(401), 403, "AccessDeniedException"),
        (FaultClass::Billing, None, 403, "AccessDeniedException"),
        (FaultClass::Gone, None, 404, "ResourceNotFoundException"),
        (FaultClass::Unroutable, None, 404, "ResourceNotFoundException"),
        (FaultClass::RateLimit, None, 429, "ThrottlingException"),
        (FaultClass::Timeout, None, 408, "ModelTimeoutException"),
        (FaultClass::Overloaded, Some(529), 503, "ServiceUnavailableException"),
        (FaultClass::Exhausted, None, 503, "ServiceUnavailableException"),
        (FaultClass::Server, Some(500), 500, "InternalServerException"),
        (FaultClass::Server, Some(200), 502, "InternalServerException"),
    ];
    for (class, given, status, exception) in table {
        let mut fault = Fault::new(class, Origin::Provider, Phase::AwaitHead, "why");
        fault.status = given;
        let reply = BedrockConverse.encode_fault(&fault, "req-1");
        let name = reply.headers.iter().find(|(name, _)| *name == "x-amzn-errortype").unwrap();
        assert_eq!((reply.status, name.1.as_str()), (status, exception), "{class}");
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(body["message"], "why");
    }
}

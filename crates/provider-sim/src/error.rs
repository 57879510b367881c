//! Refusals in each vendor's own shape: status, body, headers.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::api::Vendor;
use crate::fault::{ErrorKind, RetryAfter};

/// A refusal, ready to be sent.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The id of the request, as in the headers.
    pub(crate) id: u64,
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) headers: HeaderMap,
}

/// The status each vendor gives this refusal.
const fn status(kind: ErrorKind, vendor: Vendor) -> u16 {
    match kind {
        ErrorKind::InsufficientQuota => match vendor {
            Vendor::Anthropic => 400,
            Vendor::OpenAi | Vendor::Gemini => 429,
            Vendor::Cohere => 402,
            Vendor::Bedrock => 400,
        },
        ErrorKind::InvalidKey => match vendor {
            Vendor::Gemini => 400,
            Vendor::OpenAi | Vendor::Anthropic | Vendor::Cohere => 401,
            Vendor::Bedrock => 403,
        },
        ErrorKind::ContentFilter => match vendor {
            Vendor::Gemini => 200,
            Vendor::Cohere => 498,
            Vendor::OpenAi | Vendor::Anthropic | Vendor::Bedrock => 400,
        },
        ErrorKind::Overloaded => match vendor {
            Vendor::Anthropic => 529,
            Vendor::OpenAi | Vendor::Gemini | Vendor::Bedrock | Vendor::Cohere => 503,
        },
        ErrorKind::PaymentRequired => 402,
        ErrorKind::Unauthorized => 401,
        ErrorKind::Forbidden => 403,
        ErrorKind::ModelNotFound => 404,
        ErrorKind::Gone => 410,
        ErrorKind::RequestTimeout => 408,
        ErrorKind::TooLarge => 413,
        ErrorKind::ContextLength | ErrorKind::BadRequest | ErrorKind::PrefillRejected => 400,
        ErrorKind::Unprocessable => 422,
        ErrorKind::RateLimit => 429,
        ErrorKind::ServerError => 500,
        ErrorKind::BadGateway => 502,
        ErrorKind::Unavailable => 503,
        ErrorKind::GatewayTimeout => 504,
        ErrorKind::Status(status) => status,
    }
}

/// The kind whose body fits a bare status best.
const fn fitting(kind: ErrorKind) -> ErrorKind {
    let ErrorKind::Status(status) = kind else { return kind };
    match status {
        401 => ErrorKind::Unauthorized,
        402 => ErrorKind::PaymentRequired,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::ModelNotFound,
        408 => ErrorKind::RequestTimeout,
        410 => ErrorKind::Gone,
        413 => ErrorKind::TooLarge,
        422 => ErrorKind::Unprocessable,
        429 => ErrorKind::RateLimit,
        502 => ErrorKind::BadGateway,
        503 => ErrorKind::Unavailable,
        504 => ErrorKind::GatewayTimeout,
        529 => ErrorKind::Overloaded,
        400..=499 => ErrorKind::BadRequest,
        _ => ErrorKind::ServerError,
    }
}

fn message(kind: ErrorKind, vendor: Vendor, model: &str) -> String {
    let text = match kind {
        ErrorKind::InsufficientQuota => match vendor {
            Vendor::Anthropic => "Your credit balance is too low to access the Anthropic API",
            Vendor::Cohere => "This account has reached its billing limit.",
            Vendor::OpenAi | Vendor::Gemini => {
                "You exceeded your current quota, please check your plan and billing details."
            }
            Vendor::Bedrock => "Your account has reached its quota",
        },
        ErrorKind::PaymentRequired => "Insufficient credits",
        ErrorKind::InvalidKey => match vendor {
            Vendor::OpenAi => "Incorrect API key provided",
            Vendor::Anthropic => "invalid x-api-key",
            Vendor::Gemini => "API key not valid. Please pass a valid API key.",
            Vendor::Cohere => "invalid api token",
            Vendor::Bedrock => "The security token included in the request is invalid.",
        },
        ErrorKind::Unauthorized => "Authentication failed",
        ErrorKind::Forbidden => "This key may not use this resource",
        ErrorKind::ModelNotFound => {
            return match vendor {
                Vendor::OpenAi => format!("The model `{model}` does not exist or you do not have access to it."),
                Vendor::Anthropic => format!("model: {model}"),
                Vendor::Gemini => format!("models/{model} is not found for API version v1beta"),
                Vendor::Cohere => format!("model '{model}' not found, make sure the correct model ID was used"),
                Vendor::Bedrock => format!("Could not resolve the foundation model from the model identifier: {model}"),
            };
        }
        ErrorKind::Gone => return format!("The model `{model}` has been retired."),
        ErrorKind::RequestTimeout => "The request timed out",
        ErrorKind::TooLarge => "Request exceeds the maximum size",
        ErrorKind::ContextLength => match vendor {
            Vendor::OpenAi => {
                "This model's maximum context length is 128000 tokens. However, your messages resulted in 131072 tokens."
            }
            Vendor::Anthropic => "prompt is too long: 212345 tokens > 200000 maximum",
            Vendor::Gemini => "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
            Vendor::Cohere => "too many tokens: size limit exceeded by 3072 tokens.",
            Vendor::Bedrock => "Input is too long for requested model.",
        },
        ErrorKind::BadRequest => "The request is not valid",
        ErrorKind::Unprocessable => "The request could not be processed",
        ErrorKind::ContentFilter => match vendor {
            Vendor::Anthropic | Vendor::Bedrock => "Output blocked by content filtering policy",
            Vendor::Cohere => "invalid token: the request holds a deny-listed token",
            Vendor::OpenAi | Vendor::Gemini => {
                "The request was rejected by the safety system: content policy violation"
            }
        },
        ErrorKind::RateLimit => return format!("Rate limit reached for {model}"),
        ErrorKind::BadGateway => "Bad gateway",
        ErrorKind::Unavailable => "Service unavailable",
        ErrorKind::GatewayTimeout => "The upstream took too long",
        ErrorKind::Overloaded => match vendor {
            Vendor::OpenAi => "The engine is currently overloaded, please try again later",
            Vendor::Anthropic => "Overloaded",
            Vendor::Gemini | Vendor::Cohere => "The model is overloaded. Please try again later.",
            Vendor::Bedrock => "Bedrock is unable to process your request.",
        },
        ErrorKind::PrefillRejected => {
            "This model does not support assistant message prefill. The conversation must end with a user message."
        }
        ErrorKind::ServerError | ErrorKind::Status(_) => "Internal server error",
    };
    text.to_owned()
}

/// `OpenAI`'s `type`, `param` and `code`.
const fn openai_words(kind: ErrorKind) -> (&'static str, Option<&'static str>, Option<&'static str>) {
    match kind {
        ErrorKind::InsufficientQuota => ("insufficient_quota", None, Some("insufficient_quota")),
        ErrorKind::PaymentRequired => ("billing_error", None, Some("insufficient_credits")),
        ErrorKind::InvalidKey | ErrorKind::Unauthorized => ("invalid_request_error", None, Some("invalid_api_key")),
        ErrorKind::Forbidden => ("invalid_request_error", None, Some("insufficient_permissions")),
        ErrorKind::ModelNotFound => ("invalid_request_error", None, Some("model_not_found")),
        ErrorKind::Gone => ("invalid_request_error", None, Some("model_deprecated")),
        ErrorKind::ContextLength => ("invalid_request_error", Some("messages"), Some("context_length_exceeded")),
        ErrorKind::ContentFilter => ("invalid_request_error", Some("prompt"), Some("content_policy_violation")),
        ErrorKind::PrefillRejected => ("invalid_request_error", Some("messages"), None),
        ErrorKind::RateLimit => ("requests", None, Some("rate_limit_exceeded")),
        ErrorKind::RequestTimeout => ("timeout", None, None),
        ErrorKind::TooLarge | ErrorKind::BadRequest | ErrorKind::Unprocessable => ("invalid_request_error", None, None),
        ErrorKind::ServerError | ErrorKind::BadGateway | ErrorKind::GatewayTimeout | ErrorKind::Status(_) => {
            ("server_error", None, None)
        }
        ErrorKind::Unavailable | ErrorKind::Overloaded => ("server_error", None, Some("service_unavailable")),
    }
}

const fn anthropic_type(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::PaymentRequired => "billing_error",
        ErrorKind::InvalidKey | ErrorKind::Unauthorized => "authentication_error",
        ErrorKind::Forbidden => "permission_error",
        ErrorKind::ModelNotFound | ErrorKind::Gone => "not_found_error",
        ErrorKind::TooLarge => "request_too_large",
        ErrorKind::RateLimit => "rate_limit_error",
        ErrorKind::RequestTimeout | ErrorKind::GatewayTimeout => "timeout_error",
        ErrorKind::Overloaded => "overloaded_error",
        ErrorKind::InsufficientQuota
        | ErrorKind::ContextLength
        | ErrorKind::BadRequest
        | ErrorKind::Unprocessable
        | ErrorKind::ContentFilter
        | ErrorKind::PrefillRejected => "invalid_request_error",
        ErrorKind::ServerError | ErrorKind::BadGateway | ErrorKind::Unavailable | ErrorKind::Status(_) => "api_error",
    }
}

const fn gemini_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 | 410 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        408 | 504 => "DEADLINE_EXCEEDED",
        502 | 503 | 529 => "UNAVAILABLE",
        500 => "INTERNAL",
        400..=499 => "INVALID_ARGUMENT",
        _ => "UNKNOWN",
    }
}

/// The exception that Bedrock names; a stream has fewer of them than an answer, and begins them in lower case.
pub(crate) const fn bedrock_exception(kind: ErrorKind, stream: bool) -> &'static str {
    match (fitting(kind), stream) {
        (ErrorKind::RateLimit, true) => "throttlingException",
        (ErrorKind::RateLimit, false) => "ThrottlingException",
        (ErrorKind::Overloaded | ErrorKind::Unavailable, true) => "serviceUnavailableException",
        (ErrorKind::Overloaded | ErrorKind::Unavailable, false) => "ServiceUnavailableException",
        (ErrorKind::InsufficientQuota, false) => "ServiceQuotaExceededException",
        (ErrorKind::InvalidKey, false) => "UnrecognizedClientException",
        (ErrorKind::Unauthorized | ErrorKind::Forbidden | ErrorKind::PaymentRequired, false) => "AccessDeniedException",
        (ErrorKind::ModelNotFound | ErrorKind::Gone, false) => "ResourceNotFoundException",
        (ErrorKind::RequestTimeout | ErrorKind::GatewayTimeout, false) => "ModelTimeoutException",
        (
            ErrorKind::TooLarge
            | ErrorKind::ContextLength
            | ErrorKind::BadRequest
            | ErrorKind::PrefillRejected
            | ErrorKind::Unprocessable
            | ErrorKind::ContentFilter,
            stream,
        ) => {
            if stream {
                "validationException"
            } else {
                "ValidationException"
            }
        }
        (_, true) => "internalServerException",
        (_, false) => "InternalServerException",
    }
}

/// This refusal, as the vendor writes it; `detail` replaces the usual message.
pub(crate) fn refusal(kind: ErrorKind, vendor: Vendor, model: &str, detail: Option<&str>, id: u64) -> Refusal {
    let status = status(kind, vendor);
    let kind = fitting(kind);
    let message = detail.map_or_else(|| message(kind, vendor, model), str::to_owned);
    let body = match vendor {
        Vendor::OpenAi => {
            let (name, param, code) = openai_words(kind);
            json!({"error": {"message": message, "type": name, "param": param, "code": code}})
        }
        Vendor::Anthropic => {
            let error = json!({"type": anthropic_type(kind), "message": message});
            json!({"type": "error", "error": error, "request_id": format!("req_{id:016x}")})
        }
        Vendor::Cohere => {
            let mut body = json!({"id": format!("{id:016x}"), "message": message});
            if kind == ErrorKind::ContextLength {
                body["error_type"] = json!("TOO_MANY_TOKENS");
            }
            body
        }
        Vendor::Gemini if kind == ErrorKind::ContentFilter => json!({
            "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
            "usageMetadata": {"promptTokenCount": 8, "totalTokenCount": 8},
            "modelVersion": model,
            "responseId": format!("{id:016x}"),
        }),
        Vendor::Gemini => {
            let mut error = json!({"code": status, "message": message, "status": gemini_status(status)});
            if kind == ErrorKind::InvalidKey {
                let info = "type.googleapis.com/google.rpc.ErrorInfo";
                error["details"] = json!([{"@type": info, "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]);
            }
            json!({"error": error})
        }
        Vendor::Bedrock => json!({"message": message}),
    };
    let mut headers = HeaderMap::new();
    if vendor == Vendor::Bedrock {
        put(&mut headers, "x-amzn-errortype", bedrock_exception(kind, false));
    }
    Refusal { id, status, body, headers }
}

/// A 429 that says in this way when to come back.
pub(crate) fn rate_limited(retry: RetryAfter, vendor: Vendor, model: &str, id: u64) -> Refusal {
    let mut refusal = refusal(ErrorKind::RateLimit, vendor, model, None, id);
    let wait = match retry {
        RetryAfter::None => return refusal,
        RetryAfter::Seconds(n) | RetryAfter::Date(n) | RetryAfter::Reset(n) => Duration::from_secs(u64::from(n)),
        RetryAfter::Millis(n) => Duration::from_millis(u64::from(n)),
    };
    let text = match retry {
        RetryAfter::Seconds(seconds) => Some(("retry-after", seconds.to_string())),
        RetryAfter::Date(_) => Some(("retry-after", httpdate::fmt_http_date(SystemTime::now() + wait))),
        RetryAfter::Millis(millis) => Some(("retry-after-ms", millis.to_string())),
        RetryAfter::None | RetryAfter::Reset(_) => None,
    };
    if let Some((name, value)) = text {
        put(&mut refusal.headers, name, &value);
    }
    quota_headers(&mut refusal.headers, vendor, 100, 0, wait);
    if vendor == Vendor::Gemini {
        let info = "type.googleapis.com/google.rpc.RetryInfo";
        refusal.body["error"]["details"] = json!([{"@type": info, "retryDelay": format!("{}s", wait.as_secs_f64())}]);
    }
    refusal
}

/// What the vendor says of a key's remaining requests. Gemini and Bedrock say nothing, and Cohere only of a trial key.
pub(crate) fn quota_headers(headers: &mut HeaderMap, vendor: Vendor, limit: u32, left: u32, reset: Duration) {
    match vendor {
        Vendor::OpenAi => {
            put(headers, "x-ratelimit-limit-requests", &limit.to_string());
            put(headers, "x-ratelimit-remaining-requests", &left.to_string());
            put(headers, "x-ratelimit-reset-requests", &format!("{}ms", reset.as_millis()));
        }
        Vendor::Anthropic => {
            put(headers, "anthropic-ratelimit-requests-limit", &limit.to_string());
            put(headers, "anthropic-ratelimit-requests-remaining", &left.to_string());
            put(headers, "anthropic-ratelimit-requests-reset", &rfc3339(SystemTime::now() + reset));
        }
        Vendor::Cohere => {
            put(headers, "x-trial-endpoint-call-limit", &limit.to_string());
            put(headers, "x-trial-endpoint-call-remaining", &left.to_string());
        }
        Vendor::Gemini | Vendor::Bedrock => {}
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// UTC, to the second, rounded up. The calendar is Howard Hinnant's `civil_from_days`.
fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs() + u64::from(since.subsec_nanos() > 0);
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        for (seconds, want) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_323_045, "2026-01-02T03:04:05Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), want);
        }
    }

    #[test]
    fn each_vendor_has_its_own_shape() {
        let cases = [
            (ErrorKind::InsufficientQuota, Vendor::OpenAi, 429, "/error/code", "insufficient_quota"),
            (ErrorKind::InsufficientQuota, Vendor::Anthropic, 400, "/error/type", "invalid_request_error"),
            (ErrorKind::Overloaded, Vendor::Anthropic, 529, "/error/type", "overloaded_error"),
            (ErrorKind::Overloaded, Vendor::Gemini, 503, "/error/status", "UNAVAILABLE"),
            (ErrorKind::Status(529), Vendor::OpenAi, 529, "/error/type", "server_error"),
            (ErrorKind::Status(418), Vendor::Gemini, 418, "/error/status", "INVALID_ARGUMENT"),
            (ErrorKind::InvalidKey, Vendor::Gemini, 400, "/error/details/0/reason", "API_KEY_INVALID"),
            (ErrorKind::ContentFilter, Vendor::Gemini, 200, "/promptFeedback/blockReason", "PROHIBITED_CONTENT"),
            (ErrorKind::ContextLength, Vendor::OpenAi, 400, "/error/code", "context_length_exceeded"),
            (ErrorKind::ContextLength, Vendor::Cohere, 400, "/error_type", "TOO_MANY_TOKENS"),
        ];
        for (kind, vendor, status, pointer, want) in cases {
            let refusal = refusal(kind, vendor, "m", None, 1);
            assert_eq!(refusal.status, status, "{kind} {vendor:?}");
            assert_eq!(refusal.body.pointer(pointer).and_then(Value::as_str), Some(want), "{kind} {vendor:?}");
        }
    }

    #[test]
    fn a_429_says_when_in_the_form_asked_for() {
        let header = |retry, vendor, name: &str| {
            let refusal = rate_limited(retry, vendor, "m", 1);
            refusal.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header(RetryAfter::Seconds(2), Vendor::OpenAi, "retry-after").as_deref(), Some("2"));
        assert_eq!(header(RetryAfter::Millis(1500), Vendor::OpenAi, "retry-after-ms").as_deref(), Some("1500"));
        assert!(header(RetryAfter::Date(2), Vendor::Anthropic, "retry-after").unwrap().ends_with(" GMT"));
        assert_eq!(header(RetryAfter::Reset(2), Vendor::OpenAi, "retry-after"), None);
        assert_eq!(
            header(RetryAfter::Reset(2), Vendor::OpenAi, "x-ratelimit-reset-requests").as_deref(),
            Some("2000ms")
        );
        assert!(rate_limited(RetryAfter::None, Vendor::OpenAi, "m", 1).headers.is_empty());
        let body = rate_limited(RetryAfter::Seconds(2), Vendor::Gemini, "m", 1).body;
        assert_eq!(body["error"]["details"][0]["retryDelay"], "2s");
    }
}

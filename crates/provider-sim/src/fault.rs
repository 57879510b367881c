//! The ways a provider can fail, and the names they go by in model names, scripts and the control API.
//!
//! A name is `word`, `word=argument`, or `word=argument:inner` where `inner` is another name.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::span::{format_span, parse_span};

/// A refusal with a status and a body in the vendor's own shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named and explained in the table FAULTS")]
pub enum ErrorKind {
    InsufficientQuota,
    PaymentRequired,
    InvalidKey,
    Unauthorized,
    Forbidden,
    ModelNotFound,
    Gone,
    RequestTimeout,
    TooLarge,
    ContextLength,
    BadRequest,
    Unprocessable,
    ContentFilter,
    RateLimit,
    ServerError,
    BadGateway,
    Unavailable,
    GatewayTimeout,
    Overloaded,
    PrefillRejected,
    /// Any status, with the nearest fitting body.
    Status(u16),
}

/// How a 429 says when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryAfter {
    /// It does not.
    None,
    /// `retry-after` in whole seconds.
    Seconds(u32),
    /// `retry-after` as an HTTP date this many seconds ahead.
    Date(u32),
    /// `retry-after-ms` in milliseconds.
    Millis(u32),
    /// Only in the vendor's own rate-limit headers, this many seconds ahead.
    Reset(u32),
}

/// One way to fail. The counts are words of the answer (or pieces of tool arguments) sent before it happens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named and explained in the table FAULTS")]
pub enum Fault {
    Refuse,
    Reset,
    Close,
    ResetReused,
    Silence,
    HeadersThenSilence,
    Slow(Duration),
    SlowHeaders(Duration),
    Drip(Duration),
    Error(ErrorKind),
    RateLimit(RetryAfter),
    ErrorBody(ErrorKind),
    ErrorEvent { after: usize, error: ErrorKind },
    Empty,
    Refusal,
    Malformed(usize),
    Cut(usize),
    Stall(usize),
    HalfEvent(usize),
    EndEarly(usize),
    NoDone,
    Truncated,
    Garbage,
    PrefillRejected,
    SpoiltImage,
    JobFails,
    JobStuck,
    Flap { fail: u64, of: u64, with: Box<Self> },
    FailFirst { count: u64, with: Box<Self> },
}

/// One row of the table of faults.
#[derive(Debug, Clone, Copy)]
pub struct FaultDoc {
    /// How it is written, argument included.
    pub example: &'static str,
    /// What the client sees.
    pub what: &'static str,
}

const fn row(example: &'static str, what: &'static str) -> FaultDoc {
    FaultDoc { example, what }
}

/// Every fault, as written in a model name (`sim-<fault>`, `anything@<fault>`), a script or the control API.
pub const FAULTS: &[FaultDoc] = &[
    row("refuse", "TCP reset as soon as the request head is seen, before its body is read"),
    row("reset", "TCP reset after the whole request was read, before any byte"),
    row("close", "orderly close after the whole request was read, before any byte"),
    row("reset-reused", "a connection's first request is served, its later ones are reset before any byte"),
    row("silence", "accepts and reads, never answers"),
    row("headers-then-silence", "status 200 and headers, then nothing"),
    row("slow=5s", "headers (and a stream's opening events) at once, the first token after this time"),
    row("slow-headers=5s", "not even headers before this time; then a healthy answer"),
    row("drip=200ms", "this time between tokens"),
    row("rate-limit=2", "429, `retry-after` in seconds"),
    row("rate-limit-date=2", "429, `retry-after` as a date this many seconds ahead"),
    row("rate-limit-ms=1500", "429, `retry-after-ms`"),
    row("rate-limit-reset=2", "429, only the vendor's own reset headers"),
    row("rate-limit-none", "429 without any header"),
    row("insufficient-quota", "out of credit as the vendor says it (OpenAI and Gemini 429, Anthropic 400, Cohere 402)"),
    row("payment-required", "402"),
    row("invalid-key", "wrong key as the vendor says it (401; Gemini 400 API_KEY_INVALID)"),
    row("unauthorized", "401"),
    row("forbidden", "403"),
    row("model-not-found", "404 naming the model"),
    row("gone", "410 naming the model"),
    row("request-timeout", "408"),
    row("too-large", "413"),
    row("context-length", "400, the input is longer than the context window"),
    row("bad-request", "400"),
    row("unprocessable", "422"),
    row("content-filter", "the prompt is blocked: 400 (Cohere 498, Gemini 200 with `promptFeedback.blockReason`)"),
    row("refusal", "200 that ends as a refusal: `content_filter`, `refusal`, `SAFETY`, `ERROR_TOXIC`"),
    row("server-error", "500"),
    row("bad-gateway", "502"),
    row("unavailable", "503"),
    row("gateway-timeout", "504"),
    row("overloaded", "overloaded as the vendor says it (Anthropic 529, the others 503)"),
    row("status=529", "this status, with the nearest fitting body; also just `529`"),
    row("prefill-rejected", "400 where the last message is the assistant's, else healthy"),
    row("error-body:overloaded", "status 200 whose JSON body is this error, also to a stream request"),
    row("error-event=0:overloaded", "stream: this error as an event after N words, then the end; plain: as error-body"),
    row("empty", "200 that ends normally with no content and no usage"),
    row("malformed=5", "after N words one event that is not JSON, then the rest; plain: broken JSON"),
    row("cut=5", "connection cut after N words (plain: after half the body)"),
    row("stall=5", "silence after N words (plain: after half the body)"),
    row("half-event=5", "after N words half an event, then the cut"),
    row("end-early=5", "the response ends in good order after N words, without finish reason or terminal event"),
    row("no-done", "only the last terminal marker is missing: `[DONE]`, `message_stop`, the array's `]`"),
    row("truncated", "plain body shorter than its content-length (streams: cut after the first word)"),
    row("garbage", "200 with bytes that are no JSON and no event stream"),
    row("spoilt-image", "images alone: what should be an image breaks off in the middle"),
    row("job-fails", "jobs alone (Black Forest Labs, Replicate): taken, and then failed"),
    row("job-stuck", "jobs alone: taken, and never done"),
    row("flap=3of5:overloaded", "of every 5 requests the first 3 fail so (default: server-error)"),
    row("fail-first=2:cut=3", "the first N requests fail so (default: server-error), later ones are served"),
    row("fail-once", "the same as fail-first=1"),
];

const KINDS: &[(&str, ErrorKind)] = &[
    ("insufficient-quota", ErrorKind::InsufficientQuota),
    ("payment-required", ErrorKind::PaymentRequired),
    ("invalid-key", ErrorKind::InvalidKey),
    ("unauthorized", ErrorKind::Unauthorized),
    ("forbidden", ErrorKind::Forbidden),
    ("model-not-found", ErrorKind::ModelNotFound),
    ("gone", ErrorKind::Gone),
    ("request-timeout", ErrorKind::RequestTimeout),
    ("too-large", ErrorKind::TooLarge),
    ("context-length", ErrorKind::ContextLength),
    ("bad-request", ErrorKind::BadRequest),
    ("unprocessable", ErrorKind::Unprocessable),
    ("content-filter", ErrorKind::ContentFilter),
    ("rate-limit", ErrorKind::RateLimit),
    ("server-error", ErrorKind::ServerError),
    ("bad-gateway", ErrorKind::BadGateway),
    ("unavailable", ErrorKind::Unavailable),
    ("gateway-timeout", ErrorKind::GatewayTimeout),
    ("overloaded", ErrorKind::Overloaded),
    ("prefill-rejected", ErrorKind::PrefillRejected),
];

/// A text that names no fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFault(String);

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` names no fault (the table is in the README and under GET /_sim/faults)", self.0)
    }
}

impl std::error::Error for UnknownFault {}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let unknown = || UnknownFault(text.to_owned());
        let (head, inner) = text.split_once(':').map_or((text, None), |(head, inner)| (head, Some(inner)));
        let (name, argument) = head.split_once('=').map_or((head, None), |(name, argument)| (name, Some(argument)));
        match inner {
            None => simple(name, argument),
            Some(_) => None,
        }
        .or_else(|| compound(name, argument, inner))
        .ok_or_else(unknown)
    }
}

fn simple(name: &str, argument: Option<&str>) -> Option<Fault> {
    if let Some(argument) = argument {
        return with_argument(name, argument);
    }
    Some(match name {
        "refuse" => Fault::Refuse,
        "reset" => Fault::Reset,
        "close" => Fault::Close,
        "reset-reused" => Fault::ResetReused,
        "silence" => Fault::Silence,
        "headers-then-silence" => Fault::HeadersThenSilence,
        "empty" => Fault::Empty,
        "refusal" => Fault::Refusal,
        "no-done" => Fault::NoDone,
        "truncated" => Fault::Truncated,
        "garbage" => Fault::Garbage,
        "prefill-rejected" => Fault::PrefillRejected,
        "spoilt-image" => Fault::SpoiltImage,
        "job-fails" => Fault::JobFails,
        "job-stuck" => Fault::JobStuck,
        "rate-limit-none" => Fault::RateLimit(RetryAfter::None),
        "rate-limit" | "rate-limit-date" | "rate-limit-reset" => return with_argument(name, "1"),
        "rate-limit-ms" => return with_argument(name, "1000"),
        "slow" | "slow-headers" => return with_argument(name, "5s"),
        "drip" => return with_argument(name, "200ms"),
        "malformed" | "cut" | "stall" | "half-event" | "end-early" => return with_argument(name, "5"),
        other => Fault::Error(kind(other)?),
    })
}

fn with_argument(name: &str, argument: &str) -> Option<Fault> {
    let words = || argument.parse::<usize>().ok();
    let number = || argument.parse::<u32>().ok();
    Some(match name {
        "slow" => Fault::Slow(parse_span(argument)?),
        "slow-headers" => Fault::SlowHeaders(parse_span(argument)?),
        "drip" => Fault::Drip(parse_span(argument)?),
        "rate-limit" => Fault::RateLimit(RetryAfter::Seconds(number()?)),
        "rate-limit-date" => Fault::RateLimit(RetryAfter::Date(number()?)),
        "rate-limit-ms" => Fault::RateLimit(RetryAfter::Millis(number()?)),
        "rate-limit-reset" => Fault::RateLimit(RetryAfter::Reset(number()?)),
        "malformed" => Fault::Malformed(words()?),
        "cut" => Fault::Cut(words()?),
        "stall" => Fault::Stall(words()?),
        "half-event" => Fault::HalfEvent(words()?),
        "end-early" => Fault::EndEarly(words()?),
        "status" => Fault::Error(status(argument)?),
        _ => return None,
    })
}

/// The names that may hold another.
fn compound(name: &str, argument: Option<&str>, inner: Option<&str>) -> Option<Fault> {
    let error = |default| inner.map_or(Some(default), inner_kind);
    let with = || inner.map_or(Some(Fault::Error(ErrorKind::ServerError)), |inner| inner.parse().ok());
    match name {
        "error-body" if argument.is_none() => Some(Fault::ErrorBody(error(ErrorKind::ServerError)?)),
        "error-event" => {
            let after = argument.map_or(Some(0), |argument| argument.parse().ok())?;
            Some(Fault::ErrorEvent { after, error: error(ErrorKind::Overloaded)? })
        }
        "flap" => {
            let (fail, of) = argument.unwrap_or("1of2").split_once("of")?;
            let (fail, of) = (fail.parse().ok()?, of.parse().ok().filter(|of| *of > 0)?);
            Some(Fault::Flap { fail, of, with: Box::new(with()?) })
        }
        "fail-first" => {
            Some(Fault::FailFirst { count: argument.unwrap_or("1").parse().ok()?, with: Box::new(with()?) })
        }
        "fail-once" if argument.is_none() => Some(Fault::FailFirst { count: 1, with: Box::new(with()?) }),
        _ => None,
    }
}

fn inner_kind(text: &str) -> Option<ErrorKind> {
    kind(text).or_else(|| text.strip_prefix("status=").and_then(status))
}

fn kind(name: &str) -> Option<ErrorKind> {
    KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind).or_else(|| status(name))
}

fn status(text: &str) -> Option<ErrorKind> {
    text.parse().ok().filter(|status| (400..600).contains(status)).map(ErrorKind::Status)
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Status(status) = self {
            return write!(f, "status={status}");
        }
        let name = KINDS.iter().find(|(_, kind)| kind == self).map_or("server-error", |(name, _)| name);
        f.write_str(name)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse => f.write_str("refuse"),
            Self::Reset => f.write_str("reset"),
            Self::Close => f.write_str("close"),
            Self::ResetReused => f.write_str("reset-reused"),
            Self::Silence => f.write_str("silence"),
            Self::HeadersThenSilence => f.write_str("headers-then-silence"),
            Self::Slow(time) => write!(f, "slow={}", format_span(*time)),
            Self::SlowHeaders(time) => write!(f, "slow-headers={}", format_span(*time)),
            Self::Drip(time) => write!(f, "drip={}", format_span(*time)),
            Self::Error(kind) => kind.fmt(f),
            Self::RateLimit(RetryAfter::None) => f.write_str("rate-limit-none"),
            Self::RateLimit(RetryAfter::Seconds(n)) => write!(f, "rate-limit={n}"),
            Self::RateLimit(RetryAfter::Date(n)) => write!(f, "rate-limit-date={n}"),
            Self::RateLimit(RetryAfter::Millis(n)) => write!(f, "rate-limit-ms={n}"),
            Self::RateLimit(RetryAfter::Reset(n)) => write!(f, "rate-limit-reset={n}"),
            Self::ErrorBody(kind) => write!(f, "error-body:{kind}"),
            Self::ErrorEvent { after, error } => write!(f, "error-event={after}:{error}"),
            Self::Empty => f.write_str("empty"),
            Self::Refusal => f.write_str("refusal"),
            Self::Malformed(n) => write!(f, "malformed={n}"),
            Self::Cut(n) => write!(f, "cut={n}"),
            Self::Stall(n) => write!(f, "stall={n}"),
            Self::HalfEvent(n) => write!(f, "half-event={n}"),
            Self::EndEarly(n) => write!(f, "end-early={n}"),
            Self::NoDone => f.write_str("no-done"),
            Self::Truncated => f.write_str("truncated"),
            Self::Garbage => f.write_str("garbage"),
            Self::PrefillRejected => f.write_str("prefill-rejected"),
            Self::SpoiltImage => f.write_str("spoilt-image"),
            Self::JobFails => f.write_str("job-fails"),
            Self::JobStuck => f.write_str("job-stuck"),
            Self::Flap { fail, of, with } => write!(f, "flap={fail}of{of}:{with}"),
            Self::FailFirst { count, with } => write!(f, "fail-first={count}:{with}"),
        }
    }
}

/// The fault a model name asks for: `sim-<fault>` or `anything@<fault>`. A name that asks for none is healthy.
#[must_use]
pub fn fault_in_model(model: &str) -> Option<Fault> {
    // A routing prefix (`openai/sim-500`) is no part of the name.
    let name = model.rsplit('/').next().unwrap_or(model);
    name.strip_prefix("sim-").or_else(|| name.split_once('@').map(|(_, fault)| fault))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_name_parses_and_prints_as_itself() {
        for row in FAULTS {
            let fault: Fault = row.example.parse().unwrap_or_else(|error| panic!("{error}"));
            let again: Fault = fault.to_string().parse().unwrap();
            assert_eq!(fault, again, "{}", row.example);
            if row.example != "fail-once" {
                assert_eq!(fault.to_string(), row.example);
            }
        }
    }

    #[test]
    fn the_readme_has_the_same_table() {
        let readme = include_str!("../README.md");
        for row in FAULTS {
            assert!(readme.contains(&format!("| `{}` | {} |", row.example, row.what)), "{}", row.example);
        }
    }

    #[test]
    fn every_kind_is_documented() {
        for (name, _) in KINDS {
            assert!(FAULTS.iter().any(|row| row.example.split('=').next() == Some(*name)), "{name}");
        }
    }

    #[test]
    fn shorthands_and_model_names() {
        let cases: &[(&str, Option<&str>)] = &[
            ("sim-503", Some("status=503")),
            ("gpt-4o@cut", Some("cut=5")),
            ("openai/gpt-4o@flap=3of5:cut=2", Some("flap=3of5:cut=2")),
            ("sim-fail-once", Some("fail-first=1:server-error")),
            ("sim-error-event:insufficient-quota", Some("error-event=0:insufficient-quota")),
            ("sim-fail-first=2:flap=1of2:429", Some("fail-first=2:flap=1of2:status=429")),
            ("gpt-4o", None),
            ("claude-3@20240229", None),
            ("sim-healthy", None),
        ];
        for (model, want) in cases {
            assert_eq!(fault_in_model(model).map(|fault| fault.to_string()).as_deref(), *want, "{model}");
        }
        for bad in ["", "cut=x", "slow=fast", "flap=1of0", "status=200", "cut=5:reset", "refuse=1", "fail-once=2"] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }
}

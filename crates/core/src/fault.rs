//! What went wrong, whom it blames, where it came from and when: the words every decision about a failure uses.
//!
//! The class decides what this request does next; the scope decides who is benched for others.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultClass {
    /// DNS, refused, TLS, reset before any byte.
    Network,
    /// 429: too many requests or tokens for now.
    RateLimit,
    /// 402, `insufficient_quota`: no money on this account.
    Billing,
    /// 401, 403: this credential is not accepted.
    Auth,
    /// 404, 410 on the model: this target is not there.
    Gone,
    /// 500, 502, 408, reset after the request was sent.
    Server,
    /// 503, 529: the provider says it is overloaded.
    Overloaded,
    /// A clock of ours ran out: connect, first token, idle.
    Timeout,
    /// A success status with no content, tool call or usage.
    Empty,
    /// Bytes that are not what the dialect says.
    Protocol,
    /// A stream that ended or fell silent after content.
    Interrupted,
    /// 400, 422: the request itself is refused.
    BadRequest,
    /// 413, `context_length_exceeded`: the prompt is too long for this model.
    Context,
    /// A content filter refused.
    Refusal,
    /// The caller went away.
    Cancelled,
    /// Every target is out.
    Exhausted,
    /// Nothing configured can serve this: no route, no such model, a feature not available yet.
    Unroutable,
}

impl FaultClass {
    /// The name in logs, metrics and error bodies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::RateLimit => "rate-limit",
            Self::Billing => "billing",
            Self::Auth => "auth",
            Self::Gone => "gone",
            Self::Server => "server",
            Self::Overloaded => "overloaded",
            Self::Timeout => "timeout",
            Self::Empty => "empty",
            Self::Protocol => "protocol",
            Self::Interrupted => "interrupted",
            Self::BadRequest => "bad-request",
            Self::Context => "context",
            Self::Refusal => "refusal",
            Self::Cancelled => "cancelled",
            Self::Exhausted => "exhausted",
            Self::Unroutable => "unroutable",
        }
    }

    /// The class an HTTP status has when nothing in the body says otherwise. `None` for a success.
    #[must_use]
    pub const fn of_status(status: u16) -> Option<Self> {
        Some(match status {
            200..=299 => return None,
            401 | 403 => Self::Auth,
            402 => Self::Billing,
            404 | 410 => Self::Gone,
            413 => Self::Context,
            429 => Self::RateLimit,
            503 | 529 => Self::Overloaded,
            400..=499 if status != 408 => Self::BadRequest,
            _ => Self::Server,
        })
    }

    /// The scope a class blames when nothing says otherwise.
    #[must_use]
    pub const fn scope(self) -> FaultScope {
        match self {
            Self::Network => FaultScope::Host,
            // Providers count by model: what else the key serves goes on.
            Self::RateLimit => FaultScope::KeyModel,
            Self::Billing | Self::Auth => FaultScope::Key,
            Self::Gone
            | Self::Server
            | Self::Overloaded
            | Self::Timeout
            | Self::Empty
            | Self::Protocol
            | Self::Interrupted => FaultScope::Target,
            Self::BadRequest | Self::Context | Self::Refusal | Self::Cancelled | Self::Exhausted | Self::Unroutable => {
                FaultScope::Request
            }
        }
    }
}

impl fmt::Display for FaultClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whom a failure blames: who is benched for other requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultScope {
    /// A base URL: everything behind it.
    Host,
    /// A credential, for every model.
    Key,
    /// A credential on one model.
    KeyModel,
    /// One model at one provider.
    Target,
    /// This request alone; nobody is benched.
    Request,
}

/// Who produced the failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The caller's request.
    Caller,
    /// Ringmain itself.
    Gateway,
    /// The provider, or the way to it.
    Provider,
}

/// How far an attempt had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Before anything was sent upstream.
    Before,
    /// Connecting: DNS, TCP, TLS.
    Connect,
    /// Writing the request.
    Send,
    /// Waiting for the response head.
    AwaitHead,
    /// Reading, nothing given to the caller yet.
    BeforeCommit,
    /// Part of the answer is with the caller.
    AfterCommit,
}

impl Phase {
    /// The name in logs and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Connect => "connect",
            Self::Send => "send",
            Self::AwaitHead => "await-head",
            Self::BeforeCommit => "before-commit",
            Self::AfterCommit => "after-commit",
        }
    }
}

/// One failure, fully described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind.
    pub class: FaultClass,
    /// Whom it blames.
    pub scope: FaultScope,
    /// Who produced it.
    pub origin: Origin,
    /// How far the attempt had come.
    pub phase: Phase,
    /// The provider's HTTP status, where there was one.
    pub status: Option<u16>,
    /// The provider's own error code (`insufficient_quota`, `overloaded_error`), where there was one.
    pub code: Option<String>,
    /// What the caller is told: the provider's own words, or ours. Never holds a secret.
    pub message: String,
    /// What only the log is told. Never holds a secret.
    pub detail: Option<String>,
    /// How long the provider asked us to stay away.
    #[serde(with = "crate::time::nanos", default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// A failure of this class with its default scope.
    #[must_use]
    pub fn new(class: FaultClass, origin: Origin, phase: Phase, message: impl Into<String>) -> Self {
        Self {
            class,
            scope: class.scope(),
            origin,
            phase,
            status: None,
            code: None,
            message: message.into(),
            detail: None,
            retry_after: None,
        }
    }

    /// The same, with the provider's status.
    #[must_use]
    pub const fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same, with words for the log alone.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_classes() {
        let table = [
            (200, None),
            (400, Some(FaultClass::BadRequest)),
            (401, Some(FaultClass::Auth)),
            (402, Some(FaultClass::Billing)),
            (403, Some(FaultClass::Auth)),
            (404, Some(FaultClass::Gone)),
            (408, Some(FaultClass::Server)),
            (410, Some(FaultClass::Gone)),
            (413, Some(FaultClass::Context)),
            (422, Some(FaultClass::BadRequest)),
            (429, Some(FaultClass::RateLimit)),
            (500, Some(FaultClass::Server)),
            (502, Some(FaultClass::Server)),
            (503, Some(FaultClass::Overloaded)),
            (529, Some(FaultClass::Overloaded)),
        ];
        for (status, class) in table {
            assert_eq!(FaultClass::of_status(status), class, "{status}");
        }
    }

    /// One model's limit takes no other model of the same key away.
    #[test]
    fn a_limit_is_one_of_a_key_on_a_model() {
        assert_eq!(FaultClass::RateLimit.scope(), FaultScope::KeyModel);
        for class in [FaultClass::Billing, FaultClass::Auth] {
            assert_eq!(class.scope(), FaultScope::Key, "{class}");
        }
    }
}

//! The sixteen faults of the public Failover Bench catalogue, by its numbers.

use std::time::Duration;

use ringmain_provider_sim::{Behavior, ErrorKind, Fault, RetryAfter};

use super::clocks::Clocks;

/// Words of a healthy answer: enough that a stream can break at word 40.
pub(crate) const WORDS: usize = 60;
/// Where streams break.
const AT: usize = 40;

/// One way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Case {
    RetryAfter,
    RateLimited,
    ServerErrorOnce,
    UnavailableForEver,
    ResetBeforeHeaders,
    Silence,
    SlowFirstToken,
    CutAtToken40,
    Stall,
    MalformedEvent,
    NoDone,
    ContextLength,
    ContentFilter,
    CutThenPrefillRefused,
    Flapping,
    Accounting,
}

impl Case {
    pub(crate) const ALL: [Self; 16] = [
        Self::RetryAfter,
        Self::RateLimited,
        Self::ServerErrorOnce,
        Self::UnavailableForEver,
        Self::ResetBeforeHeaders,
        Self::Silence,
        Self::SlowFirstToken,
        Self::CutAtToken40,
        Self::Stall,
        Self::MalformedEvent,
        Self::NoDone,
        Self::ContextLength,
        Self::ContentFilter,
        Self::CutThenPrefillRefused,
        Self::Flapping,
        Self::Accounting,
    ];

    /// Its number in the catalogue: `S01`.
    pub(crate) fn id(self) -> String {
        format!("S{:02}", self as usize + 1)
    }

    /// What happens, and what a caller should get.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::RetryAfter => "429 with Retry-After: left alone until then",
            Self::RateLimited => "429 without Retry-After",
            Self::ServerErrorOnce => "500 once",
            Self::UnavailableForEver => "503 for ever, ten requests: the breaker spares it",
            Self::ResetBeforeHeaders => "reset before headers",
            Self::Silence => "no response at all",
            Self::SlowFirstToken => "the first token comes late",
            Self::CutAtToken40 => "cut at token 40",
            Self::Stall => "silent from token 40 on",
            Self::MalformedEvent => "a malformed event at token 40",
            Self::NoDone => "the last marker is missing",
            Self::ContextLength => "context length: a larger window or the error, asked once",
            Self::ContentFilter => "content filter: returned, nobody else is asked",
            Self::CutThenPrefillRefused => "cut at token 40, and the fallback refuses prefill",
            Self::Flapping => "a primary that flaps, fifteen requests",
            Self::Accounting => "accounting: who answered, what it used",
        }
    }

    /// Whether it can happen to an answer that is not streamed.
    pub(crate) const fn is_plain_too(self) -> bool {
        !matches!(self, Self::NoDone | Self::CutThenPrefillRefused)
    }

    /// How the primary behaves.
    pub(crate) fn primary(self, clocks: &Clocks) -> Behavior {
        let flap = |with| Fault::Flap { fail: 2, of: 3, with: Box::new(with) };
        let first = |count, with| Fault::FailFirst { count, with: Box::new(with) };
        let unavailable = Fault::Error(ErrorKind::Unavailable);
        let fault = match self {
            Self::RetryAfter => first(1, Fault::RateLimit(RetryAfter::Seconds(clocks.retry_after_s))),
            Self::RateLimited => first(1, Fault::RateLimit(RetryAfter::None)),
            Self::ServerErrorOnce => first(1, Fault::Error(ErrorKind::ServerError)),
            Self::UnavailableForEver | Self::Accounting => unavailable,
            Self::ResetBeforeHeaders => Fault::Reset,
            Self::Silence => Fault::Silence,
            Self::SlowFirstToken => Fault::Slow(clocks.race_after * 2),
            Self::CutAtToken40 | Self::CutThenPrefillRefused => Fault::Cut(AT),
            Self::Stall => Fault::Stall(AT),
            Self::MalformedEvent => Fault::Malformed(AT),
            Self::NoDone => Fault::NoDone,
            Self::ContextLength => Fault::Error(ErrorKind::ContextLength),
            Self::ContentFilter => Fault::Error(ErrorKind::ContentFilter),
            Self::Flapping => flap(unavailable),
        };
        Behavior { words: WORDS, ..Behavior::failing(fault) }
    }

    /// How the fallback behaves, where it is not simply healthy.
    pub(crate) fn fallback(self) -> Option<Behavior> {
        match self {
            Self::CutThenPrefillRefused => Some(Behavior { words: WORDS, ..Behavior::failing(Fault::PrefillRejected) }),
            // Models that go on like to say the last words again.
            Self::CutAtToken40 | Self::Stall => {
                Some(Behavior { words: WORDS, overlap_words: 2, ..Behavior::default() })
            }
            _ => None,
        }
    }

    /// How often it is asked, one after the other.
    pub(crate) const fn requests(self) -> usize {
        match self {
            Self::RetryAfter => 3,
            Self::UnavailableForEver => 10,
            Self::Flapping => 15,
            _ => 1,
        }
    }

    /// How long to wait before the request of this number (from 0).
    pub(crate) fn pause(self, number: usize, clocks: &Clocks) -> Duration {
        match (self, number) {
            (Self::RetryAfter, 2) => Duration::from_secs(u64::from(clocks.retry_after_s)) + clocks.slack,
            _ => Duration::ZERO,
        }
    }

    /// When the answer must be whole at the latest.
    pub(crate) fn within(self, clocks: &Clocks) -> Duration {
        match self {
            Self::Silence | Self::SlowFirstToken => clocks.race_after + clocks.slack,
            Self::Stall => clocks.idle + clocks.slack,
            _ => clocks.backoff * 2 + clocks.slack,
        }
    }
}

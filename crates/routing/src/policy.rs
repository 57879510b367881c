//! What a route wants, resolved: no names to look up, no defaults left open.

use std::time::Duration;

use ringmain_core::{Capabilities, Money, Price, Space};
use serde::{Deserialize, Serialize};

/// One base URL of one configured provider, in the topology of the configuration in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostIx(pub u32);

/// One credential of one configured provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyIx(pub u32);

/// One model at one configured provider. Routes that name the same target share it, and so its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetIx(pub u32);

/// The policy of one route.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The route's name.
    pub route: String,
    /// What may serve it, in file order. Never empty.
    pub candidates: Vec<Candidate>,
    /// How to choose within a tier.
    pub balance: Balance,
    /// Moves weight away from a target that measures worse than a bound.
    pub shift: Option<Shift>,
    /// Whether the turns of a conversation stay together.
    pub affinity: Affinity,
    /// Races the slowest requests.
    pub hedge: Option<Hedge>,
    /// Attempts over all targets, the first included; at least 1.
    pub attempts: u32,
    /// Waits between attempts on the same target.
    pub backoff: Backoff,
    /// How many retries there may be.
    pub retry_budget: RetryBudget,
    /// When a target is benched.
    pub breaker: BreakerPolicy,
    /// The clocks.
    pub timeouts: Timeouts,
    /// What a content filter's refusal means.
    pub on_refusal: OnRefusal,
    /// Vectors of different models may be given for requests that look alike.
    pub mixes_vectors: bool,
    /// Whether an answer that breaks off after part of it is with the caller may be continued.
    pub resume: Resume,
}

impl Policy {
    /// Without a useful token for so long, the next target is started beside the candidate at `position`.
    #[must_use]
    pub fn race_after(&self, position: usize) -> Option<Duration> {
        self.candidates.get(position).and_then(|candidate| candidate.race_after).or(self.timeouts.race_after)
    }
}

/// One target of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The target.
    pub target: TargetIx,
    /// `provider/model`, for explanations.
    pub name: String,
    /// Where it is.
    pub host: HostIx,
    /// The credentials that may be used for it. Never empty: a provider without keys has one nameless key.
    pub keys: Vec<KeyRef>,
    /// Its share within its tier, relative to the others'; not negative. 0: only when nothing else of its tier is left.
    pub weight: f64,
    /// Tier 1 is asked first; tier 2 only when tier 1 has nothing to offer.
    pub tier: u8,
    /// What the model can do; `None` where the catalog does not know it (then nothing is assumed missing).
    pub capabilities: Option<Capabilities>,
    /// Input and output tokens it can hold; `None` if unknown.
    pub context_window: Option<u64>,
    /// What one request with a given usage costs; `None` if unknown, which is never taken for free.
    pub price: Option<Price>,
    /// How much may be sent to it.
    pub caps: Caps,
    /// It is in none of the regions the route allows.
    pub out_of_region: bool,
    /// Whose vectors it makes; `None` where its model is known to make none.
    pub space: Option<Space>,
    /// Its own clock for racing, where the model thinks long before it speaks; else the route's.
    pub race_after: Option<Duration>,
}

/// One credential of a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeyRef {
    /// The credential.
    pub key: KeyIx,
    /// Its share of the provider's traffic, relative to the other keys'.
    pub weight: f64,
    /// How much may be sent with it, as the operator says; the provider's own word stands beside it.
    pub caps: Caps,
}

/// The most that may be sent to a target, or with a key. `None`: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caps {
    /// Attempts running at once.
    pub in_flight: Option<u32>,
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute, input and output.
    pub tpm: Option<u64>,
}

/// How to choose within a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// In file order: primary, then failover.
    Order,
    /// By weight, exact over a window.
    Weighted,
    /// The soonest answer: first token, and time per token after it.
    Fastest,
    /// The least money for this request.
    Cheapest,
    /// The fewest attempts running, relative to weight.
    LeastBusy,
    /// The least sum of money, time and risk.
    Adaptive(Worth),
}

impl Balance {
    /// The name in configuration files and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Weighted => "weighted",
            Self::Fastest => "fastest",
            Self::Cheapest => "cheapest",
            Self::LeastBusy => "least-busy",
            Self::Adaptive(_) => "adaptive",
        }
    }
}

/// What `adaptive` takes time and failure to be worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worth {
    /// Of one second a caller waits.
    pub second: Money,
    /// Of one failed attempt, its wasted time aside.
    pub failure: Money,
    /// Share of first attempts spent on finding out how the others do, in ten-thousandths.
    pub explore: u16,
}

/// `shift`: when a target measures beyond a bound, its weight goes to the better ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// What is measured.
    pub measure: Measure,
    /// How the measures of a window become one number.
    pub stat: Stat,
    /// Is it the values above the bound that are bad?
    pub above: bool,
    /// The bound: seconds, a share of 1, or dollars.
    pub bound: f64,
    /// The window.
    pub over: Duration,
    /// The share every healthy target keeps, 0.05 for 5 %.
    pub floor: f64,
}

/// What of a target is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Seconds to the first useful token.
    FirstToken,
    /// Seconds to the end of the answer.
    Latency,
    /// Failures, as a share of answers.
    ErrorRate,
    /// Dollars for an answer.
    Cost,
}

/// How the measures of a window become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stat {
    /// The mean.
    Mean,
    /// The quantile: 95 for p95.
    Percentile(u8),
}

/// What keeps the turns of a conversation together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// Nothing.
    Off,
    /// The beginning of its prompt: the provider's prompt cache is warm for it.
    Prefix,
    /// The session the caller names.
    Session,
}

/// A second attempt beside one that is slower than usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hedge {
    /// Slower than what.
    pub after: HedgeAfter,
    /// The most of all requests that may be raced so, 0.02 for 2 %.
    pub budget: f64,
}

/// When an attempt is slow enough for a second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeAfter {
    /// This percentile of the target's own times to the first token.
    Percentile(u8),
    /// This long.
    Time(Duration),
}

/// Exponential backoff with full jitter: a wait is drawn evenly from `0..=min(max, base * 2^n)`.
/// (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first ceiling.
    pub base: Duration,
    /// The highest ceiling.
    pub max: Duration,
}

/// Retries are a share of requests, so that they cannot become the outage (as in Finagle and tower).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudget {
    /// Share of recent requests, 0.2 for 20 %.
    pub share: f64,
    /// And this many a second, so that a quiet gateway may retry too.
    pub per_second: f64,
}

/// When a target is benched and how it comes back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerPolicy {
    /// This many failures in a row open it.
    pub failures: u32,
    /// Or this share of failures…
    pub error_rate: f64,
    /// …of at least this many answers…
    pub min_requests: u32,
    /// …within this window.
    pub window: Duration,
    /// The first time it stays open (jittered).
    pub open_for: Duration,
    /// Doubling up to this.
    pub open_for_max: Duration,
    /// After a good probe its share rises over this long.
    pub ramp: Duration,
}

/// The clocks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// DNS, TCP and TLS together.
    pub connect: Duration,
    /// No useful token yet: start the next target beside this one. `None`: never.
    pub race_after: Option<Duration>,
    /// No useful token yet: give this attempt up.
    pub first_token: Duration,
    /// Silence inside a stream.
    pub idle: Duration,
    /// The whole request, every attempt and wait. An answer that is flowing is never cut by it.
    pub total: Duration,
}

/// Whether an answer that breaks off after part of it is with the caller may be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Where that is safe; what is safe, those judge who know the answer so far.
    Auto,
    /// Never.
    Off,
}

/// What a content filter's refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRefusal {
    /// It is the answer.
    Return,
    /// Another target may answer.
    Next,
}

//! How a route is served: the section `defaults`, or what a route says instead.

use std::time::Duration;

use ringmain_routing::{Backoff, Balance, BreakerPolicy, OnRefusal, RetryBudget, Timeouts};

use crate::RouteTarget;

/// The settings of a route, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How to choose within a tier.
    pub balance: BalanceChoice,
    /// What a content filter's refusal means.
    pub on_refusal: OnRefusal,
    /// What to do when a translation cannot carry a field.
    pub on_loss: OnLoss,
    /// The clocks.
    pub timeouts: Timeouts,
    /// Nobody wrote `race_after`, so that a model that thinks before it speaks may have a longer one.
    pub race_after_is_default: bool,
    /// Attempts over all targets, the first included; at least 1.
    pub attempts: u32,
    /// Waits between attempts on the same target.
    pub backoff: Backoff,
    /// How many retries there may be.
    pub retry_budget: RetryBudget,
    /// When a target is benched.
    pub breaker: BreakerPolicy,
}

impl Settings {
    /// The race clock of a model that reasons by default, where nobody wrote another.
    pub const RACE_AFTER_REASONING: Duration = Duration::from_secs(60);
}

/// `balance`, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BalanceChoice {
    /// By weight where a target has one, in order where none has.
    Auto,
    /// In file order.
    Order,
    /// By weight.
    Weighted,
}

impl BalanceChoice {
    /// What it comes to for these targets.
    #[must_use]
    pub fn over(self, targets: &[RouteTarget]) -> Balance {
        match self {
            Self::Order => Balance::Order,
            Self::Weighted => Balance::Weighted,
            Self::Auto if targets.iter().any(|target| target.weight.is_some()) => Balance::Weighted,
            Self::Auto => Balance::Order,
        }
    }
}

/// What to do when a translation cannot carry a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLoss {
    /// Nothing: it is in the record.
    Allow,
    /// Name it in the header `x-ringmain-loss`.
    Warn,
    /// Refuse with 400, naming it.
    Reject,
}

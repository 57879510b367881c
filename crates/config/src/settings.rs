//! How a route is served: the section `defaults`, or what a route says instead.

use std::time::Duration;

use ringmain_routing::{
    Affinity, Backoff, Balance, BreakerPolicy, Hedge, OnRefusal, Resume, RetryBudget, Shift, Timeouts, Worth,
};

use crate::{Names, Provider, RouteTarget};

/// The settings of a route, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How to choose within a tier.
    pub balance: BalanceChoice,
    /// What `adaptive` takes time and failure to be worth.
    pub worth: Worth,
    /// Moves weight away from a target that measures worse than a bound.
    pub shift: Option<Shift>,
    /// What keeps the turns of a conversation together.
    pub affinity: Affinity,
    /// Races the slowest requests.
    pub hedge: Option<Hedge>,
    /// The only regions that may serve. `None`: any.
    pub regions: Option<Names>,
    /// What a content filter's refusal means.
    pub on_refusal: OnRefusal,
    /// Vectors of different models may be given for requests that look alike.
    pub mixes_vectors: bool,
    /// Whether an answer that breaks off may be continued.
    pub resume: Resume,
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
    /// The same of a model that makes images, which takes its time for the whole of one.
    pub const RACE_AFTER_IMAGE: Duration = Duration::from_secs(20);
    /// The same of a model that writes down what it hears, which hears all of it first.
    pub const RACE_AFTER_TRANSCRIPTION: Duration = Duration::from_secs(60);

    /// What `balance` comes to for these targets.
    #[must_use]
    pub fn balance_over(&self, targets: &[RouteTarget]) -> Balance {
        match self.balance {
            BalanceChoice::Order => Balance::Order,
            BalanceChoice::Weighted => Balance::Weighted,
            BalanceChoice::Auto if targets.iter().any(|target| target.weight.is_some()) => Balance::Weighted,
            BalanceChoice::Auto => Balance::Order,
            BalanceChoice::Fastest => Balance::Fastest,
            BalanceChoice::Cheapest => Balance::Cheapest,
            BalanceChoice::LeastBusy => Balance::LeastBusy,
            BalanceChoice::Adaptive => Balance::Adaptive(self.worth),
        }
    }

    /// Is the provider in none of the regions that may serve? One that says no region is in none.
    #[must_use]
    pub fn is_out_of_region(&self, provider: &Provider) -> bool {
        let Some(regions) = &self.regions else { return false };
        provider.region.as_deref().is_none_or(|region| regions.find(region).is_none())
    }
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
    /// The soonest answer.
    Fastest,
    /// The least money for this request.
    Cheapest,
    /// The fewest requests in flight, relative to weight.
    LeastBusy,
    /// The least sum of money, time and risk.
    Adaptive,
}

impl BalanceChoice {
    /// Does it ask for the weights of targets, but for a 0 that makes a reserve?
    #[must_use]
    pub const fn heeds_weights(self) -> bool {
        match self {
            Self::Auto | Self::Weighted | Self::LeastBusy => true,
            Self::Order | Self::Fastest | Self::Cheapest | Self::Adaptive => false,
        }
    }

    /// The word in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Order => "order",
            Self::Weighted => "weighted",
            Self::Fastest => "fastest",
            Self::Cheapest => "cheapest",
            Self::LeastBusy => "least-busy",
            Self::Adaptive => "adaptive",
        }
    }

    /// The choice of this word.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let all =
            [Self::Auto, Self::Order, Self::Weighted, Self::Fastest, Self::Cheapest, Self::LeastBusy, Self::Adaptive];
        all.into_iter().find(|choice| choice.as_str() == name)
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

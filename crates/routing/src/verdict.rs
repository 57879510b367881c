//! What is thought of a candidate, and why: for `explain`, the dashboard, headers and the body of a 503.

use std::fmt;
use std::time::Duration;

use ringmain_core::{Capabilities, FaultClass, Now, Tick};
use serde::{Deserialize, Serialize};

/// What a plan thinks of one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is asked first.
    Chosen {
        /// Its share of first attempts as things stand, 0 to 1.
        share: f64,
        /// What the strategy compares it by.
        score: Score,
    },
    /// It is asked if those before it fail.
    Eligible {
        /// Its place in [`crate::Plan::order`]; the chosen one has 0.
        rank: usize,
        /// Its share of first attempts as things stand, 0 to 1.
        share: f64,
        /// What the strategy compares it by.
        score: Score,
    },
    /// It is not asked.
    Excluded(Reason),
}

/// What a strategy compares candidates by; less is better, except a weight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// Its place in the file.
    Place,
    /// Its weight, as `shift`, a return from an outage and peers leave it.
    Weight(f64),
    /// Expected seconds to the end of the answer, for as many requests as wait there.
    Seconds(f64),
    /// Expected dollars for this request; `None`: the price is not known.
    Dollars(Option<f64>),
    /// Attempts running, relative to its weight.
    Busy(f64),
    /// Dollars: the expected cost, the expected time and the expected failures at what they are worth.
    Sum {
        /// Of the tokens; `None`: the price is not known.
        cost: Option<f64>,
        /// Of the caller's time.
        time: f64,
        /// Of failures.
        risk: f64,
    },
}

impl Verdict {
    /// Why it is not asked, if it is not.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Excluded(reason) => Some(*reason),
            Self::Chosen { .. } | Self::Eligible { .. } => None,
        }
    }
}

/// Why a candidate is not asked. [`fmt::Display`] gives the bare reason, [`Reason::at`] adds for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The target failed too often.
    BreakerOpen {
        /// When one probe may be sent.
        until: Tick,
    },
    /// The host it is on cannot be reached.
    HostDown {
        /// When one probe may be sent.
        until: Tick,
    },
    /// The provider allows no more for now, or not so many tokens, on every key it has.
    Limited {
        /// When the first of them may be used again.
        until: Tick,
    },
    /// The operator's `rpm` or `tpm` of the target, or of every key it has, allows no more for now.
    Capped {
        /// When there is room again.
        until: Tick,
    },
    /// Out for what the provider said of the credential, the account or the model.
    Benched {
        /// When it is asked again: one probe at a time, except after an overload.
        until: Tick,
        /// What the provider said.
        class: FaultClass,
    },
    /// One request is finding out whether it is back; this one need not.
    Probing,
    /// The model lacks something the request needs.
    MissingCapability(Capabilities),
    /// The prompt does not fit.
    ContextTooSmall {
        /// Tokens the model holds.
        window: u64,
        /// Estimated tokens of the prompt.
        needed: u64,
    },
    /// As many attempts run there as it is to be given at once.
    Busy,
    /// The prompt fits, but not with the answer the caller allows, and another candidate holds both: it is asked last.
    ContextTight {
        /// Tokens the model holds.
        window: u64,
        /// Estimated tokens of the prompt, and those the caller allows for the answer.
        needed: u64,
    },
    /// It is in none of the regions the route allows.
    OutOfRegion,
    /// It is another model than the one whose vectors are asked for, and the two cannot be compared.
    OtherVectors,
    /// What it may cost at most does not fit into what is left of the caller's budget; a cheaper candidate does.
    OverBudget,
    /// The caller of [`crate::plan`] knows that this target does not serve the operation.
    Unserved,
    /// It cannot be told this request: its dialect has no form for something in it, or the route refuses losses and there
    /// would be one. The record says which field.
    CannotCarry,
    /// The request goes on from something that another provider has, or this one under another credential.
    Pinned,
}

impl Reason {
    /// Does it hold for this request however long one waits?
    #[must_use]
    pub const fn is_lasting(self) -> bool {
        match self {
            Self::MissingCapability(_)
            | Self::ContextTooSmall { .. }
            | Self::OutOfRegion
            | Self::OtherVectors
            | Self::Unserved
            | Self::CannotCarry
            | Self::Pinned => true,
            Self::BreakerOpen { .. }
            | Self::HostDown { .. }
            | Self::Limited { .. }
            | Self::Capped { .. }
            | Self::Benched { .. }
            | Self::Busy
            | Self::OverBudget
            | Self::ContextTight { .. }
            | Self::Probing => false,
        }
    }

    /// When the reason ends, if that is known.
    #[must_use]
    pub const fn until(self) -> Option<Tick> {
        match self {
            Self::BreakerOpen { until }
            | Self::HostDown { until }
            | Self::Limited { until }
            | Self::Capped { until }
            | Self::Benched { until, .. } => Some(until),
            Self::Busy
            | Self::OverBudget
            | Self::Probing
            | Self::MissingCapability(_)
            | Self::ContextTooSmall { .. }
            | Self::ContextTight { .. }
            | Self::OutOfRegion
            | Self::OtherVectors
            | Self::Unserved
            | Self::CannotCarry
            | Self::Pinned => None,
        }
    }

    /// When a request that waits may count on the target again. Limits end when the provider said; a breaker's time
    /// is only our guess at the end of an outage, and one request alone may then find out.
    #[must_use]
    pub const fn worth_waiting_for(self) -> Option<Tick> {
        match self {
            Self::Limited { until }
            | Self::Capped { until }
            | Self::Benched { until, class: FaultClass::Overloaded } => Some(until),
            _ => None,
        }
    }

    /// The name in headers and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BreakerOpen { .. } => "breaker-open",
            Self::HostDown { .. } => "host-down",
            Self::Limited { .. } => "limited",
            Self::Capped { .. } => "capped",
            Self::Benched { .. } => "benched",
            Self::Probing => "probing",
            Self::MissingCapability(_) => "missing-capability",
            Self::ContextTooSmall { .. } => "context-too-small",
            Self::Busy => "busy",
            Self::ContextTight { .. } => "context-tight",
            Self::OutOfRegion => "out-of-region",
            Self::OtherVectors => "other-vectors",
            Self::OverBudget => "over-budget",
            Self::Unserved => "unserved",
            Self::CannotCarry => "cannot-carry",
            Self::Pinned => "pinned",
        }
    }

    /// The reason in words, with the time that is left of it.
    #[must_use]
    pub const fn at(self, now: Now) -> ReasonAt {
        ReasonAt { reason: self, now }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BreakerOpen { .. } => f.write_str("circuit breaker open after repeated failures"),
            Self::HostDown { .. } => f.write_str("host unreachable"),
            Self::Limited { .. } => f.write_str("rate-limited by the provider"),
            Self::Capped { .. } => f.write_str("at its configured rpm or tpm"),
            Self::Benched { class, .. } => f.write_str(match class {
                FaultClass::Auth => "credential not accepted by the provider",
                FaultClass::Billing => "no credit or quota left on the account",
                FaultClass::Gone => "model not found at the provider",
                FaultClass::Overloaded => "provider overloaded",
                _ => "benched after a failure",
            }),
            Self::Probing => f.write_str("another request is probing whether it is back"),
            Self::MissingCapability(missing) => {
                f.write_str("model lacks")?;
                for (at, name) in missing.names().enumerate() {
                    write!(f, "{}{name}", if at == 0 { " " } else { ", " })?;
                }
                Ok(())
            }
            Self::ContextTooSmall { window, needed } => {
                write!(f, "context window of {window} tokens is too small for about {needed}")
            }
            Self::Busy => f.write_str("as many attempts run there as it may be given at once"),
            Self::ContextTight { window, needed } => {
                write!(f, "context window of {window} tokens is tight for about {needed} with the answer; asked last")
            }
            Self::OutOfRegion => f.write_str("in none of the regions this route allows"),
            Self::OtherVectors => {
                f.write_str("another model, whose vectors cannot be compared with those that are asked for")
            }
            Self::OverBudget => f.write_str("may cost more than is left of the caller's budget"),
            Self::Unserved => f.write_str("does not serve this operation"),
            Self::CannotCarry => f.write_str("something in the request cannot be carried to it"),
            Self::Pinned => f.write_str("what the request goes on from is with another provider or credential"),
        }
    }
}

/// A reason as it stands now. See [`Reason::at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonAt {
    reason: Reason,
    now: Now,
}

impl fmt::Display for ReasonAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)?;
        match self.reason.until().map(|until| until.since(self.now.mono)) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(left) => write!(f, " (for another {:.1} s)", left.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_as_sentences() {
        let now = Now { mono: Tick(1_000_000_000), ..Now::default() };
        let until = Tick(5_250_000_000);
        let table = [
            (Reason::Limited { until }, "rate-limited by the provider (for another 4.2 s)"),
            (
                Reason::Benched { until, class: FaultClass::Auth },
                "credential not accepted by the provider (for another 4.2 s)",
            ),
            (Reason::Capped { until }, "at its configured rpm or tpm (for another 4.2 s)"),
            (Reason::OutOfRegion, "in none of the regions this route allows"),
            (
                Reason::ContextTight { window: 8192, needed: 9000 },
                "context window of 8192 tokens is tight for about 9000 with the answer; asked last",
            ),
            (Reason::BreakerOpen { until: Tick(1) }, "circuit breaker open after repeated failures"),
            (Reason::MissingCapability(Capabilities::TOOLS.with(Capabilities::VISION)), "model lacks tools, vision"),
            (
                Reason::ContextTooSmall { window: 8192, needed: 9000 },
                "context window of 8192 tokens is too small for about 9000",
            ),
        ];
        for (reason, words) in table {
            assert_eq!(reason.at(now).to_string(), words);
        }
    }
}

//! What a request does now: try a target, wait, or stop.
//!
//! The class of the last failure says whether the same target is asked once more; then come the ways not tried yet, in
//! the order of the plan: an untried target, or an unused key of a target whose last failure blamed its key alone. They
//! are taken at once, beside a running attempt too. Then come those tried, again, after a backoff.
//! What a failure rules out for this request (a key that was refused, a model that is not there, a window that is too
//! small) stays ruled out. Retries that need the budget are named in `health/retry_budget.rs`.
//!
//! Backoff is full jitter (Brooker, "Exponential Backoff And Jitter"), per target, from the end of the attempt that
//! failed; a time the provider named is never shortened. Who waits for a limit comes back when it ends, those who have
//! waited longest first. A breaker's time is not waited for: it is a guess, and all
//! who waited would come back at once.

mod after;
mod choose;
mod hedge;

use std::time::Duration;

use self::choose::Request;
pub use self::hedge::late_after;
use ringmain_core::{Fault, Now, Seed, Tick, sparse};
use serde::{Deserialize, Serialize};

use crate::health::quota::Need;
use crate::{HostIx, KeyIx, Plan, Policy, Reason, TargetIx, View};

/// One attempt to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// Position in [`Policy::candidates`].
    pub candidate: usize,
    /// The target.
    pub target: TargetIx,
    /// Where it is.
    pub host: HostIx,
    /// The credential to use.
    pub key: KeyIx,
    /// Whether the target, its host or the key is back is unknown, and this attempt finds out.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub probe: bool,
    /// It continues a conversation where its prompt is warm; such an attempt is no turn of the route.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub warm: bool,
    /// Tokens set aside for it of the limits of its key and target, until it ends.
    pub tokens: u64,
    /// How many of them are for the prompt.
    #[serde(default)]
    pub input: u64,
    /// It is made beside one that is slower than usual, paid for by the budget of `hedge`.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub hedge: bool,
}

impl Try {
    pub(crate) const fn need(&self) -> Need {
        Need { input: self.input, output: self.tokens.saturating_sub(self.input) }
    }
}

/// One attempt of this request, made or being made. The list of them only grows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Position in [`Policy::candidates`].
    pub candidate: usize,
    /// The credential used.
    pub key: KeyIx,
    /// How it failed; `None` while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Fault>,
    /// When it began.
    pub started: Tick,
    /// When it ended; `None` while it runs.
    pub ended: Option<Tick>,
    /// It was made beside one that was slower than usual: as [`Try::hedge`].
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub hedge: bool,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Start this attempt, beside any that still runs.
    Try(Try),
    /// Come back at `until`, or when a running attempt ends.
    Wait {
        /// Later than now, not later than the deadline.
        until: Tick,
    },
    /// Nothing more is tried.
    Stop(Stop),
}

/// Why nothing more is tried. Numbers are positions in `tried`: the failure to tell the caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// This failure is the answer, or every target failed and it tells the most.
    Return(usize),
    /// Nothing could be tried, or everything is out for rate limits.
    Exhausted {
        /// Every target that could serve this is rate-limited: 429, not 503.
        all_limited: bool,
        /// Every target that could serve this is out for its credentials: 502, not 503.
        all_denied: bool,
        /// Until the first of them may be asked again; `None` if that is not known.
        #[serde(with = "ringmain_core::time::nanos", default)]
        retry_after: Option<Duration>,
        /// Position in [`Policy::candidates`], and why it is out.
        reasons: Vec<(usize, Reason)>,
        /// The failure that tells the most, if one was tried.
        fault: Option<usize>,
    },
    /// All attempts are used.
    Attempts {
        /// The failure that tells the most.
        fault: usize,
    },
    /// The time is up.
    Deadline {
        /// The failure that tells the most, if there is one.
        fault: Option<usize>,
    },
    /// Too many retries are being made on this route already.
    Budget {
        /// The failure that tells the most.
        fault: usize,
    },
}

impl Stop {
    /// The failure to tell the caller, as a position in `tried`; `None` if no attempt has failed.
    #[must_use]
    pub const fn fault(&self) -> Option<usize> {
        match self {
            Self::Return(fault) | Self::Attempts { fault } | Self::Budget { fault } => Some(*fault),
            Self::Exhausted { fault, .. } | Self::Deadline { fault } => *fault,
        }
    }
}

/// What this request does now. `view` is fresh; the attempts in `tried` that ended have been observed.
/// Asked again with equal arguments, it says the same.
#[must_use]
pub fn next(policy: &Policy, plan: &Plan, tried: &[Tried], view: &View, now: Now, deadline: Tick, seed: Seed) -> Step {
    let request = Request { policy, plan, tried, view, now: now.mono, deadline, seed };
    if request.now >= deadline {
        return Step::Stop(Stop::Deadline { fault: request.most_telling() });
    }
    if tried.iter().any(|attempt| attempt.result.is_none()) {
        let may_hedge = policy.hedge.is_some() && request.owes_nothing();
        return if may_hedge { request.hedge() } else { request.race() };
    }
    match request.last() {
        Some((at, fault)) => request.after(at, fault),
        None => request.first(),
    }
}

//! The fold: how the start and the end of an attempt change what is known.

use std::time::Duration;

use ringmain_core::{Fault, Now, Seed, Tick, Timings};

use crate::{Health, Policy, Try};

/// One attempt that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The attempt, as [`crate::next`] gave it.
    pub attempt: Try,
    /// When [`begin`] was told of it.
    pub started: Tick,
    /// How it ended.
    pub seen: Seen,
    /// What the response headers say of the key's limits, if anything.
    pub limits: Option<Limits>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A whole answer.
    Success {
        /// Where the time went.
        timings: Timings,
    },
    /// A failure.
    Failed(Fault),
    /// We stopped it: the caller left, or another attempt won.
    Cancelled,
}

/// What the `x-ratelimit-*` headers of a response say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Requests.
    pub requests: Window,
    /// Tokens; where a provider counts input and output apart, the scarcer of them.
    pub tokens: Window,
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// What is left.
    pub remaining: Option<u64>,
    /// Until it is whole again.
    pub reset: Option<Duration>,
}

/// An attempt starts. `first`: the first of its request.
#[expect(clippy::todo, unused_variables, reason = "the body follows")]
pub fn begin(health: &mut Health, policy: &Policy, attempt: &Try, first: bool, now: Now) {
    todo!()
}

/// An attempt ended. Must be called exactly once for each [`begin`].
#[expect(clippy::todo, unused_variables, reason = "the body follows")]
pub fn observe(health: &mut Health, policy: &Policy, observation: &Observation, now: Now, seed: Seed) {
    todo!()
}

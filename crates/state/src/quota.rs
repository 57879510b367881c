//! What may be used: reserved before a request is sent, settled when it has ended.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ringmain_core::{Limit, Metered, WallTime};

/// A limit, and whose use counts towards it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LimitId {
    /// `key:<id>` or `group:<path>`.
    pub scope: Arc<str>,
    /// How much.
    pub limit: Limit,
}

/// What a request will use at most, or did use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amounts {
    /// Tokens, input and output.
    pub tokens: u64,
    /// Billionths of a dollar.
    pub nanos: u64,
}

impl Amounts {
    /// Of what this limit counts. A request counts as one, and takes one place.
    #[must_use]
    pub const fn of(self, metered: Metered) -> u64 {
        match metered {
            Metered::Requests | Metered::Concurrency => 1,
            Metered::Tokens => self.tokens,
            Metered::Money => self.nanos,
        }
    }
}

/// What was reserved. Given back by [`QuotaStore::settle`], exactly once.
#[derive(Debug)]
#[must_use = "what is reserved must be settled"]
pub struct Grant {
    pub(crate) limits: Vec<LimitId>,
    pub(crate) reserved: Amounts,
}

/// A limit has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// Which, as a position in what was asked.
    pub at: usize,
    /// When there will be room for this request, if nothing else is used. `None`: never, it is larger than the limit.
    pub returns: Option<Duration>,
}

/// How a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Used in the period.
    pub used: u64,
    /// Reserved by requests that run.
    pub reserved: u64,
}

/// Counts what is used.
pub trait QuotaStore: fmt::Debug + Send + Sync {
    /// Reserves from all of the limits, or from none.
    ///
    /// # Errors
    /// The first limit that has no room, and when it will.
    fn reserve(&self, limits: &[LimitId], ask: Amounts, now: WallTime) -> Result<Grant, Exhausted>;

    /// Reserves whether there is room or not.
    fn force(&self, limits: &[LimitId], ask: Amounts, now: WallTime) -> Grant;

    /// Puts what was used in place of what was reserved.
    fn settle(&self, grant: Grant, used: Amounts, now: WallTime);

    /// What had been used before this process began: moments and amounts, in any order.
    fn seed(&self, limit: &LimitId, used: &[(WallTime, u64)], now: WallTime);

    /// How a limit stands.
    fn standing(&self, limit: &LimitId, now: WallTime) -> Standing;
}

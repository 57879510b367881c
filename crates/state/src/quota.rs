//! What may be used: reserved before a request is sent, settled when it has ended.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ringmain_core::{Limit, Metered, Period, WallTime};

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
    /// What a shared store knows it by.
    pub(crate) ticket: Option<Ticket>,
}

impl Grant {
    /// With what a shared store knows it by.
    pub fn with(mut self, ticket: Option<Ticket>) -> Self {
        self.ticket = ticket;
        self
    }

    /// Its limits, what was reserved of them, and what a shared store knows it by.
    #[must_use]
    pub fn parts(&self) -> (&[LimitId], Amounts, Option<Ticket>) {
        (&self.limits, self.reserved, self.ticket.clone())
    }
}

/// What a shared store knows a reservation by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket(pub String);

/// What a shared store says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shared {
    /// It is reserved.
    Granted(Ticket),
    /// A limit has no room.
    Full(Exhausted),
    /// It was asked, and nobody knows whether it heard: each process counts for itself, and settles there all the same.
    Unsure(Ticket),
    /// It was not asked, for it is out.
    Down,
}

/// An answer to come.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Shared> + Send + 'a>>;

/// Counts what several processes use together.
pub trait SharedQuotas: fmt::Debug + Send + Sync {
    /// Reserves from all of the limits, or from none; `force`: whether there is room or not. Waits for milliseconds at
    /// most. `seeds`: what was used of each, as this process knows it, for a store that knows nothing of a limit yet.
    fn reserve<'a>(
        &'a self,
        limits: &'a [LimitId],
        ask: Amounts,
        seeds: Vec<u64>,
        force: bool,
        now: WallTime,
    ) -> Asking<'a>;

    /// Puts what was used in place of what was reserved, when the store next hears. `None`: it was not asked before.
    fn settle(&self, ticket: Option<Ticket>, limits: &[LimitId], reserved: Amounts, used: Amounts, now: WallTime);

    /// Does it not answer?
    fn is_down(&self) -> bool;
}

/// Buckets of a rolling period, about.
const BUCKETS: u64 = 60;

/// When the bucket that holds `at` begins, and when what is in it stops counting, in milliseconds. A calendar's period is
/// one bucket.
pub(crate) fn bucket_at(period: Period, at: WallTime) -> (u64, u64) {
    match period {
        Period::Rolling(length) => {
            let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
            let width = (length / BUCKETS).max(1000).min(length.max(1));
            let begin = at.0 / width * width;
            (begin, begin + width + length)
        }
        Period::Calendar(part) => {
            let (begin, end) = part.around(at);
            (begin.0, end.0)
        }
    }
}

/// A limit without room, of which the oldest bucket that counts began then (0: none does).
#[cfg(feature = "redis")]
pub(crate) fn returns_of(at: usize, id: &LimitId, amount: u64, oldest: WallTime, now: WallTime) -> Exhausted {
    let soon = Some(Duration::from_secs(1));
    let returns = match id.limit.per {
        None => soon,
        Some(_) if amount > id.limit.most => None,
        Some(_) if oldest.0 == 0 => soon,
        Some(period) => Some(Duration::from_millis(bucket_at(period, oldest).1.saturating_sub(now.0))),
    };
    Exhausted { at, returns }
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

//! What may be used: reserved before a request is sent, settled when it has ended.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use ringmain_core::{Limit, Metered, Period, WallTime};

use crate::aside::Aside;

/// A limit, and whose use counts towards it. Limits that differ in nothing but how much they allow are the same: they count
/// the same, and what was counted before a change judges what comes after it.
#[derive(Debug, Clone)]
pub struct LimitId {
    /// Of what is counted: a limit is looked up several times for each request, and named once.
    hash: u64,
    /// `key:<id>` or `group:<path>`.
    pub scope: Arc<str>,
    /// How much.
    pub limit: Limit,
}

impl LimitId {
    /// This limit, of this scope.
    #[must_use]
    pub fn new(scope: Arc<str>, limit: Limit) -> Self {
        let mut hasher = DefaultHasher::new();
        (&scope, limit.of, limit.per).hash(&mut hasher);
        Self { hash: hasher.finish(), scope, limit }
    }

    /// Is it on what is used up as it is paid for, money or tokens? Others hold for everybody, whichever way they go.
    #[must_use]
    pub const fn is_budget(&self) -> bool {
        matches!(self.limit.of, Metered::Money | Metered::Tokens)
    }
}

impl PartialEq for LimitId {
    fn eq(&self, other: &Self) -> bool {
        let what = |id: &Self| (id.hash, id.limit.of, id.limit.per);
        what(self) == what(other) && self.scope == other.scope
    }
}

impl Eq for LimitId {}

impl Hash for LimitId {
    fn hash<H: Hasher>(&self, to: &mut H) {
        to.write_u64(self.hash);
    }
}

/// All limits that hold for a key, no two of them the same. Its requests and their reservations share them: nothing is copied
/// for each.
pub type LimitIds = Arc<[LimitId]>;

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
    pub(crate) limits: LimitIds,
    pub(crate) reserved: Amounts,
    /// What a store that is shared with other processes knows it by. `None`: it was not asked.
    pub(crate) ticket: Option<crate::shared::Held>,
    /// It was reserved here, and that store may not know of it.
    pub(crate) aside: Option<Aside>,
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

/// When a place that somebody holds may be free: nobody knows.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// When a limit has room for `amount` again, of which `buckets` (their beginnings, oldest first) are used and `reserved` is
/// held. `None`: never.
pub(crate) fn returns(
    id: &LimitId,
    amount: u64,
    reserved: u64,
    buckets: &[(u64, u64)],
    now: WallTime,
) -> Option<Duration> {
    let Some(period) = id.limit.per else { return Some(SOON) };
    if amount > id.limit.most {
        return None;
    }
    let all = buckets.iter().fold(reserved.saturating_add(amount), |sum, (_, used)| sum.saturating_add(*used));
    let mut over = all.saturating_sub(id.limit.most);
    for (begin, used) in buckets {
        over = over.saturating_sub(*used);
        if over == 0 {
            let free = bucket_at(period, WallTime(*begin)).1;
            return Some(Duration::from_millis(free.saturating_sub(now.0)));
        }
    }
    // The rest is reserved by requests that run.
    Some(SOON)
}

/// A limit has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// Which, as a position in what was asked.
    pub at: usize,
    /// When there will be room for this request, if nothing else is used. `None`: never, it is larger than the limit.
    pub returns: Option<Duration>,
    /// There may be room: but the store that processes share does not answer, and this one's part is used up.
    pub alone: bool,
}

/// How a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Used in the period.
    pub used: u64,
    /// Reserved by requests that run.
    pub reserved: u64,
}

impl Standing {
    /// All that there is no room for.
    pub(crate) const fn sum(self) -> u64 {
        self.used.saturating_add(self.reserved)
    }
}

/// Counts what is used.
pub trait QuotaStore: fmt::Debug + Send + Sync {
    /// Reserves from all of the limits, or from none.
    ///
    /// # Errors
    /// The first limit that has no room, and when it will.
    fn reserve(&self, limits: &LimitIds, ask: Amounts, now: WallTime) -> Result<Grant, Exhausted>;

    /// The same, for a request that no budget holds back: limits on requests and on what runs at one time do.
    ///
    /// # Errors
    /// The first of those that has no room, and when it will.
    fn force(&self, limits: &LimitIds, ask: Amounts, now: WallTime) -> Result<Grant, Exhausted>;

    /// Puts what was used in place of what was reserved.
    fn settle(&self, grant: Grant, used: Amounts, now: WallTime);

    /// What had been used before this process began: moments and amounts, in any order.
    fn seed(&self, limit: &LimitId, used: &[(WallTime, u64)], now: WallTime);

    /// How a limit stands.
    fn standing(&self, limit: &LimitId, now: WallTime) -> Standing;
}

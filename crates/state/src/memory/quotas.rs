//! Counters in this process, under one lock that is held for a few additions.
//!
//! A calendar's period is one sum. A rolling period is a row of buckets, sixty or so, each of which counts until its end
//! has left the period: never less than what was used, and at most one bucket more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use ringmain_core::{Metered, Period, WallTime};

use crate::quota::{Amounts, Exhausted, Grant, LimitId, LimitIds, QuotaStore, SOON, Standing, bucket_at, returns};

/// Every counter.
#[derive(Debug, Default)]
pub struct Quotas(Mutex<Counters>);

type Counters = HashMap<LimitId, Counter, RandomState>;

#[derive(Debug, Default)]
struct Counter {
    /// Beginnings of buckets in milliseconds, oldest first, and what was used in each.
    used: VecDeque<(u64, u64)>,
    /// When the oldest of them stops counting: known, for a calendar is slow to ask.
    until: u64,
    sum: u64,
    reserved: u64,
}

impl Counter {
    fn forget(&mut self, period: Option<Period>, now: WallTime) {
        let Some(period) = period else { return };
        while self.until <= now.0
            && let Some((_, used)) = self.used.pop_front()
        {
            self.sum = self.sum.saturating_sub(used);
            self.until = self.used.front().map_or(0, |(begin, _)| bucket_at(period, WallTime(*begin)).1);
        }
    }

    fn add(&mut self, period: Option<Period>, amount: u64, at: WallTime) {
        let Some(period) = period.filter(|_| amount > 0) else { return };
        let (begin, end) = bucket_at(period, at);
        self.sum = self.sum.saturating_add(amount);
        // Nearly always the last one; clocks may step back, and what is seeded comes in any order.
        match self.used.binary_search_by_key(&begin, |(begin, _)| *begin) {
            Ok(at) => {
                if let Some((_, used)) = self.used.get_mut(at) {
                    *used = used.saturating_add(amount);
                }
            }
            Err(at) => {
                self.used.insert(at, (begin, amount));
                if at == 0 {
                    self.until = end;
                }
            }
        }
    }
}

impl Quotas {
    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what was granted elsewhere, or is anyway.
    pub(crate) fn granted(&self, limits: &LimitIds, ask: Amounts, now: WallTime) -> Grant {
        take(&mut self.counters(), limits, ask, now);
        Grant { limits: Arc::clone(limits), reserved: ask, ticket: None, aside: None }
    }

    /// Reserves from all of the limits, or from none; of each, this process may use no more than `caps` says. `force`: no
    /// budget holds it back.
    ///
    /// # Errors
    /// The first that has no room.
    pub(crate) fn reserve_within(
        &self,
        limits: &LimitIds,
        caps: &[u64],
        ask: Amounts,
        force: bool,
        now: WallTime,
    ) -> Result<Grant, Exhausted> {
        let mut counters = self.counters();
        for (at, id) in limits.iter().enumerate().filter(|(_, id)| !(force && id.is_budget())) {
            let amount = ask.of(id.limit.of);
            let cap = caps.get(at).map_or(id.limit.most, |cap| id.limit.most.min(*cap));
            let full = with(&mut counters, id, |counter| {
                counter.forget(id.limit.per, now);
                let is_full = counter.sum.saturating_add(counter.reserved).saturating_add(amount) > cap;
                is_full.then(|| {
                    let buckets: Vec<_> = counter.used.iter().copied().collect();
                    returns(id, amount, counter.reserved, &buckets, now)
                })
            });
            if let Some(whole) = full {
                let alone = cap < id.limit.most && whole.is_some();
                return Err(Exhausted { at, returns: if alone { Some(SOON) } else { whole }, alone });
            }
        }
        take(&mut counters, limits, ask, now);
        Ok(Grant { limits: Arc::clone(limits), reserved: ask, ticket: None, aside: None })
    }
}

/// Requests count when they begin; what runs is never counted as used.
const fn is_counted_at_once(metered: Metered) -> bool {
    matches!(metered, Metered::Requests)
}

impl QuotaStore for Quotas {
    fn reserve(&self, limits: &LimitIds, ask: Amounts, now: WallTime) -> Result<Grant, Exhausted> {
        self.reserve_within(limits, &[], ask, false, now)
    }

    fn force(&self, limits: &LimitIds, ask: Amounts, now: WallTime) -> Result<Grant, Exhausted> {
        self.reserve_within(limits, &[], ask, true, now)
    }

    fn settle(&self, grant: Grant, used: Amounts, now: WallTime) {
        let mut counters = self.counters();
        for id in &*grant.limits {
            let of = id.limit.of;
            let Some(counter) = counters.get_mut(id).filter(|_| !is_counted_at_once(of)) else { continue };
            counter.reserved = counter.reserved.saturating_sub(grant.reserved.of(of));
            if of != Metered::Concurrency {
                counter.forget(id.limit.per, now);
                counter.add(id.limit.per, used.of(of), now);
            }
        }
    }

    fn seed(&self, limit: &LimitId, used: &[(WallTime, u64)], now: WallTime) {
        let mut counters = self.counters();
        let begin = limit.limit.per.map_or(now, |period| period.begin(now));
        with(&mut counters, limit, |counter| {
            for (at, amount) in used.iter().filter(|(at, _)| *at >= begin) {
                counter.add(limit.limit.per, *amount, *at);
            }
            counter.forget(limit.limit.per, now);
        });
    }

    fn standing(&self, limit: &LimitId, now: WallTime) -> Standing {
        let mut counters = self.counters();
        let Some(counter) = counters.get_mut(limit) else { return Standing::default() };
        counter.forget(limit.limit.per, now);
        Standing { used: counter.sum, reserved: counter.reserved }
    }
}

/// Does something with the counter of a limit. Its name is shared by threads, which count who holds it: it is taken once.
fn with<T>(counters: &mut Counters, id: &LimitId, act: impl FnOnce(&mut Counter) -> T) -> T {
    match counters.get_mut(id) {
        Some(counter) => act(counter),
        None => act(counters.entry(id.clone()).or_default()),
    }
}

fn take(counters: &mut Counters, limits: &[LimitId], ask: Amounts, now: WallTime) {
    for id in limits {
        let amount = ask.of(id.limit.of);
        with(counters, id, |counter| {
            if is_counted_at_once(id.limit.of) {
                counter.forget(id.limit.per, now);
                counter.add(id.limit.per, amount, now);
            } else {
                counter.reserved = counter.reserved.saturating_add(amount);
            }
        });
    }
}

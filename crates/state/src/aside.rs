//! What a process used while it was alone, until the store that processes share has been told of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::quota::{Amounts, LimitId, LimitIds};

/// Of each limit, so much.
#[derive(Debug, Default)]
pub(crate) struct Untold(Mutex<HashMap<LimitId, u64>>);

impl Untold {
    pub(crate) fn of(&self, limit: &LimitId) -> u64 {
        self.amounts().get(limit).copied().unwrap_or_default()
    }

    fn amounts(&self) -> MutexGuard<'_, HashMap<LimitId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reservation that the store may not know of. Dropped when it does, or never will.
#[derive(Debug)]
pub(crate) struct Aside {
    untold: Arc<Untold>,
    limits: LimitIds,
    amounts: Amounts,
}

impl Aside {
    pub(crate) fn new(untold: &Arc<Untold>, limits: &LimitIds, ask: Amounts) -> Self {
        let aside = Self { untold: Arc::clone(untold), limits: Arc::clone(limits), amounts: ask };
        aside.count(u64::saturating_add);
        aside
    }

    /// So much was used of what was reserved.
    pub(crate) fn settled(mut self, used: Amounts) -> Self {
        self.count(u64::saturating_sub);
        self.amounts = used;
        self.count(u64::saturating_add);
        self
    }

    fn count(&self, change: fn(u64, u64) -> u64) {
        let mut amounts = self.untold.amounts();
        for id in &*self.limits {
            let amount = amounts.entry(id.clone()).or_default();
            *amount = change(*amount, self.amounts.of(id.limit.of));
        }
        amounts.retain(|_, amount| *amount > 0);
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.count(u64::saturating_sub);
    }
}

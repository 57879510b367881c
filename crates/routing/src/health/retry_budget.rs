//! Retries are a share of requests: over the last ten seconds, `share` of the first attempts and `per_second` each
//! second (Finagle's `RetryBudget`).
//!
//! **What has to be paid for, and why a move need not be.** A budget that every further attempt must be paid from
//! breaks failover just when it is needed: when the primary dies under load, every request wants its second attempt
//! at once, four of five would be refused, and a healthy target would stand idle. The budget exists to bound the load
//! on what is failing, so only that is refused without it: (1) another attempt on a target this request has already
//! tried, and (2) an attempt on a target that is suspect, that is, halfway to its breaker or behind it. A move to an
//! untried target that is not suspect, and the use of another key after one was refused (which benches that key for
//! everyone), are always allowed, and withdraw what is there. This stays bounded: free moves give a target at most
//! one attempt of each request, so its load never exceeds the requests that arrive, as if it had been first in
//! the list; and if it fails under them, a few answers make it suspect, from when on even the first visit is paid.
//! So no target sees more than the requests plus the budget, and while a healthy target is left, every request with
//! attempts and time gets to it. An account that could go below zero would punish one outage with
//! ten seconds without retries after it: it stops at zero.

use std::time::Duration;

use ringmain_core::Tick;

use super::window::SlidingWindow;
use crate::RetryBudget;

const WINDOW: Duration = Duration::from_secs(10);
const REQUESTS: usize = 0;
const RETRIES: usize = 1;

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Account {
    window: SlidingWindow,
}

impl Account {
    pub(crate) fn deposit(&mut self, now: Tick) {
        self.window.add(REQUESTS, WINDOW, now);
    }

    pub(crate) fn withdraw(&mut self, policy: &RetryBudget, now: Tick) {
        if self.balance(policy, now) >= 1.0 {
            self.window.add(RETRIES, WINDOW, now);
        }
    }

    /// Retries that may be made now.
    #[expect(clippy::cast_precision_loss, reason = "counts of ten seconds")]
    pub(crate) fn balance(&self, policy: &RetryBudget, now: Tick) -> f64 {
        let [requests, retries] = self.window.sums(now);
        let earned = policy.share * requests as f64 + policy.per_second * WINDOW.as_secs_f64();
        (earned - retries as f64).max(0.0)
    }
}

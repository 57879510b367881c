//! What other processes find to be out, and what this one tells them: an outage is learned once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ringmain_core::Tick;
use ringmain_routing::Row;
use ringmain_routing::fleet::{Place, heard_opened, opened};
use ringmain_state::shared::{HealthShare, Outage};

use crate::gateway::Gateway;

/// Openings that are remembered, at most; then they may be told twice.
const TOLD_MAX: usize = 4096;

/// The way to the other processes, where there are any.
#[derive(Debug, Default)]
pub struct Fleet {
    share: OnceLock<Arc<dyn HealthShare>>,
    /// What they know from here, or this process from them.
    told: Mutex<HashMap<(String, Place), Tick>>,
}

impl Fleet {
    /// From now on outages are told to others.
    pub fn share(&self, share: Arc<dyn HealthShare>) {
        let _ = self.share.set(share);
    }

    /// A target stands so after a failure: if its breaker opened, others are told, once.
    pub(crate) fn failed(&self, target: &str, row: &Row, now: Tick) {
        let Some(share) = self.share.get() else { return };
        let Some((place, until)) = opened(row).filter(|(_, until)| *until > now) else { return };
        if self.is_news(target, place, until) {
            share.tell(Outage { target: target.to_owned(), host: place == Place::Host, length: until.since(now) });
        }
    }

    fn is_news(&self, target: &str, place: Place, until: Tick) -> bool {
        let mut told = self.told();
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        told.insert((target.to_owned(), place), until).is_none_or(|before| before < until)
    }

    fn told(&self) -> MutexGuard<'_, HashMap<(String, Place), Tick>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway {
    /// Takes in what other processes have found out since the last call.
    pub fn hear_outages(&self) {
        let Some(share) = self.fleet.share.get() else { return };
        for Outage { target, host, length } in share.heard() {
            let until = self.clock.now().mono + length;
            let place = if host { Place::Host } else { Place::Target };
            let rules = self.rules();
            // Every route knows a target by the same number.
            let found = rules.routes().find_map(|route| {
                let at = route.policy.candidates.iter().position(|candidate| candidate.name == target)?;
                Some((route, at))
            });
            let Some((route, at)) = found else { continue };
            if self.fleet.is_news(&target, place, until) {
                heard_opened(&mut self.health(), &route.policy, at, place, until);
                tracing::info!(target, host, length = ?length, "another process found it to be out");
            }
        }
    }
}

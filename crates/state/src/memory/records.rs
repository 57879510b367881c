//! The latest records, in a ring.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringmain_core::{RequestId, WallTime};
use ringmain_routing::Record;

use crate::{RecordQuery, RecordSink, StateError};

/// The latest records. The oldest makes room for the next: none is ever lost by being refused.
#[derive(Debug)]
pub struct Records {
    most: usize,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    order: VecDeque<RequestId>,
    by_id: HashMap<RequestId, Arc<Record>>,
}

impl Records {
    /// A ring of at most `most` records.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), ring: Mutex::default() }
    }

    /// Every record, oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Record>> {
        let ring = self.ring();
        ring.order.iter().filter_map(|id| ring.by_id.get(id).cloned()).collect()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordSink for Records {
    fn record(&self, record: &Arc<Record>) {
        let mut ring = self.ring();
        let dropped = if ring.by_id.insert(record.id, Arc::clone(record)).is_none() {
            ring.order.push_back(record.id);
            let full = ring.order.len() > self.most;
            full.then(|| ring.order.pop_front()).flatten().and_then(|oldest| ring.by_id.remove(&oldest))
        } else {
            None
        };
        drop(ring);
        // Freed without the lock: it may be the last reference to much.
        drop(dropped);
    }

    fn lost(&self) -> u64 {
        0
    }
}

impl RecordQuery for Records {
    fn get(&self, id: RequestId) -> Result<Option<Arc<Record>>, StateError> {
        Ok(self.ring().by_id.get(&id).cloned())
    }

    fn latest(&self, most: usize) -> Result<Vec<Arc<Record>>, StateError> {
        let ring = self.ring();
        Ok(ring.order.iter().rev().take(most).filter_map(|id| ring.by_id.get(id).cloned()).collect())
    }

    fn since(&self, since: WallTime, each: &mut dyn FnMut(Arc<Record>) -> bool) -> Result<(), StateError> {
        let mut wanted: Vec<_> = self.all().into_iter().filter(|record| record.at >= since).collect();
        wanted.sort_by_key(|record| record.at);
        for record in wanted {
            if !each(record) {
                break;
            }
        }
        Ok(())
    }
}

//! Where requests are written down: the latest in memory, for whoever asks why; all of them in a store, if there is one.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use ringmain_core::RequestId;
use ringmain_routing::Record;
use ringmain_state::analytics::{Line, Question, Search};
use ringmain_state::{Analytics, RecordQuery, RecordSink, StateError, memory};
use ringmain_telemetry::otlp::Tap;

/// The requests that can be asked about without a store, at most; about 2 KB each.
const LATEST: usize = 2000;

/// Both places.
#[derive(Debug)]
pub struct Records {
    latest: memory::Records,
    store: ArcSwapOption<Store>,
    /// Takes a copy for traces and metrics elsewhere.
    tap: ArcSwapOption<Tap>,
}

/// A store that is written to and read from.
#[derive(Debug, Clone)]
pub struct Store {
    /// Takes records.
    pub sink: Arc<dyn RecordSink>,
    /// Finds them again.
    pub query: Arc<dyn RecordQuery>,
    /// Sums them up.
    pub analytics: Arc<dyn Analytics>,
}

impl Default for Records {
    fn default() -> Self {
        Self { latest: memory::Records::new(LATEST), store: ArcSwapOption::empty(), tap: ArcSwapOption::empty() }
    }
}

impl Records {
    /// From now on every record goes there too.
    pub fn keep_in(&self, store: Store) {
        self.store.store(Some(Arc::new(store)));
    }

    /// From now on every record is told there too.
    pub fn tell(&self, tap: Tap) {
        self.tap.store(Some(Arc::new(tap)));
    }

    /// Writes a request down. Never waits.
    pub fn record(&self, record: &Arc<Record>) {
        self.latest.record(record);
        if let Some(store) = &*self.store.load() {
            store.sink.record(record);
        }
        if let Some(tap) = &*self.tap.load() {
            tap.record(record);
        }
    }

    /// The record of a request, if it is still kept. May read from a disk: not for the request path.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn get(&self, id: RequestId) -> Result<Option<Arc<Record>>, StateError> {
        match (self.latest.get(id)?, &*self.store.load()) {
            (Some(record), _) => Ok(Some(record)),
            (None, Some(store)) => store.query.get(id),
            (None, None) => Ok(None),
        }
    }

    /// The latest records in memory, newest first.
    #[must_use]
    pub fn latest(&self, most: usize) -> Vec<Arc<Record>> {
        self.latest.latest(most).unwrap_or_default()
    }

    /// Sums over a window: of the store's, or of the latest in memory. May read from a disk.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn ask(&self, question: &Question) -> Result<Vec<Line>, StateError> {
        match &*self.store.load() {
            Some(store) => store.analytics.ask(question),
            None => self.latest.ask(question),
        }
    }

    /// The ids of requests that fit, newest first. May read from a disk.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn search(&self, search: &Search) -> Result<Vec<RequestId>, StateError> {
        match &*self.store.load() {
            Some(store) => store.analytics.search(search),
            None => self.latest.search(search),
        }
    }

    /// The store, if there is one.
    #[must_use]
    pub fn store(&self) -> Option<Arc<Store>> {
        self.store.load_full()
    }

    /// Records the store could not keep.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.store.load().as_ref().map_or(0, |store| store.sink.lost())
    }
}

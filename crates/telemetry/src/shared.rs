//! How the store does that processes share, `state.shared`.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Each with its name and help, in the order of [`Shared::set`].
const GAUGES: [(&str, &str); 5] = [
    ("shared_down", "1 while the shared store is not asked, for it does not answer"),
    ("shared_unanswered_questions", "Questions that the shared store did not answer in time"),
    ("shared_untold_settlements", "Settlements of limits that the shared store has not been told of yet"),
    ("shared_lost_settlements", "Settlements of limits that it will never be told of"),
    ("shared_processes", "Processes that share the store, as last counted"),
];

/// The gauges; all 0 where there is no such store.
#[derive(Debug, Default)]
pub struct Shared([Gauge; 5]);

impl Shared {
    /// Whether it is out, questions unanswered, settlements untold, settlements lost, and processes.
    pub fn set(&self, values: [u64; 5]) {
        for (gauge, value) in self.0.iter().zip(values) {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        for (gauge, (name, help)) in self.0.iter().zip(GAUGES) {
            registry.register(name, help, gauge.clone());
        }
    }
}

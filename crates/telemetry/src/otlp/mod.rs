//! OpenTelemetry: records as traces, and as metrics by the conventions for generative AI. What is sent is made here; it
//! is sent elsewhere.
//!
//! ```text
//! record() -> queue (4,096) -> batch -> traces, meters -> metrics
//! ```
//! A request hands its record over and goes on; what finds the queue full is counted and dropped.

pub mod message;
mod meters;
pub mod names;
mod spans;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prost::Message as _;
use ringmain_core::WallTime;
use ringmain_routing::Record;
use ringmain_routing::record::Attempt;
use tokio::sync::mpsc::{self, Receiver, Sender};

use message::{
    AnyValue, KeyValue, Kind, MetricsRequest, Resource, ResourceMetrics, ResourceSpans, Scope, ScopeMetrics,
    ScopeSpans, TracesRequest,
};
use meters::Meters;

/// The header by which a caller says whose trace its request belongs to.
pub const TRACEPARENT: &str = "traceparent";
/// Records that wait to be sent, at most.
const WAITING_MAX: usize = 4096;
/// Records of one batch, at most.
pub const BATCH_MAX: usize = 256;

/// Takes records.
#[derive(Clone)]
pub struct Tap {
    queue: Sender<Arc<Record>>,
    dropped: Counter,
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("dropped", &self.dropped.get()).finish_non_exhaustive()
    }
}

impl Tap {
    /// A tap, and what comes out of it. `dropped` counts what finds the queue full.
    #[must_use]
    pub fn new(dropped: Counter) -> (Self, Receiver<Arc<Record>>) {
        let (queue, records) = mpsc::channel(WAITING_MAX);
        (Self { queue, dropped }, records)
    }

    /// Hands a record over; never waits.
    pub fn record(&self, record: &Arc<Record>) {
        if self.queue.try_send(Arc::clone(record)).is_err() {
            self.dropped.inc();
        }
    }
}

/// Makes what is sent.
#[derive(Debug)]
pub struct Exporter {
    service: String,
    meters: Meters,
}

impl Exporter {
    /// For a process of this name that began now.
    #[must_use]
    pub fn new(service: impl Into<String>, now: WallTime) -> Self {
        Self { service: service.into(), meters: Meters::new(now) }
    }

    /// The traces of some records, to be sent, and their part in the metrics. `kind` is the catalog's name of a
    /// configured provider. `None` where none of them is to be written down.
    pub fn traces(&mut self, records: &[Arc<Record>], kind: &dyn Fn(&str) -> Option<String>) -> Option<Vec<u8>> {
        records.iter().for_each(|record| self.meters.add(record, kind));
        let spans: Vec<_> = records.iter().flat_map(|record| spans::of(record, kind)).collect();
        if spans.is_empty() {
            return None;
        }
        let scopes = vec![ScopeSpans { scope: Some(scope()), spans }];
        let resources = vec![ResourceSpans { resource: Some(self.resource()), scopes }];
        Some(TracesRequest { resources }.encode_to_vec())
    }

    /// The metrics since the start, to be sent. `None` while there are none.
    #[must_use]
    pub fn metrics(&self, now: WallTime) -> Option<Vec<u8>> {
        let metrics = self.meters.told(now);
        if metrics.is_empty() {
            return None;
        }
        let scopes = vec![ScopeMetrics { scope: Some(scope()), metrics }];
        let resources = vec![ResourceMetrics { resource: Some(self.resource()), scopes }];
        Some(MetricsRequest { resources }.encode_to_vec())
    }

    fn resource(&self) -> Resource {
        let text = |key: &str, text: &str| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { kind: Some(Kind::Text(text.to_owned())) }),
        };
        let version = text(names::SERVICE_VERSION, env!("CARGO_PKG_VERSION"));
        Resource { attributes: vec![text(names::SERVICE, &self.service), version] }
    }
}

fn scope() -> Scope {
    Scope { name: "ringmain".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

/// Whom an attempt went to: `provider/model`.
fn target<'r>(record: &'r Record, attempt: &Attempt) -> &'r str {
    record.candidates.get(attempt.tried.candidate).map_or("", |known| known.name.as_str())
}

//! Traces and metrics on their way to a collector: a task of its own, off the path of requests. What the collector does
//! not take is tried again for a while, then dropped and counted; meanwhile the queue fills, and what finds it full is
//! dropped and counted too.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use ringmain_config::Telemetry;
use ringmain_engine::Gateway;
use ringmain_routing::Record;
use ringmain_telemetry::otlp::{BATCH_MAX, Exporter, Tap};
use ringmain_upstream::{Called, Dial, Grpc, Place, Question, Upstream};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::server::{Drain, Stage};

/// How old a batch may become before it is sent.
const BATCH_AGE: Duration = Duration::from_millis(500);
/// How often metrics are sent.
const METRICS_EVERY: Duration = Duration::from_secs(15);
/// When they are sent for the first time.
const METRICS_FIRST: Duration = Duration::from_secs(2);
/// How long the collector may take for one message.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before each time a message is sent again.
const AGAIN: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];
/// How long the last messages may take when the process ends.
const LAST: Duration = Duration::from_secs(2);
/// The port on which collectors speak gRPC.
const GRPC_PORT: u16 = 4317;

const TRACES: (&str, &str) = ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", "/v1/traces");
const METRICS: (&str, &str) = ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "/v1/metrics");

/// Starts sending, if the configuration says where to.
pub(crate) fn start(
    gateway: &Arc<Gateway>,
    telemetry: &Telemetry,
    dialer: &Arc<dyn Dial>,
    drain: &Drain,
) -> Option<JoinHandle<()>> {
    let Some(place) = Place::parse(telemetry.otlp.as_deref()?) else {
        tracing::error!("telemetry.otlp is no URL of a collector: nothing is sent");
        return None;
    };
    let (tap, records) = Tap::new(gateway.metrics.otlp_dropped.clone());
    gateway.records.tell(tap);
    let exporter = Exporter::new(telemetry.service_name.clone(), gateway.clock.now().wall);
    let channel = Channel::new(&place, dialer);
    tracing::info!(to = %place.origin.authority(), over = channel.name(), "traces and metrics are sent");
    let sender = Sender { gateway: Arc::clone(gateway), exporter, channel };
    Some(tokio::spawn(sender.run(records, drain.clone())))
}

/// Waits for the last of it to be sent, for a while.
pub(crate) async fn finish(sending: Option<JoinHandle<()>>) {
    if let Some(sending) = sending {
        let _ = tokio::time::timeout(LAST, sending).await;
    }
}

/// How a collector is spoken to.
enum Channel {
    Grpc(Grpc),
    Http { upstream: Upstream, place: Place },
}

impl Channel {
    fn new(place: &Place, dialer: &Arc<dyn Dial>) -> Self {
        let plain = !place.origin.is_secure() && place.path == "/";
        if plain && place.origin.port() == GRPC_PORT {
            return Self::Grpc(Grpc::new(Arc::clone(dialer), Arc::clone(&place.origin)));
        }
        Self::Http { upstream: Upstream::new(Arc::clone(dialer)), place: place.clone() }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Grpc(_) => "grpc",
            Self::Http { .. } => "http/protobuf",
        }
    }

    async fn send(&mut self, (method, path): (&str, &str), message: &[u8]) -> Called {
        match self {
            Self::Grpc(grpc) => grpc.call(method, message, PATIENCE).await,
            Self::Http { upstream, place } => {
                let kind: [(HeaderName, HeaderValue); 1] =
                    [(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"))];
                let path = format!("{}{path}", place.path.trim_end_matches('/'));
                let body = Bytes::copy_from_slice(message);
                let question = Question {
                    method: Method::POST,
                    origin: &place.origin,
                    path: &path,
                    headers: &kind,
                    body,
                    patience: PATIENCE,
                };
                match question.ask(upstream).await.map(|reply| reply.status) {
                    Some(status) if status.is_success() => Called::Taken,
                    // As the protocol has it: these alone are worth another try.
                    Some(status) if !matches!(status.as_u16(), 429 | 502 | 503 | 504) => {
                        Called::Refused(status.as_u16())
                    }
                    _ => Called::Failed,
                }
            }
        }
    }
}

struct Sender {
    gateway: Arc<Gateway>,
    exporter: Exporter,
    channel: Channel,
}

impl Sender {
    async fn run(mut self, mut records: Receiver<Arc<Record>>, mut drain: Drain) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut metrics_at = Instant::now() + METRICS_FIRST;
        loop {
            let ended = tokio::select! {
                biased;
                () = drain.reached(Stage::Ending) => true,
                () = gather(&mut records, &mut batch, metrics_at) => false,
            };
            if ended {
                break;
            }
            self.traces(&mut batch, &AGAIN).await;
            if Instant::now() >= metrics_at {
                self.metrics().await;
                metrics_at = Instant::now() + METRICS_EVERY;
            }
        }
        let last = async {
            while let Ok(record) = records.try_recv() {
                batch.push(record);
                if batch.len() >= BATCH_MAX {
                    self.traces(&mut batch, &[]).await;
                }
            }
            self.traces(&mut batch, &[]).await;
            self.metrics().await;
        };
        let _ = tokio::time::timeout(LAST, last).await;
    }

    async fn traces(&mut self, batch: &mut Vec<Arc<Record>>, again: &[Duration]) {
        let records = std::mem::take(batch);
        if records.is_empty() {
            return;
        }
        let message = {
            let rules = self.gateway.rules();
            let kind = |name: &str| rules.config.provider(name).map(|(_, provider)| provider.kind.id.clone());
            self.exporter.traces(&records, &kind)
        };
        let Some(message) = message else { return };
        let count = records.len() as u64;
        let metrics = &self.gateway.metrics;
        if send(&mut self.channel, &self.gateway, TRACES, &message, again).await {
            metrics.otlp_sent.inc_by(count);
        } else {
            metrics.otlp_dropped.inc_by(count);
        }
    }

    /// What these would have said, the next ones say too.
    async fn metrics(&mut self) {
        if let Some(message) = self.exporter.metrics(self.gateway.clock.now().wall) {
            send(&mut self.channel, &self.gateway, METRICS, &message, &[]).await;
        }
    }
}

/// Sends a message, again after each of these waits; true once it is taken.
async fn send(channel: &mut Channel, gateway: &Gateway, to: (&str, &str), message: &[u8], again: &[Duration]) -> bool {
    let mut waits = again.iter();
    loop {
        let called = channel.send(to, message).await;
        let was_down = gateway.metrics.otlp_down.set(i64::from(called != Called::Taken)) == 1;
        match called {
            Called::Taken => {
                if was_down {
                    tracing::info!("the OTLP collector takes measurements again");
                }
                return true;
            }
            Called::Refused(status) => {
                if !was_down {
                    tracing::warn!(status, path = to.1, "the OTLP collector refuses measurements: they are dropped");
                }
                return false;
            }
            Called::Failed => {
                if !was_down {
                    tracing::warn!(
                        path = to.1,
                        "the OTLP collector does not answer: measurements are dropped after a while"
                    );
                }
                let Some(wait) = waits.next() else { return false };
                tokio::time::sleep(*wait).await;
            }
        }
    }
}

/// Waits for a batch: full, old enough, or the time `until`.
async fn gather(records: &mut Receiver<Arc<Record>>, batch: &mut Vec<Arc<Record>>, until: Instant) {
    match timeout_at(until, records.recv()).await {
        Ok(Some(first)) => batch.push(first),
        // Nobody hands records over any more.
        Ok(None) => tokio::time::sleep_until(until).await,
        Err(_) => return,
    }
    let until = until.min(Instant::now() + BATCH_AGE);
    while batch.len() < BATCH_MAX {
        match timeout_at(until, records.recv()).await {
            Ok(Some(record)) => batch.push(record),
            Ok(None) | Err(_) => return,
        }
    }
}

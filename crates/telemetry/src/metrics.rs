//! What `/metrics` shows. Names follow Prometheus: base units, `_total` for counters.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::shared::Shared;

/// Targets with metrics of their own; the next one is counted as `other`.
pub const TARGETS_MAX: usize = 512;

/// 1 ms to about 2 minutes: a first token.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 18))
}

/// 10 µs to about 80 ms: our own part.
fn overhead() -> Histogram {
    Histogram::new(exponential_buckets(0.000_01, 2.0, 14))
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteOutcome {
    route: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRoute {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetOutcome {
    target: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByTarget {
    target: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetTokens {
    target: String,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HeartbeatResult {
    provider: String,
    by: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetSide {
    target: String,
    of: &'static str,
}

type Seconds<L> = Family<L, Histogram, fn() -> Histogram>;

/// Every metric of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RouteOutcome, Counter>,
    request_seconds: Seconds<ByRoute>,
    overhead_seconds: Seconds<ByRoute>,
    failovers: Family<ByRoute, Counter>,
    hedges: Family<RouteOutcome, Counter>,
    attempts: Family<TargetOutcome, Counter>,
    first_token_seconds: Seconds<ByTarget>,
    output_token_seconds: Seconds<ByTarget>,
    tokens: Family<TargetTokens, Counter>,
    cost: Family<ByTarget, Counter<f64, AtomicU64>>,
    unpriced: Family<ByTarget, Counter>,
    skipped_events: Family<ByTarget, Counter>,
    lost_fields: Family<TargetSide, Counter>,
    breaker: Family<ByTarget, Gauge>,
    attempts_in_flight: Family<ByTarget, Gauge>,
    heartbeats: Family<HeartbeatResult, Counter>,
    reloads: Family<ByResult, Counter>,
    /// Requests between their first byte and their end.
    pub in_flight: Gauge,
    /// Records that the ledger's store does not have yet.
    pub ledger_behind: Gauge,
    /// Records that could not be kept.
    pub ledger_lost: Gauge,
    /// 1 while the ledger's store refuses records.
    pub ledger_down: Gauge,
    /// Records that were to be sent over OTLP and were not: the queue was full, or the collector did not take them.
    pub otlp_dropped: Counter,
    /// Records that a collector took.
    pub otlp_sent: Counter,
    /// 1 while the collector takes nothing.
    pub otlp_down: Gauge,
    /// How the store does that processes share.
    pub shared: Shared,
    targets: AtomicUsize,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("ringmain"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            overhead_seconds: Family::new_with_constructor(overhead),
            failovers: Family::default(),
            hedges: Family::default(),
            attempts: Family::default(),
            first_token_seconds: Family::new_with_constructor(seconds),
            output_token_seconds: Family::new_with_constructor(seconds),
            tokens: Family::default(),
            cost: Family::default(),
            unpriced: Family::default(),
            skipped_events: Family::default(),
            lost_fields: Family::default(),
            breaker: Family::default(),
            attempts_in_flight: Family::default(),
            heartbeats: Family::default(),
            reloads: Family::default(),
            in_flight: Gauge::default(),
            ledger_behind: Gauge::default(),
            ledger_lost: Gauge::default(),
            ledger_down: Gauge::default(),
            otlp_dropped: Counter::default(),
            otlp_sent: Counter::default(),
            otlp_down: Gauge::default(),
            shared: Shared::default(),
            targets: AtomicUsize::new(0),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests by route and outcome", self.requests.clone());
        registry.register("failovers", "Requests that more than one target was tried for", self.failovers.clone());
        let hedges = "Second attempts beside one that was slower than usual, by whether they won";
        registry.register("hedges", hedges, self.hedges.clone());
        registry.register("requests_in_flight", "Requests begun and not ended", self.in_flight.clone());
        let behind = "Records that the ledger's store does not have yet";
        registry.register("ledger_behind_records", behind, self.ledger_behind.clone());
        registry.register("ledger_lost_records", "Records that could not be kept", self.ledger_lost.clone());
        registry.register("ledger_down", "1 while the ledger's store refuses records", self.ledger_down.clone());
        let dropped = "Records that were not sent over OTLP: the queue was full, or the collector did not take them";
        registry.register("otlp_dropped_records", dropped, self.otlp_dropped.clone());
        registry.register("otlp_sent_records", "Records that the OTLP collector took", self.otlp_sent.clone());
        registry.register("otlp_down", "1 while the OTLP collector takes nothing", self.otlp_down.clone());
        self.shared.register(registry);
        registry.register("attempts", "Upstream attempts by target and outcome", self.attempts.clone());
        registry.register(
            "tokens",
            "Tokens by target and kind, as the provider counted, else as estimated",
            self.tokens.clone(),
        );
        registry.register(
            "cost_dollars",
            "Cost of attempts, however they ended, as far as it is known",
            self.cost.clone(),
        );
        registry.register("unpriced_requests", "Attempts whose cost is not known", self.unpriced.clone());
        registry.register("skipped_events", "Unreadable stream events that were skipped", self.skipped_events.clone());
        let lost = "Fields that a translation could not carry as they were, of requests and of answers";
        registry.register("lost_fields", lost, self.lost_fields.clone());
        registry.register("breaker_state", "0 closed, 1 half open, 2 open", self.breaker.clone());
        let busy = "Upstream attempts begun and not ended, as the limits count them";
        registry.register("attempts_in_flight", busy, self.attempts_in_flight.clone());
        registry.register("heartbeats", "Heartbeats by provider, question and result", self.heartbeats.clone());
        registry.register("config_reloads", "Configuration reloads by result", self.reloads.clone());
        let mut time = |name: &str, help: &str, metric: Seconds<ByTarget>| {
            registry.register_with_unit(name, help, Unit::Seconds, metric);
        };
        time("time_to_first_token", "Attempt start to first useful token", self.first_token_seconds.clone());
        time("time_per_output_token", "First token to end, per output token", self.output_token_seconds.clone());
        registry.register_with_unit(
            "request_duration",
            "First byte of the request to last byte of the answer",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register_with_unit(
            "gateway_overhead",
            "Time to the first byte that was not spent waiting for providers",
            Unit::Seconds,
            self.overhead_seconds.clone(),
        );
    }

    /// The text exposition.
    #[must_use]
    pub fn expose(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// The handles of one route, to be kept: looking them up costs a lock.
    #[must_use]
    pub fn route(&self, route: &str) -> RouteMeter {
        let by_route = ByRoute { route: route.to_owned() };
        let hedges = |outcome| self.hedges.get_or_create_owned(&RouteOutcome { route: route.to_owned(), outcome });
        RouteMeter {
            ok: self.requests.get_or_create_owned(&RouteOutcome { route: route.to_owned(), outcome: "ok" }),
            failovers: self.failovers.get_or_create_owned(&by_route),
            hedges_won: hedges("won"),
            hedges_lost: hedges("lost"),
            seconds: self.request_seconds.get_or_create_owned(&by_route),
            overhead: self.overhead_seconds.get_or_create_owned(&by_route),
            requests: self.requests.clone(),
            name: route.to_owned(),
        }
    }

    /// The handles of one target, to be kept.
    #[must_use]
    pub fn target(&self, target: &str) -> TargetMeter {
        let room = self.targets.fetch_add(1, Ordering::Relaxed) < TARGETS_MAX;
        let name = if room { target } else { "other" }.to_owned();
        let by_target = ByTarget { target: name.clone() };
        let lost = |of| self.lost_fields.get_or_create_owned(&TargetSide { target: name.clone(), of });
        let tokens = |kind| self.tokens.get_or_create_owned(&TargetTokens { target: name.clone(), kind });
        TargetMeter {
            ok: self.attempts.get_or_create_owned(&TargetOutcome { target: name.clone(), outcome: "ok" }),
            first_token: self.first_token_seconds.get_or_create_owned(&by_target),
            output_token: self.output_token_seconds.get_or_create_owned(&by_target),
            input_tokens: tokens("input"),
            cached_tokens: tokens("cached"),
            output_tokens: tokens("output"),
            reasoning_tokens: tokens("reasoning"),
            cost: self.cost.get_or_create_owned(&by_target),
            unpriced: self.unpriced.get_or_create_owned(&by_target),
            skipped_events: self.skipped_events.get_or_create_owned(&by_target),
            lost_of_requests: lost("request"),
            lost_of_answers: lost("answer"),
            breaker: self.breaker.get_or_create_owned(&by_target),
            in_flight: self.attempts_in_flight.get_or_create_owned(&by_target),
            attempts: self.attempts.clone(),
            name,
        }
    }

    /// A refusal belongs to no route.
    pub(crate) fn refused(&self, outcome: &'static str) {
        self.requests.get_or_create(&RouteOutcome { route: "none".to_owned(), outcome }).inc();
    }

    pub(crate) fn heartbeat(&self, provider: &str, by: &'static str, result: &'static str) {
        self.heartbeats.get_or_create_owned(&HeartbeatResult { provider: provider.to_owned(), by, result }).inc();
    }

    pub(crate) fn reloaded(&self, ok: bool) {
        let result = if ok { "ok" } else { "refused" };
        self.reloads.get_or_create(&ByResult { result }).inc();
    }
}

/// The metrics of one route.
#[derive(Debug, Clone)]
pub struct RouteMeter {
    pub(crate) name: String,
    pub(crate) ok: Counter,
    pub(crate) failovers: Counter,
    pub(crate) hedges_won: Counter,
    pub(crate) hedges_lost: Counter,
    pub(crate) seconds: Histogram,
    pub(crate) overhead: Histogram,
    requests: Family<RouteOutcome, Counter>,
}

impl RouteMeter {
    pub(crate) fn failed(&self, outcome: &'static str) {
        self.requests.get_or_create(&RouteOutcome { route: self.name.clone(), outcome }).inc();
    }
}

/// The metrics of one target.
#[derive(Debug, Clone)]
pub struct TargetMeter {
    pub(crate) name: String,
    pub(crate) ok: Counter,
    pub(crate) first_token: Histogram,
    pub(crate) output_token: Histogram,
    pub(crate) input_tokens: Counter,
    pub(crate) cached_tokens: Counter,
    pub(crate) output_tokens: Counter,
    pub(crate) reasoning_tokens: Counter,
    pub(crate) cost: Counter<f64, AtomicU64>,
    pub(crate) unpriced: Counter,
    pub(crate) skipped_events: Counter,
    pub(crate) lost_of_requests: Counter,
    pub(crate) lost_of_answers: Counter,
    pub(crate) breaker: Gauge,
    pub(crate) in_flight: Gauge,
    attempts: Family<TargetOutcome, Counter>,
}

impl TargetMeter {
    /// Attempts that run there now.
    pub fn busy(&self, attempts: u32) {
        self.in_flight.set(i64::from(attempts));
    }

    pub(crate) fn failed(&self, outcome: &'static str) {
        self.attempts.get_or_create(&TargetOutcome { target: self.name.clone(), outcome }).inc();
    }
}

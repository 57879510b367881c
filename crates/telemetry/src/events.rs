//! What can happen, once for the log and for the metrics.

use std::time::Duration;

use ringmain_core::{Fault, FaultClass, Money, RequestId, Timings, Usage};
use tracing::{debug, error, info, warn};

use crate::metrics::{Metrics, RouteMeter, TargetMeter};

/// Something that happened.
pub trait Event {
    /// Writes the log line and moves the metrics.
    fn record(&self);
}

/// Records an event.
pub fn emit(event: &impl Event) {
    event.record();
}

/// An upstream attempt ended.
#[derive(Debug)]
pub struct AttemptEnded<'a> {
    /// The request it was made for.
    pub request: RequestId,
    /// Of which target.
    pub target: &'a TargetMeter,
    /// Which of the provider's keys: a label such as `openai#2`, never the key.
    pub key: &'a str,
    /// How it ended.
    pub end: Ended<'a>,
    /// What is billed for it, however it ended.
    pub used: Used,
    /// Where its time went.
    pub timings: Timings,
}

/// How an attempt ended.
#[derive(Debug)]
pub enum Ended<'a> {
    /// With an answer.
    Served,
    /// With a failure.
    Failed(&'a Fault),
    /// We stopped it.
    Cancelled,
}

/// What an attempt used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Used {
    /// `None` where nobody knows, or nothing was.
    pub usage: Option<Usage>,
    /// `None` where the price is not known: never taken for zero.
    pub cost: Option<Money>,
}

impl Event for AttemptEnded<'_> {
    fn record(&self) {
        let target = self.target.name.as_str();
        let first_token_ms = self.timings.first_token.map(millis);
        self.count_used();
        match &self.end {
            Ended::Served => {
                self.target.ok.inc();
                self.timings.first_token.inspect(|time| self.target.first_token.observe(time.as_secs_f64()));
                self.observe_pace();
                debug!(request = %self.request, target, key = self.key, first_token_ms, "attempt served");
            }
            Ended::Failed(fault) => {
                self.target.failed(fault.class.as_str());
                warn!(
                    request = %self.request,
                    target,
                    key = self.key,
                    class = fault.class.as_str(),
                    phase = fault.phase.as_str(),
                    status = fault.status,
                    code = fault.code.as_deref(),
                    detail = fault.detail.as_deref(),
                    total_ms = millis(self.timings.total),
                    "attempt failed"
                );
            }
            Ended::Cancelled => {
                self.target.failed("cancelled");
                debug!(request = %self.request, target, key = self.key, "attempt cancelled");
            }
        }
    }
}

impl AttemptEnded<'_> {
    /// Counts what is billed, as the ledger does: also what was called off, or lost a race.
    fn count_used(&self) {
        let (target, Used { usage, cost }) = (self.target, self.used);
        if let Some(usage) = usage {
            target.input_tokens.inc_by(usage.input);
            target.cached_tokens.inc_by(usage.cache_read);
            target.output_tokens.inc_by(usage.output);
            target.reasoning_tokens.inc_by(usage.reasoning);
        }
        let answered = matches!(self.end, Ended::Served) || self.timings.first_token.is_some();
        match cost {
            Some(cost) => {
                target.cost.inc_by(cost.as_dollars());
            }
            None if usage.is_some() || answered => {
                target.unpriced.inc();
            }
            None => {}
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of tokens in one answer is small")]
    fn observe_pace(&self) {
        let output = self.used.usage.map_or(0, |usage| usage.output);
        let flowing = self.timings.first_token.map(|first| self.timings.total.saturating_sub(first));
        if let Some(flowing) = flowing.filter(|time| !time.is_zero() && output > 1) {
            self.target.output_token.observe(flowing.as_secs_f64() / (output - 1) as f64);
        }
    }
}

/// A request ended, however it did.
#[derive(Debug)]
pub struct RequestEnded<'a> {
    /// Which.
    pub request: RequestId,
    /// On which route.
    pub route: &'a RouteMeter,
    /// Which target served it last, if any was tried.
    pub target: Option<&'a str>,
    /// `None` for a whole answer.
    pub fault: Option<&'a Fault>,
    /// Upstream attempts made.
    pub attempts: u32,
    /// One of them failed, and another target was tried.
    pub failed_over: bool,
    /// From its first byte to its end.
    pub total: Duration,
    /// Of the time to the first byte of the answer, what was not spent waiting for providers.
    pub overhead: Duration,
}

impl Event for RequestEnded<'_> {
    fn record(&self) {
        self.route.seconds.observe(self.total.as_secs_f64());
        self.route.overhead.observe(self.overhead.as_secs_f64());
        if self.failed_over {
            self.route.failovers.inc();
        }
        let (request, route, target, attempts) = (self.request, &self.route.name, self.target, self.attempts);
        let total_ms = millis(self.total);
        match self.fault {
            None => {
                self.route.ok.inc();
                if self.failed_over {
                    info!(%request, route, target, attempts, total_ms, "request served after failover");
                } else {
                    debug!(%request, route, target, attempts, total_ms, "request served");
                }
            }
            Some(fault) => {
                let class = fault.class.as_str();
                self.route.failed(class);
                if fault.class == FaultClass::Cancelled {
                    info!(%request, route, target, attempts, total_ms, "caller went away");
                } else {
                    let (message, detail) = (fault.message.as_str(), fault.detail.as_deref());
                    warn!(%request, route, target, attempts, total_ms, class, message, detail, "request failed");
                }
            }
        }
    }
}

/// A second attempt, made beside one that was slower than usual, ended.
#[derive(Debug)]
pub struct HedgeEnded<'a> {
    /// The request it was made for.
    pub request: RequestId,
    /// On which route.
    pub route: &'a RouteMeter,
    /// Of which target.
    pub target: &'a TargetMeter,
    /// Its first useful token came before the slow one's.
    pub won: bool,
}

impl Event for HedgeEnded<'_> {
    fn record(&self) {
        if self.won { &self.route.hedges_won } else { &self.route.hedges_lost }.inc();
        debug!(request = %self.request, target = self.target.name, won = self.won, "hedge ended");
    }
}

/// A request ended before any target was tried: a bad body, an unknown model, a missing key.
#[derive(Debug)]
pub struct RequestRefused<'a> {
    /// Where it is counted.
    pub metrics: &'a Metrics,
    /// Which.
    pub request: RequestId,
    /// Why.
    pub fault: &'a Fault,
}

impl Event for RequestRefused<'_> {
    fn record(&self) {
        let class = self.fault.class.as_str();
        self.metrics.refused(class);
        info!(request = %self.request, class, message = self.fault.message, "request refused");
    }
}

/// An unreadable event in a provider's stream was skipped.
#[derive(Debug)]
pub struct EventSkipped<'a> {
    /// In the answer to which request.
    pub request: RequestId,
    /// Of which target.
    pub target: &'a TargetMeter,
}

impl Event for EventSkipped<'_> {
    fn record(&self) {
        self.target.skipped_events.inc();
        warn!(request = %self.request, target = self.target.name, "unreadable stream event skipped");
    }
}

/// Fields that a translation could not carry as they were.
#[derive(Debug)]
pub struct FieldsLost<'a> {
    /// For which request.
    pub request: RequestId,
    /// To or from which target.
    pub target: &'a TargetMeter,
    /// Of the answer, not of the request?
    pub of_answer: bool,
    /// How many. Their names may hold the caller's own words, and are for the record alone.
    pub fields: usize,
}

impl Event for FieldsLost<'_> {
    fn record(&self) {
        let counter = if self.of_answer { &self.target.lost_of_answers } else { &self.target.lost_of_requests };
        counter.inc_by(self.fields as u64);
        let (of, fields) = (if self.of_answer { "answer" } else { "request" }, self.fields);
        debug!(request = %self.request, target = self.target.name, of, fields, "fields lost in translation");
    }
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Traffic flows.
    Closed,
    /// One probe may pass.
    HalfOpen,
    /// Nothing passes.
    Open,
}

/// A breaker moved.
#[derive(Debug)]
pub struct BreakerMoved<'a> {
    /// Of which target.
    pub target: &'a TargetMeter,
    /// To where.
    pub state: BreakerState,
}

impl Event for BreakerMoved<'_> {
    fn record(&self) {
        let target = self.target.name.as_str();
        let (level, word) = match self.state {
            BreakerState::Closed => (0, "closed"),
            BreakerState::HalfOpen => (1, "half open"),
            BreakerState::Open => (2, "open"),
        };
        let before = self.target.breaker.set(level);
        if before != level {
            info!(target, state = word, "breaker moved");
        }
    }
}

/// The gateway asked a provider by itself whether it is well.
#[derive(Debug)]
pub struct HeartbeatEnded<'a> {
    /// Where it is counted.
    pub metrics: &'a Metrics,
    /// Whom.
    pub provider: &'a str,
    /// By what: `models` or `token`.
    pub by: &'static str,
    /// The provider, or the target that was asked for a token.
    pub asked: &'a str,
    /// With which of the provider's keys.
    pub key: &'a str,
    /// `None` for a good answer.
    pub fault: Option<&'a Fault>,
    /// Something that was out is back by it, or may be tried.
    pub brought_back: bool,
    /// How long it took.
    pub took: Duration,
}

impl Event for HeartbeatEnded<'_> {
    fn record(&self) {
        let result = self.fault.map_or("ok", |fault| fault.class.as_str());
        self.metrics.heartbeat(self.provider, self.by, result);
        let (asked, by, key, took_ms) = (self.asked, self.by, self.key, millis(self.took));
        match self.fault {
            None if self.brought_back => info!(asked, by, key, took_ms, "heartbeat: well again"),
            None => debug!(asked, by, key, took_ms, "heartbeat: well"),
            Some(fault) => {
                let (message, detail) = (fault.message.as_str(), fault.detail.as_deref());
                debug!(
                    asked,
                    by,
                    key,
                    took_ms,
                    class = result,
                    status = fault.status,
                    message,
                    detail,
                    "heartbeat: out"
                );
            }
        }
    }
}

/// The configuration was read again.
#[derive(Debug)]
pub struct ConfigReloaded<'a> {
    /// Where results are counted.
    pub metrics: &'a Metrics,
    /// `Some`: refused, with the number of errors; the old rules stay in force.
    pub errors: Option<usize>,
}

impl Event for ConfigReloaded<'_> {
    fn record(&self) {
        self.metrics.reloaded(self.errors.is_none());
        match self.errors {
            None => info!("configuration reloaded"),
            Some(errors) => error!(errors, "new configuration refused; the old one stays in force"),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

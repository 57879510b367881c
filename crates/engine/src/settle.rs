//! The last stage, exactly once however it ends: an attempt settles with health and its metrics, a request with its
//! own. Both are guards, so that a caller who hangs up (everything is dropped) settles too.

use std::sync::Arc;
use std::time::Duration;

use ringmain_core::{Fault, FaultClass, Loss, Money, Tick, Timings, Usage};
use ringmain_routing::{Limits, Observation, Record, Seen, Try};
use ringmain_state::quota::Grant;
use ringmain_telemetry::{AttemptEnded, Ended, EventSkipped, FieldsLost, HedgeEnded, RequestEnded, Used, emit};

use crate::admit;
use crate::gateway::Gateway;
use crate::inspect::Inspected;
use crate::price::ListPrice;
use crate::target::Target;
use crate::trace::Settled;

/// One attempt, from its begin to its end.
#[derive(Debug)]
pub struct AttemptGuard {
    gateway: Arc<Gateway>,
    request: Arc<Inspected>,
    target: Arc<Target>,
    attempt: Try,
    started: Tick,
    /// Where its time went so far.
    pub timings: Timings,
    /// What the provider says it used so far, or what it is thought to have.
    usage: Option<Usage>,
    /// Nobody said so: it is an estimate.
    estimated: bool,
    /// By which price that is billed.
    price: Option<Arc<ListPrice>>,
    /// What the response headers said of the key.
    pub limits: Option<Limits>,
    /// The target was asked: false where the gateway could answer by itself.
    pub asked: bool,
    settled: bool,
}

impl AttemptGuard {
    /// Begins. The attempt has been counted in by [`ringmain_routing::begin`], at `started`: health knows it by that.
    #[must_use]
    pub fn begin(
        gateway: &Arc<Gateway>,
        request: &Arc<Inspected>,
        target: &Arc<Target>,
        attempt: Try,
        started: Tick,
    ) -> Self {
        Self {
            started,
            gateway: Arc::clone(gateway),
            request: Arc::clone(request),
            target: Arc::clone(target),
            price: target.price.clone(),
            attempt,
            timings: Timings::default(),
            usage: None,
            estimated: false,
            limits: None,
            asked: true,
            settled: false,
        }
    }

    /// The target.
    #[must_use]
    pub const fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The request it is made for.
    #[must_use]
    pub const fn request(&self) -> &Arc<Inspected> {
        &self.request
    }

    /// The gateway.
    #[must_use]
    pub const fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Since its begin.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.gateway.clock.now().mono.since(self.started)
    }

    /// Its first useful token has come: if it was a probe, its target is back, however long the answer goes on. If more of
    /// the answer is to come, what its head said of the key is told now, so that others need not wait for it; and how long
    /// the first token of a stream took.
    pub fn committed(&mut self, flows: bool) {
        self.timings.first_token = Some(self.elapsed());
        if !self.request.teaches() {
            return;
        }
        let limits = if flows { self.limits.take() } else { None };
        let is_stream = self.request.facts.stream;
        if !self.attempt.probe && !is_stream && limits.is_none() {
            return;
        }
        let now = self.gateway.clock.now();
        let mut health = self.gateway.health();
        if let Some(limits) = limits {
            ringmain_routing::told(&mut health, &self.attempt, self.started, &limits, now);
        }
        if is_stream {
            ringmain_routing::first_token(&mut health, &self.attempt, self.started, now);
        }
        if self.attempt.probe {
            let policy = &self.request.route.policy;
            ringmain_routing::committed(&mut health, policy, &self.attempt, self.started, now);
        }
    }

    /// A stream event was unreadable and skipped.
    pub fn skipped_event(&self) {
        emit(&EventSkipped { request: self.request.id, target: &self.target.meter });
    }

    /// Its provider says that it used this. What no answer can have used is not believed: then it is not known.
    pub fn told(&mut self, usage: Option<Usage>) {
        self.usage = usage.filter(Usage::is_credible);
    }

    /// It is known what it used.
    #[must_use]
    pub const fn is_told(&self) -> bool {
        self.usage.is_some()
    }

    /// It ends before its provider can say, or without its saying, what it used: about so much.
    pub fn estimate(&mut self, usage: Usage) {
        self.told(Some(usage));
        self.estimated = true;
    }

    /// It was passed through, and its answer says that a model of this name used this.
    pub fn counted(&mut self, usage: Usage, model: &str) {
        self.told(Some(usage));
        self.price = self.gateway.price(&self.target.provider.name, model);
    }

    /// Nothing of its answer came: its prompt was read all the same.
    fn estimate_prompt(&mut self) {
        if self.usage.is_none() && self.request.passing.is_none() {
            let input = self.request.facts.input_tokens;
            self.estimate(Usage { input, ..Usage::default() });
        }
    }

    /// What it cost, as far as that is known.
    fn cost(&self) -> Option<Money> {
        let price = self.price.as_ref().map(|listed| &listed.price);
        match &self.usage {
            Some(usage) => self.target.billed(usage).or_else(|| price?.cost(usage)),
            // Nobody bills for counting, nor for looking at what is stored.
            None if !self.request.teaches() => Some(Money::ZERO),
            // A moderation that nobody bills says nothing of its use.
            None => price.filter(|price| price.is_free()).map(|_| Money::ZERO),
        }
    }

    /// By which price it cost that, in words.
    fn price_in_words(&self) -> Option<Arc<str>> {
        match self.target.billed(&self.usage?) {
            Some(_) => Some("as the provider's answer says".into()),
            None => self.price.as_ref().map(|listed| Arc::clone(&listed.in_words)),
        }
    }

    /// What the same tokens cost without a prompt cache, less what they cost with it; both by the list price.
    fn saved(&self) -> Option<Money> {
        let usage = self.usage.filter(|usage| usage.cache_read > 0 || usage.cache_written() > 0)?;
        let plain = Usage { cache_read: 0, cache_read_audio: 0, cache_write: 0, cache_write_1h: 0, ..usage };
        let price = &self.price.as_ref()?.price;
        Some(Money(price.cost(&plain)?.0 - price.cost(&usage)?.0))
    }

    /// It brought a whole answer.
    pub fn served(&mut self) {
        let cost = self.cost();
        self.timings.total = self.elapsed();
        let streamed = self.request.facts.stream;
        let seen = Seen::Success { timings: self.timings, usage: self.usage, cost, streamed };
        self.settle(seen, Ended::Served);
    }

    /// It failed.
    pub fn failed(&mut self, fault: &Fault) {
        self.timings.total = self.elapsed();
        // An answer with an error status costs nothing.
        if matches!(fault.class, FaultClass::Timeout | FaultClass::Interrupted) {
            self.estimate_prompt();
        }
        self.settle(Seen::Failed(fault.clone()), Ended::Failed(fault));
    }

    fn settle(&mut self, seen: Seen, end: Ended<'_>) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        // Counting has limits, a pace and outages of its own, and so has what is stored: nothing is learned from it for
        // conversations.
        let nothing = || Seen::Cancelled { first_token: Some(self.timings.total) };
        let (seen, limits) = match seen {
            _ if !self.request.teaches() => (nothing(), None),
            // A key may be good, and good for less than all there is to ask for.
            Seen::Failed(fault) if self.request.passing.is_some() && fault.class == FaultClass::Auth => {
                (nothing(), None)
            }
            seen => (seen, self.limits.take()),
        };
        let observation = Observation {
            attempt: self.attempt,
            started: self.started,
            seen,
            limits,
            marks: self.request.facts.marks.clone(),
        };
        let seed = self.request.seed.nth("observe", self.started.0);
        self.gateway.observe(&self.request.route, &observation, seed);
        let (fault, served) = match &end {
            Ended::Served => (None, true),
            Ended::Failed(fault) => (Some(*fault), false),
            Ended::Cancelled => (None, false),
        };
        let cost = self.cost();
        if !self.asked {
            return;
        }
        self.request.trace().settled(Settled {
            attempt: &self.attempt,
            started: self.started,
            ended: self.gateway.clock.now().mono,
            timings: self.timings,
            usage: self.usage,
            estimated: self.estimated,
            cost,
            price: cost.and_then(|_| self.price_in_words()),
            saved: self.saved(),
            fault,
            served,
        });
        if self.attempt.hedge {
            let (request, route, target) = (self.request.id, &self.request.route.meter, &self.target.meter);
            emit(&HedgeEnded { request, route, target, won: self.timings.first_token.is_some() });
        }
        emit(&AttemptEnded {
            request: self.request.id,
            target: &self.target.meter,
            key: self.target.key(self.attempt.key).map_or("", |key| key.label.as_str()),
            end,
            used: Used { usage: self.usage, cost },
            timings: self.timings,
        });
    }
}

impl Drop for AttemptGuard {
    fn drop(&mut self) {
        if !self.settled {
            self.timings.total = self.elapsed();
            let first_token = self.timings.first_token;
            self.estimate_prompt();
            self.settle(Seen::Cancelled { first_token }, Ended::Cancelled);
        }
    }
}

/// One request, from its first byte to its end.
#[derive(Debug)]
pub struct RequestGuard {
    gateway: Arc<Gateway>,
    request: Arc<Inspected>,
    /// What it holds of the limits of its key.
    grant: Option<Grant>,
    /// Upstream attempts made.
    pub attempts: u32,
    /// Who served it, or was tried last.
    pub target: Option<Arc<Target>>,
    /// Time spent waiting for providers before the first byte of the answer.
    pub waited: Duration,
    /// Until the first byte of the answer.
    first_byte: Option<Duration>,
    settled: bool,
}

impl RequestGuard {
    /// Begins.
    #[must_use]
    pub fn begin(gateway: &Arc<Gateway>, request: &Arc<Inspected>, grant: Option<Grant>) -> Self {
        gateway.metrics.in_flight.inc();
        Self {
            gateway: Arc::clone(gateway),
            request: Arc::clone(request),
            grant,
            attempts: 0,
            target: None,
            waited: Duration::ZERO,
            first_byte: None,
            settled: false,
        }
    }

    /// The head of the answer goes out now.
    pub fn answering(&mut self) {
        self.first_byte = Some(self.elapsed());
    }

    /// The translation to and from the target that answers lost these fields.
    pub fn lost(&self, target: &Target, of_request: Vec<Loss>, of_answer: Vec<Loss>) {
        for (losses, of_answer) in [(&of_request, false), (&of_answer, true)] {
            if !losses.is_empty() {
                let (request, target, fields) = (self.request.id, &target.meter, losses.len());
                emit(&FieldsLost { request, target, of_answer, fields });
            }
        }
        self.request.trace().lost(of_request, of_answer);
    }

    /// It ended: with a whole answer, or with this fault.
    pub fn ended(&mut self, fault: Option<&Fault>) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let now = self.gateway.clock.now();
        let record = self.request.trace().record(&self.request, now, fault);
        let failed_over = failed_over(&record);
        if let Some(grant) = self.grant.take() {
            self.gateway.limits.settle(grant, admit::used(&record), now.wall);
        }
        self.gateway.records.record(&Arc::new(record));
        let total = self.elapsed();
        let target = self.target.as_ref().map(|target| target.name.to_string());
        emit(&RequestEnded {
            request: self.request.id,
            route: &self.request.route.meter,
            target: target.as_deref(),
            fault,
            attempts: self.attempts,
            failed_over,
            total,
            overhead: self.first_byte.unwrap_or(total).saturating_sub(self.waited),
        });
    }

    fn elapsed(&self) -> Duration {
        self.gateway.clock.now().mono.since(self.request.started)
    }
}

/// Did an attempt fail, and another target get one? One that is tried again at the same target is no failover, nor is a
/// hedge, beside which nothing failed.
fn failed_over(record: &Record) -> bool {
    let places = record.attempts.iter().enumerate().filter(|(_, made)| made.tried.result.is_some());
    let after = |at: usize| record.attempts.iter().skip(at + 1);
    let mut failed = places.map(|(at, made)| (at, made.tried.candidate));
    failed.any(|(at, candidate)| after(at).any(|other| other.tried.candidate != candidate))
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.gateway.metrics.in_flight.dec();
        if !self.settled {
            let fault = Fault::new(
                FaultClass::Cancelled,
                ringmain_core::Origin::Caller,
                ringmain_core::Phase::AfterCommit,
                "the caller went away",
            );
            self.ended(Some(&fault));
        }
    }
}

//! What every request shares: the rules in force, health, clocks, ids, metrics.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use http::HeaderMap;
use ringmain_config::Config;
use ringmain_core::{Fault, FaultClass, Origin, Phase, RequestFacts, RequestId, Seed};
use ringmain_routing::{Health, Observation, Row, Seen, Standing};
use ringmain_state::KeySet;
use ringmain_state::quota::LimitId;
use ringmain_state::shared::Limits;
use ringmain_telemetry::{BreakerMoved, BreakerState, Metrics, RequestRefused, emit};
use secrecy::ExposeSecret;

use crate::clock::Clock;
use crate::fleet::Fleet;
use crate::identify::{Door, identify};
use crate::kept::Kept;
use crate::keys::{Caller, Keys};
use crate::pins::Pins;
use crate::price::ListPrice;
use crate::records::Records;
use crate::room::Bodies;
use crate::route::{Chosen, Route};
use crate::rules::Rules;

/// One gateway. Shared by all worker threads.
#[derive(Debug)]
pub struct Gateway {
    /// The only clock.
    pub clock: Clock,
    /// Chance of this process; a request's own is drawn from it and its id.
    pub seed: u64,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// Where requests are written down.
    pub records: Records,
    /// The virtual keys in force.
    pub keys: Keys,
    /// Reasoning that callers have no place for.
    pub kept: Arc<Kept>,
    /// Who made what a request may go on from.
    pub pins: Arc<Pins>,
    /// What other processes find to be out.
    pub fleet: Fleet,
    /// What keys and groups have used, and may use.
    pub limits: Limits,
    /// The limits that began with what the ledger says.
    seeded: Mutex<HashSet<LimitId>>,
    rules: ArcSwap<Rules>,
    health: Mutex<Health>,
    requests: AtomicU64,
    ending: AtomicBool,
}

impl Gateway {
    /// A gateway under these rules. `seed` decides all that is left to chance.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let metrics = Arc::new(Metrics::new());
        let keys = Keys::default();
        keys.rebind(&config);
        Self {
            clock: Clock::start(),
            seed,
            rules: ArcSwap::from_pointee(Rules::bind(config, None, &metrics)),
            metrics,
            records: Records::default(),
            keys,
            kept: Arc::default(),
            pins: Arc::default(),
            fleet: Fleet::default(),
            limits: Limits::default(),
            seeded: Mutex::default(),
            health: Mutex::default(),
            requests: AtomicU64::new(0),
            ending: AtomicBool::new(false),
        }
    }

    /// Puts new rules in force. Requests in flight finish under those they began with; what is known of the health of
    /// targets, hosts and keys that stay is kept, but for keys that were refused: these are asked again.
    pub fn reload(&self, config: Config) {
        self.keys.rebind(&config);
        let rules = Rules::bind(config, Some(&self.rules.load()), &self.metrics);
        self.rules.store(Arc::new(rules));
        self.health().reloaded();
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// What is known of every target, host and key.
    pub fn health(&self) -> MutexGuard<'_, Health> {
        // The fold is whole after each step, so what a panicking thread left behind is still true.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of the next request: the process's seed, then a count.
    pub fn next_id(&self) -> RequestId {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        RequestId(u128::from(Seed(self.seed).draw("request id").0) << 64 | u128::from(Seed(count).0))
    }

    /// The process goes out of service now: streams that are still running end with an error their caller can read.
    pub fn end_streams(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Has [`Self::end_streams`] been called?
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// What the body of a request may take.
    #[must_use]
    pub fn bodies(&self) -> Bodies {
        self.rules.load().bodies.clone()
    }

    /// The store holds these keys and groups from now on.
    pub fn learn_keys(&self, stored: KeySet) {
        self.keys.learn(stored, &self.rules.load().config);
        self.remember_use();
    }

    /// Limits that are new to this process, or were not held for a while, begin with what the ledger says of them. Reads a
    /// disk: not for the request path.
    pub fn remember_use(&self) {
        let Some(store) = self.records.store() else { return };
        let now = self.clock.now().wall;
        let mut seeded = self.seeded.lock().unwrap_or_else(PoisonError::into_inner);
        let held: HashSet<_> = self.keys.ring().keys().flat_map(|key| key.limit_ids.iter().cloned()).collect();
        // What nobody holds to is not counted: should it come back, the ledger knows.
        seeded.retain(|id| held.contains(id));
        for id in held {
            let Some(period) = id.limit.per.filter(|_| !seeded.contains(&id)) else { continue };
            match store.analytics.used(&id.scope, id.limit.of, period.begin(now), now) {
                Ok(used) => {
                    self.limits.seed(&id, &used, now);
                    seeded.insert(id);
                }
                Err(error) => {
                    // Asked for each, a database that is out would be waited for as often.
                    tracing::error!(%error, "what was used before is not known: limits begin anew");
                    return;
                }
            }
        }
    }

    /// Who asks.
    ///
    /// # Errors
    /// 401: nobody we know.
    pub fn identify(&self, headers: &HeaderMap, query: Option<&str>) -> Result<Caller, Fault> {
        let (rules, ring) = (self.rules.load(), self.keys.ring());
        let secret = rules.config.server.admin_secret.as_ref().map(ExposeSecret::expose_secret);
        let open = rules.config.server.listen.ip().is_loopback();
        identify(
            headers,
            query,
            &Door { ring: &ring, secret, open, unread: self.keys.is_unread(), now: self.clock.now().wall },
        )
    }

    /// The route of a request.
    ///
    /// # Errors
    /// 404: nothing serves this model, with the nearest names.
    pub fn route(&self, facts: &RequestFacts, headers: &HeaderMap) -> Result<Chosen, Fault> {
        self.rules.load().route(facts, headers, &self.metrics).map_err(|none| {
            Fault::new(FaultClass::Unroutable, Origin::Caller, Phase::Before, none.to_string()).with_status(404)
        })
    }

    /// The way to `provider/model` past every route; `None` where there is no such provider.
    #[must_use]
    pub fn straight(&self, name: &str) -> Option<Chosen> {
        self.rules.load().straight(name, &self.metrics)
    }

    /// The route of a request that is passed through to this provider.
    #[must_use]
    pub fn passed_to(&self, provider: &str) -> Option<Chosen> {
        self.rules.load().passed_to(provider, &self.metrics)
    }

    /// What a model by this name costs at this provider, where that is known.
    #[must_use]
    pub fn price(&self, provider: &str, model: &str) -> Option<Arc<ListPrice>> {
        let rules = self.rules.load();
        let (_, provider) = rules.config.provider(provider)?;
        provider.knows(&rules.config.catalog, model).price.map(ListPrice::of)
    }

    /// A request ended before any target was tried.
    pub fn refused(&self, id: RequestId, fault: &Fault) {
        emit(&RequestRefused { metrics: &self.metrics, request: id, fault });
    }

    /// An attempt ended: health learns of it.
    pub fn observe(&self, route: &Route, observation: &Observation, seed: Seed) {
        let now = self.clock.now();
        let policy = &route.policy;
        let mut health = self.health();
        ringmain_routing::observe(&mut health, policy, observation, now, seed);
        if matches!(observation.seen, Seen::Failed(_)) || observation.attempt.probe {
            let view = ringmain_routing::view(&health, policy, None, now);
            drop(health);
            let at = observation.attempt.candidate;
            if let (Some(row), Some(target)) = (view.rows().get(at), route.targets.get(at)) {
                emit(&BreakerMoved { target: &target.meter, state: breaker_state(row) });
                if let Some(candidate) = policy.candidates.get(at) {
                    self.fleet.failed(&candidate.name, row, now.mono);
                }
            }
        }
    }

    /// The text of `/metrics`, with breakers as they stand now.
    #[must_use]
    pub fn expose_metrics(&self) -> String {
        let now = self.clock.now();
        for route in self.rules.load().routes() {
            let view = ringmain_routing::view(&self.health(), &route.policy, None, now);
            for (row, target) in view.rows().iter().zip(&route.targets) {
                emit(&BreakerMoved { target: &target.meter, state: breaker_state(row) });
                target.meter.busy(row.in_flight);
            }
        }
        if let Some(store) = self.records.store() {
            let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            self.metrics.ledger_behind.set(count(store.sink.behind()));
            self.metrics.ledger_lost.set(count(store.sink.lost()));
            self.metrics.ledger_down.set(i64::from(store.sink.is_down()));
        }
        if let Some(remote) = self.limits.remote() {
            let gauges = remote.gauges();
            self.metrics.shared.set([
                u64::from(gauges.down),
                gauges.unanswered,
                gauges.untold,
                gauges.lost,
                gauges.processes,
            ]);
        }
        self.metrics.expose()
    }
}

fn breaker_state(row: &Row) -> BreakerState {
    match row.place {
        Standing::Ready => BreakerState::Closed,
        Standing::Probe => BreakerState::HalfOpen,
        Standing::Out(_) => BreakerState::Open,
    }
}

//! What is known of hosts, targets, keys and routes: the fold of all observations.

pub(crate) mod breaker;
pub(crate) mod hedge;
pub(crate) mod in_flight;
pub(crate) mod limits;
pub(crate) mod measures;
pub(crate) mod minute;
pub(crate) mod pace;
mod quantile;
pub(crate) mod quota;
pub(crate) mod retry_budget;
pub(crate) mod shift;
pub(crate) mod warm;
mod window;

use std::collections::BTreeMap;

use ringmain_core::{Seed, Tick};

use self::breaker::Breaker;
use self::hedge::HedgeHealth;
use self::in_flight::InFlight;
use self::limits::Out;
use self::measures::Measures;
use self::minute::Minute;
use self::pace::PaceHealth;
use self::quota::Quota;
use self::retry_budget::Account;
use self::shift::ShiftHealth;
use self::warm::Warm;
use crate::{HostIx, KeyIx, TargetIx};

/// An index above this is not tracked: it is always ready. No configuration comes near.
const MOST_SLOTS: u32 = 1 << 16;
/// A route beyond this many replaces the one that has been silent longest.
const MOST_ROUTES: usize = 4096;
/// Pairs of key and model beyond this many push out those of which nothing is known any longer.
const MOST_PAIRS: usize = 1 << 14;

/// What is known. Bounded by the topology of the configuration, and by fixed limits beyond it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Health {
    pub(crate) offset: u64,
    pub(crate) hosts: Slots<Breaker>,
    pub(crate) targets: Slots<TargetHealth>,
    pub(crate) keys: Slots<KeyHealth>,
    pub(crate) pairs: BTreeMap<(KeyIx, TargetIx), PairHealth>,
    pub(crate) routes: BTreeMap<String, RouteHealth>,
    pub(crate) warm: Warm,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TargetHealth {
    pub(crate) breaker: Breaker,
    pub(crate) out: Out,
    pub(crate) in_flight: InFlight,
    pub(crate) measures: Measures,
    pub(crate) pace: PaceHealth,
    /// Once a route caps it.
    pub(crate) minute: Option<Box<Minute>>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct KeyHealth {
    pub(crate) out: Out,
    pub(crate) in_flight: InFlight,
    /// Once it is capped.
    pub(crate) minute: Option<Box<Minute>>,
}

/// A key on one model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PairHealth {
    pub(crate) out: Out,
    pub(crate) quota: Quota,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RouteHealth {
    /// First attempts so far.
    pub(crate) turn: u64,
    pub(crate) budget: Account,
    pub(crate) shift: ShiftHealth,
    pub(crate) hedge: HedgeHealth,
    used: Tick,
}

/// Values by a dense index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slots<T>(Vec<T>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default + Clone> Slots<T> {
    pub(crate) fn get(&self, ix: u32) -> Option<&T> {
        self.0.get(ix as usize)
    }

    /// The value to change, made if it is not there; `None` beyond the bound.
    pub(crate) fn slot(&mut self, ix: u32) -> Option<&mut T> {
        if ix >= MOST_SLOTS {
            return None;
        }
        let at = ix as usize;
        if at >= self.0.len() {
            self.0.resize(at + 1, T::default());
        }
        self.0.get_mut(at)
    }
}

impl Health {
    /// Nothing known yet. Instances with different seeds begin their turns at different targets.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self { offset: seed.draw("turn").0, ..Self::default() }
    }

    /// The operator reloaded the rules: keys that were refused may be good now, and are asked again at once.
    pub fn reloaded(&mut self) {
        let of_keys = self.keys.0.iter_mut().map(|key| &mut key.out);
        let of_targets = self.targets.0.iter_mut().map(|target| &mut target.out);
        let of_pairs = self.pairs.values_mut().map(|pair| &mut pair.out);
        of_keys.chain(of_targets).chain(of_pairs).for_each(Out::reloaded);
    }

    pub(crate) fn host(&mut self, host: HostIx) -> Option<&mut Breaker> {
        self.hosts.slot(host.0)
    }

    pub(crate) fn target(&mut self, target: TargetIx) -> Option<&mut TargetHealth> {
        self.targets.slot(target.0)
    }

    pub(crate) fn key(&mut self, key: KeyIx) -> Option<&mut KeyHealth> {
        self.keys.slot(key.0)
    }

    /// What is known of a key on one model, made if it is not there.
    pub(crate) fn pair(&mut self, key: KeyIx, target: TargetIx, now: Tick) -> Option<&mut PairHealth> {
        if self.pairs.len() >= MOST_PAIRS && !self.pairs.contains_key(&(key, target)) {
            self.pairs.retain(|_, known| !(known.out.is_stale(now) && known.quota.is_stale(now)));
            if self.pairs.len() >= MOST_PAIRS {
                return None;
            }
        }
        Some(self.pairs.entry((key, target)).or_default())
    }

    /// What is known of a route, made if it is not there.
    pub(crate) fn route(&mut self, route: &str, now: Tick) -> Option<&mut RouteHealth> {
        // Two look-ups on the common way, but no allocation.
        if !self.routes.contains_key(route) {
            if self.routes.len() >= MOST_ROUTES
                && let Some(oldest) =
                    self.routes.iter().min_by_key(|(_, known)| known.used).map(|(name, _)| name.clone())
            {
                self.routes.remove(&oldest);
            }
            self.routes.insert(route.to_owned(), RouteHealth::default());
        }
        let known = self.routes.get_mut(route)?;
        known.used = now;
        Some(known)
    }
}

//! A selection for the routing crate: names become numbers, and the catalog says what the models can do.

use ringmain_catalog::ModelKind;
use ringmain_core::Space;
use ringmain_routing::{Balance, Candidate, KeyIx, KeyRef, Policy, TargetIx};

use crate::{Config, Key, Provider, RouteTarget, Selection, Settings, Topology};

/// A policy, and the way back from its numbers to this configuration.
#[derive(Debug, Clone)]
pub struct RoutePolicy {
    /// What the routing crate decides from.
    pub policy: Policy,
    /// One place for each candidate, in the same order.
    pub places: Vec<Place>,
}

/// Where a candidate is in the configuration the policy was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The index in [`Config::providers`].
    pub provider: usize,
    /// The provider's name of the model.
    pub model: String,
    /// The number of each of the provider's keys, in their order.
    pub keys: Vec<KeyIx>,
}

impl RoutePolicy {
    /// The place of a target.
    #[must_use]
    pub fn place(&self, target: TargetIx) -> Option<&Place> {
        let at = self.policy.candidates.iter().position(|candidate| candidate.target == target)?;
        self.places.get(at)
    }
}

impl Place {
    /// The provider, in the configuration the policy was made from.
    #[must_use]
    pub fn provider<'c>(&self, config: &'c Config) -> Option<&'c Provider> {
        config.providers.get(self.provider)
    }

    /// The key of this number, in the configuration the policy was made from.
    #[must_use]
    pub fn key<'c>(&self, config: &'c Config, key: KeyIx) -> Option<&'c Key> {
        let at = self.keys.iter().position(|known| *known == key)?;
        self.provider(config)?.keys.get(at)
    }
}

impl Config {
    /// The policy of a selection. It depends on nothing but the selection's route, or its targets where it has none:
    /// the policies of [`Config::routes`] can be made once for each configuration.
    pub fn policy(&self, selection: &Selection, topology: &mut Topology) -> RoutePolicy {
        let settings = &*selection.settings;
        let balance = settings.balance_over(&selection.targets);
        let mut candidates = Vec::with_capacity(selection.targets.len());
        let mut places = Vec::with_capacity(selection.targets.len());
        for (at, target) in selection.targets.iter().enumerate() {
            let Some(provider) = self.providers.get(target.provider) else { continue };
            let place = place(target, provider, topology);
            let weight = weight(&selection.targets, at, balance, settings);
            candidates.push(self.candidate(target, provider, &place, weight, settings, topology));
            places.push(place);
        }
        let policy = Policy {
            route: selection.route.to_string(),
            candidates,
            balance,
            shift: settings.shift,
            affinity: settings.affinity,
            hedge: settings.hedge,
            attempts: settings.attempts,
            backoff: settings.backoff,
            retry_budget: settings.retry_budget,
            breaker: settings.breaker,
            timeouts: settings.timeouts,
            on_refusal: settings.on_refusal,
            mixes_vectors: settings.mixes_vectors,
            resume: settings.resume,
        };
        RoutePolicy { policy, places }
    }

    fn candidate(
        &self,
        target: &RouteTarget,
        provider: &Provider,
        place: &Place,
        weight: f64,
        settings: &Settings,
        topology: &mut Topology,
    ) -> Candidate {
        let known = provider.knows(&self.catalog, &target.model);
        let model = known.model;
        let thinks = model.is_some_and(|model| model.reasons_by_default);
        let paints = model.is_some_and(|model| model.kind == ModelKind::Image);
        let listens = model.is_some_and(|model| model.kind == ModelKind::Transcription);
        Candidate {
            target: topology.target(&provider.name, &target.model),
            name: format!("{}/{}", provider.name, target.model),
            host: topology.host(&provider.name, &provider.base_url),
            keys: place
                .keys
                .iter()
                .zip(&provider.keys)
                .map(|(number, key)| KeyRef { key: *number, weight: key.weight, caps: key.caps })
                .collect(),
            weight,
            tier: target.tier,
            capabilities: model.map(|model| model.capabilities.with(provider.kind.capabilities)),
            context_window: model.and_then(|model| model.context_window),
            price: known.price.cloned(),
            caps: target.caps,
            out_of_region: settings.is_out_of_region(provider),
            // Of a model nobody knows it is not known that it makes no vectors.
            space: model.is_none_or(|model| model.kind == ModelKind::Embedding).then(|| Space::of(known.family)),
            race_after: match settings.race_after_is_default {
                true if thinks => Some(Settings::RACE_AFTER_REASONING),
                true if paints => Some(Settings::RACE_AFTER_IMAGE),
                true if listens => Some(Settings::RACE_AFTER_TRANSCRIPTION),
                _ => None,
            },
        }
    }
}

fn place(target: &RouteTarget, provider: &Provider, topology: &mut Topology) -> Place {
    let keys = provider.keys.iter().map(|key| topology.key(&provider.name, key)).collect();
    Place { provider: target.provider, model: target.model.clone(), keys }
}

/// The weight of the target at `at`. Beside weights, a target without one is a reserve: 0. A tier where none has a
/// weight is served in order, first against reserves, unless the strategy is one that spreads.
pub(crate) fn weight(targets: &[RouteTarget], at: usize, balance: Balance, settings: &Settings) -> f64 {
    let Some(target) = targets.get(at) else { return 0.0 };
    match balance {
        Balance::Order => return 1.0,
        // These look at what a target does; only a weight of 0 says something, that it is a reserve.
        Balance::Fastest | Balance::Cheapest | Balance::Adaptive(_) => {
            return if target.weight == Some(0.0) { 0.0 } else { 1.0 };
        }
        Balance::Weighted | Balance::LeastBusy => {}
    }
    if let Some(weight) = target.weight {
        return weight;
    }
    let tier = || targets.iter().enumerate().filter(|(_, other)| other.tier == target.tier);
    let weighed = tier().any(|(_, other)| other.weight.is_some());
    let first = tier().next().is_some_and(|(index, _)| index == at);
    let even = settings.balance != crate::BalanceChoice::Auto;
    if !weighed && (even || first) { 1.0 } else { 0.0 }
}

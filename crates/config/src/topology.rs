//! Numbers for hosts, keys and targets that stay the same from one configuration to the next.

use std::collections::HashMap;

use ringmain_core::TargetName;
use ringmain_routing::{HostIx, KeyIx, TargetIx};

/// The most targets, and the most hosts and keys, that have numbers of their own. Callers can name models, so that
/// there must be an end: what comes after shares one number for each provider.
pub const MAX_TARGETS: usize = 16_384;

/// Hosts, keys and targets by number. Only ever grows, so that a reload keeps the health of what it kept.
#[derive(Debug, Default)]
pub struct Topology {
    hosts: Interned<(String, String)>,
    keys: Interned<(String, u64), String>,
    targets: Interned<TargetName>,
}

impl Topology {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of a provider's base URL.
    pub fn host(&mut self, provider: &str, base_url: &str) -> HostIx {
        let shared = (provider.to_owned(), String::new());
        HostIx(self.hosts.number((provider.to_owned(), base_url.to_owned()), shared, |_| ()))
    }

    /// The number of a provider's credential; the label is the one it was first seen with.
    pub fn key(&mut self, provider: &str, key: &crate::Key) -> KeyIx {
        let shared = (provider.to_owned(), u64::MAX);
        KeyIx(self.keys.number((provider.to_owned(), key.fingerprint), shared, |_| key.label.clone()))
    }

    /// The number of a model at a provider.
    pub fn target(&mut self, provider: &str, model: &str) -> TargetIx {
        let name = |model: &str| TargetName { provider: provider.to_owned(), model: model.to_owned() };
        TargetIx(self.targets.number(name(model), name("*"), |_| ()))
    }

    /// How many hosts have numbers: `HostIx(0..hosts)`.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.hosts.list.len()
    }

    /// How many keys have numbers.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys.list.len()
    }

    /// How many targets have numbers.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.targets.list.len()
    }

    /// The provider and base URL of this number.
    #[must_use]
    pub fn host_name(&self, host: HostIx) -> Option<(&str, &str)> {
        self.hosts.name(host.0).map(|(provider, url)| (provider.as_str(), url.as_str()))
    }

    /// The label of this number's key: `openai#1`.
    #[must_use]
    pub fn key_label(&self, key: KeyIx) -> Option<&str> {
        self.keys.list.get(usize::try_from(key.0).ok()?).map(|(_, label)| label.as_str())
    }

    /// The target of this number; its model is `*` for those of a provider that came after [`MAX_TARGETS`].
    #[must_use]
    pub fn target_name(&self, target: TargetIx) -> Option<&TargetName> {
        self.targets.name(target.0)
    }
}

/// Names with numbers, in the order they were met.
#[derive(Debug)]
struct Interned<N, T = ()> {
    list: Vec<(N, T)>,
    numbers: HashMap<N, u32>,
}

impl<N, T> Default for Interned<N, T> {
    fn default() -> Self {
        Self { list: Vec::new(), numbers: HashMap::new() }
    }
}

impl<N: Clone + Eq + std::hash::Hash, T> Interned<N, T> {
    /// The number of this name; of the `shared` one where there are too many.
    fn number(&mut self, name: N, shared: N, extra: impl FnOnce(&N) -> T) -> u32 {
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        let name = if self.list.len() < MAX_TARGETS { name } else { shared };
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let extra = extra(&name);
        self.list.push((name.clone(), extra));
        self.numbers.insert(name, number);
        number
    }

    fn name(&self, number: u32) -> Option<&N> {
        self.list.get(usize::try_from(number).ok()?).map(|(name, _)| name)
    }
}

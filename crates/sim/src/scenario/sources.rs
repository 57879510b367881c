//! Keys for a simulation: none are needed, so none are asked of the machine.

use std::collections::BTreeSet;

use ringmain_catalog::Catalog;
use ringmain_config::Sources;

/// Stands in for the environment: every variable that a configuration names is set, to a text that is no key, and so is
/// the key of every kind of provider that it mentions. Nothing else is, so that equal files give equal simulations on
/// every machine.
#[derive(Debug, Clone)]
pub struct PlaceholderKeys {
    set: BTreeSet<String>,
}

impl PlaceholderKeys {
    /// For the configuration with this text.
    #[must_use]
    pub fn of(text: &str, catalog: &Catalog) -> Self {
        let named = text.split("${").skip(1).filter_map(|rest| rest.split(['}', ':']).next());
        let mut set: BTreeSet<String> = named.map(str::to_owned).collect();
        for kind in catalog.providers() {
            if mentions(text, &kind.id) {
                set.extend(kind.env.iter().cloned());
            }
        }
        Self { set }
    }
}

impl Sources for PlaceholderKeys {
    fn var(&self, name: &str) -> Option<String> {
        self.set.contains(name).then(|| format!("simulated-{name}"))
    }

    fn file(&self, path: &str) -> Result<String, String> {
        Ok(format!("simulated-{path}"))
    }
}

/// Is there a target or a provider of this name?
fn mentions(text: &str, id: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '-' || c == '_' || c == '.';
    text.match_indices(id).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(part_of_name);
        !before && text[at + id.len()..].starts_with(['/', ':'])
    })
}

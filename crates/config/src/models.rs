//! What is known of a provider's models: what the operator says of them, else what the catalog does.

use ringmain_catalog::{Catalog, Model};
use ringmain_core::{Operation, Price};

use crate::{Config, Provider, RouteTarget};

/// What the operator says of a model, under the name that its provider knows it by: a deployment, an inference profile, a
/// tuned model, or one whose price is their own.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnModel {
    /// The catalog's entry of what it is. `None`: that is not said, and what it can is not known.
    pub is: Option<Model>,
    /// What it costs: as they say, else as its entry does. `None`: not known.
    pub price: Option<Price>,
}

/// What is known of a model at a provider. Not knowing is no answer: what a model can is then not known either.
#[derive(Debug, Clone, Copy)]
pub struct KnownModel<'a> {
    /// The catalog's entry of it, or of what it is.
    pub model: Option<&'a Model>,
    /// What it costs.
    pub price: Option<&'a Price>,
    /// The name that tells of which family it is: the entry's where it stands for one, else the one it is asked for by.
    pub family: &'a str,
    /// The operator says something of it.
    pub is_own: bool,
}

impl KnownModel<'_> {
    /// Is anything known of it, be it its price alone?
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.is_own || self.model.is_some()
    }

    /// Is it known that this is not what the model does?
    #[must_use]
    pub fn is_unfit_for(&self, operation: Operation) -> bool {
        self.model.is_some_and(|model| !model.kind.serves(operation))
    }
}

impl Provider {
    /// What is known of the model that this provider knows by this name.
    #[must_use]
    pub fn knows<'a>(&'a self, catalog: &'a Catalog, name: &'a str) -> KnownModel<'a> {
        if let Some(own) = self.models.get(name) {
            let family = own.is.as_ref().map_or(name, |model| &model.name);
            return KnownModel { model: own.is.as_ref(), price: own.price.as_ref(), family, is_own: true };
        }
        let model = catalog.model(&self.kind.id, name);
        KnownModel { model, price: model.and_then(|model| model.price.as_ref()), family: name, is_own: false }
    }

    /// The name by which it is to be asked for this model. A short name of a model in somebody's folder
    /// (`accounts/…/models/kimi-k3`) is the catalog's, not the provider's, and where the provider writes `@` before a
    /// snapshot's date, its maker writes `-`; any other name is the caller's choice, which may pin a version, and stays.
    #[must_use]
    pub fn name_of<'n>(&self, catalog: &'n Catalog, model: &'n str) -> &'n str {
        if self.models.contains_key(model) {
            return model;
        }
        match catalog.model(&self.kind.id, model) {
            Some(entry) if entry.name.contains('/') && entry.aliases.iter().any(|alias| alias == model) => &entry.name,
            Some(entry) => {
                let dated = entry.aliases.iter().find(|alias| alias.contains('@') && alias.replace('@', "-") == model);
                dated.map_or(model, String::as_str)
            }
            None => model,
        }
    }

    /// Every name that is known here: the operator's, then the catalog's.
    pub fn model_names<'a>(&'a self, catalog: &'a Catalog) -> impl Iterator<Item = &'a str> {
        let listed = catalog.models_of(&self.kind.id).map(|model| model.name.as_str());
        self.models.keys().map(String::as_str).chain(listed.filter(|name| !self.models.contains_key(*name)))
    }
}

impl Config {
    /// What is known of a target's model. `None`: there is no such provider.
    #[must_use]
    pub fn known<'a>(&'a self, target: &'a RouteTarget) -> Option<KnownModel<'a>> {
        Some(self.providers.get(target.provider)?.knows(&self.catalog, &target.model))
    }
}

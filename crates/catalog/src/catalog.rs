//! The catalog and its lookups.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use crate::load::{Loader, Problems, Written};
use crate::model::undated;
use crate::{Model, Provider};

/// What `build.rs` made of the files in `providers` and `models`.
static BUILT_IN: &str = include_str!(concat!(env!("OUT_DIR"), "/catalog.json"));
static EMBEDDED: LazyLock<Result<Arc<Catalog>, Problems>> =
    LazyLock::new(|| Catalog::with_overrides(std::iter::empty::<(&str, &str)>()).map(Arc::new));

/// How alike (0 to 1) a name must be to be suggested.
const ALIKE: f64 = 0.8;

/// Every provider and model that is known.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    providers: BTreeMap<String, Provider>,
    models: BTreeMap<String, Models>,
}

/// The models of one provider.
#[derive(Debug, Clone, Default)]
struct Models {
    list: Vec<Model>,
    /// Names and aliases.
    index: HashMap<String, usize>,
}

impl Models {
    fn get(&self, name: &str) -> Option<&Model> {
        let at = self.index.get(name).or_else(|| self.index.get(undated(name)?))?;
        self.list.get(*at)
    }
}

impl Catalog {
    /// The files built into the program.
    ///
    /// # Errors
    /// Everything wrong in them; the tests hold that this is nothing.
    pub fn embedded() -> Result<Arc<Self>, Problems> {
        EMBEDDED.clone()
    }

    /// The embedded files, and these on top: pairs of a name (`providers/acme.yaml`, `models/acme.yaml`) and a text.
    /// A provider's file replaces the provider of that id; a model replaces the provider's model of that name.
    ///
    /// # Errors
    /// Everything wrong in any file.
    pub fn with_overrides<N: AsRef<str>, T: AsRef<str>>(
        files: impl IntoIterator<Item = (N, T)>,
    ) -> Result<Self, Problems> {
        let mut loader = Loader::default();
        loader.read_built_in(BUILT_IN);
        for (name, text) in files {
            loader.read(name.as_ref(), Written::Yaml(text.as_ref()));
        }
        let (providers, models) = loader.finish()?;
        Ok(Self::of(providers, models))
    }

    fn of(providers: Vec<Provider>, models: Vec<Model>) -> Self {
        let providers = providers.into_iter().map(|provider| (provider.id.clone(), provider)).collect();
        let mut by_provider: BTreeMap<String, Models> = BTreeMap::new();
        for model in models {
            let of = by_provider.entry(model.provider.clone()).or_default();
            let at = of.list.len();
            for name in std::iter::once(&model.name).chain(&model.aliases) {
                of.index.insert(name.clone(), at);
            }
            of.list.push(model);
        }
        Self { providers, models: by_provider }
    }

    /// Every provider, by id.
    pub fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers.values()
    }

    /// The provider of this id.
    #[must_use]
    pub fn provider(&self, id: &str) -> Option<&Provider> {
        self.providers.get(id)
    }

    /// Every model, by provider and in the order of its file.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.values().flat_map(|models| &models.list)
    }

    /// The models of one provider, in the order of its file.
    pub fn models_of(&self, provider_id: &str) -> impl Iterator<Item = &Model> {
        self.models.get(provider_id).into_iter().flat_map(|models| &models.list)
    }

    /// A provider's model: by name, by alias, then by the name without the date of its snapshot
    /// (`gpt-4o-2024-08-06` is `gpt-4o` unless that snapshot has an entry of its own).
    #[must_use]
    pub fn model(&self, provider_id: &str, name: &str) -> Option<&Model> {
        self.models.get(provider_id)?.get(name)
    }

    /// Every provider that serves a model of this bare name (found as [`Catalog::model`] finds it), by id.
    pub fn serving<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a Model)> {
        self.models.iter().filter_map(move |(provider, models)| Some((provider.as_str(), models.get(name)?)))
    }

    /// Up to `n` known names like this one, most alike first, for "did you mean": `provider/model` where the name
    /// begins with a known provider, model names otherwise.
    #[must_use]
    pub fn nearest(&self, name: &str, n: usize) -> Vec<String> {
        let wanted = name.to_ascii_lowercase();
        let mut found: Vec<(f64, String)> = Vec::new();
        let mut consider = |prefix: &str, wanted: &str, names: &mut dyn Iterator<Item = &String>| {
            for known in names {
                let alike = strsim::jaro_winkler(wanted, &known.to_ascii_lowercase());
                let text = format!("{prefix}{known}");
                if alike >= ALIKE && found.iter().all(|(_, other)| *other != text) {
                    found.push((alike, text));
                }
            }
        };
        match wanted.split_once('/').and_then(|(id, model)| Some((id, model, self.models.get(id)?))) {
            Some((id, model, models)) => consider(&format!("{id}/"), model, &mut models.index.keys()),
            None => consider("", &wanted, &mut self.models.values().flat_map(|models| models.index.keys())),
        }
        // Names break ties, so that a suggestion does not change from run to run.
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        found.into_iter().take(n).map(|(_, name)| name).collect()
    }
}

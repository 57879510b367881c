//! Which targets may serve a request: the routes in file order, then the name it asks for.

use std::fmt;
use std::sync::Arc;

use ringmain_core::RequestFacts;

use crate::matcher::{Condition, plain};
use crate::{Config, Route, RouteTarget, Settings};

/// How many names are suggested.
const NEAREST: usize = 3;
/// How alike (0 to 1) a name must be to be suggested.
const ALIKE: f64 = 0.7;
/// The most characters of a caller's model name that a message repeats.
const SHOWN: usize = 100;

/// The name of what is passed through, in place of a route's and a model's.
const PASSED: &str = "passthrough";

/// What may serve a request.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The route's name; `direct` or `catalog` where there is none.
    pub route: Arc<str>,
    /// The targets, in order. Never empty.
    pub targets: Arc<[RouteTarget]>,
    /// How.
    pub settings: Arc<Settings>,
    /// By which rule.
    pub via: Via,
    /// The same in words: "route `text`: operation is chat and model is like `gpt-4*`".
    pub why: Arc<str>,
}

/// By which rule targets were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A route, by its index in [`Config::routes`]: its conditions hold, or the request asked for it by name.
    Route(usize),
    /// The request named `provider/model`.
    Direct,
    /// The catalog knows who serves the model.
    Catalog,
}

/// Nothing may serve a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRoute {
    /// What was looked for and not found.
    pub message: String,
    /// Names that would be found, most alike first.
    pub nearest: Vec<String>,
}

impl fmt::Display for NoRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.nearest.is_empty() {
            write!(f, "; the nearest names are `{}`", self.nearest.join("`, `"))?;
        }
        Ok(())
    }
}

impl std::error::Error for NoRoute {}

/// What a route said to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// The route.
    pub route: Arc<str>,
    /// Its conditions on this request; none where it has no `match`.
    pub conditions: Vec<Condition>,
    /// It takes the request.
    pub takes: bool,
}

impl Config {
    /// Which targets may serve a request. `header` gives the value of a header by its lower-case name.
    ///
    /// The routes are asked in file order: one takes the request if its conditions hold, or if the request's model is
    /// the route's name. Then `provider/model`, the built-in routes, and bare model names through the catalog.
    ///
    /// # Errors
    /// Nobody serves the model; with the nearest names.
    pub fn select<'h>(
        &self,
        facts: &RequestFacts,
        header: &dyn Fn(&str) -> Option<&'h str>,
    ) -> Result<Selection, NoRoute> {
        let model = plain(&facts.model);
        let written = self.routes.iter().position(|route| !route.builtin && route.takes(facts, &model, header));
        if let Some(selection) = written.and_then(|index| self.of_route(index, &model)) {
            return Ok(selection);
        }
        if let Some(selection) = self.direct(&model) {
            return Ok(selection);
        }
        let builtin = self.routes.iter().position(|route| route.builtin && *route.name == *model);
        if let Some(selection) = builtin.and_then(|index| self.of_route(index, &model)) {
            return Ok(selection);
        }
        self.through_catalog(facts, &model)
    }

    /// The selection of a route, as if it had been asked for by name.
    #[must_use]
    pub fn route_selection(&self, index: usize) -> Option<Selection> {
        let name = self.routes.get(index)?.name.clone();
        self.of_route(index, &name)
    }

    /// What each written route says to a request, up to the one that takes it.
    pub fn considered<'h>(&self, facts: &RequestFacts, header: &dyn Fn(&str) -> Option<&'h str>) -> Vec<Considered> {
        let model = plain(&facts.model);
        let mut all = Vec::new();
        for route in self.routes.iter().filter(|route| !route.builtin) {
            let conditions =
                route.matcher.as_ref().map(|matcher| matcher.conditions(facts, header)).unwrap_or_default();
            let takes = route.takes(facts, &model, header);
            all.push(Considered { route: route.name.clone(), conditions, takes });
            if takes {
                break;
            }
        }
        all
    }

    /// What serves a request that is passed through to a provider: the provider alone, and nobody beside it.
    #[must_use]
    pub fn passed_to(&self, provider: &str) -> Option<Selection> {
        let (index, _) = self.provider(provider)?;
        let why = format!("the request's path names the provider `{provider}`");
        let target = RouteTarget::new(index, PASSED.to_owned());
        let mut selection = self.without_route(PASSED, Via::Direct, vec![target], why);
        let mut settings = Settings::clone(&selection.settings);
        settings.timeouts.race_after = None;
        (settings.hedge, settings.shift) = (None, None);
        selection.settings = Arc::new(settings);
        Some(selection)
    }

    fn of_route(&self, index: usize, model: &str) -> Option<Selection> {
        let route = self.routes.get(index)?;
        let why = if *route.name == *model { &route.by_name } else { &route.by_match };
        Some(Selection {
            route: route.name.clone(),
            targets: route.targets.clone(),
            settings: route.settings.clone(),
            via: Via::Route(index),
            why: why.clone(),
        })
    }

    /// The selection of `provider/model`, whatever the routes say; `None` where there is no such provider.
    #[must_use]
    pub fn straight(&self, name: &str) -> Option<Selection> {
        self.direct(name)
    }

    fn direct(&self, model: &str) -> Option<Selection> {
        // No model is called so, and many a server reads it as a way out of its models.
        let climbs = |model: &str| model.split(['/', '\\']).any(|part| matches!(part, "." | ".."));
        let (provider, model) = model.split_once('/').filter(|(_, model)| !model.is_empty() && !climbs(model))?;
        let (index, provider) = self.provider(provider)?;
        let sent = provider.name_of(&self.catalog, model).to_owned();
        let target = RouteTarget::new(index, sent);
        let why = format!("the request names the provider `{}` and its model `{model}`", provider.name);
        Some(self.without_route("direct", Via::Direct, vec![target], why))
    }

    fn through_catalog(&self, facts: &RequestFacts, model: &str) -> Result<Selection, NoRoute> {
        let mut known = false;
        let mut targets = Vec::new();
        for (index, provider) in self.providers.iter().enumerate() {
            let here = provider.knows(&self.catalog, model);
            if !here.is_known() {
                continue;
            }
            known = true;
            if !here.is_unfit_for(facts.operation) {
                let sent = provider.name_of(&self.catalog, model).to_owned();
                targets.push(RouteTarget::new(index, sent));
            }
        }
        if targets.is_empty() {
            return Err(self.no_route(facts, model, known));
        }
        let names: Vec<&str> =
            targets.iter().filter_map(|target| self.providers.get(target.provider)).map(|p| p.name.as_str()).collect();
        let why = format!("no route is for `{model}`; the catalog knows it at {}", names.join(", "));
        Ok(self.without_route("catalog", Via::Catalog, targets, why))
    }

    fn without_route(&self, route: &str, via: Via, targets: Vec<RouteTarget>, why: String) -> Selection {
        let settings = self.defaults.clone();
        Selection { route: route.into(), targets: targets.into(), settings, via, why: why.into() }
    }

    fn no_route(&self, facts: &RequestFacts, model: &str, known: bool) -> NoRoute {
        let shown: String = model.chars().take(SHOWN).collect();
        let elsewhere: Vec<&str> = self.catalog.serving(model).map(|(kind, _)| kind).take(NEAREST).collect();
        let named = model.split_once('/').map(|(name, _)| name).filter(|name| !self.by_name.contains_key(*name));
        let kind = named.and_then(|name| self.catalog.provider(name));
        let message = if model.is_empty() {
            "the request names no model".to_owned()
        } else if known {
            return NoRoute {
                message: format!("the model `{shown}` does not do {}", facts.operation),
                nearest: Vec::new(),
            };
        } else if !elsewhere.is_empty() {
            format!("the model `{shown}` is served by {}, and none of them is configured", elsewhere.join(", "))
        } else if let Some(kind) = kind {
            format!("the provider `{}` of the model `{shown}` is not configured", kind.id)
        } else {
            format!("nothing here serves the model `{shown}`")
        };
        NoRoute { message, nearest: self.nearest(&shown) }
    }

    /// Names that would be found, most like this one first.
    fn nearest(&self, model: &str) -> Vec<String> {
        let wanted = model.to_ascii_lowercase();
        let mut found: Vec<(f64, String)> = Vec::new();
        let mut consider = |name: String| {
            let alike = strsim::jaro_winkler(&wanted, &name.to_ascii_lowercase());
            if alike >= ALIKE && found.iter().all(|(_, other)| *other != name) {
                found.push((alike, name));
            }
        };
        for route in &self.routes {
            consider(route.name.to_string());
        }
        for provider in &self.providers {
            for name in provider.model_names(&self.catalog) {
                consider(match model.contains('/') {
                    true => format!("{}/{name}", provider.name),
                    false => name.to_owned(),
                });
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        found.into_iter().take(NEAREST).map(|(_, name)| name).collect()
    }
}

impl Route {
    fn takes<'h>(&self, facts: &RequestFacts, model: &str, header: &dyn Fn(&str) -> Option<&'h str>) -> bool {
        *self.name == *model || self.matcher.as_ref().is_some_and(|matcher| matcher.matches(facts, header))
    }
}

//! Which targets may serve a request: the routes in file order, then the name it asks for.

use std::fmt;
use std::sync::Arc;

use ringmain_core::RequestFacts;

use crate::{Config, RouteTarget, Settings};

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
    /// The same in words: "route `text`: operation is chat; model `gpt-4o` is like `gpt-4*`".
    pub why: String,
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
        let _ = header;
        Err(NoRoute { message: format!("nothing serves the model `{}`", facts.model), nearest: Vec::new() })
    }

    /// The selection of a route, as if it had been asked for by name.
    #[must_use]
    pub fn route_selection(&self, index: usize) -> Option<Selection> {
        let route = self.routes.get(index)?;
        Some(Selection {
            route: route.name.clone(),
            targets: route.targets.clone(),
            settings: route.settings.clone(),
            via: Via::Route(index),
            why: format!("route `{}`: asked for by name", route.name),
        })
    }
}

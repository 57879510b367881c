//! The section `routes`.

use std::collections::HashMap;
use std::sync::Arc;

use ringmain_catalog::ModelKind;
use ringmain_core::Space;

use super::matching::matcher;
use super::targets::Named;
use crate::diagnostic::Code;
use crate::raw::{Field, Layers, Section};
use crate::resolve::Resolver;
use crate::schema::DEFAULTS;
use crate::{BalanceChoice, Matcher, Route, Server, Settings};

impl Resolver<'_> {
    pub(super) fn routes(&mut self, root: &Section, defaults: &Section, server: &Server) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::new();
        // The route, if any, after which no other is asked.
        let mut everything: Option<String> = None;
        let mut lines: HashMap<String, usize> = HashMap::new();
        for field in root.list("routes") {
            let Some(section) = field.section() else { continue };
            let Some((name, shown)) = self.name(field, section, &mut lines) else {
                // Its targets may have problems of their own.
                self.targets(field, section, "without a name", server);
                continue;
            };
            let mut settings = self.settings(&Layers::new([section, defaults], DEFAULTS), &[section]);
            let Some(targets) = self.targets(field, section, &shown, server) else { continue };
            self.weights(section, &targets, &settings);
            self.unused(section, &settings);
            self.regions(field, section, &shown, &targets, &settings);
            self.vectors(section, &targets, &settings);
            settings.shift = self.shift(section, &targets, &settings);
            let matcher = section.section("match").map(matcher);
            if let Some(all) = &everything {
                self.unreachable(field, &shown, all);
            } else if matcher.as_ref().is_some_and(Matcher::is_everything) {
                everything = Some(shown);
            }
            routes.push(Route {
                by_match: format!("route `{name}`: {}", says(matcher.as_ref())).into(),
                by_name: format!("route `{name}`: asked for by name").into(),
                name: name.into(),
                matcher,
                builtin: false,
                targets: targets.into_iter().map(|named| named.target).collect(),
                settings: Arc::new(settings),
            });
        }
        routes
    }

    /// The name, and how a message says it.
    fn name(
        &mut self,
        field: &Field,
        section: &Section,
        lines: &mut HashMap<String, usize>,
    ) -> Option<(String, String)> {
        let Some(name) = section.get("name") else {
            let message = format!("`{}` has no `name`", field.path);
            let help = "add `name: …`; callers may ask for the route by it";
            self.problems.error(Code::Missing, field.span, &field.path, message).help(help);
            return None;
        };
        let text = name.text()?;
        if text.is_empty() {
            self.problems.error(Code::Missing, name.span, &name.path, "a route's name cannot be empty");
            return None;
        }
        if let Some(first) = lines.get(text) {
            let message = format!("there is a route `{}` already", name.written);
            let help = format!("it is on line {first}; give this one another name");
            self.problems.error(Code::DuplicateRoute, name.span, &name.path, message).help(help);
            return None;
        }
        lines.insert(text.to_owned(), name.span.line);
        Some((text.to_owned(), name.written.clone()))
    }

    fn unreachable(&mut self, field: &Field, name: &str, all: &str) {
        let message = format!("route `{name}` is never reached: `{all}` before it takes every request");
        let help = "routes are tried in file order; move it up";
        self.problems.warning(Code::NoEffect, field.span, &field.path, message).help(help);
    }

    /// What the route says of a strategy that it does not have.
    fn unused(&mut self, section: &Section, settings: &Settings) {
        let mut unused = |field: &Field, help: &str| {
            let message = format!("`{}` has no effect here", field.path);
            self.problems.warning(Code::NoEffect, field.key_span, &field.path, message).help(help);
        };
        if let Some(field) = section.taken("adaptive").filter(|_| settings.balance != BalanceChoice::Adaptive) {
            unused(field, "it is for `balance: adaptive`");
        }
        let budget = section.section("hedge").and_then(|hedge| hedge.taken("budget"));
        if let Some(field) = budget.filter(|field| settings.hedge.is_none() && field.written != "2%") {
            unused(field, "say `after` what time a request is raced: `after: p95`");
        }
    }

    /// Targets that the route's regions leave out. A route of which nothing is left would refuse every request.
    fn regions(&mut self, route: &Field, section: &Section, name: &str, targets: &[Named], settings: &Settings) {
        let at = section.get("regions").unwrap_or(route);
        let mut left = targets.len();
        for named in targets {
            let Some(provider) = self.providers.get(named.target.provider) else { continue };
            if !settings.is_out_of_region(provider) {
                continue;
            }
            left -= 1;
            let whose = &provider.name;
            let message = match &provider.region {
                Some(_) => format!("`{}` is left out: `{whose}` is in another region", named.written),
                None => format!("`{}` is left out: `{whose}` does not say its region", named.written),
            };
            let help = format!("write `region: …` under `providers.{whose}`, or take the target out");
            self.problems.warning(Code::NoEffect, at.span, &at.path, message).help(help);
        }
        if left == 0 {
            let message = format!("no target of the route `{name}` is in the regions that may serve");
            let help = "`regions: []` lifts what `defaults` say; add a target that is in one of them";
            self.problems.error(Code::NoProviders, at.span, &at.path, message).help(help);
        }
    }

    /// Targets whose vectors are of another model than the first's: they serve only callers who name that model.
    fn vectors(&mut self, section: &Section, targets: &[Named], settings: &Settings) {
        let Some(field) = section.get("targets").filter(|_| !settings.mixes_vectors) else { return };
        // A model the catalog does not know may make none at all: of that nothing is said.
        let known = targets.iter().filter_map(|named| {
            let known = self.providers.get(named.target.provider)?.knows(self.catalog, &named.target.model);
            (known.model?.kind == ModelKind::Embedding).then(|| (named, Space::of(known.family)))
        });
        let known: Vec<_> = known.collect();
        let Some(((first, space), others)) = known.split_first() else { return };
        for (named, _) in others.iter().filter(|(_, other)| !other.is(space)) {
            let (other, first) = (&named.written, &first.written);
            let message =
                format!("`{other}` does not stand in for `{first}`: vectors of two models cannot be compared");
            let help = "write a route for each model, or `mix_embeddings: true` if theirs are never compared";
            self.problems.warning(Code::NoEffect, field.key_span, &field.path, message).help(help);
        }
    }

    /// Weights beside targets without one, and weights that nobody looks at.
    fn weights(&mut self, section: &Section, targets: &[Named], settings: &Settings) {
        let Some(field) = section.get("targets") else { return };
        let weighed = targets.iter().filter(|named| named.target.weight.is_some()).count();
        if !settings.balance.heeds_weights() {
            // A weight of 0 makes a reserve of a target, except where the order says it already.
            let reserve = |named: &&Named| named.target.weight == Some(0.0) && settings.balance != BalanceChoice::Order;
            if weighed == targets.iter().filter(reserve).count() {
                return;
            }
            let message = format!("with `balance: {}` the weights here have no effect", settings.balance.as_str());
            let help = "write `balance: weighted`, or take the weights out";
            self.problems.warning(Code::Weights, field.key_span, &field.path, message).help(help);
            return;
        }
        for tier in 1..=u8::MAX {
            let of: Vec<&Named> = targets.iter().filter(|named| named.target.tier == tier).collect();
            let without = of.iter().filter(|named| named.target.weight.is_none());
            let without: Vec<&str> = without.map(|named| named.written.as_str()).collect();
            if !without.is_empty() && without.len() < of.len() {
                let message = format!(
                    "`{}` has no weight beside targets that have: it is used only when they are out, as with `weight: 0`",
                    without.join("`, `")
                );
                let help = "give every target of a tier a weight; `weight: 0` or `tier: 2` says that it is a reserve";
                self.problems.warning(Code::Weights, field.key_span, &field.path, message).help(help);
            } else if of.len() > 1 && of.iter().all(|named| named.target.weight == Some(0.0)) {
                let message = format!("every target of tier {tier} has the weight 0");
                let help = "they are then tried in order; give each a share, or take the weights out";
                self.problems.warning(Code::Weights, field.key_span, &field.path, message).help(help);
            }
        }
    }
}

/// The conditions in words.
fn says(matcher: Option<&Matcher>) -> String {
    matcher.map_or_else(|| "asked for by name".to_owned(), ToString::to_string)
}

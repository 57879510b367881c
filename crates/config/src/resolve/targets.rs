//! The targets of a route.

use ringmain_core::TargetName;
use ringmain_routing::Caps;

use crate::diagnostic::Code;
use crate::raw::{Data, Field, Section, nearest, quoted};
use crate::resolve::{Resolver, Standing};
use crate::{Provider, RouteTarget, Server};

/// How many models a message names.
const NAMED: usize = 3;

/// A target, and how a message names it.
pub(super) struct Named {
    pub(super) target: RouteTarget,
    pub(super) written: String,
}

impl Resolver<'_> {
    /// The targets that can be used. `None`: none, and why is noted.
    pub(super) fn targets(
        &mut self,
        route: &Field,
        section: &Section,
        name: &str,
        server: &Server,
    ) -> Option<Vec<Named>> {
        let items = section.list("targets");
        if items.is_empty() {
            if section.get("targets").is_none_or(|field| matches!(&field.data, Data::List(list) if list.is_empty())) {
                let message = format!("the route `{name}` has no targets");
                let help = "add `targets: [provider/model]`";
                self.problems.error(Code::Missing, route.span, &route.path, message).help(help);
            }
            return None;
        }
        let errors = self.problems.counts().0;
        let mut targets: Vec<Named> = Vec::new();
        let mut broken = false;
        for item in items {
            match self.target(item, server) {
                Some(named) if targets.iter().any(|other| other.same(&named)) => {
                    let message = format!("`{}` is a target of this route already", named.written);
                    let help = "take it out: a route tries a target again by itself";
                    self.problems.warning(Code::NoEffect, item.span, &item.path, message).help(help);
                }
                Some(named) => targets.push(named),
                None => broken |= self.is_broken(item),
            }
        }
        if targets.is_empty() {
            if self.problems.counts().0 == errors && !broken {
                let message = format!("no target of the route `{name}` can be used");
                let help = "each of them is explained above or below; add one that can";
                self.problems.error(Code::NoProviders, route.span, &route.path, message).help(help);
            }
            return None;
        }
        Some(targets)
    }

    fn target(&mut self, item: &Field, server: &Server) -> Option<Named> {
        let (to, weight, tier, caps) = match &item.data {
            Data::Text(_) => (item, None, 1, Caps::default()),
            Data::Section(section) => {
                let Some(to) = section.get("to") else {
                    let message = format!("`{}` does not say where `to`", item.path);
                    let help = "write `{ to: provider/model, weight: 50 }`";
                    self.problems.error(Code::Missing, item.span, &item.path, message).help(help);
                    return None;
                };
                let tier = section.whole("tier").map_or(1, |tier| u8::try_from(tier).unwrap_or(u8::MAX));
                (to, section.number("weight"), tier, caps(section))
            }
            _ => return None,
        };
        let text = to.text()?;
        let Some(name) = TargetName::parse(text) else {
            self.bare(text, to);
            return None;
        };
        let provider = self.provider_of(&name, to, server)?;
        self.known_model(provider, &name.model, to);
        let model = self.providers.get(provider)?.name_of(self.catalog, &name.model).to_owned();
        Some(Named { target: RouteTarget { provider, model, weight, tier, caps }, written: to.written.clone() })
    }

    /// Does it name a provider that has its own problem?
    fn is_broken(&self, item: &Field) -> bool {
        let to = item.section().and_then(|section| section.get("to"));
        if item.is_invalid() || to.is_some_and(Field::is_invalid) {
            return true;
        }
        let text = item.text().or_else(|| to?.text());
        let name = text.and_then(TargetName::parse);
        name.is_some_and(|name| self.known.get(&name.provider) == Some(&Standing::Broken))
    }

    fn provider_of(&mut self, name: &TargetName, to: &Field, server: &Server) -> Option<usize> {
        if !self.known.contains_key(&name.provider)
            && let Some(kind) = self.catalog.clone().provider(&name.provider)
        {
            let standing = self.environment_provider(kind, server);
            self.known.insert(name.provider.clone(), standing);
        }
        match self.known.get(&name.provider).cloned() {
            Some(Standing::Ready(index)) => return Some(index),
            Some(Standing::Broken) => {}
            Some(Standing::Unavailable(why)) => {
                let message = format!("`{}` is left out: the provider is not available yet: {why}", to.written);
                self.problems.warning(Code::NotAvailable, to.span, &to.path, message);
            }
            Some(Standing::Absent) => {
                let message = format!("`{}` is left out: its provider is not configured", to.written);
                let env = self.catalog.provider(&name.provider).and_then(|kind| kind.env.first());
                let help = match env {
                    _ if to.outside => "write it under `providers`".to_owned(),
                    Some(env) => format!("set {env}, or write `{}` under `providers`", name.provider),
                    None => format!("write `{}` under `providers`", name.provider),
                };
                self.problems.warning(Code::UnknownProvider, to.span, &to.path, message).help(help);
            }
            None => self.unknown_provider(name, to),
        }
        None
    }

    fn unknown_provider(&mut self, name: &TargetName, to: &Field) {
        let mut names: Vec<&str> = self.known.keys().map(String::as_str).collect();
        names.sort_unstable();
        let kinds = self.catalog.providers().map(|kind| kind.id.as_str());
        let near = nearest(&name.provider, names.iter().copied())
            .or_else(|| nearest(&name.provider, kinds))
            .filter(|_| !to.outside)
            .map(|near| format!("did you mean `{}`?", quoted(&format!("{near}/{}", name.model))));
        let help = near.unwrap_or_else(|| match names.is_empty() {
            true => "write it under `providers`".to_owned(),
            false => format!("the providers here are `{}`", names.join("`, `")),
        });
        let message = match to.outside {
            true => format!("there is no provider of the name in `{}`", to.written),
            false => format!("there is no provider `{}`", quoted(&name.provider)),
        };
        self.problems.error(Code::UnknownProvider, to.span, &to.path, message).help(help);
    }

    /// A target without a provider.
    fn bare(&mut self, text: &str, to: &Field) {
        let knows = |provider: &&Provider| provider.knows(self.catalog, text).is_known();
        let own = self.providers.iter().find(knows);
        let near = own.map(|provider| provider.name.as_str());
        let near = near.or_else(|| self.catalog.serving(text).map(|(kind, _)| kind).min()).filter(|_| !to.outside);
        let help = match near {
            Some(near) => format!("did you mean `{near}/{text}`?"),
            None => "write the provider's name, a slash and the model".to_owned(),
        };
        let message = format!("`{}` is not `provider/model`", to.written);
        self.problems.error(Code::BadValue, to.span, &to.path, message).help(help);
    }

    /// A model that the catalog does not have, at a provider whose models it has.
    fn known_model(&mut self, provider: usize, model: &str, to: &Field) {
        let Some(provider) = self.providers.get(provider) else { return };
        let kind = provider.kind.id.as_str();
        if provider.knows(self.catalog, model).is_known() || self.catalog.models_of(kind).next().is_none() {
            return;
        }
        let mut near = alike(model, provider.model_names(self.catalog));
        if to.outside {
            near.clear();
        }
        let shown = if to.outside { to.written.clone() } else { quoted(model) };
        let message =
            format!("the catalog does not know the model `{shown}` at `{}`; it is asked for as written", provider.name);
        let help = match near.is_empty() {
            true => format!(
                "its price, window and abilities are unknown; if it is a model under another name, say so under \
                 `providers.{}.models`",
                provider.name
            ),
            false => format!("the nearest names are `{}`", near.join("`, `")),
        };
        self.problems.warning(Code::UnknownModel, to.span, &to.path, message).help(help);
    }
}

/// The limits of a key or a target.
pub(super) fn caps(section: &Section) -> Caps {
    let in_flight = section.whole("max_in_flight").map(|most| u32::try_from(most).unwrap_or(u32::MAX));
    Caps { in_flight, rpm: section.whole("rpm"), tpm: section.whole("tpm") }
}

impl Named {
    fn same(&self, other: &Self) -> bool {
        self.target.provider == other.target.provider && self.target.model == other.target.model
    }
}

/// The names most like this one.
fn alike<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut found: Vec<(f64, &str)> =
        names.map(|known| (strsim::jaro_winkler(name, known), known)).filter(|(alike, _)| *alike >= 0.75).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    found.into_iter().take(NAMED).map(|(_, name)| name).collect()
}

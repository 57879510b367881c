//! A configuration made ready for requests: routes with their policies, targets with their headers, made once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};
use ringmain_catalog::Auth;
use ringmain_config::{Config, Credential, NoRoute, RouteTarget, Selection, Topology, Via};
use ringmain_core::{Operation, RequestFacts};
use ringmain_routing::record::Known;
use ringmain_routing::{HostIx, KeyIx};
use ringmain_telemetry::Metrics;
use ringmain_upstream::{AwsChain, AwsCredentials, GoogleSource, Kept, Origin, Roots};
use secrecy::ExposeSecret;

use crate::room::{Bodies, Room};
use crate::route::{Chosen, Route};
use crate::sign::{Pair, Signer};
use crate::target::{Absent, Key, ProviderLink, Target};

/// Routes made for models that callers named directly, kept at most; then they are forgotten and made again.
const DIRECT_ROUTES_MAX: usize = 4096;

/// The rules in force, until the next reload.
#[derive(Debug)]
pub struct Rules {
    /// Where they come from.
    pub config: Config,
    routes: Vec<Arc<Route>>,
    /// By what is asked and of which model: one name may stand for models of several kinds.
    direct: Mutex<HashMap<(Operation, String), Chosen>>,
    links: Vec<Option<Arc<ProviderLink>>>,
    topology: Arc<Mutex<Topology>>,
    /// What the body of a request may take; the room is the same as before where its size stays.
    pub(crate) bodies: Bodies,
}

impl Rules {
    /// Makes a configuration ready. The numbers of targets and keys go on from `before`.
    #[must_use]
    pub fn bind(config: Config, before: Option<&Self>, metrics: &Metrics) -> Self {
        let topology = before.map_or_else(Arc::default, |before| Arc::clone(&before.topology));
        let same = before.map(|before| &before.bodies.room).filter(|room| room.size() == config.server.max_held);
        let room = same.map_or_else(|| Arc::new(Room::new(config.server.max_held)), Arc::clone);
        let bodies = Bodies { max: config.server.max_body, room };
        let (links, routes) = (Vec::new(), Vec::new());
        let mut rules = Self { links, routes, direct: Mutex::default(), topology, bodies, config };
        rules.links = rules.config.providers.iter().map(|provider| rules.link(provider)).collect();
        let selections = (0..rules.config.routes.len()).filter_map(|at| rules.config.route_selection(at));
        rules.routes = selections.map(|selection| rules.make(&selection, metrics)).collect();
        rules
    }

    /// Every route that was written or built in.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter()
    }

    /// The providers that can be called, with the number of each one's host.
    pub(crate) fn providers(&self) -> impl Iterator<Item = (&ringmain_config::Provider, &Arc<ProviderLink>, HostIx)> {
        let linked = self.config.providers.iter().zip(&self.links);
        linked.filter_map(|(provider, link)| {
            let host = self.topology().host(&provider.name, &provider.base_url);
            Some((provider, link.as_ref()?, host))
        })
    }

    /// The route of this name, as if it had been asked for by it.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Chosen> {
        let at = self.config.routes.iter().position(|route| *route.name == *name)?;
        Some(Chosen { route: self.routes.get(at).cloned()?, why: self.config.route_selection(at)?.why })
    }

    /// The route of a request.
    ///
    /// # Errors
    /// Nothing serves the model.
    pub fn route(&self, facts: &RequestFacts, headers: &HeaderMap, metrics: &Metrics) -> Result<Chosen, NoRoute> {
        // What names a model directly is looked up by its text; only the first request of a model is resolved.
        let asked = (facts.operation, facts.model.clone());
        let known = self.direct().get(&asked).cloned();
        if let Some(chosen) = known {
            return Ok(chosen);
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let selection = self.config.select(facts, &header)?;
        match selection.via {
            Via::Route(at) => {
                let gone = || NoRoute { message: "the route is gone".to_owned(), nearest: Vec::new() };
                let route = self.routes.get(at).cloned().ok_or_else(gone)?;
                Ok(Chosen { route, why: selection.why })
            }
            Via::Direct | Via::Catalog => {
                let route = self.make(&selection, metrics);
                let chosen = Chosen { route, why: selection.why };
                // A written route may take the same model for other requests: then it is asked each time.
                if self.config.routes.iter().all(|route| route.matcher.is_none()) {
                    let mut direct = self.direct();
                    if direct.len() >= DIRECT_ROUTES_MAX {
                        direct.clear();
                    }
                    direct.insert(asked, chosen.clone());
                }
                Ok(chosen)
            }
        }
    }

    /// The way to `provider/model` past every route; `None` where there is no such provider.
    #[must_use]
    pub fn straight(&self, name: &str, metrics: &Metrics) -> Option<Chosen> {
        let selection = self.config.straight(name)?;
        Some(Chosen { route: self.make(&selection, metrics), why: selection.why })
    }

    /// The route of a request that is passed through to this provider.
    #[must_use]
    pub fn passed_to(&self, provider: &str, metrics: &Metrics) -> Option<Chosen> {
        let asked = (Operation::Passthrough, provider.to_owned());
        let known = self.direct().get(&asked).cloned();
        if known.is_some() {
            return known;
        }
        let selection = self.config.passed_to(provider)?;
        let chosen = Chosen { route: self.make(&selection, metrics), why: selection.why };
        self.direct().insert(asked, chosen.clone());
        Some(chosen)
    }

    fn direct(&self) -> MutexGuard<'_, HashMap<(Operation, String), Chosen>> {
        self.direct.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn topology(&self) -> MutexGuard<'_, Topology> {
        self.topology.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, selection: &Selection, metrics: &Metrics) -> Arc<Route> {
        let mut policy = self.config.policy(selection, &mut self.topology()).policy;
        let mut targets = Vec::with_capacity(policy.candidates.len());
        let mut of = selection.targets.iter();
        // A target that cannot be called is no candidate; positions stay the same in both lists.
        policy.candidates.retain(|candidate| {
            let target = of.next().and_then(|target| self.target(candidate.target, target, metrics));
            targets.extend(target.iter().cloned());
            target.is_some()
        });
        let name = selection.route.as_ref();
        let known = policy.candidates.iter().zip(&targets).map(|(candidate, target)| {
            Known::new(candidate, target.provider.keys.iter().map(|key| key.label.as_str()))
        });
        Arc::new(Route {
            known: known.collect(),
            name: Arc::clone(&selection.route),
            asked_headers: self.config.asked_headers().into(),
            header: HeaderValue::try_from(name).unwrap_or_else(|_| HeaderValue::from_static("?")),
            targets,
            on_loss: selection.settings.on_loss,
            meter: metrics.route(name),
            policy,
        })
    }

    fn target(&self, ix: ringmain_routing::TargetIx, target: &RouteTarget, metrics: &Metrics) -> Option<Arc<Target>> {
        let provider = self.links.get(target.provider)?.clone()?;
        let known = self.config.known(target)?;
        Some(Arc::new(Target::new(ix, provider, &target.model, &known, metrics)))
    }

    /// `None` for a provider whose base URL or certificates cannot be used; the configuration was checked for that.
    fn link(&self, provider: &ringmain_config::Provider) -> Option<Arc<ProviderLink>> {
        let mut origin = Origin::parse(&provider.base_url).ok()?;
        if let Some(ca) = &provider.ca_file {
            origin = origin.trusting(Roots::from_pem(&ca.pem).ok()?);
        }
        let mut topology = self.topology();
        let keys = provider.keys.iter().map(|key| {
            let ix: KeyIx = topology.key(&provider.name, key);
            let (label, secret) = (key.label.clone(), key.secret().map(ExposeSecret::expose_secret));
            match signer(provider, &key.credential) {
                Some(signer) => Key::signing(ix, label, signer),
                None if matches!(key.credential, Credential::Token(_)) => Key::token(ix, label, &provider.kind, secret),
                None => Key::new(ix, label, &provider.kind, secret),
            }
        });
        let header = |(name, value): &(String, String)| {
            Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::try_from(value.as_str()).ok()?))
        };
        Some(Arc::new(ProviderLink {
            name: provider.name.clone(),
            host: HeaderValue::try_from(origin.authority()).ok()?,
            origin: Arc::new(origin),
            headers: provider.kind.headers.iter().filter_map(header).collect(),
            dialect: provider.dialect,
            keys: keys.collect(),
            absent: Absent::default(),
            kind: Arc::clone(&provider.kind),
        }))
    }
}

/// What lets requests in with this credential, if it is not one to be sent as it is.
fn signer(provider: &ringmain_config::Provider, credential: &Credential) -> Option<Signer> {
    let aws = |pair| Some(Signer::Aws { pair, region: provider.region.clone()? });
    let google = |source| Some(Signer::Google(Arc::new(Kept::new(source))));
    match (&provider.kind.auth, credential) {
        (_, Credential::Secret(_) | Credential::Token(_)) => None,
        (Auth::AwsSigV4, Credential::None) => aws(Pair::Found(Arc::new(Kept::new(AwsChain::from_environment())))),
        (Auth::AwsSigV4, Credential::Aws { access_key, secret_key, session_token }) => {
            let [secret, token] = [Some(secret_key), session_token.as_ref()]
                .map(|secret| secret.map(|secret| secret.expose_secret().trim().to_owned()));
            let pair = AwsCredentials::new(access_key.clone(), secret.unwrap_or_default(), token);
            aws(Pair::Written(Arc::new(pair)))
        }
        (Auth::GoogleOAuth, Credential::None) => google(GoogleSource::from_environment()),
        (Auth::GoogleOAuth, Credential::Google(text)) => google(GoogleSource::written(text.expose_secret())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ringmain_catalog::Catalog;
    use ringmain_config::Sources;
    use ringmain_core::{Capabilities, Dialect, Marks};

    use super::*;

    struct OneKey;

    impl Sources for OneKey {
        fn var(&self, name: &str) -> Option<String> {
            (name == "OPENAI_API_KEY").then(|| "sk-test".to_owned())
        }

        fn file(&self, _: &str) -> Result<String, String> {
            Err("there are no files here".to_owned())
        }
    }

    #[test]
    fn a_model_named_for_one_operation_is_looked_up_anew_for_another() {
        let loaded = ringmain_config::from_environment(&OneKey, &Catalog::embedded().unwrap());
        let metrics = Metrics::new();
        let rules = Rules::bind(loaded.config.unwrap(), None, &metrics);
        let ask = |operation| {
            let facts = RequestFacts {
                operation,
                dialect: Dialect::OpenAiChat,
                model: "gpt-4o".to_owned(),
                stream: false,
                needs: Capabilities::NONE,
                input_tokens: 1,
                max_output_tokens: None,
                timeout: None,
                tags: Vec::new(),
                marks: Marks::default(),
                key: None,
            };
            rules.route(&facts, &HeaderMap::new(), &metrics).map(|chosen| chosen.route.policy.candidates.len())
        };
        assert_eq!(ask(Operation::Chat).unwrap(), 1);
        assert_eq!(ask(Operation::Chat).unwrap(), 1);
        let refused = ask(Operation::Embeddings).unwrap_err().to_string();
        assert!(refused.contains("does not do embeddings"), "{refused}");
    }
}

//! Providers from the environment alone: the keys, and the base URLs that vendors' SDKs honour.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use ringmain_catalog::Provider as Kind;

use super::credentials::from_environment;
use super::place::{self, from_variables};
use super::url;
use crate::diagnostic::{Code, Span};
use crate::resolve::{Resolver, Standing};
use crate::{Provider, Server, Sources};

impl Resolver<'_> {
    /// Every provider that the environment has a key for.
    pub(super) fn environment_providers(&mut self, server: &Server) {
        let catalog = self.catalog.clone();
        for kind in catalog.providers() {
            if !kind.is_available() || !named(self.sources, kind) {
                continue;
            }
            let standing = self.environment_provider(kind, server);
            if standing != Standing::Absent {
                self.known.insert(kind.id.clone(), standing);
            }
        }
    }

    /// This provider, if the environment has what it needs.
    pub(super) fn environment_provider(&mut self, kind: &Kind, server: &Server) -> Standing {
        if let Some(why) = &kind.unavailable {
            return Standing::Unavailable(why.clone());
        }
        if !named(self.sources, kind) {
            return Standing::Absent;
        }
        let Some(key) = from_environment(self.sources, &kind.id, kind) else { return Standing::Absent };
        let Some(base_url) = self.environment_base_url(kind, server) else {
            self.placeless(kind);
            return Standing::Absent;
        };
        let (keys, region) = (vec![key], place::default_region(self.sources, kind));
        let project = place::project(self.sources, kind, &keys);
        self.add(Provider {
            name: kind.id.clone(),
            kind: place::placed(Arc::new(kind.clone()), project.as_deref(), region.as_deref()),
            base_url,
            keys,
            models: BTreeMap::new(),
            dialect: None,
            region,
            heartbeat: None,
            ca_file: None,
        })
    }

    /// Says what else the environment must tell of a provider that it has a key for.
    fn placeless(&mut self, kind: &Kind) {
        let (lacks, help) = match (kind.region_env.first(), kind.base_url_env.first()) {
            (Some(variable), _) => {
                ("names no region", format!("set {variable} to the cloud region, such as us-east-1"))
            }
            // One that is set and no URL has been told of.
            (None, Some(variable)) if set(self.sources, variable).is_none() => {
                ("does not say where it is", format!("set {variable}: every account has an address of its own"))
            }
            _ => return,
        };
        let message = format!("the environment has a key for {} but {lacks}", kind.name);
        self.problems.warning(Code::Missing, Span::default(), "providers", message).help(help);
    }

    fn environment_base_url(&mut self, kind: &Kind, server: &Server) -> Option<String> {
        let region = place::default_region(self.sources, kind);
        let usual = || {
            let url = place::usual_base_url(kind, region.as_deref())?;
            let url = url.replace("{region}", region.as_deref().unwrap_or("{region}"));
            Some(url).filter(|url| !url.contains('{'))
        };
        let set = kind.base_url_env.iter().find_map(|name| Some((name, set(self.sources, name)?)));
        let Some((name, text)) = set else { return usual() };
        match url::base(&text) {
            // An application's own setting that points at this gateway would send requests round in a circle.
            Ok(base) if is_own(&base, server.listen) => {
                let message = format!("{name} is this gateway's own address; it is not used for `{}`", kind.id);
                let problem = self.problems.warning(Code::NoEffect, Span::default(), "providers", message);
                problem.help(format!("unset {name} where the gateway is started"));
                usual()
            }
            Ok(base) => {
                if !base.secure && !base.is_loopback() {
                    let message = format!("{name} is not encrypted: keys and prompts travel in the clear");
                    self.problems.warning(Code::PlainHttp, Span::default(), "providers", message);
                }
                Some(base.url)
            }
            Err((what, _)) => {
                self.problems.error(Code::BadValue, Span::default(), "providers", format!("{name} {what}"));
                None
            }
        }
    }
}

fn is_own(base: &url::Base, listen: SocketAddr) -> bool {
    base.port == listen.port() && (base.is_loopback() || base.host.parse() == Ok(listen.ip()))
}

fn set(sources: &dyn Sources, name: &str) -> Option<String> {
    sources.var(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// Does the environment speak of this provider? One that needs no key is spoken of by its base URL.
fn named(sources: &dyn Sources, kind: &Kind) -> bool {
    let any = |names: &[String]| from_variables(sources, names).is_some();
    // A file of credentials may be there for anything; with a project it is for this.
    let has_key = any(&kind.env) || any(&kind.credentials_env) && any(&kind.project_env);
    has_key || (kind.key_optional && kind.base_url_env.iter().any(|name| set(sources, name).is_some()))
}

//! The file as written to the configuration in force.

mod builtin;
mod credentials;
mod environment;
mod heartbeat;
mod keys;
mod matching;
mod models;
mod oidc;
mod place;
mod providers;
mod routes;
mod server;
mod settings;
mod shift;
mod state;
mod targets;
mod telemetry;
mod url;

use std::collections::HashMap;
use std::sync::Arc;

use ringmain_catalog::Catalog;

use crate::diagnostic::{Code, Diagnostics, Span};
use crate::raw::{Layers, Section};
use crate::schema::DEFAULTS;
use crate::{Config, Diagnostic, Provider, Sources};

/// What is gathered while resolving.
pub(crate) struct Resolver<'a> {
    pub(crate) sources: &'a dyn Sources,
    pub(crate) catalog: &'a Arc<Catalog>,
    pub(crate) problems: &'a mut Diagnostics,
    pub(crate) providers: Vec<Provider>,
    /// Every name under `providers`, and every provider that a target brought in.
    pub(crate) known: HashMap<String, Standing>,
}

/// What became of a provider.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Standing {
    /// Its index.
    Ready(usize),
    /// A problem was noted; what refers to it is no second problem.
    Broken,
    /// Its kind cannot be used yet: why.
    Unavailable(String),
    /// No key for it in the environment.
    Absent,
}

impl Resolver<'_> {
    /// Resolves a file. `None`: no provider can be used, or some other error was noted.
    pub(crate) fn resolve(mut self, root: &Section) -> Option<Config> {
        let nothing = Section::default();
        let server = self.server(root.section("server").unwrap_or(&nothing));
        match root.get("providers").and_then(|field| field.section()) {
            Some(section) if !section.fields.is_empty() => self.written_providers(section),
            _ => self.environment_providers(&server),
        }
        let telemetry = self.telemetry(root.section("telemetry").unwrap_or(&nothing));
        let state = self.state(root.section("state").unwrap_or(&nothing));
        let defaults = root.section("defaults").unwrap_or(&nothing);
        let mut routes = self.routes(root, defaults, &server);
        if self.providers.is_empty() && !self.problems.has_errors() {
            self.no_providers();
        }
        let defaults = Arc::new(self.settings(&Layers::new([defaults], DEFAULTS), &[defaults]));
        routes.extend(builtin::routes(&self.providers, &routes, &defaults));
        let keys = self.caller_keys(root, &routes);
        let groups = self.groups(root, &routes);
        let exposed = server::exposed(&server, root);
        if let Some(exposed) = &exposed {
            let warning = crate::Severity::Warning;
            self.problems.push(Diagnostic { severity: warning, ..exposed.clone() });
        }
        if self.problems.has_errors() {
            return None;
        }
        let mut config = Config::new(server, state, self.providers, routes, defaults, self.catalog.clone());
        config.exposed = exposed;
        config.telemetry = telemetry;
        (config.keys, config.groups) = (keys, groups);
        Some(config)
    }

    fn no_providers(&mut self) {
        let mut names: Vec<&str> = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"].to_vec();
        let known: Vec<&str> = self
            .catalog
            .providers()
            .filter(|kind| kind.is_available())
            .filter_map(|kind| kind.env.first())
            .map(String::as_str)
            .collect();
        names.retain(|name| known.contains(name));
        if names.is_empty() {
            names.extend(known.iter().copied().take(3));
        }
        let message = match self.known.is_empty() {
            true => "no provider is configured, and no provider's key is in the environment",
            false => "none of the providers here can be used",
        };
        let help = format!(
            "set one or more of {} (`ringmain models --providers` lists the others), or write `providers`",
            names.join(", ")
        );
        self.problems.error(Code::NoProviders, Span::default(), "providers", message).help(help);
    }
}

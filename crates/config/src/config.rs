//! The resolved configuration: every name looked up, every default filled in.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ringmain_catalog::{Catalog, Provider as Kind};
use ringmain_core::{Dialect, Limit, Scope, WallTime};
use ringmain_routing::Caps;
use secrecy::SecretString;

use crate::{Diagnostic, Matcher, OwnModel, Settings};

/// One configuration in force. Never changed: a reload makes another.
#[derive(Debug, Clone)]
pub struct Config {
    /// Listeners and limits.
    pub server: Server,
    /// Where things are kept.
    pub state: State,
    /// The providers that can be used, in file order.
    pub providers: Vec<Provider>,
    /// The written routes in file order, then the built-in ones.
    pub routes: Vec<Route>,
    /// The virtual keys that are written in the file.
    pub keys: Vec<CallerKey>,
    /// The groups that are written in the file.
    pub groups: Vec<Group>,
    /// Where measurements are sent.
    pub telemetry: Telemetry,
    /// What a request without a route of its own gets.
    pub defaults: Arc<Settings>,
    /// The catalog the names were looked up in.
    pub catalog: Arc<Catalog>,
    pub(crate) by_name: HashMap<String, usize>,
    /// Why `serve` refuses it.
    pub(crate) exposed: Option<Diagnostic>,
}

impl Config {
    /// Puts the parts together.
    pub(crate) fn new(
        server: Server,
        state: State,
        providers: Vec<Provider>,
        routes: Vec<Route>,
        defaults: Arc<Settings>,
        catalog: Arc<Catalog>,
    ) -> Self {
        let by_name = providers.iter().enumerate().map(|(index, provider)| (provider.name.clone(), index)).collect();
        let (keys, groups, telemetry) = (Vec::new(), Vec::new(), Telemetry::default());
        Self { server, state, providers, routes, keys, groups, telemetry, defaults, catalog, by_name, exposed: None }
    }

    /// Why `serve` may not start with this configuration: it would listen beyond this machine with nothing to keep
    /// strangers out. `None`: it may. `has_keys`: there are virtual keys in the database.
    #[must_use]
    pub fn refusal(&self, has_keys: bool) -> Option<&Diagnostic> {
        self.exposed.as_ref().filter(|exposed| !has_keys || exposed.path != "server.listen")
    }

    /// The headers, in lower case, that conditions of routes ask for.
    #[must_use]
    pub fn asked_headers(&self) -> Vec<String> {
        let matchers = self.routes.iter().filter_map(|route| route.matcher.as_ref());
        let mut names: Vec<String> = matchers.flat_map(|it| it.headers.iter().map(|(name, _)| name.clone())).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The provider of this name, and its index in [`Config::providers`].
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<(usize, &Provider)> {
        let index = *self.by_name.get(name)?;
        Some((index, self.providers.get(index)?))
    }

    /// The route of this name, and its index in [`Config::routes`].
    #[must_use]
    pub fn route(&self, name: &str) -> Option<(usize, &Route)> {
        self.routes.iter().enumerate().find(|(_, route)| &*route.name == name)
    }
}

/// The section `server`.
#[derive(Debug, Clone)]
pub struct Server {
    /// The data plane.
    pub listen: SocketAddr,
    /// The admin plane.
    pub admin: SocketAddr,
    /// The largest request body, in bytes.
    pub max_body: u64,
    /// The request bodies of more than 1 MiB that are held at once, in bytes.
    pub max_held: u64,
    /// Threads. `None`: one for each core.
    pub workers: Option<usize>,
    /// How long streams may go on after SIGTERM.
    pub drain: Duration,
    /// The secret of the admin plane and, off loopback, of the data plane until there are virtual keys.
    pub admin_secret: Option<SecretString>,
    /// Who says who people are. `None`: nobody.
    pub oidc: Option<Oidc>,
}

/// An OpenID Connect provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// Its URL, as its tokens say it.
    pub issuer: String,
    /// For whom its tokens are.
    pub audience: String,
    /// Which claim names groups.
    pub claim: String,
    /// What each group may ask.
    pub scopes: Vec<(String, Vec<Scope>)>,
}

/// The section `telemetry`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Telemetry {
    /// A collector of OpenTelemetry's: a URL without a slash at its end. `None`: nothing is sent.
    pub otlp: Option<String>,
    /// What this process is called there.
    pub service_name: String,
}

/// A virtual key that is written in the file.
#[derive(Debug, Clone)]
pub struct CallerKey {
    /// Unique among the keys of the file.
    pub name: String,
    /// What the caller shows.
    pub shown: Shown,
    /// From when on it lets nobody in.
    pub expires: Option<WallTime>,
    /// What it may do.
    pub grants: Grants,
}

/// By what a caller's key is known.
#[derive(Clone)]
pub enum Shown {
    /// The key itself.
    Key(SecretString),
    /// Its SHA-256.
    Sha256([u8; 32]),
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A hash would tell a guess from a miss.
        f.write_str(match self {
            Self::Key(_) => "Key(…)",
            Self::Sha256(_) => "Sha256(…)",
        })
    }
}

/// What a key or a group may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// The group it belongs to: `acme/search`.
    pub group: Option<String>,
    /// Names or globs of the routes it may take. Empty: any.
    pub routes: Vec<String>,
    /// Names or globs of the models it may ask for. Empty: any.
    pub models: Vec<String>,
    /// Tags its requests carry.
    pub tags: Vec<(String, String)>,
    /// What it may use.
    pub limits: Vec<Limit>,
    /// The route its requests take once a limit is used up.
    pub on_exhausted: Option<String>,
}

/// A group of keys that is written in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `acme/search`.
    pub path: String,
    /// What its keys may do together.
    pub grants: Grants,
}

/// Where requests, keys and the ledger are kept.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file of this machine.
    Sqlite(PathBuf),
    /// The URL of a database on a server, which several processes share.
    Postgres(SecretString),
}

impl Database {
    /// Reads `sqlite:FILE` or `postgres://…`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let file = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")).filter(|it| !it.is_empty());
        let is_url = |scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty());
        match file {
            Some(file) => Some(Self::Sqlite(file.into())),
            None if is_url("postgres://") || is_url("postgresql://") => Some(Self::Postgres(text.into())),
            None => None,
        }
    }
}

/// The section `state`.
#[derive(Debug, Clone)]
pub struct State {
    /// Where requests are written down. `None`: nowhere but in memory.
    pub database: Option<Database>,
    /// The folder where they wait for a database on a server.
    pub journal: PathBuf,
    /// How long they are kept there.
    pub keep: Duration,
    /// The URL of the Redis server that several processes hold limits in. `None`: each holds its own.
    pub shared: Option<SecretString>,
    /// Certificates to trust at both servers, beside the usual ones.
    pub ca_file: Option<CaFile>,
}

/// A configured provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// The operator's name for it.
    pub name: String,
    /// How its kind is spoken to, with its paths in the provider's project and region.
    pub kind: Arc<Kind>,
    /// Where it is, without a slash at the end: `http` or `https`, no credentials, no query.
    pub base_url: String,
    /// Its credentials. Never empty: a provider without keys has one that is [`Credential::None`].
    pub keys: Vec<Key>,
    /// What the operator says of its models, by the names it knows them by.
    pub models: BTreeMap<String, OwnModel>,
    /// The only dialect to speak with it. `None`: what its kind prefers.
    pub dialect: Option<Dialect>,
    /// Where it is: what `regions` looks at.
    pub region: Option<String>,
    /// Whether it is asked by itself if what is out is well again.
    pub heartbeat: Option<Heartbeat>,
    /// Certificates to trust there, beside the usual ones.
    pub ca_file: Option<CaFile>,
}

/// A file of certificates, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaFile {
    /// Where it is.
    pub path: String,
    /// What it holds: PEM, with at least one certificate.
    pub pem: String,
}

/// How a provider is asked by itself whether it is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// How often, give or take a tenth.
    pub every: Duration,
    /// By what.
    pub by: HeartbeatBy,
    /// Also while all is well.
    pub always: bool,
}

/// By what a heartbeat asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeartbeatBy {
    /// The list of models: free, and says that host and key are well.
    Models,
    /// A request for one token: says that the model answers, and costs money.
    Token,
}

impl HeartbeatBy {
    /// The word in the file, in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Token => "token",
        }
    }
}

/// One credential of a provider.
#[derive(Clone)]
pub struct Key {
    /// Its name in explanations, records and metrics: `openai#1`.
    pub label: String,
    /// The secret.
    pub credential: Credential,
    /// Its share of the provider's traffic, relative to the other keys'. Positive.
    pub weight: f64,
    /// The most that may be sent with it.
    pub caps: Caps,
    /// Tells one secret from another over reloads; only ever held in memory.
    pub(crate) fingerprint: u64,
}

impl Key {
    /// The secret to send, where there is one.
    #[must_use]
    pub const fn secret(&self) -> Option<&SecretString> {
        match &self.credential {
            Credential::Secret(secret) | Credential::Token(secret) => Some(secret),
            Credential::None | Credential::Aws { .. } | Credential::Google(_) => None,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the fingerprint, which would tell a guess from a miss.
        f.debug_struct("Key").field("label", &self.label).field("weight", &self.weight).finish_non_exhaustive()
    }
}

/// What proves to a provider who is asking.
#[derive(Debug, Clone)]
pub enum Credential {
    /// Nothing; or for AWS and Google kinds, what the machine's own credential chain finds.
    None,
    /// A key, sent as its provider wants it.
    Secret(SecretString),
    /// An access token that somebody else renews: sent as a bearer token whatever the provider.
    Token(SecretString),
    /// The text of a Google credentials file, a service account's or a user's: tokens are asked for with it.
    Google(SecretString),
    /// An AWS key pair.
    Aws {
        /// `AKIA…`: a name, not a secret.
        access_key: String,
        /// Signs; is never sent.
        secret_key: SecretString,
        /// Of temporary credentials.
        session_token: Option<SecretString>,
    },
}

/// A route: which requests, and what may serve them.
#[derive(Debug, Clone)]
pub struct Route {
    /// Unique among the routes; a request for a model of this name is a request for the route.
    pub name: Arc<str>,
    /// Which other requests it takes. `None`: none, it is asked for by name.
    pub matcher: Option<Matcher>,
    /// Not written by the operator: `smart`, `fast`, `image` or `embed`.
    pub builtin: bool,
    /// What may serve it, in file order. Never empty.
    pub targets: Arc<[RouteTarget]>,
    /// How.
    pub settings: Arc<Settings>,
    /// Why a request is its, in words.
    pub(crate) by_match: Arc<str>,
    pub(crate) by_name: Arc<str>,
}

impl RouteTarget {
    /// A model at a provider, without a share or limit of its own.
    #[must_use]
    pub fn new(provider: usize, model: String) -> Self {
        Self { provider, model, weight: None, tier: 1, caps: Caps::default() }
    }
}

/// One target of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteTarget {
    /// The provider's index in [`Config::providers`].
    pub provider: usize,
    /// The provider's name of the model; may hold slashes.
    pub model: String,
    /// Its share within its tier, relative to the others'. `None`: not given.
    pub weight: Option<f64>,
    /// 1 is asked first.
    pub tier: u8,
    /// The most that may be sent to it.
    pub caps: Caps,
}

//! A target ready to be called: everything a request needs of it, looked up and rendered once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use ringmain_catalog::{Auth, Endpoint, Model, Provider};
use ringmain_config::KnownModel;
use ringmain_core::{Billed, Capabilities, Dialect, Efforts, Money, Operation, TargetName, Usage};
use ringmain_dialects::{TargetProfile, registry};
use ringmain_routing::{KeyIx, TargetIx};
use ringmain_telemetry::{Metrics, TargetMeter};
use ringmain_upstream::Origin;

use crate::price::ListPrice;
use crate::render::Departures;
use crate::sign::Signer;

/// One model at one configured provider.
#[derive(Debug)]
pub struct Target {
    /// Its place in the topology.
    pub ix: TargetIx,
    /// `provider/model`.
    pub name: TargetName,
    /// The same, as the value of `x-ringmain-target`.
    pub header: HeaderValue,
    /// The model's name as JSON, to be put in place of the caller's.
    pub model_in_json: Bytes,
    /// What the catalog knows of the model, or of what it is by another name.
    pub model: Option<Model>,
    /// The name that tells of which family it is: its own, but where it stands for a model of the catalog.
    pub family: String,
    /// What it costs, where that is known.
    pub price: Option<Arc<ListPrice>>,
    /// What an encoder must know of it.
    pub profile: TargetProfile,
    /// A stream of it may end without its end mark and be whole.
    pub ends_without_done: bool,
    /// Where a request for it departs from its dialect.
    pub departures: Departures,
    /// Whose it is.
    pub provider: Arc<ProviderLink>,
    /// Its metrics.
    pub meter: TargetMeter,
}

/// One configured provider: where it is and how to be let in.
#[derive(Debug)]
pub struct ProviderLink {
    /// The operator's name for it.
    pub name: String,
    /// What the catalog says of its kind.
    pub kind: Arc<Provider>,
    /// Where it is.
    pub origin: Arc<Origin>,
    /// The value of the `host` header.
    pub host: HeaderValue,
    /// Headers every request carries.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The one dialect the operator wants spoken, if they said.
    pub dialect: Option<Dialect>,
    /// Its credentials.
    pub keys: Vec<Key>,
    /// The dialects its server turned out not to have.
    pub absent: Absent,
}

/// What a server turned out not to have, though its kind does: many servers are compatible in part.
#[derive(Debug, Default)]
pub struct Absent {
    /// A bit for each dialect.
    dialects: AtomicU8,
    /// A way to count tokens.
    counting: AtomicBool,
}

impl Absent {
    const fn bit(dialect: Dialect) -> u8 {
        1 << dialect as u8
    }

    fn has(&self, dialect: Dialect) -> bool {
        self.dialects.load(Ordering::Relaxed) & Self::bit(dialect) != 0
    }

    fn add(&self, dialect: Dialect) {
        self.dialects.fetch_or(Self::bit(dialect), Ordering::Relaxed);
    }
}

/// Shorter keys are placeholders (`none`, `ollama`), and words that an error may hold.
const SECRET_MIN: usize = 8;

/// One credential, ready to be sent.
pub struct Key {
    /// Its place in the topology.
    pub ix: KeyIx,
    /// `openai#2`: for logs and records.
    pub label: String,
    /// Its text, to be found and taken out where a provider repeats it. Too short to be told from a word: `None`.
    pub(crate) secret: Option<Arc<str>>,
    /// The header it goes in, for each kind of authorisation the provider knows; none for a server that wants none.
    headers: Vec<(Auth, (HeaderName, HeaderValue))>,
    /// Lets requests in, where the credential is not one to be sent as it is.
    signer: Option<Arc<Signer>>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("ix", &self.ix).field("label", &self.label).finish_non_exhaustive()
    }
}

impl Key {
    /// A credential, ready for every endpoint of its provider.
    #[must_use]
    pub fn new(ix: KeyIx, label: String, kind: &Provider, secret: Option<&str>) -> Self {
        Self::sent_as(ix, label, kind, secret, header)
    }

    /// A token, which goes as a bearer token whatever the endpoint wants of a key.
    #[must_use]
    pub fn token(ix: KeyIx, label: String, kind: &Provider, token: Option<&str>) -> Self {
        Self::sent_as(ix, label, kind, token, |_, token| header(&Auth::Bearer, token))
    }

    fn sent_as(
        ix: KeyIx,
        label: String,
        kind: &Provider,
        secret: Option<&str>,
        header: impl Fn(&Auth, &str) -> Option<(HeaderName, HeaderValue)>,
    ) -> Self {
        let mut headers: Vec<(Auth, _)> = Vec::new();
        let of_endpoints = kind.endpoints.iter().filter_map(|endpoint| endpoint.auth.as_ref());
        let below = kind.auth_below.iter().map(|(_, auth)| auth);
        for auth in std::iter::once(&kind.auth).chain(of_endpoints).chain(below) {
            if let Some(header) = secret.and_then(|secret| header(auth, secret))
                && headers.iter().all(|(known, _)| known != auth)
            {
                headers.push((auth.clone(), header));
            }
        }
        let secret = secret.filter(|secret| secret.len() >= SECRET_MIN).map(Arc::from);
        Self { ix, label, secret, headers, signer: None }
    }

    /// A credential that signs.
    #[must_use]
    pub fn signing(ix: KeyIx, label: String, signer: Signer) -> Self {
        Self { ix, label, secret: None, headers: Vec::new(), signer: Some(Arc::new(signer)) }
    }

    /// What signs, where a signature is wanted and this credential makes one.
    #[must_use]
    pub fn signer(&self, auth: &Auth) -> Option<&Arc<Signer>> {
        self.signer.as_ref().filter(|signer| signer.serves(auth))
    }

    /// The header for this kind of authorisation.
    #[must_use]
    pub fn header(&self, auth: &Auth) -> Option<&(HeaderName, HeaderValue)> {
        self.headers.iter().find(|(known, _)| known == auth).map(|(_, header)| header)
    }
}

/// `None` where there is none, or where the secret cannot stand in a header.
fn header(auth: &Auth, secret: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = match auth {
        // In place of a signature AWS takes an API key of its own.
        Auth::Bearer | Auth::AwsSigV4 => (http::header::AUTHORIZATION, format!("Bearer {secret}")),
        Auth::Token => (http::header::AUTHORIZATION, format!("Token {secret}")),
        Auth::Header { name } => (name.parse().ok()?, secret.to_owned()),
        // In place of a token Google takes an API key.
        Auth::GoogleOAuth => (HeaderName::from_static("x-goog-api-key"), secret.to_owned()),
        Auth::None => return None,
    };
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

impl Target {
    /// This model at this provider, made ready.
    #[must_use]
    pub fn new(
        ix: TargetIx,
        provider: Arc<ProviderLink>,
        name: &str,
        known: &KnownModel<'_>,
        metrics: &Metrics,
    ) -> Self {
        let (profile, model) = (Self::profile_of(name, known), known.model);
        let name = TargetName { provider: provider.name.clone(), model: name.to_owned() };
        let text = name.to_string();
        Self {
            ix,
            header: HeaderValue::try_from(text.as_str()).unwrap_or_else(|_| HeaderValue::from_static("?")),
            model_in_json: serde_json::Value::from(name.model.as_str()).to_string().into(),
            ends_without_done: provider.kind.quirks_for(model).ends_without_done(),
            departures: Departures::of(&provider.kind, model),
            meter: metrics.target(&text),
            price: known.price.map(ListPrice::of),
            family: known.family.to_owned(),
            profile,
            model: model.cloned(),
            name,
            provider,
        }
    }

    /// The endpoint that serves this operation best for a caller of `dialect`: the same dialect if the provider speaks
    /// it, else the provider's preferred one that there is a codec for.
    #[must_use]
    pub fn endpoint(&self, operation: Operation, dialect: Dialect) -> Option<&Endpoint> {
        let counts = operation == Operation::CountTokens;
        if counts && self.provider.absent.counting.load(Ordering::Relaxed) {
            return None;
        }
        let endpoints = self.provider.kind.endpoints_for(operation, &self.family);
        let spoken = |endpoint: &&Endpoint| {
            endpoint.dialect.is_none_or(|dialect| registry::codec(dialect).is_some())
                && (!counts || endpoint.dialect.and_then(registry::counting).is_some())
                && self.provider.dialect.is_none_or(|pinned| endpoint.dialect.is_none_or(|spoken| spoken == pinned))
                && !endpoint.dialect.is_some_and(|dialect| self.provider.absent.has(dialect))
        };
        let same = endpoints.clone().filter(spoken).find(|endpoint| endpoint.dialect == Some(dialect));
        same.or_else(|| {
            let translates = matches!(operation, Operation::Chat | Operation::CountTokens);
            let fits = |endpoint: &&Endpoint| translates || endpoint.dialect.is_none();
            endpoints.filter(spoken).find(fits)
        })
    }

    /// Can it serve this operation in any way? Where it chats, tokens are counted, by us if not by its provider.
    #[must_use]
    pub fn serves(&self, operation: Operation, dialect: Dialect) -> bool {
        // What is asked of a stored response is asked where responses are made.
        if operation == Operation::Passthrough {
            let endpoint = self.endpoint(Operation::Chat, dialect);
            return endpoint.is_some_and(|endpoint| endpoint.dialect == Some(dialect));
        }
        let estimates = operation == Operation::CountTokens && self.endpoint(Operation::Chat, dialect).is_some();
        estimates || self.endpoint(operation, dialect).is_some()
    }

    /// Its server has no way to count tokens: from now on it is not asked, for as long as these rules are in force.
    pub(crate) fn forgo_counting(&self) {
        self.provider.absent.counting.store(true, Ordering::Relaxed);
    }

    /// Its server has no endpoint of the caller's dialect: from now on it is asked in its kind's preferred one, for as
    /// long as these rules are in force. False where this is the preferred one already: every server has that.
    #[must_use]
    pub fn forgo(&self, operation: Operation, dialect: Dialect) -> bool {
        let mut endpoints = self.provider.kind.endpoints_for(operation, &self.family);
        let preferred = endpoints.next().and_then(|endpoint| endpoint.dialect);
        let another = self.provider.dialect.is_none() && preferred.is_some_and(|preferred| preferred != dialect);
        if another {
            self.provider.absent.add(dialect);
        }
        another
    }

    /// Is the model known to write on where a last turn of its own ends, asked in this dialect?
    #[must_use]
    pub fn prefills(&self, dialect: Option<Dialect>) -> bool {
        let model = self.model.as_ref().map_or(Capabilities::NONE, |model| model.capabilities);
        // Responses and Cohere take a turn of the model's for a whole one.
        let has_place = !matches!(dialect, Some(Dialect::OpenAiResponses | Dialect::CohereV2) | None);
        has_place && model.with(self.provider.kind.capabilities).contains(Capabilities::PREFILL)
    }

    /// What the provider's answer says that this use costs, where its kind's answers are bills.
    #[must_use]
    pub fn billed(&self, usage: &Usage) -> Option<Money> {
        match usage.billed {
            Some(Billed::Money(told)) if self.provider.kind.tells_cost => Some(told),
            _ => None,
        }
    }

    /// The key of this place in the topology.
    #[must_use]
    pub fn key(&self, ix: KeyIx) -> Option<&Key> {
        self.provider.keys.iter().find(|key| key.ix == ix)
    }

    /// What an encoder must know of a model of this name.
    #[must_use]
    pub fn profile_of(name: &str, known: &KnownModel<'_>) -> TargetProfile {
        let model = known.model;
        TargetProfile {
            model: name.to_owned(),
            stands_for: (known.family != name).then(|| known.family.to_owned()),
            capabilities: model.map_or(Capabilities::NONE, |model| model.capabilities),
            max_output_tokens: model.and_then(|model| model.max_output),
            max_thinking_tokens: model.and_then(|model| model.max_thinking),
            efforts: model.map_or(Efforts::UNKNOWN, |model| model.efforts),
        }
    }
}

//! People, by the tokens of an OpenID Connect provider: its signature, issuer, audience and dates are checked, and what
//! somebody may ask is by the groups it names.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, crypto, decode_header};
use ringmain_config::Oidc;
use ringmain_core::{Now, Scope, Tick};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

/// What is waited for.
pub type Fetched<'a> = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send + 'a>>;

/// Asks an HTTP server for a small document.
pub trait Fetch: Send + Sync + fmt::Debug {
    /// The body of a good answer.
    fn get<'a>(&'a self, url: &'a str) -> Fetched<'a>;
}

/// How long keys are believed without asking for them again.
const FRESH: Duration = Duration::from_secs(3600);
/// And how long while the provider does not answer.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// How often they are asked for at most, however many tokens name keys that are not among them.
const AGAIN: Duration = Duration::from_secs(30);
/// How far two clocks may be apart, in seconds.
const LEEWAY: u64 = 60;
/// The longest token that is looked at.
const LONGEST: usize = 16 * 1024;

/// Who says who people are, by the rules in force.
#[derive(Debug)]
pub struct Directory {
    fetch: Arc<dyn Fetch>,
    current: std::sync::Mutex<Option<Arc<People>>>,
}

impl Directory {
    /// Documents come by `fetch`; nothing is asked before the first token.
    #[must_use]
    pub fn new(fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch, current: std::sync::Mutex::default() }
    }

    /// The provider of these settings, with the keys it has told; another one, once they have changed.
    pub(crate) fn by(&self, settings: Option<&Oidc>) -> Option<Arc<People>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().map(|people| &people.settings) != settings {
            *current = settings.map(|settings| Arc::new(People::new(settings.clone(), Arc::clone(&self.fetch))));
        }
        current.clone()
    }
}

/// A provider of identities.
#[derive(Debug)]
pub struct People {
    settings: Oidc,
    fetch: Arc<dyn Fetch>,
    keys: Mutex<Keys>,
}

/// The provider's keys.
#[derive(Default)]
struct Keys {
    known: Vec<(Option<String>, DecodingKey)>,
    /// When they came.
    came: Option<Tick>,
    /// When they were last asked for.
    asked: Option<Tick>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

/// Somebody whose token is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// For the audit log: an address or a subject.
    pub(crate) name: String,
    /// What they may ask.
    pub(crate) scopes: Vec<Scope>,
}

impl People {
    /// Nothing is asked before the first token.
    #[must_use]
    pub fn new(settings: Oidc, fetch: Arc<dyn Fetch>) -> Self {
        Self { settings, fetch, keys: Mutex::default() }
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// Why it lets nobody in; nothing of the token is in it.
    pub(crate) async fn identify(&self, token: &str, now: Now) -> Result<Person, &'static str> {
        if token.len() > LONGEST {
            return Err("the token is too long");
        }
        let header = decode_header(token).map_err(|_| "the token cannot be read")?;
        if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
            return Err("the token is not signed with RS256 or ES256");
        }
        let (signed, signature) = token.rsplit_once('.').ok_or("the token cannot be read")?;
        let is_good =
            |key: &DecodingKey| crypto::verify(signature, signed.as_bytes(), key, header.alg).is_ok_and(|good| good);
        if !self.any_key(header.kid.as_deref(), now.mono, &is_good).await? {
            return Err("the token's signature is not the provider's");
        }
        let payload = signed.split_once('.').map_or("", |(_, payload)| payload);
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| "the token cannot be read")?;
        let claims: Value = serde_json::from_slice(&payload).map_err(|_| "the token cannot be read")?;
        self.check(&claims, now)?;
        let name = claims["email"].as_str().or(claims["sub"].as_str()).ok_or("the token says not whose it is")?;
        Ok(Person { name: name.to_owned(), scopes: self.scopes(&claims) })
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    fn check(&self, claims: &Value, now: Now) -> Result<(), &'static str> {
        let seconds = (now.wall.0 / 1000) as f64;
        let issuer = claims["iss"].as_str().unwrap_or_default();
        if issuer.trim_end_matches('/') != self.settings.issuer.trim_end_matches('/') {
            return Err("the token is of another issuer");
        }
        let wanted = self.settings.audience.as_str();
        let for_us = match &claims["aud"] {
            Value::String(aud) => aud == wanted,
            Value::Array(all) => all.iter().any(|aud| aud == wanted),
            _ => false,
        };
        if !for_us {
            return Err("the token is for another audience");
        }
        let expires = claims["exp"].as_f64().ok_or("the token says not when it expires")?;
        if seconds >= expires + LEEWAY as f64 {
            return Err("the token has expired");
        }
        if claims["nbf"].as_f64().is_some_and(|nbf| seconds + (LEEWAY as f64) < nbf) {
            return Err("the token is not valid yet");
        }
        Ok(())
    }

    /// What the groups of a token may ask; the claim may be one group, a list, or within others: `realm_access.roles`.
    fn scopes(&self, claims: &Value) -> Vec<Scope> {
        let mut steps = self.settings.claim.split('.');
        let found = claims.get(&self.settings.claim);
        let found = found.or_else(|| steps.try_fold(claims, |value, step| value.get(step)));
        let groups: Vec<&str> = match found {
            Some(Value::String(group)) => vec![group],
            Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let granted = self.settings.scopes.iter().filter(|(group, _)| groups.contains(&group.as_str()));
        let mut scopes: Vec<Scope> = granted.flat_map(|(_, scopes)| scopes.iter().copied()).collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }

    /// Does a key that may be meant fit? Keys that are old, or do not have it, are asked for first.
    async fn any_key(
        &self,
        id: Option<&str>,
        now: Tick,
        fits: &(dyn Fn(&DecodingKey) -> bool + Sync),
    ) -> Result<bool, &'static str> {
        let mut keys = self.keys.lock().await;
        let is_old = keys.came.is_none_or(|came| now.since(came) > FRESH);
        let may_ask = keys.asked.is_none_or(|asked| now.since(asked) >= AGAIN);
        if (is_old || !keys.have(id)) && may_ask {
            keys.asked = Some(now);
            match self.keys_of_provider().await {
                Some(known) => (keys.known, keys.came) = (known, Some(now)),
                None => tracing::warn!(issuer = self.settings.issuer, "the OIDC provider does not tell its keys"),
            }
        }
        if keys.came.is_none_or(|came| now.since(came) > STALE) {
            return Err("the OIDC provider's keys are not known: it does not answer");
        }
        Ok(keys.meant(id).any(fits))
    }

    /// The keys the provider has now.
    async fn keys_of_provider(&self) -> Option<Vec<(Option<String>, DecodingKey)>> {
        #[derive(Deserialize)]
        struct Discovered {
            issuer: String,
            jwks_uri: String,
        }
        let issuer = self.settings.issuer.trim_end_matches('/');
        let document = self.fetch.get(&format!("{issuer}/.well-known/openid-configuration")).await?;
        let found: Discovered = serde_json::from_slice(&document).ok()?;
        // A document of somebody else is none; and keys that came in plain text could be anybody's.
        let private = found.jwks_uri.starts_with("https://") || issuer.starts_with("http://");
        if found.issuer.trim_end_matches('/') != issuer || !private {
            return None;
        }
        let set: Value = serde_json::from_slice(&self.fetch.get(&found.jwks_uri).await?).ok()?;
        let keys = set["keys"].as_array()?.iter().filter_map(|key| {
            let key: Jwk = serde_json::from_value(key.clone()).ok()?;
            // What cannot be read is no key of ours; another may be.
            Some((key.common.key_id.clone(), DecodingKey::from_jwk(&key).ok()?))
        });
        Some(keys.collect())
    }
}

impl Keys {
    fn have(&self, id: Option<&str>) -> bool {
        self.meant(id).next().is_some()
    }

    /// The key of this id; without one, any.
    fn meant<'k>(&'k self, id: Option<&'k str>) -> impl Iterator<Item = &'k DecodingKey> {
        self.known.iter().filter(move |(known, _)| id.is_none() || known.as_deref() == id).map(|(_, key)| key)
    }
}

#[cfg(test)]
#[path = "oidc_tests.rs"]
mod tests;

//! A Google credentials file: a service account's key, what `gcloud` keeps of a user who signed on, an identity elsewhere,
//! or any of them in the name of a service account.

use std::time::Duration;

use aws_lc_rs::rsa::KeyPair;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method};
use ringmain_core::WallTime;
use serde_json::Value;

use super::external::{External, TOKEN_URL};
use super::impersonated::Impersonated;
use super::jwt;
use super::token::GoogleToken;
use crate::Upstream;
use crate::ask::{Place, Question, Reply};
use crate::kept::NoCredential;

/// What a token is asked for.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Who gives tokens, where the file does not say.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// How long one question may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Of what is said of a refusal, at most this many characters are told on.
const MAX_REASON: usize = 200;

/// Can ask for tokens.
pub(super) struct Credentials {
    /// Where: from the file, and so from whoever configures the gateway.
    place: Place,
    uri: String,
    who: Who,
    quota_project: Option<String>,
    impersonated: Option<Impersonated>,
}

enum Who {
    Account { email: String, key: Box<KeyPair>, key_id: Option<String> },
    User { id: String, secret: String, refresh: String },
    External(Box<External>),
}

impl Credentials {
    /// Reads a file's text.
    ///
    /// # Errors
    /// What is wrong with it, without anything secret of it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let file: Value = serde_json::from_str(text).map_err(|_| "they are not JSON".to_owned())?;
        if file["type"] != "impersonated_service_account" {
            return Self::of(&file);
        }
        let mut credentials = Self::of(&file["source_credentials"])?;
        let impersonated = Impersonated::parse(&file)?;
        credentials.impersonated = Some(impersonated.ok_or("they have no `service_account_impersonation_url`")?);
        credentials.quota_project = file["quota_project_id"].as_str().map(str::to_owned).or(credentials.quota_project);
        Ok(credentials)
    }

    fn of(file: &Value) -> Result<Self, String> {
        let get = |name: &str| file.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        let need = |name: &str| get(name).map(str::to_owned).ok_or_else(|| format!("they have no `{name}`"));
        let who = match get("type") {
            Some("service_account") => Who::Account {
                email: need("client_email")?,
                key: jwt::private_key(&need("private_key")?)
                    .map(Box::new)
                    .ok_or("their `private_key` is no RSA key in PEM")?,
                key_id: get("private_key_id").map(str::to_owned),
            },
            Some("authorized_user") => {
                Who::User { id: need("client_id")?, secret: need("client_secret")?, refresh: need("refresh_token")? }
            }
            Some("external_account") => Who::External(Box::new(External::parse(file)?)),
            Some(other) if is_word(other) => return Err(format!("they are of the type `{other}`, which is not read")),
            _ => return Err("they have no `type`".to_owned()),
        };
        let (name, usual) = match who {
            Who::External(_) => ("token_url", TOKEN_URL),
            Who::Account { .. } | Who::User { .. } => ("token_uri", TOKEN_URI),
        };
        let uri = get(name).unwrap_or(usual).to_owned();
        let place = Place::parse(&uri).ok_or_else(|| format!("their `{name}` cannot be used"))?;
        if !place.is_private() {
            return Err(format!("their `{name}` is neither encrypted nor on this machine"));
        }
        let impersonated = match who {
            Who::External(_) => Impersonated::parse(file)?,
            Who::Account { .. } | Who::User { .. } => None,
        };
        let quota_project = get("quota_project_id").map(str::to_owned);
        Ok(Self { place, uri, who, quota_project, impersonated })
    }

    /// Asks for a token.
    pub(super) async fn token(&self, upstream: &Upstream, now: WallTime) -> Result<GoogleToken, NoCredential> {
        let (form, shown) = self.form(upstream, now).await?;
        let mut headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ];
        if let Who::External(external) = &self.who {
            headers.extend(external.client());
        }
        let question = Question {
            method: Method::POST,
            origin: &self.place.origin,
            path: &self.place.path,
            headers: &headers,
            body: Bytes::from(form.0),
            patience: PATIENCE,
        };
        let reply = question.ask(upstream).await;
        let reply = reply.ok_or_else(|| NoCredential::unreachable("the token endpoint does not answer"))?;
        if !reply.status.is_success() {
            let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
            return Err(no_token("the token endpoint", &reply, &shown));
        }
        let given = token(&reply.body, self.quota_project.as_deref(), now)
            .ok_or_else(|| NoCredential::unreachable("the token endpoint gave no token"))?;
        match &self.impersonated {
            Some(account) => account.token(&given, self.quota_project.as_deref(), upstream).await,
            None => Ok(given),
        }
    }

    /// What is asked; and what of it is secret.
    async fn form(&self, upstream: &Upstream, now: WallTime) -> Result<(Form, Vec<String>), NoCredential> {
        let mut form = form_urlencoded();
        match &self.who {
            Who::Account { email, key, key_id } => {
                let assertion = jwt::assertion(key, key_id.as_deref(), email, &self.uri, SCOPE, now);
                let assertion =
                    assertion.ok_or_else(|| NoCredential::refused("the service account's key cannot sign"))?;
                form.add("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer").add("assertion", &assertion);
                Ok((form, vec!["eyJ".to_owned()]))
            }
            Who::User { id, secret, refresh } => {
                form.add("grant_type", "refresh_token").add("client_id", id);
                form.add("client_secret", secret).add("refresh_token", refresh);
                Ok((form, vec![secret.clone(), refresh.clone()]))
            }
            Who::External(external) => external.form(upstream).await.map(|(form, word)| (form, vec![word])),
        }
    }
}

/// Why an endpoint gave no token. Whatever it repeats of what it was `shown` stays here.
pub(super) fn no_token(who: &str, reply: &Reply, shown: &[&str]) -> NoCredential {
    let status = reply.status.as_u16();
    let said: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    // Of OAuth, or of Google's other APIs.
    let error = &said["error"];
    let code = error.as_str().or_else(|| error["status"].as_str());
    let code = code.filter(|code| is_word(code)).unwrap_or("no reason");
    let why = said["error_description"].as_str().or_else(|| error["message"].as_str()).unwrap_or_default();
    let repeats = shown.iter().any(|secret| why.contains(secret));
    let why: String = if repeats { String::new() } else { why.chars().take(MAX_REASON).collect() };
    let why = format!("{who} answered {status} ({code}) {why}");
    match status {
        408 | 429 | 500.. => NoCredential::unreachable(why.trim_end()),
        _ => NoCredential::refused(why.trim_end()),
    }
}

/// Reads `{"access_token": …, "expires_in": 3599}`.
pub(super) fn token(body: &[u8], quota_project: Option<&str>, now: WallTime) -> Option<GoogleToken> {
    let said: Value = serde_json::from_slice(body).ok()?;
    let text = said.get("access_token").and_then(Value::as_str).filter(|text| !text.is_empty())?;
    let seconds =
        said.get("expires_in").and_then(|seconds| seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok()));
    let expires = seconds.map(|seconds| WallTime(now.0.saturating_add(seconds.saturating_mul(1000))));
    GoogleToken::new(text, quota_project, expires)
}

fn is_word(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// A body of names and values.
pub(super) struct Form(pub(super) String);

pub(super) const fn form_urlencoded() -> Form {
    Form(String::new())
}

impl Form {
    pub(super) fn add(&mut self, name: &str, value: &str) -> &mut Self {
        use std::fmt::Write as _;
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.0.push(char::from(byte));
            } else {
                // Writing to memory cannot fail.
                let _ = write!(self.0, "%{byte:02X}");
            }
        }
        self
    }
}

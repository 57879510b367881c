//! Workload identity federation: who another issuer says one is, exchanged for Google's token. The credentials file says
//! where that word is: in a file that somebody keeps fresh, or at a URL.
//!
//! <https://google.aip.dev/auth/4117>, <https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token>

use std::net::IpAddr;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::credentials::{Form, PATIENCE, SCOPE, form_urlencoded};
use crate::Upstream;
use crate::ask::{Place, Question};
use crate::file::small_file;
use crate::kept::NoCredential;

/// Who exchanges tokens, where the file does not say.
pub(super) const TOKEN_URL: &str = "https://sts.googleapis.com/v1/token";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// An identity elsewhere.
pub(super) struct External {
    audience: String,
    subject_token_type: String,
    source: Source,
    /// The member of the JSON that holds the word; `None`: all of it is.
    member: Option<String>,
    /// By what the gateway itself is known to the exchange, where it is.
    client: Option<HeaderValue>,
    /// Who pays, for identities of people.
    user_project: Option<String>,
}

enum Source {
    File(PathBuf),
    Url { place: Place, headers: Vec<(HeaderName, HeaderValue)> },
}

impl External {
    /// Reads a file's members.
    ///
    /// # Errors
    /// What is wrong with it, without anything secret of it.
    pub(super) fn parse(file: &Value) -> Result<Self, String> {
        let get = |name: &str| file[name].as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let need = |name: &str| get(name).ok_or_else(|| format!("they have no `{name}`"));
        let from = &file["credential_source"];
        let source = match (from["file"].as_str(), from["url"].as_str()) {
            (Some(path), None) => Source::File(PathBuf::from(path)),
            (None, Some(url)) => Source::Url { place: source_place(url)?, headers: headers(&from["headers"])? },
            _ => return Err("their `credential_source` is neither a file nor a URL".to_owned()),
        };
        let member = match from["format"]["type"].as_str() {
            None | Some("text") => None,
            Some("json") => {
                let member = from["format"]["subject_token_field_name"].as_str();
                Some(member.ok_or("their `credential_source` has no `format.subject_token_field_name`")?.to_owned())
            }
            Some(_) => return Err("their `credential_source.format` is neither `text` nor `json`".to_owned()),
        };
        let client = get("client_id").zip(get("client_secret")).map(|(id, secret)| basic(&id, &secret));
        Ok(Self {
            audience: need("audience")?,
            subject_token_type: need("subject_token_type")?,
            source,
            member,
            client: client.transpose()?,
            user_project: get("workforce_pool_user_project"),
        })
    }

    /// What the exchange is asked with; and the word it holds, which is a secret.
    pub(super) async fn form(&self, upstream: &Upstream) -> Result<(Form, String), NoCredential> {
        let text = match &self.source {
            Source::File(path) => Some(small_file(path)).filter(|text| !text.trim().is_empty()),
            Source::Url { place, headers } => asked(place, headers, upstream).await,
        };
        let text = text.ok_or_else(|| NoCredential::unreachable("the source of the subject token gave none"))?;
        let word = match &self.member {
            None => Some(text.trim().to_owned()),
            Some(member) => serde_json::from_str::<Value>(&text)
                .ok()
                .and_then(|said| said[member].as_str().map(str::to_owned))
                .filter(|word| !word.is_empty()),
        };
        let word = word.ok_or_else(|| NoCredential::unreachable("the subject token is not where the file says"))?;
        let mut form = form_urlencoded();
        form.add("grant_type", GRANT).add("requested_token_type", ACCESS_TOKEN).add("scope", SCOPE);
        form.add("audience", &self.audience).add("subject_token_type", &self.subject_token_type);
        if let Some(project) = self.user_project.as_ref().filter(|_| self.client.is_none()) {
            form.add("options", &json!({ "userProject": project }).to_string());
        }
        form.add("subject_token", &word);
        Ok((form, word))
    }

    /// A header for the exchange.
    pub(super) fn client(&self) -> Option<(HeaderName, HeaderValue)> {
        self.client.clone().map(|value| (AUTHORIZATION, value))
    }
}

/// A URL of a subject token: encrypted, on this machine, or of the service that clouds have at every machine.
fn source_place(url: &str) -> Result<Place, String> {
    let place = Place::parse(url).ok_or("their `credential_source.url` cannot be used")?;
    let is_beside = matches!(place.origin.host().parse(), Ok(IpAddr::V4(ip)) if ip.is_link_local());
    if place.is_private() || is_beside {
        return Ok(place);
    }
    Err("their `credential_source.url` is neither encrypted nor of this machine".to_owned())
}

fn headers(given: &Value) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let header = |(name, value): (&String, &Value)| {
        let name = HeaderName::try_from(name.as_str()).ok()?;
        let mut value = HeaderValue::try_from(value.as_str()?).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    let all: Option<Vec<_>> = given.as_object().into_iter().flatten().map(header).collect();
    all.ok_or_else(|| "their `credential_source.headers` cannot stand in a request".to_owned())
}

fn basic(id: &str, secret: &str) -> Result<HeaderValue, String> {
    let pair = STANDARD.encode(format!("{id}:{secret}"));
    let value = HeaderValue::try_from(format!("Basic {pair}"));
    let mut value = value.map_err(|_| "their `client_secret` cannot stand in a request".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

async fn asked(place: &Place, headers: &[(HeaderName, HeaderValue)], upstream: &Upstream) -> Option<String> {
    let question = Question {
        method: Method::GET,
        origin: &place.origin,
        path: &place.path,
        headers,
        body: Bytes::new(),
        patience: PATIENCE,
    };
    let reply = question.ask(upstream).await.filter(|reply| reply.status.is_success())?;
    String::from_utf8(reply.body).ok().filter(|text| !text.trim().is_empty())
}

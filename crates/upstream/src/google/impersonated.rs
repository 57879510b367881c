//! A token of a service account, for whoever may ask for one in its name.
//!
//! <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::credentials::{PATIENCE, SCOPE, no_token};
use super::token::GoogleToken;
use crate::Upstream;
use crate::ask::{Place, Question};
use crate::date;
use crate::kept::NoCredential;

/// How long a token is good for, where the file does not say; in seconds.
const LIFE: u64 = 3600;

/// In whose name.
pub(super) struct Impersonated {
    place: Place,
    body: Bytes,
}

impl Impersonated {
    /// Reads a file's members. `None`: it names no account.
    ///
    /// # Errors
    /// What is wrong with it, without anything secret of it.
    pub(super) fn parse(file: &Value) -> Result<Option<Self>, String> {
        let Some(url) = file["service_account_impersonation_url"].as_str() else { return Ok(None) };
        let place = Place::parse(url).filter(Place::is_private);
        let place =
            place.ok_or("their `service_account_impersonation_url` is neither encrypted nor on this machine")?;
        let life = file["service_account_impersonation"]["token_lifetime_seconds"].as_u64().unwrap_or(LIFE);
        let delegates = file["delegates"].as_array().cloned().unwrap_or_default();
        let body = json!({ "delegates": delegates, "scope": [SCOPE], "lifetime": format!("{life}s") });
        Ok(Some(Self { place, body: Bytes::from(body.to_string()) }))
    }

    /// Its token, for the holder of another.
    pub(super) async fn token(
        &self,
        of: &GoogleToken,
        quota_project: Option<&str>,
        upstream: &Upstream,
    ) -> Result<GoogleToken, NoCredential> {
        let json = HeaderValue::from_static("application/json");
        let headers = [(CONTENT_TYPE, json.clone()), (ACCEPT, json), (AUTHORIZATION, of.authorization())];
        let question = Question {
            method: Method::POST,
            origin: &self.place.origin,
            path: &self.place.path,
            headers: &headers,
            body: self.body.clone(),
            patience: PATIENCE,
        };
        let reply = question.ask(upstream).await;
        let reply = reply.ok_or_else(|| NoCredential::unreachable("the impersonation endpoint does not answer"))?;
        if !reply.status.is_success() {
            return Err(no_token("the impersonation endpoint", &reply, &[of.text()]));
        }
        let said: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        // A token without an end would be kept too long.
        let made = said["accessToken"].as_str().filter(|text| !text.is_empty());
        let made = made.zip(said["expireTime"].as_str().and_then(date::parse));
        made.and_then(|(text, end)| GoogleToken::new(text, quota_project, Some(end)))
            .ok_or_else(|| NoCredential::unreachable("the impersonation endpoint gave no token"))
    }
}

//! What is Vertex AI's own: tokens of Google, and Anthropic's Messages behind `rawPredict`.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::api::{percent_decode, query_value};
use crate::ask::{Ask, Invalid, anthropic};

/// How long a token is good for, in seconds, where the URL does not say `?expires_in=`.
const LIFE: u64 = 3599;
/// The longest life that an assertion may have, in seconds.
const ASSERTION_LIFE: u64 = 3600;

/// The tokens that were given out.
#[derive(Debug, Default)]
pub(crate) struct Tokens(AtomicU64);

impl Tokens {
    /// A new one, as a token endpoint or a metadata service answers.
    pub(crate) fn give(&self, query: Option<&str>) -> Value {
        let number = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let life = query_value(query, "expires_in").and_then(|life| life.parse().ok()).unwrap_or(LIFE);
        json!({ "access_token": format!("ya29.simulated-{number}"), "expires_in": life, "token_type": "Bearer" })
    }

    /// Does a request carry one of them, or an API key?
    pub(crate) fn let_in(&self, headers: &HeaderMap) -> bool {
        let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let number = bearer.and_then(|token| token.strip_prefix("ya29.simulated-")?.parse::<u64>().ok());
        number.is_some_and(|number| number <= self.0.load(Ordering::Relaxed)) || headers.contains_key("x-goog-api-key")
    }
}

/// The grant that a body asks for a token by.
///
/// # Errors
/// It is no grant that is known, or its assertion is none. The signature is not checked: the key is the client's.
pub(crate) fn grant(body: &[u8]) -> Result<String, Invalid> {
    let text = String::from_utf8_lossy(body);
    let field = |name| query_value(Some(&text), name).map(percent_decode).filter(|value| !value.is_empty());
    let missing = |name: &str| Invalid(format!("Missing required parameter: {name}"));
    let grant = field("grant_type").ok_or_else(|| missing("grant_type"))?;
    match grant.as_str() {
        "refresh_token" => {
            let names = ["client_id", "client_secret", "refresh_token"];
            names.into_iter().try_for_each(|name| field(name).map(|_| ()).ok_or_else(|| missing(name)))?;
        }
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
            let assertion = field("assertion").ok_or_else(|| missing("assertion"))?;
            claims(&assertion).ok_or_else(|| Invalid("Invalid JWT".to_owned()))?;
        }
        other => return Err(Invalid(format!("Unsupported grant_type: {other}"))),
    }
    Ok(grant)
}

fn claims(assertion: &str) -> Option<()> {
    let [header, claims, signature] = assertion.split('.').collect::<Vec<_>>().try_into().ok()?;
    let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let (header, claims) = (read(header)?, read(claims)?);
    let signed = header.get("alg")? == "RS256" && URL_SAFE_NO_PAD.decode(signature).ok()?.len() >= 256;
    let named = ["iss", "scope", "aud"].into_iter().all(|name| claims.get(name).is_some_and(Value::is_string));
    let life = claims.get("exp")?.as_u64()?.checked_sub(claims.get("iat")?.as_u64()?)?;
    (signed && named && life <= ASSERTION_LIFE).then_some(())
}

/// A token endpoint's refusal.
pub(crate) fn no_token(status: u16, why: &str) -> Value {
    let code = match status {
        400 => "invalid_grant",
        401 | 403 => "invalid_client",
        _ => "internal_failure",
    };
    json!({ "error": code, "error_description": why })
}

/// A Messages request with its model in the path.
///
/// # Errors
/// What Vertex AI refuses: a `model` in the body, no `anthropic_version`, and what Anthropic refuses.
pub(crate) fn raw_predict(body: &[u8], model: &str, stream: bool) -> Result<Ask, Invalid> {
    let mut request: Value = serde_json::from_slice(body)?;
    let Value::Object(members) = &mut request else { return Err(Invalid("the body is not an object".to_owned())) };
    if members.contains_key("model") {
        return Err(Invalid("model: Extra inputs are not permitted".to_owned()));
    }
    if !members.get("anthropic_version").is_some_and(Value::is_string) {
        return Err(Invalid("anthropic_version: Field required".to_owned()));
    }
    members.insert("model".to_owned(), Value::from(model));
    let ask = anthropic(&serde_json::to_vec(&request)?)?;
    if ask.stream != stream {
        return Err(Invalid("stream: does not go with the path".to_owned()));
    }
    Ok(ask)
}

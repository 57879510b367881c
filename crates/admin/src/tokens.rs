//! `/api/tokens`: tokens of machines, made, listed and revoked.

use std::sync::Arc;

use ringmain_core::{Scope, WallTime};
use ringmain_state::keys::is_name;
use ringmain_state::{StateError, Token, TokenStore};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Problem, blocking};
use crate::keys::expiry;
use crate::window::Query;
use crate::{Admin, Ask};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    scopes: Vec<String>,
    #[serde(default)]
    expires: Option<String>,
}

fn store(admin: &Admin) -> Result<Arc<dyn TokenStore>, Problem> {
    admin.tokens.clone().ok_or_else(|| {
        let message =
            "there is no place to keep tokens: add `state: { database: sqlite:ringmain.db }` to the configuration";
        Problem::from(StateError::Refused(message.to_owned()))
    })
}

/// Every token.
pub(crate) async fn list(ask: Ask<'_>) -> Result<Answer, Problem> {
    Query::read(ask.query, &[])?;
    let now = ask.admin.gateway.clock.now().wall;
    let store = store(ask.admin)?;
    let tokens = blocking(move || store.tokens()).await?;
    let told: Vec<Value> = tokens.iter().map(|token| described(token, now)).collect();
    Ok(Answer::Json(json!({ "tokens": told })))
}

/// A new token; its text is in this answer and nowhere else.
pub(crate) async fn create(ask: Ask<'_>) -> Result<Answer, Problem> {
    let wanted: Wanted =
        serde_json::from_slice(&ask.body).map_err(|error| Problem::bad(format!("the body cannot be read: {error}")))?;
    if !is_name(&wanted.name) {
        return Err(Problem::bad("`name` takes letters, digits, `-`, `_`, `.`, `@` or `:`"));
    }
    let scopes: Result<Vec<Scope>, String> = wanted.scopes.iter().map(|scope| scope.parse()).collect();
    let scopes = scopes.map_err(Problem::bad)?;
    if scopes.is_empty() {
        return Err(Problem::bad("`scopes` names at least one, such as analytics:read"));
    }
    // Whoever may make tokens may not make themselves more than they are.
    for scope in &scopes {
        ask.actor.may_give(*scope)?;
    }
    let now = ask.admin.gateway.clock.now().wall;
    let expires = wanted.expires.map(|text| expiry(&text, now)).transpose()?;
    let new = Token::make()?;
    let (id, hash, hint) = (new.id, new.hash, new.hint);
    let token = Token { id, name: wanted.name, hash, hint, scopes, expires, created: now, revoked: None };
    let mut value = described(&token, now);
    let subject = token.id.clone();
    let store = store(ask.admin)?;
    blocking(move || store.add_token(&token)).await?;
    value["token"] = json!(new.text);
    Ok(Answer::Made { subject, value })
}

/// Revokes a token by id or name.
pub(crate) async fn revoke(ask: Ask<'_>) -> Result<Answer, Problem> {
    let (which, now) = (ask.rest.clone(), ask.admin.gateway.clock.now().wall);
    let store = store(ask.admin)?;
    if !blocking(move || store.revoke_token(&which, now)).await? {
        return Err(Problem::missing("no token in force has this id or name"));
    }
    Ok(Answer::Json(json!({ "revoked": ask.rest })))
}

fn described(token: &Token, now: WallTime) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "ends_in": token.hint,
        "scopes": token.scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "created": token.created.to_string(),
        "expires": token.expires.map(|time| time.to_string()),
        "revoked": token.revoked.map(|time| time.to_string()),
        "standing": token.standing(now),
    })
}

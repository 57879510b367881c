//! `/api/keys`: virtual keys, made, listed and revoked.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringmain_core::{Limit, WallTime};
use ringmain_state::keys::{is_name, is_path};
use ringmain_state::{Grants, KeyStore, NewKey, VirtualKey};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Problem, blocking};
use crate::window::Query;
use crate::{Admin, Ask};

/// What may be said of a key or a group.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wanted {
    name: Option<String>,
    group: Option<String>,
    expires: Option<String>,
    pub(crate) routes: Vec<String>,
    pub(crate) models: Vec<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) on_exhausted: Option<String>,
}

impl Wanted {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(body).map_err(|error| Problem::bad(format!("the body cannot be read: {error}")))
    }

    /// What it grants, once its globs and its route are looked at.
    pub(crate) fn grants(self, admin: &Admin) -> Result<Grants, Problem> {
        for globs in [&self.routes, &self.models] {
            let read = ringmain_engine::keys::check_globs(globs);
            read.map_err(|(glob, reason)| Problem::bad(format!("`{glob}` is not a glob: {reason}")))?;
        }
        if let Some(group) = self.group.as_ref().filter(|group| !is_path(group)) {
            return Err(Problem::bad(format!("`{group}` is no path of a group")));
        }
        let on_exhausted = match self.on_exhausted.as_deref() {
            None | Some("error") => None,
            Some(text) => {
                let route = text.strip_prefix("route:").unwrap_or_default();
                if admin.gateway.rules().named(route).is_none() {
                    return Err(Problem::bad(format!(
                        "`on_exhausted` is `error`, or `route:` and a route: not `{text}`"
                    )));
                }
                Some(route.to_owned())
            }
        };
        let tags = self.tags.into_iter().collect();
        Ok(Grants {
            group: self.group,
            routes: self.routes,
            models: self.models,
            tags,
            limits: self.limits,
            on_exhausted,
        })
    }
}

/// Every key of the store and of the file.
pub(crate) async fn list(ask: Ask<'_>) -> Result<Answer, Problem> {
    Query::read(ask.query, &[])?;
    let gateway = &ask.admin.gateway;
    let now = gateway.clock.now().wall;
    let stored = gateway.keys.stored();
    let mut keys: Vec<Value> = stored.keys.iter().map(|key| described(key, now)).collect();
    for key in &gateway.rules().config.keys {
        let grants = ringmain_engine::keys::grants(&key.grants);
        let mut value = granted(&grants);
        value["id"] = json!(format!("{}{}", ringmain_engine::keys::OF_CONFIG, key.name));
        value["name"] = json!(key.name);
        value["expires"] = json!(key.expires.map(|time| time.to_string()));
        value["standing"] =
            json!(if key.expires.is_some_and(|expires| now >= expires) { "expired" } else { "in force" });
        value["source"] = json!("file");
        keys.push(value);
    }
    Ok(Answer::Json(json!({ "keys": keys })))
}

/// A new key; its text is in this answer and nowhere else.
pub(crate) async fn create(ask: Ask<'_>) -> Result<Answer, Problem> {
    let mut wanted = Wanted::read(&ask.body)?;
    let now = ask.admin.gateway.clock.now().wall;
    let name = wanted.name.take().filter(|name| is_name(name));
    let name = name.ok_or_else(|| Problem::bad("`name` takes letters, digits, `-`, `_`, `.`, `@` or `:`"))?;
    let expires = wanted.expires.take().map(|text| expiry(&text, now)).transpose()?;
    let grants = wanted.grants(ask.admin)?;
    let new = NewKey::make()?;
    let (id, hash, hint) = (new.id, new.hash, new.hint);
    let key = VirtualKey { id, name, hash, hint, expires, created: now, revoked: None, grants };
    let mut value = described(&key, now);
    let subject = key.id.clone();
    change(ask.admin, move |store| store.add(&key)).await?;
    value["key"] = json!(new.text);
    Ok(Answer::Made { subject, value })
}

/// Revokes a key by id or name.
pub(crate) async fn revoke(ask: Ask<'_>) -> Result<Answer, Problem> {
    let which = ask.rest.clone();
    if which.starts_with(ringmain_engine::keys::OF_CONFIG) {
        return Err(Problem::bad("this key is written in the configuration: take it out there"));
    }
    let now = ask.admin.gateway.clock.now().wall;
    let revoked = change(ask.admin, move |store| store.revoke(&which, now)).await?;
    if !revoked {
        return Err(Problem::missing("no key in force has this id or name"));
    }
    Ok(Answer::Json(json!({ "revoked": ask.rest })))
}

/// Changes the store; what holds here holds at once.
pub(crate) async fn change<T: Send + 'static>(
    admin: &Arc<Admin>,
    work: impl FnOnce(&dyn KeyStore) -> Result<T, ringmain_state::StateError> + Send + 'static,
) -> Result<T, Problem> {
    let store = admin.keys.clone().ok_or_else(|| {
        Problem::from(ringmain_state::StateError::Refused(
            "there is no place to keep it: add `state: { database: sqlite:ringmain.db }` to the configuration"
                .to_owned(),
        ))
    })?;
    let (done, set) = blocking(move || {
        let done = work(&*store)?;
        Ok((done, store.load()?))
    })
    .await?;
    admin.gateway.learn_keys(set);
    Ok(done)
}

/// `30d` from now, or a date.
pub(crate) fn expiry(text: &str, now: WallTime) -> Result<WallTime, Problem> {
    let expected = "`expires` takes a duration such as 30d, or a date such as 2027-01-31";
    ringmain_state::keys::expiry(text, now).ok_or_else(|| Problem::bad(expected))
}

/// What may be told of a stored key.
fn described(key: &VirtualKey, now: WallTime) -> Value {
    let mut value = granted(&key.grants);
    value["id"] = json!(key.id);
    value["name"] = json!(key.name);
    value["ends_in"] = json!(key.hint);
    value["created"] = json!(key.created.to_string());
    value["expires"] = json!(key.expires.map(|time| time.to_string()));
    value["revoked"] = json!(key.revoked.map(|time| time.to_string()));
    value["standing"] = json!(key.standing(now));
    value["source"] = json!("database");
    value
}

pub(crate) fn granted(grants: &Grants) -> Value {
    json!({
        "group": grants.group,
        "routes": grants.routes,
        "models": grants.models,
        "tags": grants.tags.iter().cloned().collect::<BTreeMap<_, _>>(),
        "limits": grants.limits,
        "on_exhausted": grants.on_exhausted.as_ref().map(|route| format!("route:{route}")),
    })
}

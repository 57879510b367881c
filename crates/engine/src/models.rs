//! `GET /v1/models`: the routes, and the models of the configured providers that the catalog knows.

use std::collections::BTreeSet;

use http::{HeaderMap, Response};
use ringmain_core::{Dialect, RequestId};
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::keys::Caller;
use crate::reply::{self, Account, ReplyBody};

/// Lists what a caller may ask for, in the shape its SDK reads.
#[must_use]
pub fn list(
    gateway: &Gateway,
    caller: &Caller,
    dialect: Dialect,
    headers: &HeaderMap,
    request: RequestId,
) -> Response<ReplyBody> {
    let names = names(gateway, caller);
    // One path serves four vendors' SDKs: Anthropic's always says its version, Google's has a header for its key,
    // Cohere's says its name.
    let body = match dialect {
        Dialect::Gemini => gemini(&names),
        _ if headers.contains_key("anthropic-version") => anthropic(&names),
        _ if headers.contains_key("x-goog-api-key") => gemini(&names),
        _ if headers.get("x-fern-sdk-name").is_some_and(|name| name == "cohere") => cohere(&names),
        _ => openai(&names),
    };
    let account = Account { request, target: None, attempts: 0, route: None, why: None, losses: &[] };
    reply::json(body.to_string().into_bytes(), &account)
}

/// A name and who owns it.
fn names(gateway: &Gateway, caller: &Caller) -> BTreeSet<(String, String)> {
    let rules = gateway.rules();
    let config = &rules.config;
    let routes = config.routes.iter().map(|route| (route.name.to_string(), "ringmain".to_owned()));
    let models = config.providers.iter().flat_map(|provider| {
        let models = config.catalog.models_of(&provider.kind.id);
        models.map(|model| (format!("{}/{}", provider.name, model.name), provider.name.clone()))
    });
    // A name that stands for a route, or for a target, is the name of the route it takes.
    let may = |name: &str| caller.key().is_none_or(|key| key.may(name, name).is_ok());
    routes.chain(models).filter(|(name, _)| may(name)).collect()
}

fn openai(names: &BTreeSet<(String, String)>) -> Value {
    let model = |(id, owner): &(String, String)| json!({"id": id, "object": "model", "created": 0, "owned_by": owner});
    json!({"object": "list", "data": names.iter().map(model).collect::<Vec<_>>()})
}

fn anthropic(names: &BTreeSet<(String, String)>) -> Value {
    let model = |(id, _): &(String, String)| json!({"type": "model", "id": id, "display_name": id, "created_at": "1970-01-01T00:00:00Z"});
    let (first, last) = (names.first().map(|(id, _)| id), names.last().map(|(id, _)| id));
    let data: Vec<_> = names.iter().map(model).collect();
    json!({"data": data, "has_more": false, "first_id": first, "last_id": last})
}

fn gemini(names: &BTreeSet<(String, String)>) -> Value {
    let methods = ["generateContent", "streamGenerateContent"];
    let model = |(id, _): &(String, String)| json!({"name": format!("models/{id}"), "displayName": id, "supportedGenerationMethods": methods});
    json!({"models": names.iter().map(model).collect::<Vec<_>>()})
}

fn cohere(names: &BTreeSet<(String, String)>) -> Value {
    let model = |(id, _): &(String, String)| json!({"name": id, "endpoints": ["chat"], "is_deprecated": false});
    json!({"models": names.iter().map(model).collect::<Vec<_>>()})
}

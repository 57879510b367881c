//! The models a caller may ask for: the routes, what they lead to, and the models of the configured providers that the
//! catalog knows. `GET /v1/models`, `/v1/models/{id}`, `/v1beta/models`, `/v1beta/models/{id}`, each in the shape that the
//! caller's SDK reads. Providers are not asked: what is listed is what the rules in force and the catalog say.

mod page;
mod shapes;

use std::collections::BTreeMap;

use http::{HeaderMap, Response};
use ringmain_catalog::{Model, ModelKind};
use ringmain_config::{Config, NoRoute, Provider, RouteTarget, Selection};
use ringmain_core::{
    Capabilities, Dialect, Fault, FaultClass, Marks, Operation, Origin, Phase, RequestFacts, RequestId,
};

use crate::accept::Refused;
use crate::gateway::Gateway;
use crate::keys::Caller;
use crate::reply::{self, Account, ReplyBody};
use page::Query;

/// What is known of a name that a caller may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Entry {
    /// The provider, or `ringmain` where there are several.
    owner: String,
    /// What it does; `None`: nobody knows, and it is taken for a model that converses.
    kind: Option<ModelKind>,
    /// The most tokens of input and output together that any of its targets holds.
    context: Option<u64>,
    /// The most output tokens that each of its targets gives.
    output: Option<u64>,
    can: Capabilities,
    /// It is to be switched off on that day (`YYYY-MM-DD`).
    retires: Option<String>,
}

/// Who owns a route.
const OURS: &str = "ringmain";

impl Entry {
    /// What is known of these targets together: a request goes to one that can do what it needs.
    fn of(config: &Config, targets: &[RouteTarget]) -> Self {
        let provider = |target: &RouteTarget| config.providers.get(target.provider);
        let known = targets.iter().filter_map(|target| config.known(target)?.model);
        let mut entry = known.map(Self::of_model).reduce(|all, one| all.and(&one)).unwrap_or_default();
        let mut owners = targets.iter().filter_map(|target| Some(provider(target)?.name.as_str()));
        let first = owners.next().unwrap_or(OURS);
        entry.owner = if owners.all(|owner| owner == first) { first } else { OURS }.to_owned();
        entry
    }

    fn of_model(model: &Model) -> Self {
        Self {
            owner: String::new(),
            kind: Some(model.kind),
            context: model.context_window,
            output: model.max_output,
            can: model.capabilities,
            retires: model.retires.clone(),
        }
    }

    fn and(self, other: &Self) -> Self {
        let least = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
        Self {
            context: self.context.max(other.context),
            output: least(self.output, other.output),
            can: self.can.with(other.can),
            retires: self.retires.filter(|day| other.retires.as_ref() == Some(day)),
            ..self
        }
    }

    fn converses(&self) -> bool {
        self.kind.is_none_or(|kind| kind == ModelKind::Chat)
    }
}

/// Answers a request for the list, or for one of it.
///
/// # Errors
/// 404 for a name that nothing serves, with the nearest; 400 for a page that cannot be.
pub fn answer(
    gateway: &Gateway,
    caller: &Caller,
    path_dialect: Dialect,
    wanted: Option<&str>,
    headers: &HeaderMap,
    query: Option<&str>,
    request: RequestId,
) -> Result<Response<ReplyBody>, Box<Refused>> {
    let dialect = speaker(path_dialect, headers);
    let refuse = |fault| Box::new(Refused { dialect, fault, allow: None });
    let rules = gateway.rules();
    let body = match wanted {
        Some(id) => shapes::one(dialect, id, &one(&rules.config, caller, dialect, id).map_err(refuse)?),
        None => {
            let mut listed = listed(&rules.config, caller, dialect);
            listed.retain(|_, entry| shapes::shows(dialect, entry));
            let query = Query::of(query);
            page::list(dialect, listed, &query).map_err(|message| refuse(refused(400, message)))?
        }
    };
    let account = Account { request, target: None, attempts: 0, route: None, why: None, losses: &[] };
    Ok(reply::json(body.to_string().into_bytes(), &account))
}

/// One path serves four vendors' SDKs: Anthropic's always says its version, Google's has a header for its key, Cohere's
/// says its name.
fn speaker(dialect: Dialect, headers: &HeaderMap) -> Dialect {
    match dialect {
        Dialect::Gemini => Dialect::Gemini,
        _ if headers.contains_key("anthropic-version") => Dialect::AnthropicMessages,
        _ if headers.contains_key("x-goog-api-key") => Dialect::Gemini,
        _ if headers.get("x-fern-sdk-name").is_some_and(|name| name == "cohere") => Dialect::CohereV2,
        other => other,
    }
}

/// What this caller may ask for, by name. A holder of a key that names models, and may take the routes to them but not ask
/// their providers past these, sees them without their providers' names.
fn listed(config: &Config, caller: &Caller, dialect: Dialect) -> BTreeMap<String, Entry> {
    let all = all(config);
    let Some(key) = caller.key() else { return all };
    let mut listed = BTreeMap::new();
    for (name, entry) in all {
        let found = |name: &str| select(config, caller, dialect, name, operation_of(entry.kind));
        // A name that stands for a route, or for a target, is the name of the route it takes.
        let may =
            |name: &str| key.may(name, name).is_ok() || found(name).is_ok_and(|it| key.may(&it.route, name).is_ok());
        match name.split_once('/') {
            _ if may(&name) => drop(listed.insert(name, entry)),
            Some((_, bare)) if key.names_models() && !listed.contains_key(bare) && may(bare) => {
                let targets = found(bare).map(|selection| selection.targets).unwrap_or_default();
                listed.insert(bare.to_owned(), Entry::of(config, &targets));
            }
            _ => {}
        }
    }
    listed
}

/// What is asked of models of this kind.
fn operation_of(kind: Option<ModelKind>) -> Operation {
    let serves = |operation: &Operation| kind.is_none_or(|kind| kind.serves(*operation));
    Operation::ALL.into_iter().find(serves).unwrap_or(Operation::Chat)
}

/// Everything there is a name for, by name.
fn all(config: &Config) -> BTreeMap<String, Entry> {
    let mut all = BTreeMap::new();
    for provider in &config.providers {
        let serves = |kind: ModelKind| {
            provider.kind.endpoints.iter().any(|endpoint| {
                !matches!(endpoint.operation, Operation::Models | Operation::Passthrough)
                    && kind.serves(endpoint.operation)
            })
        };
        for name in provider.model_names(&config.catalog) {
            let model = provider.knows(&config.catalog, name).model;
            if model.is_none_or(|model| serves(model.kind)) {
                let entry = model.map(Entry::of_model).unwrap_or_default();
                all.insert(format!("{}/{name}", provider.name), Entry { owner: provider.name.clone(), ..entry });
            }
        }
    }
    for route in &config.routes {
        // What the catalog has never heard of is known from the rules.
        for target in route.targets.iter() {
            if let Some(provider) = config.providers.get(target.provider) {
                let name = format!("{}/{}", provider.name, target.model);
                all.entry(name).or_insert_with(|| Entry::of(config, std::slice::from_ref(target)));
            }
        }
        let entry = Entry { owner: OURS.to_owned(), ..Entry::of(config, &route.targets) };
        all.insert(route.name.to_string(), entry);
    }
    all
}

/// What a request for this name would find.
fn one(config: &Config, caller: &Caller, dialect: Dialect, id: &str) -> Result<Entry, Fault> {
    let may = |route: &str| caller.key().map_or(Ok(()), |key| key.may(route, id)).map_err(|why| refused(404, why));
    let known = all(config).remove(id);
    if let Some(entry) = known.filter(|_| may(id).is_ok()) {
        return Ok(entry);
    }
    let name = bare(config, id);
    let kinds = |provider: &Provider| provider.knows(&config.catalog, name).model.map(|model| model.kind);
    let operation = config.providers.iter().find_map(kinds).map_or(Operation::Models, |kind| operation_of(Some(kind)));
    let selection = select(config, caller, dialect, id, operation).map_err(|none| refused(404, none.to_string()))?;
    may(&selection.route).map(|()| Entry::of(config, &selection.targets))
}

/// A model's name without that of its provider.
fn bare<'n>(config: &Config, id: &'n str) -> &'n str {
    let named = id.split_once('/').filter(|(name, _)| config.providers.iter().any(|provider| provider.name == *name));
    named.map_or(id, |(_, bare)| bare)
}

/// Where a plain request of this caller for this name would go.
fn select(
    config: &Config,
    caller: &Caller,
    dialect: Dialect,
    name: &str,
    operation: Operation,
) -> Result<Selection, NoRoute> {
    let facts = RequestFacts {
        operation,
        dialect,
        model: name.to_owned(),
        stream: false,
        needs: Capabilities::NONE,
        input_tokens: 0,
        max_output_tokens: None,
        timeout: None,
        tags: caller.key().map(|key| key.tags.clone()).unwrap_or_default(),
        marks: Marks::default(),
        key: caller.key().map(|key| key.name.clone()),
    };
    config.select(&facts, &|_| None)
}

fn refused(status: u16, message: String) -> Fault {
    let class = if status == 404 { FaultClass::Unroutable } else { FaultClass::BadRequest };
    Fault::new(class, Origin::Caller, Phase::Before, message).with_status(status)
}

#[cfg(test)]
mod tests;

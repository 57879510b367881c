//! The meaning of a provider file.

use ringmain_core::{Dialect, FaultClass, FaultScope, Operation, Shape};
use serde_saphyr::Location;

use super::{Loaded, Scope};
use crate::provider::{Auth, Endpoint, ErrorRule, Pools, Provider};
use crate::raw::{ProviderFile, RawAuth, RawEndpoint, RawErrorRule, Text};

/// What a provider's error can be. The other classes are Ringmain's own findings.
const CLASSES: [FaultClass; 10] = [
    FaultClass::RateLimit,
    FaultClass::Billing,
    FaultClass::Auth,
    FaultClass::Gone,
    FaultClass::Server,
    FaultClass::Overloaded,
    FaultClass::Timeout,
    FaultClass::BadRequest,
    FaultClass::Context,
    FaultClass::Refusal,
];

const SCOPES: [(&str, FaultScope); 5] = [
    ("host", FaultScope::Host),
    ("key", FaultScope::Key),
    ("key-model", FaultScope::KeyModel),
    ("target", FaultScope::Target),
    ("request", FaultScope::Request),
];

pub(super) fn resolve(scope: &mut Scope<'_>, id: &str, raw: ProviderFile) -> Loaded<Provider> {
    let places = [&raw.pools.smart, &raw.pools.fast, &raw.pools.image, &raw.pools.embed];
    let names = places.into_iter().flatten().map(|text| (text.value.clone(), text.referenced)).collect();
    let words = |list: Vec<Text>| list.into_iter().map(|text| text.value).collect();
    let entry = Provider {
        id: id.to_owned(),
        name: raw.name,
        base_url: raw.base_url.map(|url| base_url(scope, url)),
        base_url_env: raw.base_url_env,
        base_url_at: raw.base_url_at.into_iter().map(|(region, url)| (region, base_url(scope, url))).collect(),
        region_env: raw.region_env,
        default_region: raw.default_region,
        project_env: raw.project_env,
        credentials_env: raw.credentials_env,
        env: raw.env,
        key_optional: raw.key_optional,
        auth: auth(raw.auth),
        headers: raw.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
        pass_headers: raw.pass_headers.into_iter().map(|name| name.to_ascii_lowercase()).collect(),
        betas: raw.betas,
        endpoints: raw.endpoints.into_iter().filter_map(|raw| endpoint(scope, raw)).collect(),
        quirks: scope.quirks(raw.quirks),
        errors: raw.errors.into_iter().filter_map(|raw| error_rule(scope, raw)).collect(),
        capabilities: scope.capabilities(&raw.can),
        auth_below: raw.auth_below.into_iter().map(|(folder, raw)| (folder, auth(raw))).collect(),
        health_path: raw.health_path.map(|text| path(scope, text)),
        pools: Pools {
            smart: words(raw.pools.smart),
            fast: words(raw.pools.fast),
            image: words(raw.pools.image),
            embed: words(raw.pools.embed),
        },
        unavailable: raw.unavailable,
        tells_cost: raw.tells_cost,
    };
    Loaded { entry, file: scope.file.to_owned(), at: Location::UNKNOWN, names }
}

fn auth(raw: RawAuth) -> Auth {
    match raw {
        RawAuth::Bearer => Auth::Bearer,
        RawAuth::Token => Auth::Token,
        RawAuth::Header(name) => Auth::Header { name: name.to_ascii_lowercase() },
        RawAuth::None => Auth::None,
        RawAuth::AwsSigV4 => Auth::AwsSigV4,
        RawAuth::GoogleOAuth => Auth::GoogleOAuth,
    }
}

/// Paths are appended to it, so it has no slash at its end and no query.
fn base_url(scope: &mut Scope<'_>, url: Text) -> String {
    let text = url.value;
    let absolute = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let authority = absolute.and_then(|rest| rest.split('/').next());
    if authority.is_none_or(|host| host.is_empty() || host.contains('@')) || text.contains(['?', '#']) {
        scope.problem(url.referenced, format!("`{text}` is not an http(s) URL without credentials, query or fragment"));
    } else if text.ends_with('/') {
        scope.problem(url.referenced, format!("`{text}` ends in a slash, and paths begin with one"));
    }
    text
}

fn path(scope: &mut Scope<'_>, path: Text) -> String {
    let words = ["{model}", "{model_segment}", "{base_model_segment}", "{project}", "{region}"];
    let plain = words.iter().fold(path.value.clone(), |path, word| path.replace(word, ""));
    if !path.value.starts_with('/') || plain.contains(['{', '}', '#', ' ']) {
        let message =
            format!("`{}` is not a path: it begins with a slash and may hold `{}`", path.value, words.join("`, `"));
        scope.problem(path.referenced, message);
    }
    path.value
}

fn endpoint(scope: &mut Scope<'_>, raw: RawEndpoint) -> Option<Endpoint> {
    let operations = Operation::ALL.map(|operation| (operation.as_str(), operation));
    let dialects = Dialect::ALL.map(|dialect| (dialect.as_str(), dialect));
    let operation = scope.word(&raw.operation, &operations);
    let dialect = raw.dialect.map(|text| scope.word(&text, &dialects));
    let shapes = Shape::ALL.map(|shape| (shape.as_str(), shape));
    let shape = raw.shape.map(|text| scope.word(&text, &shapes));
    let endpoint = Endpoint {
        operation: operation?,
        dialect: dialect.flatten(),
        shape: shape.flatten().unwrap_or_default(),
        path: path(scope, raw.path),
        stream_path: raw.stream_path.map(|text| path(scope, text)),
        models: raw.models,
        omit: raw.omit.iter().filter_map(|text| scope.pointer(text)).collect(),
        lift: raw.lift,
        add: scope.defaults(raw.add),
        auth: raw.auth.map(auth),
    };
    if endpoint.operation == Operation::Chat && endpoint.dialect.is_none() {
        scope.problem(raw.operation.referenced, "a chat endpoint says its `dialect`");
    }
    Some(endpoint)
}

fn error_rule(scope: &mut Scope<'_>, raw: RawErrorRule) -> Option<ErrorRule> {
    if raw.code.is_none() && raw.starts.is_none() && raw.contains.is_none() {
        scope.problem(
            raw.class.referenced,
            "an error rule says a `code`, or how the message `starts` or what it `contains`",
        );
    }
    let class = scope.word(&raw.class, &CLASSES.map(|class| (class.as_str(), class)));
    let blamed = raw.scope.map(|text| scope.word(&text, &SCOPES));
    let class = class?;
    Some(ErrorRule {
        code: raw.code,
        starts: raw.starts,
        contains: raw.contains,
        class,
        scope: blamed.flatten().unwrap_or_else(|| class.scope()),
    })
}

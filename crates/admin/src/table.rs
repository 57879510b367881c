//! What is served: every path once. The document of the API is held to this table by a test.

use std::future::Future;
use std::pin::Pin;

use http::{Method, StatusCode};
use ringmain_core::Area;
use ringmain_engine::accept::unescape;

use crate::answer::{Answer, Problem};
use crate::{Ask, analytics, groups, health, keys, limits, openapi, requests, tokens};

type Served<'r> = Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send + 'r>>;

/// One path and method.
pub(crate) struct Entry {
    pub(crate) method: Method,
    /// `{…}` at its end stands for the rest of the path.
    pub(crate) path: &'static str,
    /// The part of the plane it is in. `None`: for everybody who is let in.
    pub(crate) area: Option<Area>,
    pub(crate) serve: fn(Ask<'_>) -> Served<'_>,
}

macro_rules! entries {
    ($($method:ident $path:literal $area:expr => $serve:path,)*) => {
        pub(crate) static TABLE: &[Entry] = &[$(
            Entry { method: Method::$method, path: $path, area: $area, serve: |ask| Box::pin($serve(ask)) },
        )*];
    };
}

entries! {
    GET "/" None => openapi::welcome,
    GET "/metrics" Some(Area::Metrics) => health::metrics,
    GET "/api/openapi.json" None => openapi::document,
    GET "/api/requests" Some(Area::Requests) => requests::list,
    GET "/api/requests/{id}" Some(Area::Requests) => requests::one,
    GET "/api/analytics" Some(Area::Analytics) => analytics::ask,
    GET "/api/endpoints" Some(Area::Endpoints) => health::endpoints,
    GET "/api/store" Some(Area::Endpoints) => health::store,
    GET "/api/limits" Some(Area::Limits) => limits::list,
    GET "/api/keys" Some(Area::Keys) => keys::list,
    POST "/api/keys" Some(Area::Keys) => keys::create,
    DELETE "/api/keys/{id}" Some(Area::Keys) => keys::revoke,
    GET "/api/groups" Some(Area::Keys) => groups::list,
    PUT "/api/groups/{path}" Some(Area::Keys) => groups::put,
    DELETE "/api/groups/{path}" Some(Area::Keys) => groups::remove,
    GET "/api/tokens" Some(Area::Tokens) => tokens::list,
    POST "/api/tokens" Some(Area::Tokens) => tokens::create,
    DELETE "/api/tokens/{id}" Some(Area::Tokens) => tokens::revoke,
    GET "/api/audit" Some(Area::Audit) => groups::audit,
}

/// The entry of a request, and what its path says after it.
pub(crate) fn find(method: &Method, path: &str) -> Result<(&'static Entry, String), Problem> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let fitting: Vec<_> = TABLE.iter().filter_map(|entry| Some((entry, rest_of(entry.path, path)?))).collect();
    if fitting.is_empty() {
        let message = "nothing is served here; /api/openapi.json says what is";
        return Err(Problem::missing(message));
    }
    let found = fitting.into_iter().find(|(entry, _)| entry.method == *method);
    found.ok_or_else(|| Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{path} does not take {method}")))
}

fn rest_of(pattern: &str, path: &str) -> Option<String> {
    let Some((fixed, _)) = pattern.split_once('{') else {
        return (path == pattern || path.strip_suffix('/') == Some(pattern)).then(String::new);
    };
    path.strip_prefix(fixed).filter(|rest| !rest.is_empty()).map(unescape)
}

//! Where in a cloud a provider is: region and project.

use std::sync::Arc;

use ringmain_catalog::{Auth, Provider as Kind};
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::{Credential, Key, Sources};

/// Do requests with any of these keys need a signature, which names a region? A token of its own does not.
pub(super) fn signs(kind: &Kind, keys: &[Key]) -> bool {
    let token = |key: &Key| matches!(key.credential, Credential::Secret(_) | Credential::Token(_));
    kind.auth == Auth::AwsSigV4 && !keys.iter().all(token)
}

/// The region that a base URL is in: from the host's name (`bedrock-runtime.us-east-1.…`), else the usual one.
pub(super) fn region_of(base_url: &str, sources: &dyn Sources, kind: &Kind) -> Option<String> {
    let host = base_url.split("://").nth(1).and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default();
    let mut labels = host.split('.');
    let named = labels.find(|label| label.contains("bedrock-runtime")).and_then(|_| labels.next()).map(str::to_owned);
    named.filter(|_| kind.auth == Auth::AwsSigV4).or_else(|| default_region(sources, kind))
}

/// The region where none is written: the environment's, else the kind's.
pub(super) fn default_region(sources: &dyn Sources, kind: &Kind) -> Option<String> {
    from_variables(sources, &kind.region_env).or_else(|| kind.default_region.clone())
}

/// The base URL of a kind in a region; `{region}` stays where the region is not one of its exceptions.
pub(super) fn usual_base_url<'k>(kind: &'k Kind, region: Option<&str>) -> Option<&'k str> {
    let own = kind.base_url_at.iter().find(|(at, _)| Some(at.as_str()) == region).map(|(_, url)| url);
    own.or(kind.base_url.as_ref()).map(String::as_str)
}

/// The project where none is written. An account that is known by its API key needs none, so the environment's is not its.
pub(super) fn project(sources: &dyn Sources, kind: &Kind, keys: &[Key]) -> Option<String> {
    if !needs_project(kind, keys) {
        return None;
    }
    let of_credential = |key: &Key| match &key.credential {
        Credential::Google(text) => project_in(text.expose_secret()),
        _ => None,
    };
    let of_file = || {
        let path = from_variables(sources, &kind.credentials_env)?;
        project_in(&sources.file(&path).ok()?)
    };
    from_variables(sources, &kind.project_env).or_else(|| keys.iter().find_map(of_credential)).or_else(of_file)
}

/// Do requests with any of these keys name a project?
pub(super) fn needs_project(kind: &Kind, keys: &[Key]) -> bool {
    kind.has_projects() && !keys.iter().all(|key| matches!(key.credential, Credential::Secret(_)))
}

/// The kind with its paths in the provider's place.
pub(super) fn placed(kind: Arc<Kind>, project: Option<&str>, region: Option<&str>) -> Arc<Kind> {
    if kind.has_projects() { Arc::new(kind.placed(project, region)) } else { kind }
}

/// The project that a credentials file names.
fn project_in(text: &str) -> Option<String> {
    let file: Value = serde_json::from_str(text).ok()?;
    let name = |key: &str| file.get(key)?.as_str().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
    name("project_id").or_else(|| name("quota_project_id"))
}

/// The first of these variables that is set.
pub(super) fn from_variables(sources: &dyn Sources, names: &[String]) -> Option<String> {
    let set = |name: &String| sources.var(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    names.iter().find_map(set)
}

//! The credentials of a provider: the setting `keys` of its section.

use std::hash::{DefaultHasher, Hash, Hasher};

use ringmain_catalog::{Auth, Provider as Kind};
use ringmain_routing::Caps;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::targets::caps;
use crate::diagnostic::Code;
use crate::raw::{Data, Field, Section};
use crate::resolve::Resolver;
use crate::{Credential, Key};

/// How Google's access tokens begin: what `gcloud auth print-access-token` prints.
const ACCESS_TOKEN: &str = "ya29.";

impl Resolver<'_> {
    pub(super) fn keys(&mut self, field: &Field, section: &Section, kind: &Kind) -> Option<Vec<Key>> {
        let name = field.key.as_str();
        let items = section.list("keys");
        let mut keys: Vec<Key> = Vec::new();
        for item in items {
            let (credential, weight, caps) = self.key(item, kind)?;
            let fingerprint = fingerprint(&credential);
            if let Some(same) = keys.iter().find(|key| key.fingerprint == fingerprint) {
                let message = format!("`{}` is the same key as {}", item.path, same.label);
                self.problems.warning(Code::NoEffect, item.span, &item.path, message).help("take one of them out");
                continue;
            }
            let label = format!("{name}#{}", keys.len() + 1);
            keys.push(Key { label, credential, weight, caps, fingerprint });
        }
        if !keys.is_empty() {
            return Some(keys);
        }
        match section.get("keys") {
            Some(list) if list.is_invalid() => None,
            // An empty list says "none", on purpose or not.
            Some(_) if kind.key_optional => Some(vec![nameless(name)]),
            Some(list) => {
                let message = format!("`{}` holds no usable key", list.path);
                self.problems.error(Code::Missing, list.span, &list.path, message).help(key_line(kind));
                None
            }
            None => match from_environment(self.sources, name, kind) {
                Some(key) => Some(vec![key]),
                None => {
                    let message = format!("the provider `{name}` has no key");
                    self.problems.error(Code::Missing, field.key_span, &field.path, message).help(key_line(kind));
                    None
                }
            },
        }
    }

    fn key(&mut self, item: &Field, kind: &Kind) -> Option<(Credential, f64, Caps)> {
        let section = match &item.data {
            Data::Secret(secret) => return Some((self.secret(secret, item, kind)?, 1.0, Caps::default())),
            Data::Section(section) => section,
            _ => return None,
        };
        // What was written and refused has its own problem already.
        if section.fields.iter().any(Field::is_invalid) {
            return None;
        }
        let pair = (section.text("access_key"), section.secret("secret_key"));
        let credential = match (section.secret("key"), section.secret("access_token"), pair) {
            (Some(key), None, (None, None)) => self.secret(key, item, kind)?,
            (None, Some(token), (None, None)) => Credential::Token(token.clone()),
            (None, None, (Some(access_key), Some(secret_key))) => Credential::Aws {
                access_key: access_key.to_owned(),
                secret_key: secret_key.clone(),
                session_token: section.secret("session_token").cloned(),
            },
            _ => {
                let message =
                    format!("`{}` needs `key`, or `access_token`, or `access_key` and `secret_key`", item.path);
                let help = "write `{ key: \"${NAME}\" }`";
                self.problems.error(Code::Missing, item.span, &item.path, message).help(help);
                return None;
            }
        };
        let weight = section.number("weight").unwrap_or(1.0);
        if weight <= 0.0 {
            let message = format!("`{}` gives the key no share at all", item.path);
            let help = "write a weight above 0, or take the key out";
            self.problems.error(Code::Weights, item.span, &item.path, message).help(help);
            return None;
        }
        Some((credential, weight, caps(section)))
    }

    /// What a secret is to this kind of provider: a key, or the text of a credentials file.
    fn secret(&mut self, secret: &SecretString, item: &Field, kind: &Kind) -> Option<Credential> {
        let text = secret.expose_secret();
        let problem = match (&kind.auth, text.starts_with('{')) {
            (Auth::GoogleOAuth, true) => match wrong_with(text) {
                None => return Some(Credential::Google(secret.clone())),
                Some(wrong) => format!("`{}` is no Google credentials file that can be used: {wrong}", item.path),
            },
            (_, false) => return Some(plain(text, kind)),
            (_, true) => format!("`{}` is JSON, and {} takes a plain key", item.path, kind.name),
        };
        self.problems.error(Code::BadValue, item.span, &item.path, problem);
        None
    }
}

/// The line that gives a provider of this kind its key.
fn key_line(kind: &Kind) -> String {
    match kind.env.first() {
        Some(name) => format!("add `keys: [\"${{{name}}}\"]`, or set {name} in the environment"),
        None => "add `keys: [\"${NAME}\"]` with the variable that holds its key".to_owned(),
    }
}

/// The one key of a provider without `keys`: from the environment, or none where none is needed.
pub(super) fn from_environment(sources: &dyn crate::Sources, name: &str, kind: &Kind) -> Option<Key> {
    let found = kind.env.iter().find_map(|variable| sources.var(variable).filter(|value| sendable(value)));
    match found {
        Some(value) => {
            let credential = plain(value.trim(), kind);
            let fingerprint = fingerprint(&credential);
            Some(Key { label: format!("{name}#1"), credential, weight: 1.0, caps: Caps::default(), fingerprint })
        }
        None if kind.key_optional => Some(nameless(name)),
        None => match kind.auth {
            Auth::None | Auth::AwsSigV4 | Auth::GoogleOAuth => Some(nameless(name)),
            Auth::Bearer | Auth::Token | Auth::Header { .. } => None,
        },
    }
}

fn plain(value: &str, kind: &Kind) -> Credential {
    let secret = SecretString::from(value);
    let is_token = kind.auth == Auth::GoogleOAuth && value.starts_with(ACCESS_TOKEN);
    if is_token { Credential::Token(secret) } else { Credential::Secret(secret) }
}

fn sendable(value: &str) -> bool {
    let value = value.trim();
    !value.is_empty() && value.bytes().all(|byte| (0x21..0x7f).contains(&byte))
}

fn nameless(name: &str) -> Key {
    let caps = Caps::default();
    Key { label: name.to_owned(), credential: Credential::None, weight: 1.0, caps, fingerprint: 0 }
}

fn fingerprint(credential: &Credential) -> u64 {
    let mut hasher = DefaultHasher::new();
    match credential {
        Credential::None => return 0,
        Credential::Secret(secret) | Credential::Token(secret) | Credential::Google(secret) => {
            secret.expose_secret().hash(&mut hasher);
        }
        Credential::Aws { access_key, secret_key, session_token } => {
            access_key.hash(&mut hasher);
            secret_key.expose_secret().hash(&mut hasher);
            session_token.as_ref().map(ExposeSecret::expose_secret).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// What is wrong with the text of a Google credentials file, without anything of it. `None`: nothing that can be seen.
fn wrong_with(text: &str) -> Option<String> {
    let Ok(file) = serde_json::from_str::<Value>(text) else { return Some("it is not JSON".to_owned()) };
    if file["type"] != "impersonated_service_account" {
        return wrong_with_one(&file);
    }
    let unnamed = file["service_account_impersonation_url"].as_str().is_none_or(str::is_empty);
    let missing = unnamed.then(|| "it has no `service_account_impersonation_url`".to_owned());
    missing.or_else(|| wrong_with_one(&file["source_credentials"]).map(|wrong| format!("of its source: {wrong}")))
}

fn wrong_with_one(file: &Value) -> Option<String> {
    let has = |name: &str| file.get(name).and_then(Value::as_str).is_some_and(|value| !value.trim().is_empty());
    let needed: &[&str] = match file.get("type").and_then(Value::as_str) {
        Some("service_account") => &["client_email", "private_key"],
        Some("authorized_user") => &["client_id", "client_secret", "refresh_token"],
        Some("external_account") => {
            let from = &file["credential_source"];
            if from["file"].is_string() == from["url"].is_string() {
                return Some("its `credential_source` is neither a file nor a URL".to_owned());
            }
            &["audience", "subject_token_type"]
        }
        _ => {
            let read = "`service_account`, `authorized_user`, `external_account` or `impersonated_service_account`";
            return Some(format!("its `type` is none of {read}"));
        }
    };
    needed.iter().find(|name| !has(name)).map(|name| format!("it has no `{name}`"))
}

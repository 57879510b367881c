//! The section `providers`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use ringmain_catalog::{Auth, Provider as Kind};
use ringmain_core::Dialect;
use ringmain_routing::Caps;
use secrecy::{ExposeSecret, SecretString};

use super::targets::caps;
use super::url;
use crate::diagnostic::Code;
use crate::raw::{Data, Field, Section, nearest, quoted};
use crate::resolve::{Resolver, Standing};
use crate::{CaFile, Credential, Key, Provider};

/// How every certificate begins in PEM.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

impl Resolver<'_> {
    pub(super) fn written_providers(&mut self, section: &Section) {
        for field in &section.fields {
            let standing = match field.section() {
                Some(section) => self.written_provider(field, section),
                None => Standing::Broken,
            };
            self.known.insert(field.key.clone(), standing);
        }
    }

    fn written_provider(&mut self, field: &Field, section: &Section) -> Standing {
        let name = field.key.as_str();
        if name.is_empty() || name.contains(|char: char| char == '/' || char == '%' || char.is_whitespace()) {
            let message = format!("`{}` cannot be a provider's name", quoted(name));
            let problem = self.problems.error(Code::BadValue, field.key_span, &field.path, message);
            problem.help("it stands before the slash of `provider/model`: no slash, percent sign or space");
            return Standing::Broken;
        }
        let Some(kind) = self.kind(field, section) else { return Standing::Broken };
        if let Some(why) = &kind.unavailable {
            let message = format!("the provider `{name}` is not available yet: {why}");
            self.problems.warning(Code::NotAvailable, field.key_span, &field.path, message);
            return Standing::Unavailable(why.clone());
        }
        let base_url = self.base_url(field, section, &kind);
        let dialect = self.dialect(section, &kind);
        let keys = self.keys(field, section, &kind);
        let (Some(base_url), Some(keys)) = (base_url, keys) else { return Standing::Broken };
        let text = |key: &str| section.text(key).map(str::to_owned);
        let region = text("region").or_else(|| region_of(&base_url, self.sources, &kind));
        let Ok(ca_file) = self.ca_file(section) else { return Standing::Broken };
        if region.is_none() && signs(&kind, &keys) {
            self.no_region(field);
            return Standing::Broken;
        }
        let heartbeat = self.heartbeat(section, &kind);
        self.add(Provider { name: name.to_owned(), kind, base_url, keys, dialect, region, heartbeat, ca_file })
    }

    /// Reads the certificates. An error has been reported.
    fn ca_file(&mut self, section: &Section) -> Result<Option<CaFile>, ()> {
        let Some(field) = section.get("ca_file") else { return Ok(None) };
        let Some(path) = field.text() else { return Err(()) };
        let problem = match self.sources.file(path) {
            Ok(pem) if pem.contains(CERTIFICATE) => return Ok(Some(CaFile { path: path.to_owned(), pem })),
            Ok(_) => "holds no certificate: it must be PEM",
            Err(reason) => {
                let message = format!("the file `{}` cannot be read: {reason}", quoted(path));
                self.problems.error(Code::Unset, field.span, &field.path, message);
                return Err(());
            }
        };
        let message = format!("the file `{}` {problem}", quoted(path));
        self.problems.error(Code::BadValue, field.span, &field.path, message);
        Err(())
    }

    pub(super) fn add(&mut self, provider: Provider) -> Standing {
        self.providers.push(provider);
        Standing::Ready(self.providers.len() - 1)
    }

    fn kind(&mut self, field: &Field, section: &Section) -> Option<Arc<Kind>> {
        let written = section.get("kind");
        if written.is_some_and(Field::is_invalid) {
            return None;
        }
        let id = written.and_then(Field::text).unwrap_or(&field.key);
        if let Some(kind) = self.catalog.provider(id) {
            return Some(Arc::new(kind.clone()));
        }
        let ids = self.catalog.providers().map(|kind| kind.id.as_str());
        let near = nearest(id, ids).filter(|_| written.is_none_or(|kind| !kind.outside)).map(str::to_owned);
        let shown = written.map_or_else(|| quoted(id), |kind| kind.written.clone());
        let (span, path) = written.map_or((field.key_span, &field.path), |kind| (kind.span, &kind.path));
        let message = match written {
            Some(_) => format!("the catalog has no kind of provider `{shown}`"),
            None => format!("the catalog has no provider `{shown}`, so `kind` must say what it is"),
        };
        let help = match near {
            Some(near) if written.is_some() => format!("did you mean `{near}`?"),
            Some(near) => format!("did you mean `{near}`? A name of your own needs a `kind`"),
            None => "for a server that speaks OpenAI's dialect write `kind: openai-compatible` and its `base_url`"
                .to_owned(),
        };
        self.problems.error(Code::UnknownProvider, span, path, message).help(help);
        None
    }

    fn base_url(&mut self, field: &Field, section: &Section, kind: &Kind) -> Option<String> {
        let written = section.get("base_url");
        let path = format!("{}.base_url", field.path);
        let Some(text) = written.and_then(Field::text).or(kind.base_url.as_deref()) else {
            if written.is_none() {
                let message = format!("`{}` needs a `base_url`: every account of {} has its own", field.key, kind.name);
                let help = "write what the vendor's own SDK would be given";
                self.problems.error(Code::Missing, field.key_span, &path, message).help(help);
            }
            return None;
        };
        let region =
            section.text("region").map(str::to_owned).or_else(|| from_variables(self.sources, &kind.region_env));
        let text = match (text.contains("{region}"), region) {
            (true, Some(region)) => text.replace("{region}", &region),
            (true, None) => {
                self.no_region(field);
                return None;
            }
            (false, _) => text.to_owned(),
        };
        let span = written.map_or(field.key_span, |field| field.span);
        match url::base(&text) {
            Ok(base) => {
                if !base.secure && !base.is_loopback() {
                    let message = format!("`{path}` is not encrypted: keys and prompts travel in the clear");
                    self.problems
                        .warning(Code::PlainHttp, span, &path, message)
                        .help("use `https://` if the server can");
                }
                Some(base.url)
            }
            Err((what, help)) => {
                self.problems.hide(span);
                let problem = self.problems.error(Code::BadValue, span, &path, format!("`{path}` {what}"));
                problem.help = help;
                None
            }
        }
    }

    fn no_region(&mut self, field: &Field) {
        let message = format!("`{}` needs a `region`", field.key);
        let help = "write the cloud region, such as `region: us-east-1`";
        self.problems.error(Code::Missing, field.key_span, &field.path, message).help(help);
    }

    fn dialect(&mut self, section: &Section, kind: &Kind) -> Option<Dialect> {
        let field = section.get("dialect")?;
        let dialect: Dialect = field.text()?.parse().ok()?;
        if kind.dialects().any(|spoken| spoken == dialect) {
            return Some(dialect);
        }
        let spoken = kind.dialects().map(Dialect::as_str).collect::<Vec<_>>().join("`, `");
        let message = format!("{} does not speak `{dialect}`", kind.name);
        let help = if spoken.is_empty() { "take the line out".to_owned() } else { format!("it speaks `{spoken}`") };
        self.problems.error(Code::BadValue, field.span, &field.path, message).help(help);
        None
    }

    fn keys(&mut self, field: &Field, section: &Section, kind: &Kind) -> Option<Vec<Key>> {
        let name = field.key.as_str();
        let items = section.list("keys");
        let mut keys: Vec<Key> = Vec::new();
        for item in items {
            let (credential, weight, caps) = self.key(item)?;
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

    fn key(&mut self, item: &Field) -> Option<(Credential, f64, Caps)> {
        let section = match &item.data {
            Data::Secret(secret) => return Some((Credential::Secret(secret.clone()), 1.0, Caps::default())),
            Data::Section(section) => section,
            _ => return None,
        };
        // What was written and refused has its own problem already.
        if section.fields.iter().any(Field::is_invalid) {
            return None;
        }
        let credential = match (section.secret("key"), section.text("access_key"), section.secret("secret_key")) {
            (Some(key), None, None) => Credential::Secret(key.clone()),
            (None, Some(access_key), Some(secret_key)) => Credential::Aws {
                access_key: access_key.to_owned(),
                secret_key: secret_key.clone(),
                session_token: section.secret("session_token").cloned(),
            },
            _ => {
                let message = format!("`{}` needs either `key`, or `access_key` and `secret_key`", item.path);
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
}

/// Do requests with any of these keys need a signature, which names a region? A token of its own does not.
fn signs(kind: &Kind, keys: &[Key]) -> bool {
    let token = |key: &Key| matches!(key.credential, Credential::Secret(_));
    kind.auth == Auth::AwsSigV4 && !keys.iter().all(token)
}

/// The region that a base URL is in: from the host's name (`bedrock-runtime.us-east-1.…`), else from the environment.
fn region_of(base_url: &str, sources: &dyn crate::Sources, kind: &Kind) -> Option<String> {
    let host = base_url.split("://").nth(1).and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default();
    let mut labels = host.split('.');
    let named = labels.find(|label| label.contains("bedrock-runtime")).and_then(|_| labels.next()).map(str::to_owned);
    named.filter(|_| kind.auth == Auth::AwsSigV4).or_else(|| from_variables(sources, &kind.region_env))
}

/// The first of these variables that is set.
pub(super) fn from_variables(sources: &dyn crate::Sources, names: &[String]) -> Option<String> {
    let set = |name: &String| sources.var(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    names.iter().find_map(set)
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
            let credential = Credential::Secret(SecretString::from(value.trim()));
            let fingerprint = fingerprint(&credential);
            Some(Key { label: format!("{name}#1"), credential, weight: 1.0, caps: Caps::default(), fingerprint })
        }
        None if kind.key_optional => Some(nameless(name)),
        None => match kind.auth {
            Auth::None | Auth::AwsSigV4 | Auth::GoogleOAuth => Some(nameless(name)),
            Auth::Bearer | Auth::Header { .. } => None,
        },
    }
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
        Credential::Secret(secret) => secret.expose_secret().hash(&mut hasher),
        Credential::Aws { access_key, secret_key, session_token } => {
            access_key.hash(&mut hasher);
            secret_key.expose_secret().hash(&mut hasher);
            session_token.as_ref().map(ExposeSecret::expose_secret).hash(&mut hasher);
        }
    }
    hasher.finish()
}

//! The sections `keys` and `groups`: who may call, and how much they may use.

use std::collections::HashMap;

use ringmain_core::{Limit, Metered, WallTime};

use crate::diagnostic::Code;
use crate::raw::{Data, Field, Section, nearest};
use crate::resolve::Resolver;
use crate::{CallerKey, Grants, Group, Names, Route, Shown};

/// What a `hash` begins with.
const SHA256: &str = "sha256:";

impl Resolver<'_> {
    /// The keys that are written in the file.
    pub(super) fn caller_keys(&mut self, root: &Section, routes: &[Route]) -> Vec<CallerKey> {
        let mut keys: Vec<CallerKey> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        for field in root.list("keys") {
            let Some(section) = field.section() else { continue };
            let Some(name) = self.key_name(field, section, &mut lines) else { continue };
            let Some(shown) = self.shown(field, section) else { continue };
            let group = self.key_group(section, root);
            let grants = self.grants(section, group, routes);
            let expires = section.get("expires").and_then(date);
            keys.push(CallerKey { name, shown, expires, grants });
        }
        keys
    }

    /// The groups that are written in the file.
    pub(super) fn groups(&mut self, root: &Section, routes: &[Route]) -> Vec<Group> {
        let Some(section) = root.section("groups") else { return Vec::new() };
        let mut groups = Vec::new();
        for field in &section.fields {
            let Some(section) = field.section() else { continue };
            if !is_path(&field.key) {
                let message = format!("`{}` is no path of a group", crate::raw::quoted(&field.key));
                let help =
                    "write letters, digits, `-`, `_`, `.`, `@` or `:`, and `/` between a group and one within it";
                self.problems.error(Code::BadValue, field.key_span, &field.path, message).help(help);
                continue;
            }
            let grants = self.grants(section, None, routes);
            groups.push(Group { path: field.key.clone(), grants });
        }
        groups
    }

    fn key_name(&mut self, field: &Field, section: &Section, lines: &mut HashMap<String, usize>) -> Option<String> {
        let Some(name) = section.get("name") else {
            let message = format!("`{}` has no `name`", field.path);
            self.problems.error(Code::Missing, field.span, &field.path, message).help("add `name: …`");
            return None;
        };
        let text = name.text()?;
        if !is_name(text) {
            let message = format!("`{}` is no name of a key", name.written);
            let help = "write letters, digits, `-`, `_`, `.`, `@` or `:`";
            self.problems.error(Code::BadValue, name.span, &name.path, message).help(help);
            return None;
        }
        if let Some(first) = lines.insert(text.to_owned(), name.span.line) {
            let message = format!("there is a key `{}` already", name.written);
            let help = format!("it is on line {first}; give this one another name");
            self.problems.error(Code::BadValue, name.span, &name.path, message).help(help);
            return None;
        }
        Some(text.to_owned())
    }

    /// What a caller shows: the key itself, or its hash.
    fn shown(&mut self, field: &Field, section: &Section) -> Option<Shown> {
        match (section.get("key"), section.get("hash")) {
            (Some(_), None) => section.secret("key").cloned().map(Shown::Key),
            (None, Some(hash)) => {
                let digits = hash.text().and_then(|text| text.strip_prefix(SHA256));
                let read = digits.and_then(read_hash);
                if read.is_none() {
                    let message = format!("`{}` is no hash of a key", hash.path);
                    let help = "write `sha256:` and 64 hex digits; `printf %s \"$KEY\" | sha256sum` says them";
                    self.problems.error(Code::BadValue, hash.span, &hash.path, message).help(help);
                }
                read.map(Shown::Sha256)
            }
            _ => {
                let message = format!("`{}` takes either `key` or `hash`", field.path);
                let help = "write `key: ${NAME}`, or `hash: sha256:…` where not even the file's readers may know it";
                self.problems.error(Code::Missing, field.span, &field.path, message).help(help);
                None
            }
        }
    }

    fn key_group(&mut self, section: &Section, root: &Section) -> Option<String> {
        let field = section.get("group")?;
        let path = field.text()?;
        if !is_path(path) {
            let message = format!("`{}` is no path of a group", field.written);
            let help = "write a name, or several with `/` between them: `acme/search`";
            self.problems.error(Code::BadValue, field.span, &field.path, message).help(help);
            return None;
        }
        // A group that nothing is said of has no limits. One that is nearly called as another was to be that.
        let written = || root.section("groups").into_iter().flat_map(|groups| &groups.fields).map(|group| &*group.key);
        let within = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !written().any(|group| within(group, path))
            && let Some(near) = nearest(path, written().filter(|group| !within(path, group)))
        {
            let message = format!("nothing is said of the group `{}`", field.written);
            let help = format!("did you mean `{near}`?");
            self.problems.warning(Code::NoEffect, field.span, &field.path, message).help(help);
        }
        Some(path.to_owned())
    }

    fn grants(&mut self, section: &Section, group: Option<String>, routes: &[Route]) -> Grants {
        let tags = section.section("tags").map(|tags| {
            let pairs = tags.fields.iter().filter_map(|field| Some((field.key.clone(), field.text()?.to_owned())));
            pairs.collect()
        });
        self.unpriced(section, routes);
        Grants {
            group,
            routes: texts(section, "routes"),
            models: texts(section, "models"),
            tags: tags.unwrap_or_default(),
            limits: section.list("limits").iter().filter_map(limit).collect(),
            on_exhausted: section.get("on_exhausted").and_then(|field| self.on_exhausted(field, routes)),
        }
    }

    /// A limit in dollars holds nobody back at a target whose price nobody knows.
    fn unpriced(&mut self, section: &Section, routes: &[Route]) {
        let is_money = |field: &&Field| limit(field).is_some_and(|limit| limit.of == Metered::Money);
        let Some(field) = section.list("limits").iter().find(is_money) else { return };
        let only = Names::new(texts(section, "routes")).unwrap_or_default();
        let may = |route: &&Route| only.texts().next().is_none() || only.find(&route.name).is_some();
        let targets = routes.iter().filter(|route| !route.builtin).filter(may).flat_map(|route| route.targets.iter());
        let mut names: Vec<String> = Vec::new();
        for target in targets {
            let Some(provider) = self.providers.get(target.provider) else { continue };
            let name = format!("{}/{}", provider.name, target.model);
            let is_known = provider.kind.tells_cost || provider.knows(self.catalog, &target.model).price.is_some();
            if !is_known && !names.contains(&name) {
                names.push(name);
            }
        }
        let Some(first) = names.first() else { return };
        let others = if names.len() > 1 { format!(" and {} more", names.len() - 1) } else { String::new() };
        let message = format!("`{}` does not hold at `{first}`{others}: no price is known there", field.written);
        let help = "write it under `models` of the provider; `price: { input: $0 }` is one, for what is your own";
        self.problems.warning(Code::NoEffect, field.span, &field.path, message).help(help);
    }

    /// `error`, or `route:cheap`.
    fn on_exhausted(&mut self, field: &Field, routes: &[Route]) -> Option<String> {
        let text = field.text()?;
        if text == "error" {
            return None;
        }
        let name = text.strip_prefix("route:").map(str::trim);
        if let Some(name) = name.filter(|name| routes.iter().any(|route| *route.name == **name)) {
            return Some(name.to_owned());
        }
        let message = match name {
            Some(_) => format!("`{}` names no route", field.written),
            None => format!("`{}` is neither `error` nor `route:…`", field.written),
        };
        let known: Vec<&str> = routes.iter().map(|route| &*route.name).collect();
        let help = match known.is_empty() {
            true => "write a route of the cheap targets, and `route:` with its name here".to_owned(),
            false => format!("the routes are `{}`", known.join("`, `")),
        };
        self.problems.error(Code::BadValue, field.span, &field.path, message).help(help);
        None
    }
}

fn limit(field: &Field) -> Option<Limit> {
    match field.data {
        Data::Limit(limit) => Some(limit),
        _ => None,
    }
}

const fn date(field: &Field) -> Option<WallTime> {
    match field.data {
        Data::Date(date) => Some(date),
        _ => None,
    }
}

fn texts(section: &Section, key: &str) -> Vec<String> {
    section.list(key).iter().filter_map(Field::text).map(ToOwned::to_owned).collect()
}

/// As `ringmain_state::keys::is_name`.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@:".contains(c);
    !text.is_empty() && text.len() <= 100 && text.chars().all(plain)
}

fn is_path(text: &str) -> bool {
    text.split('/').count() <= 8 && text.split('/').all(is_name)
}

fn read_hash(digits: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(hash)
}

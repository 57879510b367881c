//! `${NAME}` and `${NAME:-default}` in a value.

use crate::Sources;

/// A value after its variables were filled in.
pub(super) struct Filled {
    pub(super) text: String,
    /// Something in it came from the environment: it may not be shown.
    pub(super) outside: bool,
}

/// What keeps a variable from being filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The variable is not set.
    Unset(String),
    /// `${` without a `}`, or with no name between.
    Malformed,
}

/// Fills in variables. `$${` is a plain `${`. An empty variable counts as unset where there is a default.
pub(super) fn fill(raw: &str, sources: &dyn Sources) -> Result<Filled, Trouble> {
    let mut filled = Filled { text: String::with_capacity(raw.len()), outside: false };
    let mut rest = raw;
    while let Some(at) = rest.find("${") {
        let (before, found) = rest.split_at(at);
        if let Some(plain) = before.strip_suffix('$') {
            filled.text.push_str(plain);
            filled.text.push_str("${");
            rest = &found[2..];
            continue;
        }
        filled.text.push_str(before);
        let Some((inner, after)) = found[2..].split_once('}') else { return Err(Trouble::Malformed) };
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        if !is_name(name) {
            return Err(Trouble::Malformed);
        }
        match (sources.var(name), default) {
            (Some(value), None) => filled.text.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => filled.text.push_str(&value),
            (_, Some(default)) => filled.text.push_str(default),
            (None, None) => return Err(Trouble::Unset(name.to_owned())),
        }
        filled.outside = true;
        rest = after;
    }
    filled.text.push_str(rest);
    Ok(filled)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

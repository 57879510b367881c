//! Reading scalars from JSON text without building a value.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// The string, borrowed where it has no escapes. `None` if it is no string, or holds half a surrogate pair.
pub fn as_str(value: &RawValue) -> Option<Cow<'_, str>> {
    unquote(value.get())
}

/// `true` or `false`; `None` for anything else.
pub fn as_bool(value: &RawValue) -> Option<bool> {
    match value.get() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A number written as digits alone. `None` for anything else, `1.0` and `1e3` too.
pub fn as_u64(value: &RawValue) -> Option<u64> {
    value.get().parse().ok()
}

/// What a JSON string token says.
pub(super) fn unquote(token: &str) -> Option<Cow<'_, str>> {
    let inner = token.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(token).ok().map(Cow::Owned)
}

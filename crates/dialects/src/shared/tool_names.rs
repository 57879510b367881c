//! What a tool may be called.

use crate::codec::Unsupported;

/// Is it a name that every API takes, this long at most?
pub(crate) fn is_name(name: &str, most: usize) -> bool {
    (1..=most).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Refuses another name of a tool. The model would call it by another than the caller knows, and nobody here remembers
/// which. `path`: the tool's place.
///
/// # Errors
/// It is none.
pub(crate) fn check(name: &str, most: usize, path: &str) -> Result<(), Unsupported> {
    if is_name(name, most) {
        return Ok(());
    }
    let reason = format!("a tool's name may hold letters, digits, `_` and `-`, {most} at most");
    Err(Unsupported { field: format!("{path}.name"), reason })
}

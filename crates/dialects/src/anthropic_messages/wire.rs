//! Small forms that requests, answers and streams share.

use serde_json::Value;

/// An id of a tool call as the API takes it: letters, digits, `_` and `-`. Another is mapped, the same always to the
/// same, so that a call and its result still meet.
pub(super) fn tool_id(id: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !id.is_empty() && id.chars().all(fits) {
        return id.to_owned();
    }
    let readable: String = id.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    // FNV-1a: two ids that differ only in what was replaced stay apart.
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{readable}_{hash:016x}")
}

/// Is this source of a text in this dialect's form?
pub(super) fn is_citation(value: &Value) -> bool {
    value.get("type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("_location"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_mapped_apart() {
        assert_eq!(tool_id("toolu_01-A"), "toolu_01-A");
        assert!(tool_id("call:1").starts_with("call_1_"));
        assert_ne!(tool_id("call:1"), tool_id("call.1"));
        assert_eq!(tool_id("call:1"), tool_id("call:1"));
        assert_ne!(tool_id(""), "");
    }
}

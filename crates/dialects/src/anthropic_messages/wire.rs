//! Small forms that requests, answers and streams share.

use serde_json::{Map, Value};

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

/// A call's arguments as the object the API demands. The flag says whether that is what the model wrote; text that is no
/// object is kept as text inside one.
pub(super) fn input_of(arguments: &str) -> (Value, bool) {
    if arguments.trim().is_empty() {
        return (Value::Object(Map::new()), true);
    }
    match serde_json::from_str(arguments) {
        Ok(object @ Value::Object(_)) => (object, true),
        _ => (Value::Object(Map::from_iter([("arguments".to_owned(), arguments.into())])), false),
    }
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

    #[test]
    fn arguments_become_objects() {
        let table = [
            ("", "{}", true),
            (r#"{"a":1.0}"#, r#"{"a":1.0}"#, true),
            ("[1]", r#"{"arguments":"[1]"}"#, false),
            ("{\"a\":", r#"{"arguments":"{\"a\":"}"#, false),
        ];
        for (arguments, input, exact) in table {
            assert_eq!(input_of(arguments), (serde_json::from_str(input).unwrap(), exact), "{arguments}");
        }
    }
}

//! A tool call's arguments, for dialects that demand an object.

use serde_json::{Map, Value};

/// A call's arguments as the object those dialects demand. The flag says whether that is what the model wrote; text that is no
/// object is kept as text inside one.
pub(crate) fn input_of(arguments: &str) -> (Value, bool) {
    if arguments.trim().is_empty() {
        return (Value::Object(Map::new()), true);
    }
    match serde_json::from_str(arguments) {
        Ok(object @ Value::Object(_)) => (object, true),
        _ => (Value::Object(Map::from_iter([("arguments".to_owned(), arguments.into())])), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

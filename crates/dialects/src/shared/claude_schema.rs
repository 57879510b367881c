//! Schemas in the words that a Claude can be held to. It refuses a schema with any other ("For 'integer' type, property
//! 'minimum' is not supported"), wherever it is hosted; Anthropic's SDKs rewrite schemas in the same way.

use serde_json::{Map, Value};

/// Formats of text that it knows.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];
/// What a schema says of itself, and not of values.
const OF_ITSELF: [&str; 3] = ["$schema", "$id", "$comment"];

/// Closes every object, and tells in the description what cannot be held. Does it mean less than before?
pub(crate) fn fit(schema: &mut Value) -> bool {
    let Value::Object(map) = schema else { return false };
    let mut changed = close(map);
    if !map.contains_key("anyOf")
        && let Some(variants) = map.shift_remove("oneOf")
    {
        map.insert("anyOf".to_owned(), variants);
        changed = true;
    }
    let mut told = Vec::new();
    map.retain(|word, value| {
        let taken = is_taken(word, value);
        if !taken && !OF_ITSELF.contains(&word.as_str()) {
            told.push(format!("{word}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
        taken
    });
    if !told.is_empty() {
        let told = format!("{{{}}}", told.join(", "));
        let whole = match map.get("description").and_then(Value::as_str) {
            Some(own) => format!("{own}\n\n{told}"),
            None => told,
        };
        map.insert("description".to_owned(), whole.into());
        changed = true;
    }
    // Not short-circuiting: each must be fit.
    map.iter_mut().fold(changed, |changed, (word, value)| fit_inside(word, value) | changed)
}

/// The schemas under a word.
fn fit_inside(word: &str, value: &mut Value) -> bool {
    match (word, value) {
        ("properties" | "$defs" | "definitions", Value::Object(members)) => {
            members.values_mut().fold(false, |changed, schema| fit(schema) | changed)
        }
        ("anyOf" | "allOf", Value::Array(variants)) => {
            variants.iter_mut().fold(false, |changed, schema| fit(schema) | changed)
        }
        ("items", schema) => fit(schema),
        _ => false,
    }
}

/// An object must say that it has no further members. Did it not say so?
fn close(map: &mut Map<String, Value>) -> bool {
    let is_object = match map.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        Some(kind) => kind == "object",
        None => map.contains_key("properties"),
    };
    if !is_object || map.get("additionalProperties") == Some(&Value::Bool(false)) {
        return false;
    }
    map.insert("additionalProperties".to_owned(), false.into());
    true
}

/// Is this a word that schemas may have, with this value?
fn is_taken(word: &str, value: &Value) -> bool {
    let is_plain = |value: &Value| !value.is_object() && !value.is_array();
    match word {
        "type" | "properties" | "required" | "anyOf" | "allOf" | "$ref" | "$defs" | "definitions" | "title"
        | "description" | "default" => true,
        "additionalProperties" => value == &Value::Bool(false),
        "items" => value.is_object(),
        "enum" => value.as_array().is_some_and(|values| values.iter().all(is_plain)),
        "const" => is_plain(value),
        "format" => value.as_str().is_some_and(|format| FORMATS.contains(&format)),
        "minItems" => value.as_u64().is_some_and(|least| least <= 1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_refused_is_told_in_words() {
        let string = json!({ "type": "string" });
        let table = [
            (
                json!({ "type": "integer", "minimum": 1, "maximum": 9, "description": "A grade" }),
                json!({ "type": "integer", "description": "A grade\n\n{minimum: 1, maximum: 9}" }),
            ),
            (
                json!({ "type": "number", "exclusiveMinimum": 0.5, "multipleOf": 2 }),
                json!({ "type": "number", "description": "{exclusiveMinimum: 0.5, multipleOf: 2}" }),
            ),
            (
                json!({ "type": "string", "minLength": 2, "pattern": "^a", "format": "color" }),
                json!({ "type": "string", "description": "{minLength: 2, pattern: ^a, format: color}" }),
            ),
            (
                json!({ "type": "array", "items": { "type": "string", "maxLength": 3 }, "minItems": 2, "uniqueItems": true }),
                json!({ "type": "array", "items": { "type": "string", "description": "{maxLength: 3}" },
                    "description": "{minItems: 2, uniqueItems: true}" }),
            ),
            (
                json!({ "oneOf": [{ "type": "integer", "minimum": 1 }, string] }),
                json!({ "anyOf": [{ "type": "integer", "description": "{minimum: 1}" }, string] }),
            ),
            (
                json!({ "$defs": { "a": { "type": ["object", "null"], "properties": { "minimum": { "const": [1] } } } } }),
                json!({ "$defs": { "a": { "type": ["object", "null"], "additionalProperties": false,
                    "properties": { "minimum": { "description": "{const: [1]}" } } } } }),
            ),
            (
                json!({ "type": "object", "additionalProperties": string }),
                json!({ "type": "object", "additionalProperties": false }),
            ),
        ];
        for (mut schema, expected) in table {
            assert!(fit(&mut schema), "{schema}");
            assert_eq!(schema, expected);
            assert!(!fit(&mut schema), "{schema}");
        }
    }

    #[test]
    fn what_is_taken_stays() {
        let taken = json!({ "title": "T", "type": "object", "additionalProperties": false, "required": ["a"],
            "properties": {
                "a": { "type": "string", "format": "date", "default": "x" },
                "b": { "type": "array", "items": { "$ref": "#/$defs/c" }, "minItems": 1 },
                "oneOf": { "enum": ["x", 1, null] } },
            "$defs": { "c": { "allOf": [{ "const": 1 }] } } });
        let mut schema = taken.clone();
        assert!(!fit(&mut schema));
        assert_eq!(schema, taken);
        // Which draft a schema is written in says nothing of values.
        schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
        assert!(!fit(&mut schema));
        assert_eq!(schema, taken);
    }
}

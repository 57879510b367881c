//! Structured output for targets that lack a part of it.

use ringmain_core::Dialect;
use serde_json::Value;

use crate::ir::OutputFormat;
use crate::loss::Loss;

/// A schema that says what it is for itself, for a dialect that has no other place for that.
pub(crate) fn described(schema: &Value, description: Option<&str>) -> Value {
    let mut schema = schema.clone();
    if let (Value::Object(map), Some(description)) = (&mut schema, description) {
        let whole = match map.get("description").and_then(Value::as_str) {
            Some(own) => format!("{description}\n\n{own}"),
            None => description.to_owned(),
        };
        map.insert("description".to_owned(), whole.into());
    }
    schema
}

/// Whether OpenAI is to hold an answer, or a tool's arguments, to this schema: a caller of one of its dialects says so;
/// elsewhere one is held to any schema, which here only one can be that closes its objects, demands each member and says
/// nothing unusual. `field`: what is lost where it is not.
pub(crate) fn strict(
    caller: Dialect,
    wanted: Option<bool>,
    schema: Option<&Value>,
    field: &str,
    losses: &mut Vec<Loss>,
) -> Option<bool> {
    let is_openais = matches!(caller, Dialect::OpenAiChat | Dialect::OpenAiResponses);
    let closed = |schema: &Value| is_closed(schema) && schema.get("type").is_some_and(|kind| kind == "object");
    if is_openais || wanted != Some(true) || schema.is_some_and(closed) {
        return wanted;
    }
    losses.push(Loss::approximated(field));
    None
}

/// Does every object in it say that it has no other members than those it demands, in words that a strict schema may have?
fn is_closed(schema: &Value) -> bool {
    let Some(map) = schema.as_object() else { return false };
    let members = |value: &Value| value.as_object().is_some_and(|members| members.values().all(is_closed));
    let words = map.iter().all(|(word, value)| match word.as_str() {
        "type" | "required" | "additionalProperties" | "enum" | "const" | "title" | "description" | "$ref" => true,
        "properties" | "$defs" | "definitions" => members(value),
        "anyOf" => value.as_array().is_some_and(|all| all.iter().all(is_closed)),
        "items" => is_closed(value),
        _ => false,
    });
    let demanded = |name: &String| {
        map.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|one| one == name.as_str()))
    };
    let is_object = map.contains_key("properties") || map.get("type").is_some_and(|kind| kind == "object");
    let properties = map.get("properties").and_then(Value::as_object);
    let closed = map.get("additionalProperties") == Some(&Value::Bool(false))
        && properties.is_some_and(|properties| properties.keys().all(demanded));
    words && (closed || !is_object)
}

/// What a model is told that cannot be held to a form; `None` where none is asked for.
pub(crate) fn instruction(output: &OutputFormat) -> Option<String> {
    const ALONE: &str = "and nothing else: no explanation before or after it, and no code fence";
    match output {
        OutputFormat::Text => None,
        OutputFormat::Json => Some(format!("Answer with one JSON object {ALONE}.")),
        OutputFormat::JsonSchema { schema, description, .. } => {
            let schema = described(schema, description.as_deref());
            Some(format!("Answer with one JSON value {ALONE}. It must satisfy this JSON schema:\n{schema}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_closed_schema_is_strict_at_openai() {
        let closed = json!({ "type": "object", "required": ["a", "b"], "additionalProperties": false, "properties": {
            "a": { "type": "array", "items": { "type": "string", "description": "one" } },
            "b": { "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/c" }] } },
            "$defs": { "c": { "type": "integer", "enum": [1, 2] } } });
        let of = |caller, wanted, schema: &Value| {
            let mut losses = Vec::new();
            (strict(caller, wanted, Some(schema), "response_format", &mut losses), losses.len())
        };
        assert_eq!(of(Dialect::Gemini, Some(true), &closed), (Some(true), 0));
        for (place, value) in [
            ("/required", json!(["a"])),
            ("/additionalProperties", json!(true)),
            ("/properties/a/items", json!({ "type": "object" })),
            ("/properties/a/items", json!({ "type": "string", "x": 1 })),
            ("/properties/b/anyOf/0", json!({ "type": "object", "properties": {} })),
            ("/type", json!("array")),
        ] {
            let mut open = closed.clone();
            *open.pointer_mut(place).unwrap() = value;
            assert_eq!(of(Dialect::AnthropicMessages, Some(true), &open), (None, 1), "{place}");
            assert_eq!(of(Dialect::OpenAiChat, Some(true), &open), (Some(true), 0));
            assert_eq!(of(Dialect::Gemini, None, &open), (None, 0));
        }
    }

    #[test]
    fn what_a_schema_is_for_stands_in_it() {
        let schema = json!({ "type": "object", "description": "a place" });
        assert_eq!(described(&schema, None), schema);
        assert_eq!(described(&schema, Some("where"))["description"], "where\n\na place");
        assert_eq!(described(&json!({}), Some("where")), json!({ "description": "where" }));
        let format = OutputFormat::JsonSchema { name: None, description: None, schema, strict: None };
        assert!(instruction(&format).unwrap().contains(r#""a place""#));
        assert_eq!(instruction(&OutputFormat::Text), None);
    }
}

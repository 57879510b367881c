//! The smallest value a JSON schema (or Gemini's dialect of it) accepts.

use serde_json::{Map, Value, json};

/// Nesting followed before giving `null`; schemas may refer to themselves.
const MAX_DEPTH: usize = 16;
/// Longest string or array made to satisfy a minimum.
const MAX_LENGTH: u64 = 64;

/// Which of an object's properties are filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Only the required ones.
    Required,
    /// Every one where none is required.
    AllIfNoneRequired,
}

/// A minimal instance. Strings without constraints hold characters of more than one byte.
pub(crate) fn instance(schema: &Value, fill: Fill) -> Value {
    Maker { root: schema, fill }.make(schema, 0)
}

struct Maker<'a> {
    root: &'a Value,
    fill: Fill,
}

impl Maker<'_> {
    fn make(&self, schema: &Value, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            return Value::Null;
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let found = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return found.map_or(Value::Null, |found| self.make(found, depth + 1));
        }
        if let Some(value) = schema.get("const").or_else(|| schema.get("enum").and_then(|values| values.get(0))) {
            return value.clone();
        }
        for union in ["anyOf", "oneOf", "allOf"] {
            if let Some(first) = schema.get(union).and_then(|options| options.get(0)) {
                return self.make(first, depth + 1);
            }
        }
        match type_of(schema).as_str() {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "string" => string(schema),
            "integer" | "number" => number(schema),
            "boolean" => Value::Bool(true),
            _ => Value::Null,
        }
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return json!({}) };
        let required: Vec<&str> = match schema.get("required").and_then(Value::as_array) {
            Some(names) => names.iter().filter_map(Value::as_str).collect(),
            None => Vec::new(),
        };
        let all = required.is_empty() && self.fill == Fill::AllIfNoneRequired;
        let chosen = properties.iter().filter(|(name, _)| all || required.contains(&name.as_str()));
        Value::Object(chosen.map(|(name, schema)| (name.clone(), self.make(schema, depth + 1))).collect::<Map<_, _>>())
    }

    fn array(&self, schema: &Value, depth: usize) -> Value {
        let least = schema.get("minItems").map_or(0, |least| count(least).min(MAX_LENGTH));
        let item = schema.get("items").map_or(Value::Null, |items| self.make(items, depth + 1));
        Value::Array((0..least).map(|_| item.clone()).collect())
    }
}

/// Gemini writes types in capitals and some counts as strings.
fn type_of(schema: &Value) -> String {
    let named = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().find_map(Value::as_str),
        other => other.and_then(Value::as_str),
    };
    match named {
        Some(name) => name.to_ascii_lowercase(),
        None if schema.get("properties").is_some() => "object".to_owned(),
        None => "string".to_owned(),
    }
}

fn count(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

fn string(schema: &Value) -> Value {
    let by_format = match schema.get("format").and_then(Value::as_str) {
        Some("date") => Some("2026-01-02"),
        Some("date-time") => Some("2026-01-02T03:04:05Z"),
        Some("time") => Some("03:04:05Z"),
        Some("email") => Some("user@example.com"),
        Some("uri") => Some("https://example.com/"),
        Some("uuid") => Some("00000000-0000-4000-8000-000000000000"),
        _ => None,
    };
    if let Some(text) = by_format {
        return json!(text);
    }
    let least = schema.get("minLength").map_or(0, |least| count(least).min(MAX_LENGTH));
    let most = schema.get("maxLength").map_or(u64::MAX, count);
    let mut text = "Zürich 東京".to_owned();
    while (text.chars().count() as u64) < least {
        text.push('x');
    }
    json!(text.chars().take(usize::try_from(most).unwrap_or(usize::MAX)).collect::<String>())
}

fn number(schema: &Value) -> Value {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    if let Some(least) = bound("minimum") {
        return whole(least.ceil());
    }
    if let Some(below) = bound("exclusiveMinimum") {
        return whole(below.floor() + 1.0);
    }
    whole(bound("maximum").map_or(1.0, |most| most.floor().min(1.0)))
}

fn whole(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which is near enough for a made-up number")]
    let whole = number as i64;
    json!(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smallest_instances() {
        let cases = [
            (
                json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}}, "required": ["a"]}),
                json!({"a": 1}),
            ),
            (
                json!({"type": "OBJECT", "properties": {"a": {"type": "ARRAY", "items": {"type": "NUMBER", "minimum": 3}, "minItems": "2"}}, "required": ["a"]}),
                json!({"a": [3, 3]}),
            ),
            (json!({"anyOf": [{"type": "null"}, {"type": "string"}]}), Value::Null),
            (json!({"type": ["string", "null"], "maxLength": 2}), json!("Zü")),
            (json!({"enum": ["x", "y"]}), json!("x")),
            (json!({"$ref": "#/$defs/d", "$defs": {"d": {"const": 5}}}), json!(5)),
            (json!({"type": "string", "format": "date"}), json!("2026-01-02")),
            (json!({}), json!("Zürich 東京")),
        ];
        for (schema, want) in cases {
            assert_eq!(instance(&schema, Fill::Required), want, "{schema}");
        }
        let optional = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        assert_eq!(instance(&optional, Fill::AllIfNoneRequired), json!({"city": "Zürich 東京"}));
        let endless = json!({"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]});
        assert!(instance(&endless, Fill::Required).is_object());
    }
}

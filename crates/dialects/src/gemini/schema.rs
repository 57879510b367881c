//! The API's own schema objects (a subset of OpenAPI 3.0) as JSON schemas.
//!
//! Only in this direction: the API takes JSON schemas too (`parametersJsonSchema`, `responseJsonSchema`), so that nothing
//! need be cut to fit.

use serde_json::{Map, Value};

use super::names::camel;

/// The types by the numbers that clients with Google's own encoder write.
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "null"];

/// A JSON schema that accepts what the schema object accepts.
pub(super) fn to_json_schema(schema: Value) -> Value {
    let Value::Object(fields) = schema else { return schema };
    let mut out = Map::new();
    let mut nullable = false;
    let mut order = Vec::new();
    for (name, value) in fields {
        let name = camel(name);
        match (name.as_str(), value) {
            ("type", Value::String(word)) => {
                out.insert(name, Value::String(word.to_ascii_lowercase()));
            }
            ("type", Value::Number(code)) => {
                let word = code.as_u64().and_then(|code| TYPES.get(usize::try_from(code.checked_sub(1)?).ok()?));
                out.insert(name, word.map_or(Value::Number(code), |word| Value::from(*word)));
            }
            ("nullable", value) => nullable = value == Value::Bool(true),
            // The order in which the model writes properties: that in which they stand.
            ("propertyOrdering", Value::Array(names)) => order = names,
            ("properties", Value::Object(properties)) => {
                let converted = properties.into_iter().map(|(name, schema)| (name, to_json_schema(schema)));
                out.insert(name, converted.collect());
            }
            ("anyOf", Value::Array(schemas)) => {
                out.insert(name, schemas.into_iter().map(to_json_schema).collect());
            }
            ("items", schema) => {
                out.insert(name, to_json_schema(schema));
            }
            // 64-bit counts are written as strings.
            ("minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties", count) => {
                let number = count.as_str().and_then(|text| text.parse::<u64>().ok());
                out.insert(name, number.map_or(count, Value::from));
            }
            ("example", value) => {
                out.insert("examples".to_owned(), Value::Array(vec![value]));
            }
            (_, value) => {
                out.insert(name, value);
            }
        }
    }
    if nullable {
        allow_null(&mut out);
    }
    if let Some(Value::Object(properties)) = out.get_mut("properties") {
        let place = |name: &String| order.iter().position(|known| known == name).unwrap_or(usize::MAX);
        let mut sorted: Vec<(String, Value)> = std::mem::take(properties).into_iter().collect();
        sorted.sort_by_key(|(name, _)| place(name));
        properties.extend(sorted);
    }
    Value::Object(out)
}

fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(kind @ Value::String(_)) = schema.get_mut("type") {
        *kind = Value::Array(vec![kind.take(), "null".into()]);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    if let Some(Value::Array(schemas)) = schema.get_mut("anyOf") {
        schemas.push(serde_json::json!({ "type": "null" }));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_by_name_and_by_number() {
        let schema = json!({
            "type": 6,
            "properties": { "a": { "type": 1 }, "b": { "type": "ARRAY", "items": { "type": 3 } }, "c": { "type": 9 } },
        });
        let expected = json!({
            "type": "object",
            "properties": {
                "a": { "type": "string" }, "b": { "type": "array", "items": { "type": "integer" } }, "c": { "type": 9 },
            },
        });
        assert_eq!(to_json_schema(schema), expected);
    }
}

//! Structured output for targets that lack a part of it.

use serde_json::Value;

use crate::ir::OutputFormat;

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

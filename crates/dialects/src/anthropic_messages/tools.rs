//! Tools and the choice among them.

use serde_json::{Map, Value, json};

use super::OWN;
use super::block_encode::cache_control;
use super::request_encode::Context;
use crate::codec::Unsupported;
use crate::ir::{Tool, ToolChoice};
use crate::shared::{claude_schema, tool_names};

/// A tool's name may be this long.
const MAX_NAME: usize = 128;

/// Writes the tools; `None` without any.
pub(super) fn encode(context: &mut Context<'_>) -> Result<Option<Value>, Unsupported> {
    let request = context.request;
    let mut tools = Vec::new();
    for (at, tool) in request.tools.iter().enumerate() {
        let path = format!("tools[{at}]");
        match tool {
            Tool::Opaque { dialect, value } if *dialect == OWN => tools.push(value.clone()),
            Tool::Opaque { .. } => context.dropped(path),
            // Of some tools the others are not offered.
            Tool::Function { .. } if !request.allows(tool) => {}
            Tool::Function { name, .. } => {
                tool_names::check(name, MAX_NAME, &path)?;
                tools.push(function(context, tool, &path));
            }
        }
    }
    Ok((!tools.is_empty()).then_some(Value::Array(tools)))
}

fn function(context: &mut Context<'_>, tool: &Tool, path: &str) -> Value {
    let Tool::Function { name, description, parameters, strict, cache } = tool else { return Value::Null };
    let mut value = Map::from_iter([("name".to_owned(), name.as_str().into())]);
    if let Some(description) = description {
        value.insert("description".to_owned(), description.as_str().into());
    }
    let mut schema = input_schema(parameters.as_ref());
    let held = *strict == Some(true) && !context.own && context.has_schemas();
    if held && claude_schema::fit(&mut schema) {
        context.approximated(format!("{path}.strict"));
    }
    value.insert("input_schema".to_owned(), schema);
    match strict {
        Some(strict) if context.own => {
            value.insert("strict".to_owned(), (*strict).into());
        }
        Some(true) if held => {
            value.insert("strict".to_owned(), true.into());
        }
        Some(true) => context.approximated(format!("{path}.strict")),
        Some(false) | None => {}
    }
    if let Some(mark) = cache {
        value.insert("cache_control".to_owned(), cache_control(mark));
    }
    context.put_back.restore(path, &mut value);
    Value::Object(value)
}

/// The schema of the arguments, which must say that they are an object.
fn input_schema(parameters: Option<&Value>) -> Value {
    match parameters {
        Some(Value::Object(schema)) => {
            let mut schema = schema.clone();
            if !schema.contains_key("type") {
                schema.insert("type".to_owned(), "object".into());
            }
            Value::Object(schema)
        }
        _ => json!({ "type": "object", "properties": {} }),
    }
}

/// Writes the choice, and with it whether several tools may be asked for at once. `any`: there are tools.
pub(super) fn choice(context: &mut Context<'_>, any: bool) -> Option<Value> {
    let request = context.request;
    // A choice without tools is refused.
    if !any && !context.own {
        return None;
    }
    let serial = request.parallel_tools == Some(false);
    let mut value = match context.choice.as_deref() {
        None if serial => json!({ "type": "auto" }),
        None => return None,
        Some(ToolChoice::Among { required, .. }) => {
            let kind = if *required { "any" } else { "auto" };
            context.approximated("tool_choice");
            json!({ "type": kind })
        }
        Some(ToolChoice::Auto) => json!({ "type": "auto" }),
        Some(ToolChoice::Required) => json!({ "type": "any" }),
        Some(ToolChoice::None) => return Some(json!({ "type": "none" })),
        Some(ToolChoice::Named(name)) => json!({ "type": "tool", "name": name }),
    };
    if serial || (context.own && request.parallel_tools.is_some()) {
        value["disable_parallel_tool_use"] = serial.into();
    }
    let Value::Object(mut object) = value else { return None };
    context.put_back.restore("tool_choice", &mut object);
    Some(Value::Object(object))
}

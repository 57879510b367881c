//! Tools and the choice among them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::OWN;
use super::block_encode::cache_point;
use super::conversation::Conversation;
use super::request_encode::Context;
use super::wire::union;
use crate::codec::Unsupported;
use crate::ir::{BlockKind, Tool, ToolChoice};
use crate::loss::Loss;
use crate::shared::{claude_schema, tool_names};

/// A tool's name may be this long.
const MAX_NAME: usize = 64;

/// Writes the tools and the choice; `None` without any.
pub(super) fn encode(context: &mut Context<'_>, conversation: &Conversation) -> Result<Option<Value>, Unsupported> {
    let request = context.request;
    let mut tools = Vec::new();
    for (at, tool) in request.tools.iter().enumerate() {
        // A caller of this dialect wrote breakpoints in the same list.
        let at = if context.own { tools.len() } else { at };
        let path = if context.own { format!("toolConfig.tools[{at}]") } else { format!("tools[{at}]") };
        match tool {
            Tool::Opaque { dialect, value } if *dialect == OWN => tools.push(value.clone()),
            Tool::Opaque { .. } => context.dropped(path),
            // Of some tools the others are not offered.
            Tool::Function { .. } if !request.allows(tool) => {}
            Tool::Function { name, cache, .. } => {
                tool_names::check(name, MAX_NAME, &path)?;
                tools.push(function(context, tool, &path));
                if let Some(mark) = cache {
                    tools.extend(cache_point(context, mark, &path));
                }
            }
        }
    }
    let talks_of_tools = conversation.holds_tools();
    if request.tool_choice == Some(ToolChoice::None) && !context.own && !tools.is_empty() {
        // There is no word for it. Without tools there is none to call; but where the conversation holds calls they must
        // be declared.
        context.approximated("tool_choice");
        if !talks_of_tools {
            return Ok(None);
        }
    }
    if tools.is_empty() && talks_of_tools && !context.own {
        tools = met(context);
    }
    if tools.is_empty() && !context.own {
        return Ok(None);
    }
    if request.parallel_tools == Some(false) {
        context.dropped("parallel_tool_calls");
    }
    let mut config = Map::new();
    if !tools.is_empty() {
        config.insert("tools".to_owned(), Value::Array(tools));
    }
    if let Some(choice) = choice(context) {
        config.insert("toolChoice".to_owned(), choice);
    }
    context.put_back.restore("toolConfig", &mut config);
    Ok((!config.is_empty()).then_some(Value::Object(config)))
}

/// The tools a conversation speaks of, where the caller declared none: calls without a declaration are refused.
fn met(context: &mut Context<'_>) -> Vec<Value> {
    let blocks = context.request.turns.iter().flat_map(|turn| &turn.blocks);
    let names: BTreeSet<&str> = blocks
        .filter_map(|block| match &block.kind {
            BlockKind::ToolCall { name, .. } if tool_names::is_name(name, MAX_NAME) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    context.losses.push(Loss::defaulted("tools"));
    let schema = json!({ "json": { "type": "object", "properties": {} } });
    names.into_iter().map(|name| json!({ "toolSpec": { "name": name, "inputSchema": schema } })).collect()
}

fn function(context: &mut Context<'_>, tool: &Tool, path: &str) -> Value {
    let Tool::Function { name, description, parameters, strict, .. } = tool else { return Value::Null };
    let mut value = Map::from_iter([("name".to_owned(), name.as_str().into())]);
    if let Some(description) = description.as_ref().filter(|description| context.own || !description.is_empty()) {
        value.insert("description".to_owned(), description.as_str().into());
    }
    let mut json = input_schema(parameters.as_ref(), context.own);
    let held = *strict == Some(true) && !context.own && context.can(ringmain_core::Capabilities::JSON_SCHEMA, false);
    if held && claude_schema::fit(&mut json) {
        context.approximated(format!("{path}.strict"));
    }
    let mut schema = Map::from_iter([("json".to_owned(), json)]);
    context.put_back.restore(&format!("{path}.toolSpec.inputSchema"), &mut schema);
    value.insert("inputSchema".to_owned(), Value::Object(schema));
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
    context.put_back.restore(&format!("{path}.toolSpec"), &mut value);
    union("toolSpec", value)
}

/// The schema of the arguments, which must say that they are an object.
fn input_schema(parameters: Option<&Value>, own: bool) -> Value {
    match parameters {
        Some(schema) if own => schema.clone(),
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

fn choice(context: &mut Context<'_>) -> Option<Value> {
    let (kind, mut fields) = match context.choice.as_deref()? {
        ToolChoice::Auto => ("auto", Map::new()),
        ToolChoice::Required => ("any", Map::new()),
        ToolChoice::Named(name) => ("tool", Map::from_iter([("name".to_owned(), name.as_str().into())])),
        ToolChoice::Among { required, .. } => {
            let kind = if *required { "any" } else { "auto" };
            context.approximated("tool_choice");
            (kind, Map::new())
        }
        ToolChoice::None => return None,
    };
    context.put_back.restore(&format!("toolConfig.toolChoice.{kind}"), &mut fields);
    Some(union(kind, fields))
}

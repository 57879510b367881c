//! The messages of a request as instructions and turns.

use serde_json::Value;

use crate::codec::Malformed;
use crate::ir::{Block, BlockKind, Extra, Place, Request, Role, Turn};
use crate::shared::fields::Fields;

use super::{parts, response_decode};

/// Reads the messages into `request`; what is not understood goes to `rest`.
///
/// # Errors
/// A message that is not one.
pub(super) fn decode(messages: Vec<Value>, request: &mut Request, rest: &mut Vec<Extra>) -> Result<(), Malformed> {
    let mut in_results = false;
    for (nth, message) in messages.into_iter().enumerate() {
        let mut message = Fields::of(format!("messages[{nth}]"), message)?;
        let role = message.required_string("role")?;
        let is_result = matches!(role.as_str(), "tool" | "function");
        if is_result {
            let block = tool_result(&mut message, &role, request, rest)?;
            match request.turns.last_mut().filter(|_| in_results) {
                Some(turn) => turn.blocks.push(block),
                None => request.turns.push(Turn::new(Role::User, vec![block]).at(message.place())),
            }
        } else {
            turn(&mut message, &role, nth, request, rest)?;
        }
        in_results = is_result;
        rest.extend(message.rest().into_iter().filter(|extra| !is_empty(&extra.value)));
    }
    Ok(())
}

fn turn(
    message: &mut Fields,
    role: &str,
    nth: usize,
    request: &mut Request,
    rest: &mut Vec<Extra>,
) -> Result<(), Malformed> {
    let name = message.string("name")?;
    let mut blocks = Vec::new();
    if role == "assistant" {
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        let thought = text(message.string("reasoning_content")?);
        let other = text(message.string("reasoning")?);
        let name = if thought.is_some() { "reasoning_content" } else { "reasoning" };
        if let Some(text) = thought.or(other) {
            let kind = BlockKind::Reasoning { text, signature: None, redacted: None };
            blocks.push(Block::from(kind).at(&message.path(name)));
        }
    }
    let path = message.path("content");
    if let Some(content) = message.value("content") {
        blocks.extend(parts::read(content, &path, rest)?);
    }
    let role = match role {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => {
            if let Some(text) = message.string("refusal")?.filter(|text| !text.is_empty()) {
                blocks.push(Block::from(BlockKind::Refusal { text }).at(&message.path("refusal")));
            }
            response_decode::tool_calls(message, &format!("m{nth}"), &mut blocks)?;
            Role::Assistant
        }
        _ => return Err(Malformed::new(message.path("role"), "expected a known role")),
    };
    if role == Role::System && request.turns.is_empty() && name.is_none() {
        request.system.extend(blocks);
    } else {
        request.turns.push(Turn { name, ..Turn::new(role, blocks).at(message.place()) });
    }
    Ok(())
}

fn tool_result(message: &mut Fields, role: &str, request: &Request, rest: &mut Vec<Extra>) -> Result<Block, Malformed> {
    let name = message.string("name")?;
    let id = match message.string("tool_call_id")? {
        Some(id) => id,
        // Before tools, a result named its function, and the call had no id.
        None if role == "function" => last_call(request, name.as_deref()).or_else(|| name.clone()).unwrap_or_default(),
        None => return Err(Malformed::new(message.path("tool_call_id"), "is required")),
    };
    let path = message.path("content");
    let content = message.value("content").map_or(Ok(Vec::new()), |content| match content {
        // A result may be any JSON; only arrays of parts mean something else.
        Value::String(_) | Value::Array(_) => parts::read(content, &path, rest),
        other => Ok(vec![Block::text(other.to_string()).at(&path)]),
    })?;
    let is_error = message.boolean("is_error")?.unwrap_or(false);
    let cache = parts::cache_mark(message)?;
    Ok(Block { kind: BlockKind::ToolResult { id, name, content, is_error }, cache, place: Place::at(message.place()) })
}

fn last_call(request: &Request, wanted: Option<&str>) -> Option<String> {
    request.turns.iter().rev().flat_map(|turn| turn.blocks.iter().rev()).find_map(|block| match &block.kind {
        BlockKind::ToolCall { id, name, .. } if wanted.is_none_or(|wanted| wanted == name) => Some(id.clone()),
        _ => None,
    })
}

/// What clients send back from an answer they stored, though it says nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => value.is_null(),
    }
}

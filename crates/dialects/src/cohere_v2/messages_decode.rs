//! The messages of a request as instructions and turns.

use serde_json::Value;

use super::{citations, content, response_decode};
use crate::codec::Malformed;
use crate::ir::{Block, BlockKind, Extra, Request, Role, Turn};
use crate::shared::fields::Fields;

/// Reads the messages into `request`; what is not understood goes to `rest`.
///
/// # Errors
/// A message that is not one.
pub(super) fn decode(messages: Vec<Value>, request: &mut Request, rest: &mut Vec<Extra>) -> Result<(), Malformed> {
    let mut in_results = false;
    for (nth, message) in messages.into_iter().enumerate() {
        let mut message = Fields::of(format!("messages[{nth}]"), message)?;
        let role = message.required_string("role")?;
        let path = message.path("content");
        let said = message.value("content").unwrap_or_default();
        let place = message.place().to_owned();
        let turn = |role, blocks| Turn::new(role, blocks).at(&place);
        let is_result = role == "tool";
        match role.as_str() {
            "tool" => {
                let id = message.required_string("tool_call_id")?;
                let content = content::read(said, &path, rest)?;
                let block = BlockKind::ToolResult { id, name: None, content, is_error: false };
                let block = Block::from(block).at(&place);
                match request.turns.last_mut().filter(|_| in_results) {
                    Some(turn) => turn.blocks.push(block),
                    None => request.turns.push(turn(Role::User, vec![block])),
                }
            }
            "system" if request.turns.is_empty() => request.system.extend(content::read(said, &path, rest)?),
            "system" => request.turns.push(turn(Role::System, content::read(said, &path, rest)?)),
            "user" => request.turns.push(turn(Role::User, content::read(said, &path, rest)?)),
            "assistant" => {
                let blocks = assistant(&mut message, said, &format!("m{nth}"), rest)?;
                request.turns.push(turn(Role::Assistant, blocks));
            }
            _ => return Err(Malformed::new(message.path("role"), "expected a known role")),
        }
        in_results = is_result;
        rest.extend(message.rest());
    }
    Ok(())
}

fn assistant(
    message: &mut Fields,
    said: Value,
    call_prefix: &str,
    rest: &mut Vec<Extra>,
) -> Result<Vec<Block>, Malformed> {
    let mut blocks = content::read(said, &message.path("content"), rest)?;
    for citation in message.array("citations")?.unwrap_or_default() {
        let text = blocks.iter_mut().find_map(|block| match &mut block.kind {
            BlockKind::Text { citations, .. } => Some(citations),
            _ => None,
        });
        match (text, citations::about(&citation)) {
            (Some(list), citations::About::Text(_)) => list.push(citation),
            _ => rest.push(Extra { field: message.path("citations"), value: citation }),
        }
    }
    if let Some(plan) = message.string("tool_plan")?.filter(|plan| !plan.is_empty()) {
        blocks.push(Block::text(plan).at(&message.path("tool_plan")));
    }
    response_decode::tool_calls(message, call_prefix, &mut blocks)?;
    Ok(blocks)
}

/// Documents stand beside the conversation here; elsewhere they are part of what the user gives, before the question
/// about them.
pub(super) fn give_documents(documents: Vec<Block>, request: &mut Request) {
    if documents.is_empty() {
        return;
    }
    let asks = |turn: &&mut Turn| {
        let said = turn.blocks.iter().any(|block| !matches!(block.kind, BlockKind::ToolResult { .. }));
        turn.role == Role::User && said
    };
    match request.turns.iter_mut().rev().find(asks) {
        Some(turn) => {
            turn.blocks.splice(0..0, documents);
        }
        None => request.turns.insert(0, Turn::new(Role::User, documents)),
    }
}

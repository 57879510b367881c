//! A provider's whole answer to the intermediate representation.

use serde_json::Value;

use super::usage::WireUsage;
use super::{citations, content, finish, logprobs};
use crate::codec::Malformed;
use crate::ir::{Block, BlockKind, Response};
use crate::loss::Loss;
use crate::shared::fields::Fields;

/// Reads an answer.
///
/// # Errors
/// Not an answer of this dialect; an error in the place of one.
pub(super) fn decode(body: &[u8]) -> Result<Response, Malformed> {
    let mut fields = Fields::parse(body)?;
    if fields.peek("message").is_some_and(Value::is_string) {
        return Err(Malformed::new("message", "an error stands in place of an answer"));
    }
    let word = fields.string("finish_reason")?.unwrap_or_default();
    if finish::is_broken(&word) {
        return Err(Malformed::new("finish_reason", "the provider broke off with an error"));
    }
    let message = fields.object("message")?.ok_or_else(|| Malformed::new("message", "is required"))?;
    let mut response = Response {
        id: fields.string("id")?.unwrap_or_default(),
        usage: fields.value("usage").and_then(|usage| serde_json::from_value::<WireUsage>(usage).ok()?.usage()),
        ..Response::default()
    };
    let calls = read_message(message, &mut response)?;
    let finish = finish::read(if word.is_empty() { "COMPLETE" } else { &word });
    response.finish = finish::with_calls(finish, calls);
    if let Some(found) = fields.value("logprobs") {
        match logprobs::read(&found.to_string()) {
            Some(tokens) => response.logprobs = tokens,
            None => response.losses.push(Loss::dropped("logprobs")),
        }
    }
    response.losses.extend(fields.rest().into_iter().map(|extra| Loss::dropped(extra.field)));
    Ok(response)
}

/// Reads the message. Are there tool calls in it?
fn read_message(mut message: Fields, response: &mut Response) -> Result<bool, Malformed> {
    let mut rest = Vec::new();
    message.value("role");
    let items = match message.value("content") {
        None => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(text @ Value::String(_)) => vec![text],
        Some(_) => return Err(Malformed::new("message.content", "expected an array")),
    };
    for (nth, item) in items.into_iter().enumerate() {
        response.blocks.push(content::part(item, &format!("message.content[{nth}]"), &mut rest)?);
    }
    let said = response.blocks.len();
    if let Some(plan) = message.string("tool_plan")?.filter(|plan| !plan.is_empty()) {
        response.blocks.push(Block::text(plan));
    }
    for citation in message.array("citations")?.unwrap_or_default() {
        cite(response, said, citation);
    }
    let before = response.blocks.len();
    tool_calls(&mut message, "call", &mut response.blocks)?;
    rest.extend(message.rest());
    response.losses.extend(rest.into_iter().map(|extra| Loss::dropped(extra.field)));
    Ok(response.blocks.len() > before)
}

/// Gives a citation to the text it is about. The first `said` blocks are the content, a plan may follow.
fn cite(response: &mut Response, said: usize, citation: Value) {
    let of_text = |block: &&mut Block| matches!(block.kind, BlockKind::Text { .. });
    let block = match citations::about(&citation) {
        citations::About::Text(Some(nth)) => {
            usize::try_from(nth).ok().and_then(|nth| response.blocks.get_mut(..said)?.get_mut(nth))
        }
        citations::About::Text(None) => response.blocks.iter_mut().find(of_text),
        citations::About::Plan => response.blocks.get_mut(said),
        citations::About::Thinking => None,
    };
    match block.map(|block| &mut block.kind) {
        Some(BlockKind::Text { citations, .. }) => citations.push(citation),
        _ => response.losses.push(Loss::dropped("message.citations")),
    }
}

/// Reads the calls of a message. `prefix` is for the ids of calls without one.
///
/// # Errors
/// A call without a name.
pub(super) fn tool_calls(message: &mut Fields, prefix: &str, blocks: &mut Vec<Block>) -> Result<(), Malformed> {
    let path = message.path("tool_calls");
    for (nth, call) in message.array("tool_calls")?.unwrap_or_default().into_iter().enumerate() {
        let mut call = Fields::of(format!("{path}[{nth}]"), call)?;
        let id = call.string("id")?.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("{prefix}_{nth}"));
        let place = call.path("function");
        let mut function = call.object("function")?.ok_or_else(|| Malformed::new(place, "is required"))?;
        let arguments = match function.value("arguments") {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
        };
        let name = function.name("name")?;
        let kind = BlockKind::ToolCall { id, name, arguments, signature: None };
        blocks.push(Block::from(kind).at(call.place()));
    }
    Ok(())
}

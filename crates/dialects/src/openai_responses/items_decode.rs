//! The items of a request's input as instructions and turns.

use serde_json::Value;

use super::seal::{self, Sealed};
use super::{OWN, output, parts};
use crate::codec::Malformed;
use crate::ir::{Block, BlockKind, Extra, Request, Role, Turn};
use crate::shared::fields::Fields;

/// Items that point to something only their provider remembers, or that it alone can read and that stand for a part of
/// the conversation.
const REMEMBERED: [&str; 4] = ["item_reference", "compaction", "compaction_trigger", "program"];

/// Reads the items into `request`; what is not understood goes to `rest`.
///
/// # Errors
/// An item that is not one.
pub(super) fn decode(items: Vec<Value>, request: &mut Request, rest: &mut Vec<Extra>) -> Result<(), Malformed> {
    let mut reader = Reader { request, last: Last::Other, proofs: Vec::new() };
    for (nth, item) in items.into_iter().enumerate() {
        reader.item(item, format!("input[{nth}]"), rest)?;
    }
    let proofs = reader.proofs;
    seal::sign(request.turns.iter_mut().flat_map(|turn| &mut turn.blocks), &proofs);
    Ok(())
}

struct Reader<'a> {
    request: &'a mut Request,
    last: Last,
    /// Signatures of calls, by the call's id.
    proofs: Vec<(String, String)>,
}

/// What the item before was: an item of the same speaker goes on with its turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// A result.
    Result,
    /// The model's, and no message.
    Assistant,
    /// A message of the model.
    Said,
    Other,
}

impl Reader<'_> {
    fn item(&mut self, item: Value, path: String, rest: &mut Vec<Extra>) -> Result<(), Malformed> {
        let kind = match item.get("type") {
            Some(Value::String(kind)) => kind.clone(),
            _ if item.get("role").is_some() => "message".to_owned(),
            // Without a type and a role, an id is a reference.
            _ => "item_reference".to_owned(),
        };
        match kind.as_str() {
            "message" => self.message(Fields::of(path, item)?, rest),
            "function_call" => {
                let mut call = Fields::of(path, item)?;
                let block = output::function_call(&mut call)?.at(call.place());
                self.assistant(block, Last::Assistant);
                rest.extend(call.rest());
                Ok(())
            }
            "function_call_output" => self.result(Fields::of(path, item)?, rest),
            "reasoning" => self.reasoning(Fields::of(path, item)?, rest),
            _ => {
                if REMEMBERED.contains(&kind.as_str()) {
                    self.request.remembered.push(path.clone());
                }
                let theirs = kind.ends_with("_output") || kind == "mcp_approval_response";
                let block = Block::from(BlockKind::Opaque { dialect: OWN, value: item }).at(&path);
                if theirs {
                    self.given(block);
                } else {
                    self.assistant(block, Last::Assistant);
                }
                Ok(())
            }
        }
    }

    fn message(&mut self, mut message: Fields, rest: &mut Vec<Extra>) -> Result<(), Malformed> {
        let role = message.required_string("role")?;
        let path = message.path("content");
        let blocks = message.value("content").map_or(Ok(Vec::new()), |content| parts::read(content, &path, rest))?;
        // What comes back with a stored answer.
        ["type", "id", "status"].iter().for_each(|field| drop(message.value(field)));
        match role.as_str() {
            "user" => self.turn(Role::User, blocks, message.place()),
            "system" | "developer" if self.request.turns.is_empty() => self.request.system.extend(blocks),
            "system" | "developer" => self.turn(Role::System, blocks, message.place()),
            "assistant" => {
                // Two messages are two turns: in one they would run together.
                if self.last == Last::Said {
                    self.last = Last::Other;
                }
                blocks.into_iter().for_each(|block| self.assistant(block, Last::Assistant));
                self.last = Last::Said;
            }
            _ => return Err(Malformed::new(message.path("role"), "expected a known role")),
        }
        rest.extend(message.rest());
        Ok(())
    }

    fn reasoning(&mut self, mut item: Fields, rest: &mut Vec<Extra>) -> Result<(), Malformed> {
        let (block, sealed) = output::reasoning(&mut item)?;
        if let Some(Sealed::Call { id, signature }) = sealed {
            self.proofs.push((id, signature));
        }
        if let Some(block) = block {
            self.assistant(block.at(item.place()), Last::Assistant);
        }
        rest.extend(item.rest());
        Ok(())
    }

    fn result(&mut self, mut item: Fields, rest: &mut Vec<Extra>) -> Result<(), Malformed> {
        let id = item.required_string("call_id")?;
        let path = item.path("output");
        let content = item.value("output").map_or(Ok(Vec::new()), |output| match output {
            Value::String(_) | Value::Array(_) => parts::read(output, &path, rest),
            other => Ok(vec![Block::text(other.to_string()).at(&path)]),
        })?;
        let name = item.string("name")?;
        ["type", "id", "status"].iter().for_each(|field| drop(item.value(field)));
        let kind = BlockKind::ToolResult { id, name, content, is_error: false };
        self.given(Block::from(kind).at(item.place()));
        rest.extend(item.rest());
        Ok(())
    }

    fn turn(&mut self, role: Role, blocks: Vec<Block>, place: &str) {
        self.request.turns.push(Turn::new(role, blocks).at(place));
        self.last = Last::Other;
    }

    /// A turn of items, which stands where its first one does.
    fn begin(&mut self, role: Role, block: Block) {
        let place = block.place.clone();
        self.request.turns.push(Turn { place, ..Turn::new(role, vec![block]) });
    }

    /// A result, in one turn with those before it.
    fn given(&mut self, block: Block) {
        match self.request.turns.last_mut().filter(|_| self.last == Last::Result) {
            Some(turn) => turn.blocks.push(block),
            None => self.begin(Role::User, block),
        }
        self.last = Last::Result;
    }

    /// The model's, in one turn with what it said and asked before.
    fn assistant(&mut self, block: Block, last: Last) {
        let goes_on = matches!(self.last, Last::Assistant | Last::Said);
        match self.request.turns.last_mut().filter(|_| goes_on) {
            Some(turn) => turn.blocks.push(block),
            None => self.begin(Role::Assistant, block),
        }
        self.last = last;
    }
}

//! A whole answer for a caller.

use serde_json::{Map, Value, json};

use super::{OWN, citations, finish, logprobs, usage};
use crate::codec::Encoded;
use crate::ir::{Block, BlockKind, Response};
use crate::loss::Loss;
use crate::shared::answers;

/// An id for an answer without one; SDKs demand some.
pub(super) const NO_ID: &str = "chat-0";

/// Writes an answer. It does not name its model: this dialect has no field for it.
pub(super) fn encode(response: &Response) -> Encoded {
    let mut losses = response.losses.clone();
    let calls = response.blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolCall { .. }));
    let plans = calls && response.blocks.iter().all(is_plan);
    let mut parts = Parts { plans, calls: calls.then(Vec::new), ..Parts::default() };
    for block in &response.blocks {
        parts.add(block, &mut losses);
    }
    let (word, near) = finish::write(&response.finish, parts.refused);
    losses.extend(answers::finish(&response.finish, near, false));
    let id = if response.id.is_empty() { NO_ID } else { &response.id };
    let mut body = json!({ "id": id, "finish_reason": word, "message": parts.message() });
    if let Some(counts) = &response.usage {
        body["usage"] = usage::write(counts);
    }
    if !response.logprobs.is_empty() {
        body["logprobs"] = response.logprobs.chunks(1).map(logprobs::write).collect();
        losses.extend(logprobs::lost(&response.logprobs));
    }
    Encoded { body: body.to_string().into_bytes(), losses }
}

/// May this stand beside a plan? Of a text that may not, all others keep their place in the content.
fn is_plan(block: &Block) -> bool {
    match &block.kind {
        // A plan's sources would have to be called so.
        BlockKind::Text { citations, .. } => citations.is_empty(),
        BlockKind::Refusal { .. } => false,
        _ => true,
    }
}

/// What a message is made of.
#[derive(Default)]
struct Parts {
    /// Text is what the model plans to do with its calls.
    plans: bool,
    content: Vec<Value>,
    citations: Vec<Value>,
    plan: String,
    /// `None` in an answer without calls.
    calls: Option<Vec<Value>>,
    refused: bool,
}

impl Parts {
    fn add(&mut self, block: &Block, losses: &mut Vec<Loss>) {
        match &block.kind {
            BlockKind::Text { text, citations } => self.text(text, citations, losses),
            BlockKind::Refusal { text } => {
                self.refused = true;
                self.content.push(json!({ "type": "text", "text": text }));
            }
            BlockKind::Reasoning { text, signature, redacted } => {
                if !text.is_empty() {
                    self.content.push(json!({ "type": "thinking", "thinking": text }));
                }
                if signature.is_some() || redacted.is_some() {
                    losses.push(answers::signature());
                }
            }
            BlockKind::ToolCall { id, name, arguments, signature } => {
                let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
                let function = json!({ "name": name, "arguments": arguments });
                let call = json!({ "id": id, "type": "function", "function": function });
                self.calls.get_or_insert_default().push(call);
                losses.extend(signature.as_ref().map(|_| answers::call_signature()));
            }
            BlockKind::Opaque { dialect, value } if *dialect == OWN => self.content.push(value.clone()),
            BlockKind::Opaque { .. }
            | BlockKind::ToolResult { .. }
            | BlockKind::Image(_)
            | BlockKind::Audio(_)
            | BlockKind::Document(_) => losses.push(answers::block(&block.kind)),
        }
    }

    fn text(&mut self, text: &str, sources: &[Value], losses: &mut Vec<Loss>) {
        if self.plans {
            self.plan.push_str(text);
            return;
        }
        let index = u32::try_from(self.content.len()).unwrap_or(u32::MAX);
        self.content.push(json!({ "type": "text", "text": text }));
        for source in sources {
            match citations::write(source, index, text) {
                Some(citation) => self.citations.push(citation),
                None => losses.push(answers::citations()),
            }
        }
    }

    fn message(self) -> Value {
        let mut message = Map::from_iter([("role".to_owned(), "assistant".into())]);
        let mut set = |field: &str, value: Value| message.insert(field.to_owned(), value);
        if !self.content.is_empty() || self.calls.is_none() {
            set("content", self.content.into());
        }
        if !self.plan.is_empty() {
            set("tool_plan", self.plan.into());
        }
        if let Some(calls) = self.calls {
            set("tool_calls", calls.into());
        }
        if !self.citations.is_empty() {
            set("citations", self.citations.into());
        }
        message.into()
    }
}

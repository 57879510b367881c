//! A whole answer for a caller.

use serde_json::{Value, json};

use super::wire::{is_citation, tool_id};
use super::{OWN, stop_reason, usage};
use crate::codec::Encoded;
use crate::ir::{Block, BlockKind, Response};
use crate::loss::Loss;
use crate::shared::answers;
use crate::shared::arguments::input_of;

/// An id where the provider named none; callers index by it.
const NO_ID: &str = "msg_0";

/// Writes an answer.
pub(super) fn encode(response: &Response) -> Encoded {
    let mut losses = response.losses.clone();
    let mut content = Vec::new();
    let mut holds = stop_reason::Holds::default();
    for block in &response.blocks {
        note(&mut holds, &block.kind);
        content.extend(block_values(block, &mut losses));
    }
    let (reason, sequence, near) = stop_reason::encode(&response.finish, holds);
    losses.extend(answers::finish(&response.finish, near, true));
    losses.extend((!response.logprobs.is_empty()).then(answers::logprobs));
    let body = json!({
        "id": if response.id.is_empty() { NO_ID } else { &response.id },
        "type": "message",
        "role": "assistant",
        "model": response.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": sequence,
        "usage": usage::encode(&response.usage.unwrap_or_default()),
    });
    Encoded { body: body.to_string().into_bytes(), losses }
}

/// Remembers what decides between stop reasons.
pub(super) fn note(holds: &mut stop_reason::Holds, kind: &BlockKind) {
    holds.refusal |= matches!(kind, BlockKind::Refusal { .. });
    holds.tool_call |= matches!(kind, BlockKind::ToolCall { .. });
}

/// Writes one block: mostly one value, two for thinking of which a part is sealed.
pub(super) fn block_values(block: &Block, losses: &mut impl Extend<Loss>) -> Vec<Value> {
    match &block.kind {
        BlockKind::Text { text, citations } => {
            let ours: Vec<&Value> = citations.iter().filter(|citation| is_citation(citation)).collect();
            if ours.len() < citations.len() {
                losses.extend([answers::citations()]);
            }
            let citations = if ours.is_empty() { Value::Null } else { json!(ours) };
            vec![json!({ "type": "text", "text": text, "citations": citations })]
        }
        BlockKind::Refusal { text } => vec![json!({ "type": "text", "text": text, "citations": null })],
        BlockKind::ToolCall { id, name, arguments, signature } => {
            let (input, exact) = input_of(arguments);
            if !exact {
                losses.extend([answers::arguments()]);
            }
            if signature.is_some() {
                losses.extend([answers::call_signature()]);
            }
            vec![json!({ "type": "tool_use", "id": tool_id(id), "name": name, "input": input })]
        }
        BlockKind::Reasoning { text, signature, redacted } => {
            let mut values = Vec::new();
            if !text.is_empty() || signature.is_some() || redacted.is_none() {
                let signature = signature.as_deref().unwrap_or_default();
                values.push(json!({ "type": "thinking", "thinking": text, "signature": signature }));
            }
            values.extend(redacted.as_ref().map(|data| json!({ "type": "redacted_thinking", "data": data })));
            values
        }
        BlockKind::Opaque { dialect, value } if *dialect == OWN => vec![value.clone()],
        BlockKind::Opaque { .. }
        | BlockKind::Image(_)
        | BlockKind::Document(_)
        | BlockKind::Audio(_)
        | BlockKind::ToolResult { .. } => {
            losses.extend([answers::block(&block.kind)]);
            Vec::new()
        }
    }
}

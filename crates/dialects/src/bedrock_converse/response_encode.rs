//! A whole answer for a caller.

use serde_json::{Map, Value, json};

use super::wire::{Kind, blob_of_token, is_citation, tool_id, union};
use super::{OWN, stop_reason, usage};
use crate::codec::Encoded;
use crate::ir::{Block, BlockKind, MediaSource, Response};
use crate::loss::Loss;
use crate::shared::answers;
use crate::shared::arguments::input_of;

/// Writes an answer.
pub(super) fn encode(response: &Response) -> Encoded {
    let mut losses = response.losses.clone();
    let mut content = Vec::new();
    let mut holds = stop_reason::Holds::default();
    for block in &response.blocks {
        note(&mut holds, &block.kind);
        content.extend(block_values(block, &mut losses));
    }
    let (reason, near) = stop_reason::encode(&response.finish, holds);
    losses.extend(answers::finish(&response.finish, near, false));
    losses.extend((!response.logprobs.is_empty()).then(answers::logprobs));
    let body = json!({
        "output": { "message": { "role": "assistant", "content": content } },
        "stopReason": reason,
        "usage": usage::encode(&response.usage.unwrap_or_default()),
        "metrics": metrics(),
    });
    Encoded { body: body.to_string().into_bytes(), losses }
}

/// Demanded, and not known here: the time the model took.
pub(super) fn metrics() -> Value {
    json!({ "latencyMs": 0 })
}

/// Remembers what decides between stop reasons.
pub(super) fn note(holds: &mut stop_reason::Holds, kind: &BlockKind) {
    holds.refusal |= matches!(kind, BlockKind::Refusal { .. });
    holds.tool_call |= matches!(kind, BlockKind::ToolCall { .. });
}

/// Writes one block: mostly one value, two for thinking of which a part is sealed.
pub(super) fn block_values(block: &Block, losses: &mut impl Extend<Loss>) -> Vec<Value> {
    match &block.kind {
        BlockKind::Text { text, citations } => vec![text_value(text, citations, losses)],
        BlockKind::Refusal { text } => vec![union("text", text.as_str())],
        BlockKind::ToolCall { id, name, arguments, signature } => {
            let (input, exact) = input_of(arguments);
            if !exact {
                losses.extend([answers::arguments()]);
            }
            if signature.is_some() {
                losses.extend([answers::call_signature()]);
            }
            vec![union("toolUse", json!({ "toolUseId": tool_id(id), "name": name, "input": input }))]
        }
        BlockKind::Reasoning { text, signature, redacted } => {
            let mut values = Vec::new();
            if !text.is_empty() || signature.is_some() || redacted.is_none() {
                let mut said = Map::from_iter([("text".to_owned(), Value::from(text.as_str()))]);
                if let Some(signature) = signature {
                    said.insert("signature".to_owned(), signature.as_str().into());
                }
                values.push(json!({ "reasoningContent": { "reasoningText": said } }));
            }
            values.extend(
                redacted
                    .as_ref()
                    .map(|token| json!({ "reasoningContent": { "redactedContent": blob_of_token(token) } })),
            );
            values
        }
        BlockKind::Image(media) => match (&media.source, &media.media_type) {
            (MediaSource::Base64(data), Some(kind)) if Kind::Image.format(kind).is_some() => {
                vec![json!({ "image": { "format": Kind::Image.format(kind), "source": { "bytes": data } } })]
            }
            _ => lost(losses, block),
        },
        BlockKind::Opaque { dialect, value } if *dialect == OWN => vec![value.clone()],
        BlockKind::Opaque { .. } | BlockKind::Document(_) | BlockKind::Audio(_) | BlockKind::ToolResult { .. } => {
            lost(losses, block)
        }
    }
}

fn lost(losses: &mut impl Extend<Loss>, block: &Block) -> Vec<Value> {
    losses.extend([answers::block(&block.kind)]);
    Vec::new()
}

fn text_value(text: &str, citations: &[Value], losses: &mut impl Extend<Loss>) -> Value {
    let ours: Vec<&Value> = citations.iter().filter(|citation| is_citation(citation)).collect();
    if ours.len() < citations.len() {
        losses.extend([answers::citations()]);
    }
    if ours.is_empty() {
        return union("text", text);
    }
    let mut value = json!({ "citations": ours });
    if !text.is_empty() {
        value["content"] = json!([{ "text": text }]);
    }
    union("citationsContent", value)
}

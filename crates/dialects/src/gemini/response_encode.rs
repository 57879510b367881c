//! A whole answer for a caller.

use ringmain_core::Dialect;
use serde_json::{Map, Value, json};

use super::names::Builder;
use super::parts::{call_part, is_object};
use super::{finish, logprobs, media, usage};
use crate::codec::Encoded;
use crate::ir::{Block, BlockKind, Response};
use crate::loss::Loss;
use crate::shared::answers;

pub(super) fn encode(response: &Response) -> Encoded {
    let mut losses = response.losses.clone();
    let mut parts = Vec::new();
    let mut candidate = Builder::default();
    for block in &response.blocks {
        match &block.kind {
            BlockKind::Opaque { dialect: Dialect::Gemini, value } if is_sources(value) => add(&mut candidate, value),
            _ => push(&mut parts, block, &mut losses),
        }
        if let BlockKind::Text { citations, .. } = &block.kind {
            for citation in citations {
                if is_sources(citation) {
                    add(&mut candidate, citation);
                } else {
                    losses.push(answers::citations());
                }
            }
        }
    }
    let mut fields = Builder::default();
    let mut whole = Builder::default();
    // An answer without parts is an answer all the same, but clients want at least one.
    if parts.is_empty() {
        parts.push(json!({ "text": "" }));
    }
    whole.set("content", json!({ "parts": parts, "role": "model" }));
    let (reason, near) = finish::encode(&response.finish);
    losses.extend(answers::finish(&response.finish, near, false));
    whole.set("finishReason", reason);
    whole.0.extend(candidate.0);
    if !response.logprobs.is_empty() {
        let (result, lost) = logprobs::write(&response.logprobs);
        whole.set(logprobs::FIELD, result);
        losses.extend(lost);
    }
    whole.set("index", 0);
    fields.set("candidates", vec![Value::Object(whole.0)]);
    fields.maybe("usageMetadata", response.usage.as_ref().map(usage::encode));
    fields.set("modelVersion", response.model.as_str());
    fields.set("responseId", response.id.as_str());
    Encoded { body: fields.bytes(), losses }
}

/// Is it what [`super::response_decode::sources`] made?
pub(super) fn is_sources(value: &Value) -> bool {
    let Value::Object(fields) = value else { return false };
    fields.len() == 1
        && ["groundingMetadata", "citationMetadata", "urlContextMetadata"].iter().any(|name| fields.contains_key(*name))
}

/// A later source of the same name replaces the fields of an earlier one.
fn add(candidate: &mut Builder, sources: &Value) {
    let Value::Object(sources) = sources else { return };
    for (name, source) in sources {
        let entry = candidate.0.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
        if let (Value::Object(known), Value::Object(more)) = (entry, source) {
            known.extend(more.clone());
        }
    }
}

/// Writes a block as parts.
pub(super) fn push(parts: &mut Vec<Value>, block: &Block, losses: &mut Vec<Loss>) {
    match &block.kind {
        BlockKind::Text { text, .. } | BlockKind::Refusal { text } if !text.is_empty() => {
            parts.push(json!({ "text": text }));
        }
        BlockKind::Text { .. } | BlockKind::Refusal { .. } => {}
        BlockKind::Reasoning { text, signature, redacted } => {
            if redacted.is_some() {
                losses.push(answers::signature());
            }
            reasoning(parts, text, signature.as_deref());
        }
        BlockKind::ToolCall { id, name, arguments, signature } => {
            losses.extend((!is_object(arguments)).then(answers::arguments));
            parts.push(call_part(id, name, arguments, signature.as_deref()));
        }
        BlockKind::Image(_) | BlockKind::Document(_) | BlockKind::Audio(_) => {
            let found = answers::block(&block.kind);
            match media::encode(&block.kind, &found.field, losses) {
                Ok(part) => parts.extend(part),
                Err(_) => losses.push(found),
            }
        }
        BlockKind::Opaque { dialect: Dialect::Gemini, value } => parts.push(value.clone()),
        BlockKind::Opaque { .. } | BlockKind::ToolResult { .. } => losses.push(answers::block(&block.kind)),
    }
}

/// A thought, or a signature that goes back onto the part it came with.
pub(super) fn reasoning(parts: &mut Vec<Value>, text: &str, signature: Option<&str>) {
    if !text.is_empty() {
        let mut part = Builder::default();
        part.set("text", text);
        part.set("thought", true);
        part.maybe("thoughtSignature", signature);
        parts.push(Value::Object(part.0));
    } else if let Some(signature) = signature {
        match parts.last_mut() {
            Some(Value::Object(part)) if takes_signature(part) => {
                part.insert("thoughtSignature".to_owned(), signature.into());
            }
            _ => parts.push(json!({ "text": "", "thoughtSignature": signature })),
        }
    }
}

/// On a call or a thought it would be read as their own.
fn takes_signature(part: &Map<String, Value>) -> bool {
    ["text", "inlineData", "fileData"].iter().any(|name| part.contains_key(*name))
        && !part.contains_key("thought")
        && !part.contains_key("thoughtSignature")
}

//! A whole answer for a caller.

use serde_json::{Map, Value, json};

use crate::codec::Encoded;
use crate::freeform::OLDER_CALL;
use crate::ir::{Block, BlockKind, Response, TokenLogprob};
use crate::loss::Loss;
use crate::shared::media::image_url;
use crate::shared::sources::{self, Source};
use crate::shared::{answers, logprobs};

use super::{finish, messages_encode, response_decode, usage};

/// An id for an answer without one; SDKs demand some.
const NO_ID: &str = "chatcmpl-0";

/// Writes an answer.
pub(super) fn encode(response: &Response) -> Encoded {
    let mut losses = response.losses.clone();
    let mut parts = Parts::default();
    for block in &response.blocks {
        parts.add(block, &mut losses);
    }
    let (word, near) = finish::write(&response.finish, parts.older_call.is_some());
    losses.extend(answers::finish(&response.finish, near, false));
    let id = if response.id.is_empty() { NO_ID } else { &response.id };
    let mut body = json!({
        "id": id,
        "object": "chat.completion",
        "created": response.created.unwrap_or(0),
        "model": response.model,
        "choices": [{ "index": 0, "message": parts.message(), "logprobs": null, "finish_reason": word }],
    });
    if !response.logprobs.is_empty() {
        body["choices"][0]["logprobs"] = logprobs(&response.logprobs);
    }
    if let Some(counts) = &response.usage {
        body["usage"] = usage::write(counts);
    }
    Encoded { body: body.to_string().into_bytes(), losses }
}

/// How likely the tokens of the text were.
pub(super) fn logprobs(tokens: &[TokenLogprob]) -> Value {
    json!({ "content": logprobs::write(tokens), "refusal": null })
}

/// What a message is made of.
#[derive(Default)]
struct Parts {
    text: String,
    reasoning: String,
    refusal: String,
    calls: Vec<Value>,
    older_call: Option<Value>,
    annotations: Vec<Value>,
    images: Vec<Value>,
}

impl Parts {
    fn add(&mut self, block: &Block, losses: &mut Vec<Loss>) {
        match &block.kind {
            BlockKind::Text { text, citations } => {
                let (before, length) = (sources::length(&self.text), sources::length(text));
                self.text.push_str(text);
                for citation in citations {
                    match annotation(citation, before, length) {
                        Some(annotation) => self.annotations.push(annotation),
                        None => losses.push(answers::citations()),
                    }
                }
            }
            BlockKind::Reasoning { text, signature, redacted } => {
                self.reasoning.push_str(text);
                if signature.is_some() || redacted.is_some() {
                    losses.push(answers::signature());
                }
            }
            BlockKind::Refusal { text } => self.refusal.push_str(text),
            BlockKind::ToolCall { id, name, arguments, signature } => {
                let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
                let function = json!({ "name": name, "arguments": arguments });
                self.calls.push(json!({ "id": id, "type": "function", "function": function }));
                losses.extend(signature.as_ref().map(|_| answers::call_signature()));
            }
            BlockKind::Image(_) => match image(block) {
                Some(image) => self.images.push(image),
                None => losses.push(answers::block(&block.kind)),
            },
            BlockKind::Opaque { value, .. } if own_call(block).is_some() => self.calls.push(value.clone()),
            BlockKind::Opaque { .. } if self.older_call.is_none() && older_call(block).is_some() => {
                self.older_call = older_call(block).cloned();
            }
            BlockKind::Opaque { .. } | BlockKind::ToolResult { .. } | BlockKind::Audio(_) | BlockKind::Document(_) => {
                losses.push(answers::block(&block.kind));
            }
        }
    }

    fn message(self) -> Value {
        let calls = !self.calls.is_empty() || self.older_call.is_some();
        let silent = self.text.is_empty() && (calls || !self.refusal.is_empty());
        let text = |text: String| if text.is_empty() { Value::Null } else { text.into() };
        let mut message = Map::new();
        let mut set = |field: &str, value: Value| message.insert(field.to_owned(), value);
        set("role", "assistant".into());
        set("content", if silent { Value::Null } else { self.text.into() });
        set("refusal", text(self.refusal));
        if !self.reasoning.is_empty() {
            set("reasoning_content", self.reasoning.into());
        }
        if let Some(call) = self.older_call {
            set(OLDER_CALL, call);
        }
        for (field, items) in [("tool_calls", self.calls), ("annotations", self.annotations), ("images", self.images)] {
            if !items.is_empty() {
                set(field, items.into());
            }
        }
        message.into()
    }
}

/// A call of a free-form tool of this dialect.
pub(super) fn own_call(block: &Block) -> Option<&Value> {
    match &block.kind {
        BlockKind::Opaque { dialect, value } if *dialect == messages_encode::OWN => {
            Some(value).filter(|value| value.get("custom").is_some())
        }
        _ => None,
    }
}

/// A call in the form from before there were tools; a message holds one at most.
pub(super) fn older_call(block: &Block) -> Option<&Value> {
    match &block.kind {
        BlockKind::Opaque { dialect, value } if *dialect == messages_encode::OWN => value.get(OLDER_CALL),
        _ => None,
    }
}

/// An answer's picture: no field of OpenAI's, but the one that servers of this dialect agree on.
pub(super) fn image(block: &Block) -> Option<Value> {
    match &block.kind {
        BlockKind::Image(media) => {
            let url = image_url(media)?;
            Some(json!({ "type": "image_url", "image_url": { "url": url } }))
        }
        _ => None,
    }
}

/// A source as an annotation; `None` where it names nothing that can be followed. It is of a text of so many characters,
/// before which the message has so many.
pub(super) fn annotation(citation: &Value, before: u64, length: u64) -> Option<Value> {
    match citation.get("type").and_then(Value::as_str) {
        Some("file") => Some(citation.clone()),
        Some("url_citation") if citation.get("url_citation").is_some() => Some(citation.clone()),
        _ => {
            let Source { url, title, place: (start, end) } = sources::read(citation, length)?;
            // No place stays none.
            let place = if end == 0 { (0, 0) } else { (before.saturating_add(start), before.saturating_add(end)) };
            Some(response_decode::url_citation(url, title, place))
        }
    }
}

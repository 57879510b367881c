//! A whole answer for a caller.

use ringmain_core::Usage;
use serde_json::{Value, json};

use super::{OWN, finish, seal, usage};
use crate::codec::Encoded;
use crate::ir::logprobs::of_text;
use crate::ir::{Block, BlockKind, MediaSource, Response, TokenLogprob};
use crate::loss::Loss;
use crate::shared::sources::{self, Source};
use crate::shared::{answers, logprobs};

/// An id for an answer without one; SDKs demand some.
const NO_ID: &str = "resp_0";

/// Writes an answer.
pub(super) fn encode(response: &Response) -> Encoded {
    let mut losses = response.losses.clone();
    let mut items = Items::new(&response.id, &response.logprobs);
    for block in &response.blocks {
        items.add(block, &mut losses);
    }
    let (reason, near) = finish::write(&response.finish);
    losses.extend(answers::finish(&response.finish, near, false));
    losses.extend((!items.logprobs.is_empty()).then(answers::logprobs));
    let output = items.finish(reason.is_some());
    let shell = Shell { id: &response.id, model: &response.model, created: response.created.unwrap_or(0) };
    let status = if reason.is_some() { "incomplete" } else { "completed" };
    let mut body = shell.write(status, output, response.usage.as_ref());
    body["incomplete_details"] = finish::details(reason);
    Encoded { body: body.to_string().into_bytes(), losses }
}

/// What an answer says beside its output. The members that would repeat the request hold their defaults: an answer is
/// written without the request at hand.
pub(super) struct Shell<'a> {
    pub(super) id: &'a str,
    pub(super) model: &'a str,
    pub(super) created: u64,
}

impl Shell<'_> {
    /// The answer with this status.
    pub(super) fn write(&self, status: &str, output: Vec<Value>, used: Option<&Usage>) -> Value {
        let mut body = json!({
            "id": if self.id.is_empty() { NO_ID } else { self.id },
            "object": "response",
            "created_at": self.created,
            "status": status,
            "background": false,
            "error": null,
            "incomplete_details": null,
            "instructions": null,
            "max_output_tokens": null,
            "metadata": {},
            "model": self.model,
            "output": null,
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "reasoning": { "effort": null, "summary": null },
            "store": false,
            "temperature": null,
            "text": { "format": { "type": "text" } },
            "tool_choice": "auto",
            "tools": [],
            "top_p": null,
            "truncation": "disabled",
        });
        body["output"] = output.into();
        if let Some(used) = used {
            body["usage"] = usage::write(used);
        }
        body
    }
}

/// Makes the ids of items: unlike in every answer, and the same for the stream of one.
#[derive(Debug, Default)]
pub(super) struct Ids {
    base: String,
    next: u32,
}

impl Ids {
    pub(super) fn new(response_id: &str) -> Self {
        let base = response_id.strip_prefix("resp_").unwrap_or(response_id);
        Self { base: if base.is_empty() { "0".to_owned() } else { base.to_owned() }, next: 0 }
    }

    /// The next item's: `msg`, `fc`, `rs`, `ig` are OpenAI's words for the kinds.
    pub(super) fn next(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}_{}_{}", self.base, self.next)
    }
}

/// Gathers blocks into items: text and refusals that follow each other are parts of one message.
struct Items<'a> {
    ids: Ids,
    /// Of the text that is to come.
    logprobs: &'a [TokenLogprob],
    items: Vec<Value>,
    said: Vec<Value>,
}

impl<'a> Items<'a> {
    fn new(response_id: &str, logprobs: &'a [TokenLogprob]) -> Self {
        Self { ids: Ids::new(response_id), logprobs, items: Vec::new(), said: Vec::new() }
    }

    fn add(&mut self, block: &Block, losses: &mut Vec<Loss>) {
        match &block.kind {
            BlockKind::Text { text, citations } => {
                let length = sources::length(text);
                let annotations: Vec<Value> =
                    citations.iter().filter_map(|citation| annotation(citation, length)).collect();
                if annotations.len() < citations.len() {
                    losses.push(answers::citations());
                }
                let logprobs = logprobs::write(of_text(&mut self.logprobs, text));
                self.said.push(text_part(text, annotations, logprobs));
            }
            BlockKind::Refusal { text } => self.said.push(refusal_part(text)),
            BlockKind::Reasoning { text, signature, redacted } => {
                let sealed = seal::of_reasoning(signature.as_deref(), redacted.as_deref());
                if signature.is_some() && redacted.is_some() {
                    losses.push(answers::signature());
                }
                if !text.is_empty() || sealed.is_some() {
                    self.say();
                    let id = self.ids.next("rs");
                    self.items.push(reasoning_item(&id, text, sealed));
                }
            }
            BlockKind::ToolCall { id, name, arguments, signature } => {
                self.say();
                let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
                if let Some(signature) = signature {
                    let sealed = seal::of_call(id, signature);
                    self.items.push(reasoning_item(&self.ids.next("rs"), "", Some(sealed)));
                }
                let item = call_item(&self.ids.next("fc"), id, name, arguments, "completed");
                self.items.push(item);
            }
            _ => {
                self.say();
                let item = whole_item(block, &mut self.ids);
                if item.is_none() {
                    losses.push(answers::block(&block.kind));
                }
                self.items.extend(item);
            }
        }
    }

    /// Closes the message that is open.
    fn say(&mut self) {
        if !self.said.is_empty() {
            let item = message_item(&self.ids.next("msg"), std::mem::take(&mut self.said), "completed");
            self.items.push(item);
        }
    }

    fn finish(mut self, incomplete: bool) -> Vec<Value> {
        let open = !self.said.is_empty();
        self.say();
        if let Some(last) = self.items.last_mut().filter(|_| open && incomplete) {
            last["status"] = "incomplete".into();
        }
        self.items
    }
}

pub(super) fn text_part(text: &str, annotations: Vec<Value>, logprobs: Vec<Value>) -> Value {
    let mut part = json!({ "type": "output_text", "annotations": null, "logprobs": null, "text": text });
    (part["annotations"], part["logprobs"]) = (annotations.into(), logprobs.into());
    part
}

pub(super) fn refusal_part(text: &str) -> Value {
    json!({ "type": "refusal", "refusal": text })
}

pub(super) fn message_item(id: &str, content: Vec<Value>, status: &str) -> Value {
    let mut item = json!({ "id": id, "type": "message", "status": status, "content": null, "role": "assistant" });
    item["content"] = content.into();
    item
}

pub(super) fn call_item(id: &str, call_id: &str, name: &str, arguments: &str, status: &str) -> Value {
    json!({
        "id": id,
        "type": "function_call",
        "status": status,
        "arguments": arguments,
        "call_id": call_id,
        "name": name,
    })
}

pub(super) fn reasoning_item(id: &str, text: &str, sealed: Option<String>) -> Value {
    let summary: Vec<Value> = Some(text).filter(|text| !text.is_empty()).map(summary_part).into_iter().collect();
    let mut item = json!({ "id": id, "type": "reasoning", "summary": summary });
    if let Some(sealed) = sealed {
        item["encrypted_content"] = sealed.into();
    }
    item
}

pub(super) fn summary_part(text: &str) -> Value {
    json!({ "type": "summary_text", "text": text })
}

/// An item for a block that comes whole; `None` where there is no form for it.
pub(super) fn whole_item(block: &Block, ids: &mut Ids) -> Option<Value> {
    match &block.kind {
        BlockKind::Image(media) => {
            let MediaSource::Base64(data) = &media.source else { return None };
            let format = media.media_type.as_deref().and_then(|kind| kind.strip_prefix("image/")).unwrap_or("png");
            let (id, kind) = (ids.next("ig"), "image_generation_call");
            Some(json!({ "id": id, "type": kind, "status": "completed", "output_format": format, "result": data }))
        }
        BlockKind::Opaque { dialect, value } if *dialect == OWN => Some(value.clone()),
        _ => None,
    }
}

/// A source of a text of this many characters as an annotation; `None` where it names nothing that can be followed.
pub(super) fn annotation(citation: &Value, length: u64) -> Option<Value> {
    let kind = citation.get("type").and_then(Value::as_str).unwrap_or_default();
    if matches!(kind, "file_citation" | "container_file_citation" | "file_path") {
        return Some(citation.clone());
    }
    let Source { url, title, place: (start, end) } = sources::read(citation, length)?;
    Some(json!({
        "type": "url_citation",
        "url": url,
        "title": title,
        "start_index": start,
        "end_index": end,
    }))
}

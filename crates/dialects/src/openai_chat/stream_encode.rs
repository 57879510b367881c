//! Events to a caller's stream.

use std::collections::BTreeMap;

use ringmain_core::Usage;
use ringmain_wire::sse;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::codec::{StreamEncoder, StreamStart};
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event};

use super::stream_decode::DONE;
use super::{fault, finish, response_encode, usage};

/// Writes one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    id: String,
    model: String,
    created: u64,
    include_usage: bool,
    /// The tool calls by block: their own dense index, and whether arguments were written.
    calls: BTreeMap<u32, Call>,
    next_call: u32,
    usage: Option<Usage>,
}

#[derive(Debug)]
struct Call {
    index: u32,
    arguments: bool,
}

/// One chunk, written without a tree in between: a stream has hundreds.
#[derive(serde::Serialize)]
struct Chunk<'a, D> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [Choice<'a, D>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

#[derive(serde::Serialize)]
struct Choice<'a, D> {
    index: u32,
    delta: D,
    logprobs: Option<()>,
    finish_reason: Option<&'a str>,
}

impl<'a, D> Choice<'a, D> {
    const fn of(delta: D, finish_reason: Option<&'a str>) -> Self {
        Self { index: 0, delta, logprobs: None, finish_reason }
    }
}

/// An object of one member.
struct Member<V>(&'static str, V);

impl<V: Serialize> Serialize for Member<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0, &self.1)?;
        map.end()
    }
}

impl Encoder {
    pub(super) fn new(start: &StreamStart) -> Self {
        Self {
            id: start.id.clone(),
            model: start.model.clone(),
            created: start.created,
            include_usage: start.include_usage,
            calls: BTreeMap::new(),
            next_call: 0,
            usage: None,
        }
    }

    fn send<D: Serialize>(&self, choices: &[Choice<'_, D>], counts: Option<Value>, out: &mut Vec<u8>) {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices,
            usage: counts,
        };
        // Only a map with keys that are no text cannot be written.
        if let Ok(json) = serde_json::to_vec(&chunk) {
            sse::encode(None, &json, out);
        }
    }

    fn delta(&self, field: &'static str, value: impl Serialize, out: &mut Vec<u8>) {
        self.send(&[Choice::of(Member(field, value), None)], None, out);
    }

    fn call(&mut self, block: u32, mut call: Value, out: &mut Vec<u8>) {
        let index = self.next_call;
        self.next_call += 1;
        self.calls.insert(block, Call { index, arguments: false });
        call["index"] = index.into();
        self.delta("tool_calls", json!([call]), out);
    }

    fn arguments(&mut self, block: u32, text: &str, out: &mut Vec<u8>) {
        let Some(call) = self.calls.get_mut(&block).filter(|_| !text.is_empty()) else { return };
        call.arguments = true;
        let piece = json!([{ "index": call.index, "function": { "arguments": text } }]);
        self.delta("tool_calls", piece, out);
    }

    fn begin(&mut self, index: u32, head: &BlockHead, out: &mut Vec<u8>) {
        match head {
            BlockHead::Text | BlockHead::Reasoning | BlockHead::Refusal => {}
            BlockHead::ToolCall { id, name } => {
                let call = json!({
                    "index": 0,
                    "id": id,
                    "type": "function",
                    "function": { "name": name, "arguments": "" },
                });
                self.call(index, call, out);
            }
            BlockHead::Whole(block) => self.whole(index, block, out),
        }
    }

    fn whole(&mut self, index: u32, block: &Block, out: &mut Vec<u8>) {
        if let Some(call) = response_encode::own_call(block) {
            self.call(index, call.clone(), out);
            if let Some(call) = self.calls.get_mut(&index) {
                call.arguments = true;
            }
            return;
        }
        match &block.kind {
            BlockKind::Text { text, .. } if !text.is_empty() => self.delta("content", text, out),
            BlockKind::Reasoning { text, .. } if !text.is_empty() => {
                self.delta("reasoning_content", text, out);
            }
            _ => {
                if let Some(image) = response_encode::image(block) {
                    self.delta("images", json!([image]), out);
                }
            }
        }
    }

    fn more(&mut self, index: u32, delta: &Delta, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(text) => self.delta("content", text, out),
            Delta::Reasoning(text) => self.delta("reasoning_content", text, out),
            Delta::Refusal(text) => self.delta("refusal", text, out),
            Delta::Arguments(text) => self.arguments(index, text, out),
            Delta::Citation(citation) => {
                if let Some(annotation) = response_encode::annotation(citation) {
                    self.delta("annotations", json!([annotation]), out);
                }
            }
            // No place for it, and nothing here could send it back.
            Delta::Signature(_) | Delta::Redacted(_) => {}
        }
    }
}

impl StreamEncoder for Encoder {
    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, created } => {
                if !id.is_empty() {
                    id.clone_into(&mut self.id);
                }
                if !model.is_empty() {
                    model.clone_into(&mut self.model);
                }
                self.created = created.unwrap_or(self.created);
                let delta = json!({ "role": "assistant", "content": "", "refusal": null });
                self.send(&[Choice::of(delta, None)], None, out);
            }
            Event::BlockStart { index, head } => self.begin(*index, head, out),
            Event::Delta { index, delta } => self.more(*index, delta, out),
            Event::BlockStop { index } => {
                // Callers parse the arguments; nothing at all would not be JSON.
                if self.calls.get(index).is_some_and(|call| !call.arguments) {
                    self.arguments(*index, "{}", out);
                }
            }
            Event::Usage(counts) => self.usage = Some(*counts),
            Event::Finish(reason) => {
                let (word, _) = finish::write(reason);
                self.send(&[Choice::of(json!({}), Some(word))], None, out);
                if let Some(counts) = self.usage.as_ref().filter(|_| self.include_usage) {
                    self.send::<()>(&[], Some(usage::write(counts)), out);
                }
                sse::encode(None, DONE, out);
            }
            Event::Error(found) => sse::encode(None, &fault::body(found), out),
        }
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        sse::encode_comment("ping", out);
    }

    fn comment(&mut self, text: &str, out: &mut Vec<u8>) {
        sse::encode_comment(text, out);
    }
}

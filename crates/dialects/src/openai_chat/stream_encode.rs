//! Events to a caller's stream.

use std::collections::BTreeMap;

use ringmain_core::Usage;
use ringmain_wire::sse;
use serde_json::{Map, Value, json};

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

    fn send(&self, choices: &Value, counts: Option<Value>, out: &mut Vec<u8>) {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if let Some(counts) = counts {
            chunk["usage"] = counts;
        }
        sse::encode(None, chunk.to_string().as_bytes(), out);
    }

    fn delta(&self, field: &str, value: Value, out: &mut Vec<u8>) {
        let delta = Map::from_iter([(field.to_owned(), value)]);
        self.send(&json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": null }]), None, out);
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
            BlockKind::Text { text, .. } if !text.is_empty() => self.delta("content", text.as_str().into(), out),
            BlockKind::Reasoning { text, .. } if !text.is_empty() => {
                self.delta("reasoning_content", text.as_str().into(), out);
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
            Delta::Text(text) => self.delta("content", text.as_str().into(), out),
            Delta::Reasoning(text) => self.delta("reasoning_content", text.as_str().into(), out),
            Delta::Refusal(text) => self.delta("refusal", text.as_str().into(), out),
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
                let choices = json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": null }]);
                self.send(&choices, None, out);
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
                let choices = json!([{ "index": 0, "delta": {}, "logprobs": null, "finish_reason": word }]);
                self.send(&choices, None, out);
                if let Some(counts) = self.usage.as_ref().filter(|_| self.include_usage) {
                    self.send(&json!([]), Some(usage::write(counts)), out);
                }
                sse::encode(None, DONE, out);
            }
            Event::Error(found) => sse::encode(None, &fault::body(found), out),
        }
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        sse::encode_comment("ping", out);
    }
}

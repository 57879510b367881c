//! Events to a caller's stream.

use std::collections::BTreeMap;

use ringmain_core::{Loss, Losses, Usage};
use ringmain_wire::sse;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::codec::{StreamEncoder, StreamStart};
use crate::freeform::OLDER_CALL;
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event};
use crate::shared::{answers, logprobs, sources};

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
    /// A call in the form from before there were tools was written.
    older_call: bool,
    usage: Option<Usage>,
    /// Of the text that comes next.
    logprobs: Option<Value>,
    /// Characters of text, and how many of them stand before the text block that is open.
    said: u64,
    before: u64,
    /// Sources that are of all of a block, with its number.
    waiting: Vec<(u32, Value)>,
    losses: Losses,
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
    logprobs: Option<Value>,
    finish_reason: Option<&'a str>,
}

impl<'a, D> Choice<'a, D> {
    fn of(delta: D, finish_reason: Option<&'a str>) -> Self {
        Self { index: 0, delta, logprobs: None, finish_reason }
    }
}

/// A piece of a call's arguments.
#[derive(serde::Serialize)]
struct CallPiece<'a> {
    index: u32,
    function: Member<&'a str>,
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
            older_call: false,
            usage: None,
            logprobs: None,
            said: 0,
            before: 0,
            waiting: Vec::new(),
            losses: Losses::default(),
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

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        self.said += sources::length(text);
        let logprobs = self.logprobs.take();
        self.send(&[Choice { logprobs, ..Choice::of(Member("content", text), None) }], None, out);
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
        let piece = CallPiece { index: call.index, function: Member("arguments", text) };
        self.delta("tool_calls", [piece], out);
    }

    fn begin(&mut self, index: u32, head: &BlockHead, out: &mut Vec<u8>) {
        match head {
            BlockHead::Text => self.before = self.said,
            BlockHead::Reasoning | BlockHead::Refusal => {}
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
        if let Some(call) = response_encode::older_call(block).filter(|_| !self.older_call) {
            self.older_call = true;
            return self.delta(OLDER_CALL, call, out);
        }
        match &block.kind {
            BlockKind::Text { text, .. } if text.is_empty() => {}
            BlockKind::Text { text, .. } => self.text(text, out),
            BlockKind::Reasoning { text, signature, redacted } => {
                if !text.is_empty() {
                    self.delta("reasoning_content", text, out);
                }
                if signature.is_some() || redacted.is_some() {
                    self.losses.add(answers::signature());
                }
            }
            kind => match response_encode::image(block) {
                Some(image) => self.delta("images", json!([image]), out),
                None => self.losses.add(answers::block(kind)),
            },
        }
    }

    fn cite(&mut self, citation: &Value, out: &mut Vec<u8>) {
        match response_encode::annotation(citation, self.before, self.said - self.before) {
            Some(annotation) => self.delta("annotations", json!([annotation]), out),
            None => self.losses.add(answers::citations()),
        }
    }

    fn more(&mut self, index: u32, delta: &Delta, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(text) => self.text(text, out),
            Delta::Reasoning(text) => self.delta("reasoning_content", text, out),
            Delta::Refusal(text) => self.delta("refusal", text, out),
            Delta::Arguments(text) => self.arguments(index, text, out),
            Delta::Citation(citation) if sources::waits(citation) => self.waiting.push((index, citation.clone())),
            Delta::Citation(citation) => self.cite(citation, out),
            // No place for it, and nothing here could send it back.
            Delta::Signature(_) if self.calls.contains_key(&index) => self.losses.add(answers::call_signature()),
            Delta::Signature(_) | Delta::Redacted(_) => self.losses.add(answers::signature()),
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
                let waiting = std::mem::take(&mut self.waiting).into_iter();
                let (ended, waiting): (Vec<_>, _) = waiting.partition(|(block, _)| block == index);
                self.waiting = waiting;
                ended.iter().for_each(|(_, citation)| self.cite(citation, out));
                // Callers parse the arguments; nothing at all would not be JSON.
                if self.calls.get(index).is_some_and(|call| !call.arguments) {
                    self.arguments(*index, "{}", out);
                }
            }
            Event::Logprobs(tokens) => {
                // Some providers tell them with the end.
                let mut known = self.logprobs.take().unwrap_or_else(|| response_encode::logprobs(&[]));
                if let Some(list) = known["content"].as_array_mut() {
                    list.extend(logprobs::write(tokens));
                }
                self.logprobs = Some(known);
            }
            Event::Usage(counts) => self.usage = Some(*counts),
            Event::Finish(reason) => {
                let (word, near) = finish::write(reason, self.older_call);
                self.losses.extend(answers::finish(reason, near, false));
                let logprobs = self.logprobs.take();
                self.send(&[Choice { logprobs, ..Choice::of(json!({}), Some(word)) }], None, out);
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

    fn take_losses(&mut self) -> Vec<Loss> {
        self.losses.take()
    }

    fn comment(&mut self, text: &str, out: &mut Vec<u8>) {
        sse::encode_comment(text, out);
    }
}

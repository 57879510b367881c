//! Reads a copy of an answer that is relayed.

use std::borrow::Cow;

use ringmain_core::Fault;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault;
use super::stream_encode::Encoder;
use super::usage::WireUsage;
use crate::codec::{Framing, Glance, StreamEncoder, StreamStart, Tap};
use crate::continuation::{Barrier, Kind, SoFar};
use crate::shared::borrowed::borrowed;

/// Follows one answer.
#[derive(Debug, Default)]
pub(super) struct MessagesTap {
    usage: WireUsage,
    /// A stop reason was given.
    finished: bool,
    /// The stream's last event was seen.
    terminal: bool,
    so_far: SoFar,
    /// The index of the block that is open, or of the next.
    index: u32,
}

#[derive(Debug, Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    index: u32,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    #[serde(borrow)]
    delta: Option<Block<'a>>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    usage: Option<WireUsage>,
}

/// A block, or a delta: what may be useful in it.
#[derive(Debug, Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    #[serde(borrow, default)]
    thinking: Cow<'a, str>,
    #[serde(borrow, default)]
    partial_json: Cow<'a, str>,
    #[serde(borrow)]
    citations: Option<&'a RawValue>,
    stop_reason: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<Vec<Block<'a>>>,
    usage: Option<WireUsage>,
    stop_reason: Option<Cow<'a, str>>,
}

impl Block<'_> {
    /// A block of an answer, or the start of one in a stream.
    fn is_useful(&self) -> bool {
        match self.kind.as_ref() {
            "text" => !self.text.is_empty() || self.citations.is_some_and(|list| list.get().len() > 4),
            "thinking" => !self.thinking.is_empty(),
            "redacted_thinking" => false,
            // Calls, and what a provider's own tools found.
            _ => true,
        }
    }

    fn is_useful_delta(&self) -> bool {
        match self.kind.as_ref() {
            "text_delta" => !self.text.is_empty(),
            "thinking_delta" => !self.thinking.is_empty(),
            "input_json_delta" => !self.partial_json.is_empty(),
            "citations_delta" => true,
            _ => false,
        }
    }
}

fn malformed() -> Glance {
    Glance { malformed: true, ..Glance::default() }
}

impl MessagesTap {
    fn used(&mut self, usage: Option<WireUsage>, glance: &mut Glance) {
        if let Some(usage) = usage {
            self.usage.update(&usage);
            glance.usage = self.usage.usage();
        }
    }

    fn begun(&mut self, index: u32, block: &Block<'_>) {
        self.index = index;
        self.so_far.leave();
        match block.kind.as_ref() {
            "text" => {
                self.so_far.stands_in(Kind::Text);
                self.so_far.text(&block.text);
                if block.citations.is_some_and(|list| list.get().len() > 4) {
                    self.so_far.bar(Barrier::NotText);
                }
            }
            "thinking" | "redacted_thinking" => {
                self.so_far.enter(Barrier::SignedReasoning);
                self.so_far.thought(&block.thinking);
            }
            "tool_use" => self.so_far.bar(Barrier::ToolCall),
            _ => self.so_far.bar(Barrier::NotText),
        }
    }

    fn more(&mut self, delta: &Block<'_>) {
        match delta.kind.as_ref() {
            "text_delta" => self.so_far.text(&delta.text),
            "thinking_delta" => self.so_far.thought(&delta.thinking),
            "input_json_delta" => self.so_far.thought(&delta.partial_json),
            "signature_delta" => {}
            _ => self.so_far.bar(Barrier::NotText),
        }
    }

    fn stopped(&mut self, reason: Option<&str>, glance: &mut Glance) {
        if let Some(reason) = reason {
            self.finished = true;
            glance.finished = true;
            glance.refused = reason == "refusal";
        }
    }
}

impl Tap for MessagesTap {
    fn event(&mut self, name: Option<&str>, data: &[u8]) -> Glance {
        if data.is_empty() {
            return Glance::default();
        }
        let Ok(wire) = borrowed::<Wire<'_>>(data) else { return malformed() };
        let mut glance = Glance::default();
        match if wire.kind.is_empty() { name.unwrap_or_default() } else { &wire.kind } {
            "message_start" => match wire.message {
                Some(message) => self.used(message.usage, &mut glance),
                None => return malformed(),
            },
            "content_block_start" => {
                if let Some(block) = wire.content_block {
                    glance.useful = block.is_useful();
                    self.begun(wire.index, &block);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = wire.delta {
                    glance.useful = delta.is_useful_delta();
                    self.more(&delta);
                }
            }
            "content_block_stop" => {
                self.index = wire.index.saturating_add(1);
                self.so_far.close();
            }
            "message_delta" => {
                self.stopped(wire.delta.and_then(|delta| delta.stop_reason).as_deref(), &mut glance);
                self.used(wire.usage, &mut glance);
            }
            "message_stop" => {
                self.terminal = true;
                glance.terminal = true;
            }
            "error" => {
                let Ok(value) = serde_json::from_slice(data) else { return malformed() };
                glance.terminal = true;
                glance.error = Some(Box::new(fault::decode_event(&value)));
            }
            _ => {}
        }
        glance
    }

    fn body(&mut self, body: &[u8]) -> Glance {
        let Ok(message) = borrowed::<Message<'_>>(body) else { return malformed() };
        let mut glance = Glance { terminal: true, ..Glance::default() };
        if message.kind == "error" {
            let Ok(value) = serde_json::from_slice(body) else { return malformed() };
            glance.error = Some(Box::new(fault::decode_event(&value)));
            return glance;
        }
        let Some(content) = message.content else { return malformed() };
        glance.useful = content.iter().any(Block::is_useful);
        self.stopped(message.stop_reason.as_deref(), &mut glance);
        self.used(message.usage, &mut glance);
        self.terminal = true;
        glance
    }

    fn is_whole(&self, lenient: bool) -> bool {
        self.terminal || (lenient && self.finished)
    }

    fn so_far(&mut self) -> &mut SoFar {
        &mut self.so_far
    }

    fn take_over(&mut self, start: &StreamStart) -> Box<dyn StreamEncoder> {
        Box::new(Encoder::going_on(start, self.index, self.so_far.place().open.is_some()))
    }

    fn encode_error(&self, fault: &Fault, request_id: &str, _framing: Framing) -> Vec<u8> {
        let mut out = Vec::new();
        fault::encode_event(fault, request_id, &mut out);
        out
    }
}

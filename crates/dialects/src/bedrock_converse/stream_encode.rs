//! Events to a caller's stream.

use ringmain_core::{Loss, Losses, Usage};
use ringmain_wire::event_stream;
use serde::Serialize;
use serde_json::{Value, json};

use super::response_encode::{block_values, metrics, note};
use super::wire::{blob_of_token, is_citation, tool_id};
use super::{fault, stop_reason, usage};
use crate::codec::StreamEncoder;
use crate::ir::{Block, BlockHead, Delta, Event};
use crate::shared::answers;
use crate::shared::sequencer::Sequencer;

/// Writes a stream.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    sequencer: Sequencer,
    writer: Writer,
}

/// Writes events whose blocks come one after the other.
#[derive(Debug, Default)]
struct Writer {
    /// The index of the open or next block on the wire. Not the events': a block may be left out, or be two.
    index: u32,
    /// What the open block on the wire is, if one is open.
    open: Option<Open>,
    usage: Option<Usage>,
    holds: stop_reason::Holds,
    losses: Losses,
    /// Reused from event to event.
    json: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum Open {
    /// Text, which begins on the wire with its first piece. Has one come?
    Text { any: bool },
    /// Thinking; the sealed part is a block of its own after it.
    Thinking { any: bool, sealed: String },
    /// A tool call; have arguments come?
    Call { any: bool },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WireDelta<'a> {
    content_block_index: u32,
    delta: Piece<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Piece<'a> {
    Text(&'a str),
    ToolUse { input: &'a str },
    ToolResult(&'a Value),
    ReasoningContent(Thought<'a>),
    Citation(&'a Value),
    Image { source: &'a Value },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Thought<'a> {
    Text(&'a str),
    Signature(&'a str),
    RedactedContent(&'a str),
}

impl Encoder {
    /// For an answer that has begun: `index` is that of its next block, or of the text block that is open.
    pub(super) fn going_on(index: u32, in_text: bool) -> Self {
        let open = in_text.then_some(Open::Text { any: true });
        Self { sequencer: Sequencer::default(), writer: Writer { index, open, ..Writer::default() } }
    }
}

impl StreamEncoder for Encoder {
    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        let Self { sequencer, writer } = self;
        sequencer.event(event, &mut |event| writer.event(event, out));
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        keep_alive(out);
    }

    fn take_losses(&mut self) -> Vec<Loss> {
        self.writer.losses.take()
    }
}

/// There is no comment in this form; an event of a type that no client knows is passed over by all.
pub(super) fn keep_alive(out: &mut Vec<u8>) {
    event_stream::encode("ping", b"{}", out);
}

impl Writer {
    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { .. } => self.frame("messageStart", &json!({ "role": "assistant" }), out),
            Event::Logprobs(_) => self.losses.add(answers::logprobs()),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::BlockStart { head, .. } => self.block_start(head, out),
            Event::Delta { delta, .. } => self.delta(delta, out),
            Event::BlockStop { .. } => self.block_stop(out),
            Event::Finish(finish) => {
                let (reason, near) = stop_reason::encode(finish, self.holds);
                self.losses.extend(answers::finish(finish, near, false));
                self.frame("messageStop", &json!({ "stopReason": reason }), out);
                let usage = usage::encode(&self.usage.unwrap_or_default());
                self.frame("metadata", &json!({ "usage": usage, "metrics": metrics() }), out);
            }
            Event::Error(fault) => fault::encode_event(fault, out),
        }
    }

    fn frame(&mut self, name: &str, value: &impl Serialize, out: &mut Vec<u8>) {
        self.json.clear();
        // Writing these values to memory cannot fail.
        let _ = serde_json::to_writer(&mut self.json, value);
        event_stream::encode(name, &self.json, out);
    }

    fn block_start(&mut self, head: &BlockHead, out: &mut Vec<u8>) {
        self.open = Some(match head {
            BlockHead::Text => Open::Text { any: false },
            BlockHead::Refusal => {
                self.holds.refusal = true;
                Open::Text { any: false }
            }
            BlockHead::Reasoning => Open::Thinking { any: false, sealed: String::new() },
            BlockHead::ToolCall { id, name } => {
                self.holds.tool_call = true;
                self.start(&json!({ "toolUse": { "toolUseId": tool_id(id), "name": name } }), out);
                Open::Call { any: false }
            }
            BlockHead::Whole(block) => return self.whole(block, out),
        });
    }

    fn start(&mut self, start: &Value, out: &mut Vec<u8>) {
        let value = json!({ "contentBlockIndex": self.index, "start": start });
        self.frame("contentBlockStart", &value, out);
    }

    /// A block that comes at once is written and closed at once, if a stream has a form for it at all.
    fn whole(&mut self, block: &Block, out: &mut Vec<u8>) {
        note(&mut self.holds, &block.kind);
        for mut value in block_values(block, &mut self.losses) {
            let Some((kind, inner)) = value.as_object_mut().and_then(|object| object.iter_mut().next()) else {
                continue;
            };
            let kind = kind.clone();
            match kind.as_str() {
                "text" => self.piece(Piece::Text(inner.as_str().unwrap_or_default()), out),
                "citationsContent" => self.cited(inner, out),
                "toolUse" => {
                    let input = inner.as_object_mut().and_then(|tool| tool.shift_remove("input")).unwrap_or_default();
                    self.start(&json!({ "toolUse": inner }), out);
                    self.piece(Piece::ToolUse { input: &input.to_string() }, out);
                }
                "toolResult" => {
                    let content = inner.as_object_mut().and_then(|tool| tool.shift_remove("content"));
                    self.start(&json!({ "toolResult": inner }), out);
                    let content = content.filter(Value::is_array).unwrap_or_else(|| json!([]));
                    self.piece(Piece::ToolResult(&content), out);
                }
                "image" => {
                    self.start(&json!({ "image": { "format": inner["format"] } }), out);
                    self.piece(Piece::Image { source: &inner["source"] }, out);
                }
                "reasoningContent" => match inner.get("redactedContent").and_then(Value::as_str) {
                    Some(blob) => self.piece(Piece::ReasoningContent(Thought::RedactedContent(blob)), out),
                    None => {
                        let said = |name: &str| inner["reasoningText"][name].as_str();
                        self.piece(Piece::ReasoningContent(Thought::Text(said("text").unwrap_or_default())), out);
                        if let Some(signature) = said("signature") {
                            self.piece(Piece::ReasoningContent(Thought::Signature(signature)), out);
                        }
                    }
                },
                _ => {
                    self.losses.add(answers::block(&block.kind));
                    continue;
                }
            }
            self.stop(out);
        }
    }

    fn cited(&mut self, inner: &Value, out: &mut Vec<u8>) {
        for citation in inner["citations"].as_array().into_iter().flatten() {
            self.piece(Piece::Citation(citation), out);
        }
        for text in inner["content"].as_array().into_iter().flatten().filter_map(|item| item["text"].as_str()) {
            self.piece(Piece::Text(text), out);
        }
    }

    fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        let written = match delta {
            Delta::Redacted(_) => false,
            Delta::Citation(citation) => is_citation(citation),
            // A call's token has no place here.
            Delta::Signature(_) => !matches!(self.open, Some(Open::Call { .. })),
            Delta::Text(_) | Delta::Refusal(_) | Delta::Reasoning(_) | Delta::Arguments(_) => true,
        };
        if let Some(Open::Text { any } | Open::Call { any } | Open::Thinking { any, .. }) = &mut self.open {
            *any |= written;
        }
        match delta {
            Delta::Text(text) | Delta::Refusal(text) => self.piece(Piece::Text(text), out),
            Delta::Reasoning(text) => self.piece(Piece::ReasoningContent(Thought::Text(text)), out),
            Delta::Signature(_) if !written => self.losses.add(answers::call_signature()),
            Delta::Signature(token) => self.piece(Piece::ReasoningContent(Thought::Signature(token)), out),
            Delta::Redacted(more) => {
                if let Some(Open::Thinking { sealed, .. }) = &mut self.open {
                    sealed.push_str(more);
                }
            }
            Delta::Arguments(text) => self.piece(Piece::ToolUse { input: text }, out),
            Delta::Citation(citation) if is_citation(citation) => self.piece(Piece::Citation(citation), out),
            Delta::Citation(_) => self.losses.add(answers::citations()),
        }
    }

    fn piece(&mut self, delta: Piece<'_>, out: &mut Vec<u8>) {
        let delta = WireDelta { content_block_index: self.index, delta };
        self.frame("contentBlockDelta", &delta, out);
    }

    /// A block of which nothing came is still a block: its first piece is what opens it.
    fn block_stop(&mut self, out: &mut Vec<u8>) {
        match self.open.take() {
            None => return,
            Some(Open::Text { any: false }) => self.piece(Piece::Text(""), out),
            Some(Open::Call { any: false }) => self.piece(Piece::ToolUse { input: "{}" }, out),
            Some(Open::Thinking { any, sealed }) => {
                if any || sealed.is_empty() {
                    if !any {
                        self.piece(Piece::ReasoningContent(Thought::Text("")), out);
                    }
                    self.stop(out);
                }
                if sealed.is_empty() {
                    return;
                }
                self.piece(Piece::ReasoningContent(Thought::RedactedContent(&blob_of_token(&sealed))), out);
            }
            Some(Open::Text { any: true } | Open::Call { any: true }) => {}
        }
        self.stop(out);
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        let value = json!({ "contentBlockIndex": self.index });
        self.frame("contentBlockStop", &value, out);
        self.index += 1;
    }
}

//! Events to a caller's stream.

use ringmain_core::{Loss, Losses, Usage};
use ringmain_wire::sse;
use serde::Serialize;
use serde_json::{Value, json};

use super::response_encode::{block_values, note};
use super::wire::{is_citation, tool_id};
use super::{fault, stop_reason, usage};
use crate::codec::{StreamEncoder, StreamStart};
use crate::ir::{Block, BlockHead, Delta, Event};
use crate::shared::answers;
use crate::shared::sequencer::Sequencer;

/// Writes a stream.
#[derive(Debug)]
pub(super) struct Encoder {
    sequencer: Sequencer,
    writer: Writer,
}

/// Writes events whose blocks come one after the other.
#[derive(Debug)]
struct Writer {
    /// The first event, held back for a moment: usage that follows at once belongs in it.
    begin: Option<(String, String)>,
    fallback: (String, String),
    /// The index of the open or next block on the wire. Not the events': a block may be left out, or be two.
    index: u32,
    /// What the open block on the wire is, if one is open.
    open: Option<Open>,
    usage: Option<Usage>,
    holds: stop_reason::Holds,
    losses: Losses,
}

#[derive(Debug, PartialEq, Eq)]
enum Open {
    Plain,
    /// Thinking, which begins on the wire with its first text or signature, and of which the sealed part is a block of
    /// its own after it.
    Thinking {
        begun: bool,
        sealed: String,
    },
    /// A tool call; have arguments come?
    Call {
        any: bool,
    },
}

#[derive(Debug, Serialize)]
struct WireDelta<'a> {
    r#type: &'static str,
    index: u32,
    delta: Piece<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type")]
enum Piece<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
    #[serde(rename = "citations_delta")]
    Citations { citation: &'a Value },
}

impl Encoder {
    /// For an answer that begins so.
    pub(super) fn new(start: &StreamStart) -> Self {
        let writer = Writer {
            begin: None,
            fallback: (start.id.clone(), start.model.clone()),
            index: 0,
            open: None,
            usage: None,
            holds: stop_reason::Holds::default(),
            losses: Losses::default(),
        };
        Self { sequencer: Sequencer::default(), writer }
    }

    /// For an answer that has begun: `index` is that of its next block, or of the text block that is open.
    pub(super) fn going_on(start: &StreamStart, index: u32, in_text: bool) -> Self {
        let mut encoder = Self::new(start);
        encoder.writer.index = index;
        encoder.writer.open = in_text.then_some(Open::Plain);
        encoder
    }
}

impl StreamEncoder for Encoder {
    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        let Self { sequencer, writer } = self;
        sequencer.event(event, &mut |event| writer.event(event, out));
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        self.writer.begin(out);
        out.extend_from_slice(b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
    }

    fn take_losses(&mut self) -> Vec<Loss> {
        self.writer.losses.take()
    }

    fn comment(&mut self, text: &str, out: &mut Vec<u8>) {
        sse::encode_comment(text, out);
    }
}

impl Writer {
    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, .. } => {
                let (no_id, no_model) = self.fallback.clone();
                let or = |given: &String, other: String| if given.is_empty() { other } else { given.clone() };
                self.begin = Some((or(id, no_id), or(model, no_model)));
                return;
            }
            Event::Usage(usage) => {
                self.usage = Some(*usage);
                return;
            }
            Event::Logprobs(_) => return self.losses.add(answers::logprobs()),
            _ => self.begin(out),
        }
        match event {
            Event::Start { .. } | Event::Logprobs(_) | Event::Usage(_) => {}
            Event::BlockStart { head, .. } => self.block_start(head, out),
            Event::Delta { delta, .. } => self.delta(delta, out),
            Event::BlockStop { .. } => self.block_stop(out),
            Event::Finish(finish) => {
                let (reason, sequence, near) = stop_reason::encode(finish, self.holds);
                self.losses.extend(answers::finish(finish, near, true));
                let usage = usage::encode(&self.usage.unwrap_or_default());
                let delta = json!({ "stop_reason": reason, "stop_sequence": sequence });
                frame(out, "message_delta", &json!({ "type": "message_delta", "delta": delta, "usage": usage }));
                frame(out, "message_stop", &json!({ "type": "message_stop" }));
            }
            Event::Error(fault) => fault::encode_event(fault, "", out),
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        let Some((id, model)) = self.begin.take() else { return };
        let message = json!({
            "id": id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": usage::encode(&self.usage.unwrap_or_default()),
        });
        frame(out, "message_start", &json!({ "type": "message_start", "message": message }));
    }

    fn block_start(&mut self, head: &BlockHead, out: &mut Vec<u8>) {
        let mut open = Open::Plain;
        let block = match head {
            BlockHead::Text => json!({ "type": "text", "text": "" }),
            BlockHead::Refusal => {
                self.holds.refusal = true;
                json!({ "type": "text", "text": "" })
            }
            BlockHead::Reasoning => {
                self.open = Some(Open::Thinking { begun: false, sealed: String::new() });
                return;
            }
            BlockHead::ToolCall { id, name } => {
                self.holds.tool_call = true;
                open = Open::Call { any: false };
                json!({ "type": "tool_use", "id": tool_id(id), "name": name, "input": {} })
            }
            BlockHead::Whole(block) => return self.whole(block, out),
        };
        self.open = Some(open);
        self.start(&block, out);
    }

    fn start(&self, block: &Value, out: &mut Vec<u8>) {
        let value = json!({ "type": "content_block_start", "index": self.index, "content_block": block });
        frame(out, "content_block_start", &value);
    }

    /// A block that comes at once is written and closed at once, if there is a form for it at all.
    fn whole(&mut self, block: &Block, out: &mut Vec<u8>) {
        note(&mut self.holds, &block.kind);
        for mut value in block_values(block, &mut self.losses) {
            let call = value.get("input").is_some_and(Value::is_object);
            let input = if call { value["input"].take() } else { Value::Null };
            if call {
                // Where clients look for a call's input is in the deltas.
                value["input"] = json!({});
            }
            self.start(&value, out);
            if call {
                self.piece(Piece::InputJson { partial_json: &input.to_string() }, out);
            }
            self.stop(out);
        }
    }

    fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        let piece = match delta {
            Delta::Text(text) | Delta::Refusal(text) => Piece::Text { text },
            Delta::Reasoning(thinking) => {
                self.begin_thinking(out);
                Piece::Thinking { thinking }
            }
            // A call's token has no place here.
            Delta::Signature(_) if matches!(self.open, Some(Open::Call { .. })) => {
                return self.losses.add(answers::call_signature());
            }
            Delta::Signature(signature) => {
                self.begin_thinking(out);
                Piece::Signature { signature }
            }
            Delta::Redacted(more) => {
                if let Some(Open::Thinking { sealed, .. }) = &mut self.open {
                    sealed.push_str(more);
                }
                return;
            }
            Delta::Arguments(text) => {
                if let Some(Open::Call { any }) = &mut self.open {
                    *any |= !text.is_empty();
                }
                Piece::InputJson { partial_json: text }
            }
            Delta::Citation(citation) if is_citation(citation) => Piece::Citations { citation },
            Delta::Citation(_) => return self.losses.add(answers::citations()),
        };
        self.piece(piece, out);
    }

    fn piece(&self, delta: Piece<'_>, out: &mut Vec<u8>) {
        frame(out, "content_block_delta", &WireDelta { r#type: "content_block_delta", index: self.index, delta });
    }

    fn begin_thinking(&mut self, out: &mut Vec<u8>) {
        if let Some(Open::Thinking { begun: begun @ false, .. }) = &mut self.open {
            *begun = true;
            self.start(&json!({ "type": "thinking", "thinking": "", "signature": "" }), out);
        }
    }

    fn block_stop(&mut self, out: &mut Vec<u8>) {
        match self.open.take() {
            None => return,
            Some(Open::Thinking { begun, sealed }) => return self.thinking_stop(begun, &sealed, out),
            Some(Open::Call { any: false }) => self.piece(Piece::InputJson { partial_json: "{}" }, out),
            Some(Open::Plain | Open::Call { any: true }) => {}
        }
        self.stop(out);
    }

    fn thinking_stop(&mut self, begun: bool, sealed: &str, out: &mut Vec<u8>) {
        if !begun && sealed.is_empty() {
            self.start(&json!({ "type": "thinking", "thinking": "", "signature": "" }), out);
        }
        if begun || sealed.is_empty() {
            self.stop(out);
        }
        if !sealed.is_empty() {
            self.start(&json!({ "type": "redacted_thinking", "data": sealed }), out);
            self.stop(out);
        }
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        frame(out, "content_block_stop", &json!({ "type": "content_block_stop", "index": self.index }));
        self.index += 1;
    }
}

fn frame(out: &mut Vec<u8>, name: &str, value: &impl Serialize) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    // Writing these values to memory cannot fail.
    let _ = serde_json::to_writer(&mut *out, value);
    out.extend_from_slice(b"\n\n");
}

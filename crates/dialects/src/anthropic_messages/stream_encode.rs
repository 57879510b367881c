//! Events to a caller's stream.

use ringmain_core::Usage;
use serde::Serialize;
use serde_json::{Value, json};

use super::response_encode::{block_values, note};
use super::wire::{is_citation, tool_id};
use super::{fault, stop_reason, usage};
use crate::codec::{StreamEncoder, StreamStart};
use crate::ir::{Block, BlockHead, Delta, Event};
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Plain,
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
#[serde(tag = "type", rename_all = "snake_case")]
enum Piece<'a> {
    TextDelta { text: &'a str },
    ThinkingDelta { thinking: &'a str },
    SignatureDelta { signature: &'a str },
    InputJsonDelta { partial_json: &'a str },
    CitationsDelta { citation: &'a Value },
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
        };
        Self { sequencer: Sequencer::default(), writer }
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
            _ => self.begin(out),
        }
        match event {
            Event::Start { .. } | Event::Usage(_) => {}
            Event::BlockStart { head, .. } => self.block_start(head, out),
            Event::Delta { delta, .. } => self.delta(delta, out),
            Event::BlockStop { .. } => self.block_stop(out),
            Event::Finish(finish) => {
                let (reason, sequence, _) = stop_reason::encode(finish, self.holds);
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
            BlockHead::Reasoning => json!({ "type": "thinking", "thinking": "", "signature": "" }),
            BlockHead::ToolCall { id, name } => {
                self.holds.tool_call = true;
                open = Open::Call { any: false };
                json!({ "type": "tool_use", "id": tool_id(id), "name": name, "input": {} })
            }
            BlockHead::Whole(block) => return self.whole(block, out),
        };
        self.open(&block, open, out);
    }

    fn open(&mut self, block: &Value, open: Open, out: &mut Vec<u8>) {
        let value = json!({ "type": "content_block_start", "index": self.index, "content_block": block });
        frame(out, "content_block_start", &value);
        self.open = Some(open);
    }

    /// A block that comes at once is written and closed at once, if there is a form for it at all.
    fn whole(&mut self, block: &Block, out: &mut Vec<u8>) {
        note(&mut self.holds, &block.kind);
        // A stream has no place to report losses: its headers are long gone.
        for mut value in block_values(block, &mut Vec::new(), "") {
            let call = value.get("input").is_some_and(Value::is_object);
            let input = if call { value["input"].take() } else { Value::Null };
            if call {
                // Where clients look for a call's input is in the deltas.
                value["input"] = json!({});
            }
            self.open(&value, Open::Plain, out);
            if call {
                self.piece(Piece::InputJsonDelta { partial_json: &input.to_string() }, out);
            }
            self.block_stop(out);
        }
    }

    fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        let piece = match delta {
            Delta::Text(text) | Delta::Refusal(text) => Piece::TextDelta { text },
            Delta::Reasoning(thinking) => Piece::ThinkingDelta { thinking },
            // Neither a call's token nor another vendor's unreadable thinking has a place here.
            Delta::Redacted(_) => return,
            Delta::Signature(_) if matches!(self.open, Some(Open::Call { .. })) => return,
            Delta::Signature(signature) => Piece::SignatureDelta { signature },
            Delta::Arguments(text) => {
                if let Some(Open::Call { any }) = &mut self.open {
                    *any |= !text.is_empty();
                }
                Piece::InputJsonDelta { partial_json: text }
            }
            Delta::Citation(citation) if is_citation(citation) => Piece::CitationsDelta { citation },
            Delta::Citation(_) => return,
        };
        self.piece(piece, out);
    }

    fn piece(&self, delta: Piece<'_>, out: &mut Vec<u8>) {
        frame(out, "content_block_delta", &WireDelta { r#type: "content_block_delta", index: self.index, delta });
    }

    fn block_stop(&mut self, out: &mut Vec<u8>) {
        match self.open.take() {
            None => return,
            Some(Open::Call { any: false }) => self.piece(Piece::InputJsonDelta { partial_json: "{}" }, out),
            Some(Open::Plain | Open::Call { any: true }) => {}
        }
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

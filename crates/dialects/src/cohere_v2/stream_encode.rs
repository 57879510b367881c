//! Events to a caller's stream.

use ringmain_core::{Loss, Losses, Usage};
use ringmain_wire::sse;
use serde::Serialize;
use serde_json::{Value, json};

use super::response_encode::NO_ID;
use super::{OWN, citations, fault, finish, logprobs, usage};
use crate::codec::{StreamEncoder, StreamStart};
use crate::continuation::Kind;
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Finish, TokenLogprob};
use crate::shared::sequencer::Sequencer;
use crate::shared::{answers, sources};

/// Writes a stream, one block after the other.
#[derive(Debug)]
pub(super) struct Encoder {
    sequencer: Sequencer,
    writer: Writer,
}

/// Writes events whose blocks come one after the other. Content, calls and citations are counted apart.
#[derive(Debug)]
struct Writer {
    id: String,
    content: u32,
    calls: u32,
    citations: u32,
    /// The text of the open block, and its sources that are of all of it.
    said: String,
    waiting: Vec<Value>,
    open: Option<Open>,
    usage: Option<Usage>,
    refused: bool,
    /// Of the text that comes next.
    logprobs: Vec<TokenLogprob>,
    losses: Losses,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    /// Begins on the wire with its first words: sealed thinking has none.
    Thinking {
        begun: bool,
    },
    /// Have arguments come?
    Call {
        any: bool,
    },
}

/// The piece that thousands of a stream are.
#[derive(Debug, Serialize)]
struct ContentDelta<'a> {
    r#type: &'static str,
    index: u32,
    delta: InMessage<Piece<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Value>,
}

#[derive(Debug, Serialize)]
struct InMessage<T> {
    message: T,
}

#[derive(Debug, Serialize)]
struct Piece<'a> {
    content: Words<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Words<'a> {
    Text(&'a str),
    Thinking(&'a str),
}

impl Encoder {
    pub(super) fn new(start: &StreamStart) -> Self {
        let id = if start.id.is_empty() { NO_ID.to_owned() } else { start.id.clone() };
        let (open, usage, logprobs, losses) = (None, None, Vec::new(), Losses::default());
        let (content, calls, citations, refused) = (0, 0, 0, false);
        let (said, waiting) = (String::new(), Vec::new());
        let writer = Writer { id, content, calls, citations, said, waiting, open, usage, refused, logprobs, losses };
        Self { sequencer: Sequencer::default(), writer }
    }

    /// For an answer that has begun: `content` is the index of its next block, or of the one that is open.
    pub(super) fn going_on(start: &StreamStart, content: u32, open: Option<Kind>) -> Self {
        let mut encoder = Self::new(start);
        encoder.writer.content = content;
        encoder.writer.open = open.map(|kind| match kind {
            Kind::Text => Open::Text,
            Kind::Reasoning => Open::Thinking { begun: true },
        });
        encoder
    }
}

impl StreamEncoder for Encoder {
    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        let Self { sequencer, writer } = self;
        sequencer.event(event, &mut |event| writer.event(event, out));
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        sse::encode_comment("ping", out);
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
            Event::Start { id, .. } => {
                if !id.is_empty() {
                    self.id.clone_from(id);
                }
                let message =
                    json!({ "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": [] });
                let delta = json!({ "message": message });
                frame(out, "message-start", &json!({ "id": self.id, "type": "message-start", "delta": delta }));
            }
            Event::Logprobs(tokens) => {
                self.losses.extend(logprobs::lost(tokens));
                self.logprobs.extend_from_slice(tokens);
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::BlockStart { head, .. } => self.begin(head, out),
            Event::Delta { delta, .. } => self.more(delta, out),
            Event::BlockStop { .. } => self.stop(out),
            Event::Finish(finish) => self.finish(finish, out),
            Event::Error(found) => fault::encode_event(found, self.usage.as_ref().map(usage::write), out),
        }
    }

    fn begin(&mut self, head: &BlockHead, out: &mut Vec<u8>) {
        match head {
            BlockHead::Text => self.begin_text(out),
            BlockHead::Refusal => {
                self.refused = true;
                self.begin_text(out);
            }
            BlockHead::Reasoning => self.open = Some(Open::Thinking { begun: false }),
            BlockHead::ToolCall { id, name } => {
                let function = json!({ "name": name, "arguments": "" });
                self.call("tool-call-start", &json!({ "id": id, "type": "function", "function": function }), out);
                self.open = Some(Open::Call { any: false });
            }
            BlockHead::Whole(block) => self.whole(block, out),
        }
    }

    fn begin_text(&mut self, out: &mut Vec<u8>) {
        self.content_start(&json!({ "type": "text", "text": "" }), out);
        self.open = Some(Open::Text);
        self.said.clear();
    }

    fn content_start(&self, content: &Value, out: &mut Vec<u8>) {
        self.send("content-start", self.content, &json!({ "content": content }), out);
    }

    fn call(&self, name: &'static str, call: &Value, out: &mut Vec<u8>) {
        self.send(name, self.calls, &json!({ "tool_calls": call }), out);
    }

    fn send(&self, name: &'static str, index: u32, message: &Value, out: &mut Vec<u8>) {
        frame(out, name, &json!({ "type": name, "index": index, "delta": { "message": message } }));
    }

    fn content_delta(&self, content: Words<'_>, logprobs: Option<Value>, out: &mut Vec<u8>) {
        let delta = InMessage { message: Piece { content } };
        frame(out, "content-delta", &ContentDelta { r#type: "content-delta", index: self.content, delta, logprobs });
    }

    /// More text, with how likely its tokens were.
    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        self.said.push_str(text);
        let tokens = std::mem::take(&mut self.logprobs);
        if tokens.is_empty() {
            return self.content_delta(Words::Text(text), None, out);
        }
        for (text, tokens) in logprobs::pieces(text, &tokens) {
            self.content_delta(Words::Text(text), Some(logprobs::write(tokens)), out);
        }
    }

    fn more(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(text) => self.text(text, out),
            Delta::Refusal(text) => self.content_delta(Words::Text(text), None, out),
            Delta::Reasoning(text) => {
                if self.open == (Some(Open::Thinking { begun: false })) {
                    self.content_start(&json!({ "type": "thinking", "thinking": "" }), out);
                    self.open = Some(Open::Thinking { begun: true });
                }
                self.content_delta(Words::Thinking(text), None, out);
            }
            Delta::Arguments(text) if text.is_empty() => {}
            Delta::Arguments(text) => {
                self.open = Some(Open::Call { any: true });
                self.call("tool-call-delta", &json!({ "function": { "arguments": text } }), out);
            }
            Delta::Citation(citation) if sources::waits(citation) => self.waiting.push(citation.clone()),
            Delta::Citation(citation) => self.cite(citation, out),
            // No place for it, and nothing here could send it back.
            Delta::Signature(_) if matches!(self.open, Some(Open::Call { .. })) => {
                self.losses.add(answers::call_signature());
            }
            Delta::Signature(_) | Delta::Redacted(_) => self.losses.add(answers::signature()),
        }
    }

    fn cite(&mut self, citation: &Value, out: &mut Vec<u8>) {
        let Some(citation) = citations::write(citation, self.content, &self.said) else {
            return self.losses.add(answers::citations());
        };
        self.send("citation-start", self.citations, &json!({ "citations": citation }), out);
        frame(out, "citation-end", &json!({ "type": "citation-end", "index": self.citations }));
        self.citations += 1;
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        for citation in std::mem::take(&mut self.waiting) {
            self.cite(&citation, out);
        }
        if self.open == Some(Open::Text) && !self.logprobs.is_empty() {
            // Some providers tell them with the end.
            self.text("", out);
        }
        match self.open.take() {
            None | Some(Open::Thinking { begun: false }) => {}
            Some(Open::Text | Open::Thinking { begun: true }) => {
                frame(out, "content-end", &json!({ "type": "content-end", "index": self.content }));
                self.content += 1;
            }
            Some(Open::Call { any }) => {
                if !any {
                    self.call("tool-call-delta", &json!({ "function": { "arguments": "{}" } }), out);
                }
                frame(out, "tool-call-end", &json!({ "type": "tool-call-end", "index": self.calls }));
                self.calls += 1;
            }
        }
    }

    /// A block that comes at once, if there is a form for it.
    fn whole(&mut self, block: &Block, out: &mut Vec<u8>) {
        match &block.kind {
            BlockKind::Text { text, .. } if !text.is_empty() => {
                self.begin_text(out);
                self.text(text, out);
            }
            BlockKind::Text { .. } => {}
            BlockKind::Reasoning { text, signature, redacted } => {
                if !text.is_empty() {
                    self.open = Some(Open::Thinking { begun: false });
                    self.more(&Delta::Reasoning(text.clone()), out);
                }
                if signature.is_some() || redacted.is_some() {
                    self.losses.add(answers::signature());
                }
            }
            BlockKind::Opaque { dialect, value } if *dialect == OWN => {
                self.content_start(value, out);
                self.open = Some(Open::Text);
            }
            kind => self.losses.add(answers::block(kind)),
        }
    }

    fn finish(&mut self, finish: &Finish, out: &mut Vec<u8>) {
        let (reason, near) = finish::write(finish, self.refused);
        self.losses.extend(answers::finish(finish, near, false));
        self.losses.extend((!self.logprobs.is_empty()).then(answers::logprobs));
        let mut delta = json!({ "finish_reason": reason });
        if let Some(counts) = &self.usage {
            delta["usage"] = usage::write(counts);
        }
        frame(out, "message-end", &json!({ "type": "message-end", "delta": delta }));
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

//! A streamed answer for a caller: a chunk for each delta, calls whole, the reason and the usage with the last chunk.

use ringmain_core::{Dialect, Fault, Loss, Losses, Usage};
use ringmain_wire::json_array::JsonArrayEncoder;
use ringmain_wire::sse;
use serde_json::{Value, json};

use super::names::Builder;
use super::parts::{call_part, is_object};
use super::response_encode::is_sources;
use super::{fault, finish, logprobs, usage};
use crate::codec::{Framing, StreamEncoder, StreamStart};
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Finish, TokenLogprob};
use crate::shared::answers;
use crate::shared::sequencer::Sequencer;

#[derive(Debug)]
pub(super) struct Encoder {
    id: String,
    model: String,
    framing: Framing,
    array: Option<JsonArrayEncoder>,
    usage: Option<Usage>,
    /// Parts come one after the other.
    sequencer: Sequencer,
    /// A call that waits for its arguments.
    call: Option<Call>,
    /// Text of the open reasoning block is out: a signature is that text's.
    thought: bool,
    /// Of the text that comes next.
    logprobs: Vec<TokenLogprob>,
    losses: Losses,
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    arguments: String,
    signature: Option<String>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct PlainChunk<'a> {
    candidates: [Candidate<'a>; 1],
    model_version: &'a str,
    response_id: &'a str,
}

#[derive(serde::Serialize)]
struct Candidate<'a> {
    content: Content<'a>,
    index: u32,
    #[serde(rename = "logprobsResult", skip_serializing_if = "Option::is_none")]
    logprobs: Option<Value>,
}

#[derive(serde::Serialize)]
struct Content<'a> {
    parts: [Part<'a>; 1],
    role: &'static str,
}

#[derive(serde::Serialize)]
struct Part<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    thought: bool,
}

impl StreamEncoder for Encoder {
    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        let mut sequencer = std::mem::take(&mut self.sequencer);
        sequencer.event(event, &mut |event| self.write(event, out));
        self.sequencer = sequencer;
    }

    /// White space: the official Python client reads a comment line as the beginning of a JSON document and fails.
    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        out.push(b'\n');
    }

    fn take_losses(&mut self) -> Vec<Loss> {
        self.losses.take()
    }
}

impl Encoder {
    pub(super) fn new(start: &StreamStart) -> Self {
        Self {
            id: start.id.clone(),
            model: start.model.clone(),
            framing: start.framing,
            array: None,
            usage: None,
            sequencer: Sequencer::default(),
            call: None,
            thought: false,
            logprobs: Vec::new(),
            losses: Losses::default(),
        }
    }

    /// For an answer of which an element is with the caller.
    pub(super) fn going_on(start: &StreamStart) -> Self {
        let mut encoder = Self::new(start);
        encoder.array = (start.framing == Framing::JsonArray).then(JsonArrayEncoder::begun);
        encoder
    }

    fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, .. } => {
                let given = |new: &String, kept: &mut String| {
                    if !new.is_empty() {
                        kept.clone_from(new);
                    }
                };
                given(id, &mut self.id);
                given(model, &mut self.model);
            }
            Event::BlockStart { head, .. } => self.block_start(head, out),
            Event::Delta { delta, .. } => self.delta(delta, out),
            Event::BlockStop { .. } => {
                if let Some(call) = self.call.take() {
                    self.losses.extend((!is_object(&call.arguments)).then(answers::arguments));
                    self.part(&call_part(&call.id, &call.name, &call.arguments, call.signature.as_deref()), out);
                }
            }
            Event::Logprobs(tokens) => self.logprobs.extend_from_slice(tokens),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Finish(finish) => self.finish(finish, out),
            Event::Error(fault) => self.error(fault, out),
        }
    }

    fn block_start(&mut self, head: &BlockHead, out: &mut Vec<u8>) {
        self.thought = false;
        match head {
            BlockHead::Text | BlockHead::Refusal | BlockHead::Reasoning => {}
            BlockHead::ToolCall { id, name } => {
                let (id, name) = (id.clone(), name.clone());
                self.call = Some(Call { id, name, arguments: String::new(), signature: None });
            }
            BlockHead::Whole(block) => self.whole(block, out),
        }
    }

    fn whole(&mut self, block: &Block, out: &mut Vec<u8>) {
        match &block.kind {
            BlockKind::Opaque { dialect: Dialect::Gemini, value } if is_sources(value) => self.sources(value, out),
            _ => {
                let (mut parts, mut losses) = (Vec::new(), Vec::new());
                super::response_encode::push(&mut parts, block, &mut losses);
                self.losses.extend(losses);
                parts.iter().for_each(|part| self.part(part, out));
            }
        }
    }

    fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(text) | Delta::Refusal(text) if !text.is_empty() => self.text(text, false, out),
            Delta::Reasoning(text) if !text.is_empty() => {
                self.thought = true;
                self.text(text, true, out);
            }
            Delta::Signature(more) => {
                if let Some(call) = &mut self.call {
                    call.signature.get_or_insert_default().push_str(more);
                } else if self.thought {
                    self.part(&json!({ "text": "", "thought": true, "thoughtSignature": more }), out);
                } else {
                    self.part(&json!({ "text": "", "thoughtSignature": more }), out);
                }
            }
            Delta::Arguments(more) => {
                if let Some(call) = &mut self.call {
                    call.arguments.push_str(more);
                }
            }
            Delta::Citation(citation) if is_sources(citation) => self.sources(citation, out),
            Delta::Citation(_) => self.losses.add(answers::citations()),
            Delta::Redacted(_) => self.losses.add(answers::signature()),
            Delta::Text(_) | Delta::Refusal(_) | Delta::Reasoning(_) => {}
        }
    }

    /// The chunk that streams are mostly made of, written without a tree.
    fn text(&mut self, text: &str, thought: bool, out: &mut Vec<u8>) {
        let content = Content { parts: [Part { text, thought }], role: "model" };
        let logprobs = if thought { None } else { self.logprobs() };
        let chunk = PlainChunk {
            candidates: [Candidate { content, index: 0, logprobs }],
            model_version: &self.model,
            response_id: &self.id,
        };
        // Only a map with keys that are no text cannot be written.
        if let Ok(json) = serde_json::to_vec(&chunk) {
            self.chunk(&json, out);
        }
    }

    fn logprobs(&mut self) -> Option<Value> {
        let tokens = std::mem::take(&mut self.logprobs);
        let (result, lost) = (!tokens.is_empty()).then(|| logprobs::write(&tokens))?;
        self.losses.extend(lost);
        Some(result)
    }

    fn part(&mut self, part: &Value, out: &mut Vec<u8>) {
        self.candidate(json!({ "content": { "parts": [part], "role": "model" }, "index": 0 }), None, out);
    }

    fn sources(&mut self, sources: &Value, out: &mut Vec<u8>) {
        let mut candidate = json!({ "content": { "parts": [{ "text": "" }], "role": "model" }, "index": 0 });
        if let (Value::Object(candidate), Value::Object(sources)) = (&mut candidate, sources) {
            candidate.extend(sources.clone());
        }
        self.candidate(candidate, None, out);
    }

    fn finish(&mut self, finish: &Finish, out: &mut Vec<u8>) {
        let (reason, near) = finish::encode_last(finish);
        self.losses.extend(answers::finish(finish, near, false));
        let mut candidate = json!({
            "content": { "parts": [{ "text": "" }], "role": "model" },
            "finishReason": reason,
            "index": 0,
        });
        // Some providers tell them with the end.
        if let Some(logprobs) = self.logprobs() {
            candidate[logprobs::FIELD] = logprobs;
        }
        let metadata = self.usage.as_ref().map(usage::encode);
        self.candidate(candidate, metadata, out);
        self.close(out);
    }

    fn error(&mut self, fault: &Fault, out: &mut Vec<u8>) {
        self.chunk(&fault::document(fault, None), out);
        self.close(out);
    }

    fn candidate(&mut self, candidate: Value, usage: Option<Value>, out: &mut Vec<u8>) {
        let mut chunk = Builder::default();
        chunk.set("candidates", vec![candidate]);
        chunk.maybe("usageMetadata", usage);
        chunk.set("modelVersion", self.model.as_str());
        chunk.set("responseId", self.id.as_str());
        self.chunk(&chunk.bytes(), out);
    }

    fn chunk(&mut self, json: &[u8], out: &mut Vec<u8>) {
        match self.framing {
            Framing::Sse | Framing::EventStream => sse::encode(None, json, out),
            Framing::JsonArray => {
                let array = self.array.get_or_insert_with(|| JsonArrayEncoder::open(out));
                array.element(json, out);
            }
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(array) = self.array.take() {
            array.close(out);
        }
    }
}

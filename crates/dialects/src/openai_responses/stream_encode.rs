//! Events to a caller's stream.

use ringmain_core::{Fault, Loss, Losses, Usage};
use ringmain_wire::sse;
use serde::Serialize;
use serde_json::{Value, json};

use super::response_encode::{
    Ids, Shell, annotation, call_item, message_item, reasoning_item, refusal_part, summary_part, text_part, whole_item,
};
use super::{fault, finish, seal};
use crate::codec::{StreamEncoder, StreamStart};
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event};
use crate::shared::sequencer::Sequencer;
use crate::shared::{answers, logprobs, sources};

/// Writes one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    sequencer: Sequencer,
    writer: Writer,
}

/// Writes events whose blocks come one after the other. Holds the answer: the last event repeats it.
#[derive(Debug)]
struct Writer {
    id: String,
    model: String,
    created: u64,
    ids: Ids,
    /// The number of the next event.
    sequence: u64,
    /// The items that are done. The open one's index is their number.
    items: Vec<Value>,
    /// The message that is open; text and refusals that follow each other are parts of one.
    message: Option<Message>,
    open: Open,
    usage: Option<Usage>,
    /// Of the text that comes next.
    logprobs: Vec<Value>,
    losses: Losses,
}

#[derive(Debug)]
struct Message {
    id: String,
    parts: Vec<Value>,
}

/// A little more of something: what streams are made of, written without a tree.
#[derive(Debug, Serialize)]
struct Piece<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<u32>,
    delta: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<&'a [Value]>,
}

impl Piece<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(self.kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        // Writing these values to memory cannot fail.
        let _ = serde_json::to_writer(&mut *out, self);
        out.extend_from_slice(b"\n\n");
    }
}

/// The block that is open.
#[derive(Debug, Default)]
enum Open {
    #[default]
    Nothing,
    Text {
        text: String,
        annotations: Vec<Value>,
        /// Sources that are of all the text.
        waiting: Vec<Value>,
        logprobs: Vec<Value>,
    },
    Refusal {
        text: String,
    },
    /// Begins on the wire with its first word or seal.
    Reasoning {
        id: String,
        text: String,
        signature: String,
        redacted: String,
    },
    /// Begins on the wire with its arguments: a signature that came before is an item before it.
    Call {
        id: String,
        call_id: String,
        name: String,
        arguments: String,
        signature: String,
    },
}

impl Open {
    const fn text(text: String) -> Self {
        Self::Text { text, annotations: Vec::new(), waiting: Vec::new(), logprobs: Vec::new() }
    }
}

impl Encoder {
    pub(super) fn new(start: &StreamStart) -> Self {
        let writer = Writer {
            id: start.id.clone(),
            model: start.model.clone(),
            created: start.created,
            ids: Ids::new(&start.id),
            sequence: 0,
            items: Vec::new(),
            message: None,
            open: Open::Nothing,
            usage: None,
            logprobs: Vec::new(),
            losses: Losses::default(),
        };
        Self { sequencer: Sequencer::default(), writer }
    }

    /// For an answer that has begun.
    pub(super) fn going_on(start: &StreamStart, at: GoingOn) -> Self {
        let mut encoder = Self::new(start);
        let writer = &mut encoder.writer;
        (writer.sequence, writer.items) = (at.sequence, at.items);
        writer.message = at.message.map(|(id, parts)| Message { id, parts });
        if let Some(text) = at.text {
            writer.open = Open::text(text);
        }
        encoder
    }
}

/// Where a relayed answer stands.
#[derive(Debug)]
pub(super) struct GoingOn {
    /// The number of the next event.
    pub(super) sequence: u64,
    /// The items that are done.
    pub(super) items: Vec<Value>,
    /// The message that is open: its id and its finished parts.
    pub(super) message: Option<(String, Vec<Value>)>,
    /// The text of the part that is open.
    pub(super) text: Option<String>,
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
            Event::Start { id, model, created } => {
                if !id.is_empty() {
                    id.clone_into(&mut self.id);
                    self.ids = Ids::new(id);
                }
                if !model.is_empty() {
                    model.clone_into(&mut self.model);
                }
                self.created = created.unwrap_or(self.created);
                for kind in ["response.created", "response.in_progress"] {
                    let response = self.shell().write("in_progress", Vec::new(), None);
                    self.send(kind, json!({ "response": response }), out);
                }
            }
            Event::BlockStart { head, .. } => self.begin(head, out),
            Event::Delta { delta, .. } => self.delta(delta, out),
            Event::BlockStop { .. } => self.stop(out),
            Event::Logprobs(tokens) => self.logprobs.extend(logprobs::write(tokens)),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Finish(reason) => {
                self.losses.extend(answers::finish(reason, finish::write(reason).1, false));
                self.losses.extend((!self.logprobs.is_empty()).then(answers::logprobs));
                let (reason, _) = finish::write(reason);
                let status = if reason.is_some() { "incomplete" } else { "completed" };
                self.close_message(status, out);
                let items = std::mem::take(&mut self.items);
                let mut response = self.shell().write(status, items, self.usage.as_ref());
                response["incomplete_details"] = finish::details(reason);
                self.send(&format!("response.{status}"), json!({ "response": response }), out);
            }
            Event::Error(found) => {
                let items = std::mem::take(&mut self.items);
                failure(&self.shell(), found, self.sequence, items, out);
            }
        }
    }

    fn shell(&self) -> Shell<'_> {
        Shell { id: &self.id, model: &self.model, created: self.created }
    }

    fn send(&mut self, kind: &str, event: Value, out: &mut Vec<u8>) {
        frame(kind, self.sequence, event, out);
        self.sequence += 1;
    }

    /// An event about the open item.
    fn item_event(&mut self, kind: &str, item_id: &str, mut event: Value, out: &mut Vec<u8>) {
        event["item_id"] = item_id.into();
        event["output_index"] = self.items.len().into();
        self.send(kind, event, out);
    }

    /// An event about the open part of the open message.
    fn part_event(&mut self, kind: &str, mut event: Value, out: &mut Vec<u8>) {
        let Some(message) = &self.message else { return };
        event["content_index"] = message.parts.len().into();
        let id = message.id.clone();
        self.item_event(kind, &id, event, out);
    }

    fn added(&mut self, item: &Value, out: &mut Vec<u8>) {
        let event = json!({ "output_index": self.items.len(), "item": item });
        self.send("response.output_item.added", event, out);
    }

    fn done(&mut self, item: Value, out: &mut Vec<u8>) {
        let event = json!({ "output_index": self.items.len(), "item": item });
        self.send("response.output_item.done", event, out);
        self.items.push(item);
    }

    fn begin(&mut self, head: &BlockHead, out: &mut Vec<u8>) {
        match head {
            BlockHead::Text => {
                self.begin_part(&text_part("", Vec::new(), Vec::new()), out);
                self.open = Open::text(String::new());
            }
            BlockHead::Refusal => {
                self.begin_part(&refusal_part(""), out);
                self.open = Open::Refusal { text: String::new() };
            }
            BlockHead::Reasoning => {
                self.close_message("completed", out);
                let none = String::new;
                self.open = Open::Reasoning { id: none(), text: none(), signature: none(), redacted: none() };
            }
            BlockHead::ToolCall { id: call_id, name } => {
                self.close_message("completed", out);
                let (call_id, name, none) = (call_id.clone(), name.clone(), String::new);
                self.open = Open::Call { id: none(), call_id, name, arguments: none(), signature: none() };
            }
            BlockHead::Whole(block) => self.whole(block, out),
        }
    }

    /// Begins a part of the message, and with the first one the message.
    fn begin_part(&mut self, part: &Value, out: &mut Vec<u8>) {
        if self.message.is_none() {
            let id = self.ids.next("msg");
            self.added(&message_item(&id, Vec::new(), "in_progress"), out);
            self.message = Some(Message { id, parts: Vec::new() });
        }
        self.part_event("response.content_part.added", json!({ "part": part }), out);
    }

    /// A block that comes at once is written and closed at once, if there is a form for it at all.
    fn whole(&mut self, block: &Block, out: &mut Vec<u8>) {
        match &block.kind {
            BlockKind::Text { text, .. } => {
                self.begin(&BlockHead::Text, out);
                self.delta(&Delta::Text(text.clone()), out);
                self.stop(out);
            }
            BlockKind::Reasoning { text, signature, redacted } => {
                self.begin(&BlockHead::Reasoning, out);
                self.delta(&Delta::Reasoning(text.clone()), out);
                let seals = [signature.clone().map(Delta::Signature), redacted.clone().map(Delta::Redacted)];
                seals.iter().flatten().for_each(|seal| self.delta(seal, out));
                self.stop(out);
            }
            _ => {
                self.close_message("completed", out);
                match whole_item(block, &mut self.ids) {
                    Some(item) if item["type"] == "custom_tool_call" => self.free_form(item, out),
                    Some(item) => {
                        self.added(&item, out);
                        self.done(item, out);
                    }
                    None => self.losses.add(answers::block(&block.kind)),
                }
            }
        }
    }

    /// A call of a free-form tool, whose input comes in one piece.
    fn free_form(&mut self, item: Value, out: &mut Vec<u8>) {
        let (id, input) = (item["id"].clone(), item["input"].clone());
        let id = id.as_str().unwrap_or_default();
        let mut begun = item.clone();
        (begun["input"], begun["status"]) = ("".into(), "in_progress".into());
        self.added(&begun, out);
        self.item_event("response.custom_tool_call_input.delta", id, json!({ "delta": input }), out);
        self.item_event("response.custom_tool_call_input.done", id, json!({ "input": input }), out);
        self.done(item, out);
    }

    fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        match (&mut self.open, delta) {
            (Open::Text { text, logprobs, .. }, Delta::Text(more)) => {
                text.push_str(more);
                let of_more = std::mem::take(&mut self.logprobs);
                logprobs.extend_from_slice(&of_more);
                self.said("response.output_text.delta", more, Some(&of_more), out);
            }
            (Open::Text { waiting, .. }, Delta::Citation(citation)) if sources::waits(citation) => {
                waiting.push(citation.clone());
            }
            (Open::Text { annotations, .. }, Delta::Citation(citation)) => {
                let nth = annotations.len();
                let added = self.annotated(citation, 0, nth, out);
                if let Open::Text { annotations, .. } = &mut self.open {
                    annotations.extend(added);
                }
            }
            (Open::Refusal { text }, Delta::Refusal(more)) => {
                text.push_str(more);
                self.said("response.refusal.delta", more, None, out);
            }
            (Open::Call { .. }, Delta::Arguments(more)) if !more.is_empty() => self.arguments(more, out),
            (Open::Reasoning { signature, .. } | Open::Call { signature, .. }, Delta::Signature(more)) => {
                signature.push_str(more);
            }
            (Open::Reasoning { redacted, .. }, Delta::Redacted(more)) => redacted.push_str(more),
            (Open::Reasoning { .. }, Delta::Reasoning(more)) if !more.is_empty() => self.thought(more, out),
            _ => {}
        }
    }

    /// Adds the nth source to a text of this many characters.
    fn annotated(&mut self, citation: &Value, length: u64, nth: usize, out: &mut Vec<u8>) -> Option<Value> {
        let Some(annotation) = annotation(citation, length) else {
            self.losses.add(answers::citations());
            return None;
        };
        let event = json!({ "annotation": annotation, "annotation_index": nth });
        self.part_event("response.output_text.annotation.added", event, out);
        Some(annotation)
    }

    /// More of the open part of the open message.
    fn said(&mut self, kind: &'static str, more: &str, logprobs: Option<&[Value]>, out: &mut Vec<u8>) {
        let Some(message) = &self.message else { return };
        let place = (Some(message.parts.len()), None);
        self.piece(kind, &message.id, place, more, logprobs).write(out);
        self.sequence += 1;
    }

    fn piece<'a>(
        &self,
        kind: &'static str,
        item_id: &'a str,
        (content_index, summary_index): (Option<usize>, Option<u32>),
        delta: &'a str,
        logprobs: Option<&'a [Value]>,
    ) -> Piece<'a> {
        let (sequence_number, output_index) = (self.sequence, self.items.len());
        Piece { kind, sequence_number, item_id, output_index, content_index, summary_index, delta, logprobs }
    }

    fn thought(&mut self, more: &str, out: &mut Vec<u8>) {
        let Open::Reasoning { id, text, .. } = &mut self.open else { return };
        let begins = text.is_empty();
        text.push_str(more);
        if begins {
            *id = self.ids.next("rs");
        }
        if begins {
            let id = id.clone();
            self.added(&reasoning_item(&id, "", None), out);
            let event = json!({ "summary_index": 0, "part": summary_part("") });
            self.item_event("response.reasoning_summary_part.added", &id, event, out);
        }
        if let Open::Reasoning { id, .. } = &self.open {
            let kind = "response.reasoning_summary_text.delta";
            self.piece(kind, id, (None, Some(0)), more, None).write(out);
            self.sequence += 1;
        }
    }

    fn arguments(&mut self, more: &str, out: &mut Vec<u8>) {
        let Open::Call { id, call_id, name, arguments, signature } = &mut self.open else { return };
        let begins = id.is_empty();
        arguments.push_str(more);
        if begins {
            let proof = Some(std::mem::take(signature)).filter(|proof| !proof.is_empty());
            let sealed = proof.map(|proof| seal::of_call(call_id, &proof));
            let (call_id, name) = (call_id.clone(), name.clone());
            self.reasoning_stop(String::new(), "", sealed, out);
            let item_id = self.ids.next("fc");
            self.added(&call_item(&item_id, &call_id, &name, "", "in_progress"), out);
            if let Open::Call { id, .. } = &mut self.open {
                *id = item_id;
            }
        }
        if let Open::Call { id, .. } = &self.open {
            self.piece("response.function_call_arguments.delta", id, (None, None), more, None).write(out);
            self.sequence += 1;
        }
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        if matches!(&self.open, Open::Call { arguments, .. } if arguments.trim().is_empty()) {
            // Callers parse the arguments; nothing at all would not be JSON.
            self.arguments("{}", out);
        }

        match std::mem::take(&mut self.open) {
            Open::Nothing => {}
            Open::Text { text, mut annotations, waiting, mut logprobs } => {
                for citation in waiting {
                    let added = self.annotated(&citation, sources::length(&text), annotations.len(), out);
                    annotations.extend(added);
                }
                // Some providers tell them with the end.
                logprobs.append(&mut self.logprobs);
                self.part_event("response.output_text.done", json!({ "text": text, "logprobs": logprobs }), out);
                self.end_part(text_part(&text, annotations, logprobs), out);
            }
            Open::Refusal { text } => {
                self.part_event("response.refusal.done", json!({ "refusal": text }), out);
                self.end_part(refusal_part(&text), out);
            }
            Open::Reasoning { id, text, signature, redacted } => {
                let given = |seal: String| Some(seal).filter(|seal| !seal.is_empty());
                if !signature.is_empty() && !redacted.is_empty() {
                    // One field holds the one or the other.
                    self.losses.add(answers::signature());
                }
                let sealed = seal::of_reasoning(given(signature).as_deref(), given(redacted).as_deref());
                self.reasoning_stop(id, &text, sealed, out);
            }
            Open::Call { id, call_id, name, arguments, signature } => {
                let event = json!({ "name": name, "arguments": arguments });
                self.item_event("response.function_call_arguments.done", &id, event, out);
                self.done(call_item(&id, &call_id, &name, &arguments, "completed"), out);
                if !signature.is_empty() {
                    self.reasoning_stop(String::new(), "", Some(seal::of_call(&call_id, &signature)), out);
                }
            }
        }
    }

    fn end_part(&mut self, part: Value, out: &mut Vec<u8>) {
        self.part_event("response.content_part.done", json!({ "part": part }), out);
        if let Some(message) = &mut self.message {
            message.parts.push(part);
        }
    }

    fn reasoning_stop(&mut self, id: String, text: &str, sealed: Option<String>, out: &mut Vec<u8>) {
        if text.is_empty() && sealed.is_none() {
            return;
        }
        let id = if id.is_empty() { self.ids.next("rs") } else { id };
        if text.is_empty() {
            self.added(&reasoning_item(&id, "", None), out);
        } else {
            let event = json!({ "summary_index": 0, "text": text });
            self.item_event("response.reasoning_summary_text.done", &id, event, out);
            let event = json!({ "summary_index": 0, "part": summary_part(text) });
            self.item_event("response.reasoning_summary_part.done", &id, event, out);
        }
        self.done(reasoning_item(&id, text, sealed), out);
    }

    /// Closes the message: something else follows, or nothing.
    fn close_message(&mut self, status: &str, out: &mut Vec<u8>) {
        if let Some(Message { id, parts }) = self.message.take() {
            self.done(message_item(&id, parts, status), out);
        }
    }
}

/// Ends a stream with an error: the event that SDKs raise on, and the one that says the answer failed.
pub(super) fn failure(shell: &Shell<'_>, found: &Fault, sequence: u64, items: Vec<Value>, out: &mut Vec<u8>) {
    frame("error", sequence, fault::event(found), out);
    let mut response = shell.write("failed", items, None);
    response["error"] = fault::in_response(found);
    frame("response.failed", sequence + 1, json!({ "response": response }), out);
}

/// Appends an event, whose other members are in `event`.
fn frame(kind: &str, sequence: u64, mut event: Value, out: &mut Vec<u8>) {
    event["type"] = kind.into();
    event["sequence_number"] = sequence.into();
    sse::encode(Some(kind), event.to_string().as_bytes(), out);
}

//! A provider's stream to events.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::usage::WireUsage;
use super::{OWN, block_decode, fault, stop_reason};
use crate::codec::{Cut, Malformed, StreamDecoder};
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Finish};
use crate::loss::{Loss, Losses};
use crate::shared::borrowed::borrowed;

/// One event as it is written; which fields are there depends on the type.
#[derive(Debug, Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    index: u64,
    message: Option<Message>,
    content_block: Option<Value>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    usage: Option<WireUsage>,
}

#[derive(Debug, Deserialize)]
struct Message {
    id: Option<String>,
    model: Option<String>,
    usage: Option<WireUsage>,
}

#[derive(Debug, Deserialize)]
struct WireDelta<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    partial_json: Option<String>,
    citation: Option<Value>,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
}

/// A block between its start and its stop.
#[derive(Debug)]
struct Open {
    /// Its index among the events; not yet given to a block that is told whole when it stops.
    index: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text,
    Reasoning,
    /// Have arguments come?
    ToolCall {
        any: bool,
    },
    /// Told whole at the stop: the block so far, and the JSON text of its input.
    Opaque {
        value: Value,
        input: String,
    },
}

/// Reads a stream. At most one answer's opaque blocks are held back; all else passes through at once.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    started: bool,
    ended: bool,
    next_index: u32,
    open: BTreeMap<u64, Open>,
    usage: WireUsage,
    finish: Option<Finish>,
    losses: Losses,
}

impl StreamDecoder for Decoder {
    fn event(&mut self, name: Option<&str>, data: &[u8], out: &mut Vec<Event>) -> Result<(), Malformed> {
        if self.ended || data.is_empty() {
            return Ok(());
        }
        let wire: Wire<'_> = borrowed(data).map_err(|error| malformed(&error))?;
        let kind = if wire.kind.is_empty() { name.unwrap_or_default() } else { &wire.kind };
        match kind {
            "message_start" => self.message_start(wire.message, out),
            "content_block_start" => self.block_start(wire.index, wire.content_block, out),
            "content_block_delta" => self.block_delta(wire.index, wire.delta, out),
            "content_block_stop" => self.block_stop(wire.index, out),
            "message_delta" => self.message_delta(wire.delta, wire.usage, out),
            "message_stop" => {
                self.finish(out);
                Ok(())
            }
            "error" => {
                let value = serde_json::from_slice(data).map_err(|error| malformed(&error))?;
                self.ended = true;
                out.push(Event::Error(Box::new(fault::decode_event(&value))));
                Ok(())
            }
            // `ping`, and event types to come.
            _ => Ok(()),
        }
    }

    fn end(&mut self, lenient: bool, out: &mut Vec<Event>) -> Result<(), Cut> {
        if !self.ended && lenient && self.finish.is_some() {
            self.finish(out);
        }
        if self.ended { Ok(()) } else { Err(Cut) }
    }

    fn take_losses(&mut self) -> Vec<Loss> {
        self.losses.take()
    }
}

impl Decoder {
    fn message_start(&mut self, message: Option<Message>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if self.started {
            return Err(Malformed::new("message_start", "came a second time"));
        }
        let message = message.ok_or_else(|| Malformed::new("message", "is required"))?;
        self.started = true;
        let id = message.id.unwrap_or_default();
        out.push(Event::Start { id, model: message.model.unwrap_or_default(), created: None });
        self.used(message.usage, out);
        Ok(())
    }

    /// A stream whose first event was lost still begins.
    fn ensure_started(&mut self, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            out.push(Event::Start { id: String::new(), model: String::new(), created: None });
        }
    }

    fn used(&mut self, usage: Option<WireUsage>, out: &mut Vec<Event>) {
        if let Some(usage) = usage {
            self.usage.update(&usage);
            out.extend(self.usage.usage().map(Event::Usage));
        }
    }

    fn block_start(&mut self, at: u64, block: Option<Value>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let value = block.ok_or_else(|| Malformed::new("content_block", "is required"))?;
        let mut rest = Vec::new();
        let block = block_decode::block(&format!("content[{at}]"), start_form(value), &mut rest)?;
        self.losses.extend(rest.into_iter().map(|extra| Loss::dropped(extra.field)));
        self.ensure_started(out);
        if self.open.contains_key(&at) {
            self.block_stop(at, out)?;
        }
        match block.kind {
            BlockKind::Text { text, citations } => {
                let index = self.begin(at, Kind::Text, BlockHead::Text, out);
                let text = (!text.is_empty()).then_some(Delta::Text(text));
                let deltas = text.into_iter().chain(citations.into_iter().map(Delta::Citation));
                out.extend(deltas.map(|delta| Event::Delta { index, delta }));
            }
            BlockKind::Reasoning { text, signature, redacted: None } => {
                let index = self.begin(at, Kind::Reasoning, BlockHead::Reasoning, out);
                let text = (!text.is_empty()).then_some(Delta::Reasoning(text));
                let deltas = text.into_iter().chain(signature.map(Delta::Signature));
                out.extend(deltas.map(|delta| Event::Delta { index, delta }));
            }
            BlockKind::ToolCall { name, .. } if name.is_empty() => {
                return Err(Malformed::new("content_block.name", "is empty"));
            }
            BlockKind::ToolCall { id, name, arguments, .. } => {
                let id = if id.is_empty() { format!("toolu_{}", self.next_index) } else { id };
                // An empty object is only what the arguments start from; some hosts send them whole.
                let any = arguments != "{}";
                let index = self.begin(at, Kind::ToolCall { any }, BlockHead::ToolCall { id, name }, out);
                if any {
                    out.push(Event::Delta { index, delta: Delta::Arguments(arguments) });
                }
            }
            BlockKind::Opaque { value, .. } => {
                let kind = Kind::Opaque { value, input: String::new() };
                self.open.insert(at, Open { index: 0, kind });
            }
            kind => self.whole(kind.into(), out),
        }
        Ok(())
    }

    fn begin(&mut self, at: u64, kind: Kind, head: BlockHead, out: &mut Vec<Event>) -> u32 {
        let index = self.next_index;
        self.next_index += 1;
        self.open.insert(at, Open { index, kind });
        out.push(Event::BlockStart { index, head });
        index
    }

    fn whole(&mut self, block: Block, out: &mut Vec<Event>) {
        let index = self.next_index;
        self.next_index += 1;
        out.push(Event::BlockStart { index, head: BlockHead::Whole(Box::new(block)) });
        out.push(Event::BlockStop { index });
    }

    fn block_delta(&mut self, at: u64, delta: Option<&RawValue>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let raw = delta.ok_or_else(|| Malformed::new("delta", "is required"))?;
        let delta: WireDelta<'_> = serde_json::from_str(raw.get()).map_err(|error| malformed(&error))?;
        if !self.open.contains_key(&at) {
            self.begin_lost(at, &delta.kind, out)?;
        }
        let Some(Open { index, kind }) = self.open.get_mut(&at) else { return Ok(()) };
        let delta = match (kind, delta.kind.as_ref()) {
            (Kind::Opaque { value, input }, kind) => {
                grow_opaque(value, input, kind, raw)?;
                None
            }
            (Kind::Text, "text_delta") => delta.text.map(Delta::Text),
            (Kind::Text, "citations_delta") => delta.citation.map(Delta::Citation),
            (Kind::Reasoning, "thinking_delta") => delta.thinking.map(Delta::Reasoning),
            (Kind::Reasoning, "signature_delta") => delta.signature.map(Delta::Signature),
            (Kind::ToolCall { any }, "input_json_delta") => {
                let piece = delta.partial_json.filter(|piece| !piece.is_empty());
                *any |= piece.is_some();
                piece.map(Delta::Arguments)
            }
            _ => return Err(Malformed::new("delta.type", "does not fit its block")),
        };
        out.extend(delta.map(|delta| Event::Delta { index: *index, delta }));
        Ok(())
    }

    /// Text whose start was lost is still text; an answer may not shrink in silence.
    fn begin_lost(&mut self, at: u64, delta: &str, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let (kind, head) = match delta {
            "text_delta" => (Kind::Text, BlockHead::Text),
            "thinking_delta" => (Kind::Reasoning, BlockHead::Reasoning),
            _ => return Err(Malformed::new("index", "names no open block")),
        };
        self.ensure_started(out);
        self.begin(at, kind, head, out);
        Ok(())
    }

    fn block_stop(&mut self, at: u64, out: &mut Vec<Event>) -> Result<(), Malformed> {
        // A block told whole at its start stops silently.
        let Some(Open { index, kind }) = self.open.remove(&at) else { return Ok(()) };
        match kind {
            Kind::Opaque { mut value, input } => {
                if !input.is_empty() {
                    // Never an invented input: what does not parse stays as text.
                    let parsed = serde_json::from_str(&input).unwrap_or(Value::String(input));
                    value["input"] = parsed;
                }
                self.whole(BlockKind::Opaque { dialect: OWN, value }.into(), out);
                return Ok(());
            }
            Kind::ToolCall { any: false } => {
                out.push(Event::Delta { index, delta: Delta::Arguments("{}".to_owned()) });
            }
            Kind::Text | Kind::Reasoning | Kind::ToolCall { any: true } => {}
        }
        out.push(Event::BlockStop { index });
        Ok(())
    }

    fn message_delta(
        &mut self,
        delta: Option<&RawValue>,
        usage: Option<WireUsage>,
        out: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        let delta: Option<WireDelta<'_>> =
            delta.map(|raw| serde_json::from_str(raw.get())).transpose().map_err(|error| malformed(&error))?;
        self.ensure_started(out);
        if let Some(WireDelta { stop_reason: Some(reason), stop_sequence, .. }) = delta {
            self.finish = Some(stop_reason::decode(&reason, stop_sequence));
        }
        self.used(usage, out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        self.ensure_started(out);
        while let Some((&at, _)) = self.open.first_key_value() {
            // Cannot fail for an open block, and nothing could be done about it.
            let _ = self.block_stop(at, out);
        }
        self.ended = true;
        out.push(Event::Finish(self.finish.take().unwrap_or_default()));
    }
}

/// A block's start may leave out what its deltas bring.
fn start_form(mut value: Value) -> Value {
    let lacks = |value: &Value, field: &str| value.get(field).is_none_or(Value::is_null);
    if value.get("type").is_some_and(|kind| kind == "text") && lacks(&value, "text") {
        value["text"] = "".into();
    }
    if value.get("type").is_some_and(|kind| kind == "tool_use") && lacks(&value, "id") {
        value["id"] = "".into();
    }
    value
}

/// Adds a delta to a block this representation has no word for: text to text, all else in place of what was there.
fn grow_opaque(value: &mut Value, input: &mut String, kind: &str, raw: &RawValue) -> Result<(), Malformed> {
    let Ok(Value::Object(delta)) = serde_json::from_str(raw.get()) else {
        return Err(Malformed::new("delta", "expected an object"));
    };
    for (field, more) in delta.into_iter().filter(|(field, _)| field != "type") {
        match (field.as_str(), more) {
            ("partial_json", Value::String(piece)) if kind == "input_json_delta" => input.push_str(&piece),
            (field, Value::String(piece)) => match value.get_mut(field) {
                Some(Value::String(text)) => text.push_str(&piece),
                _ => value[field] = piece.into(),
            },
            (field, more) => value[field] = more,
        }
    }
    Ok(())
}

fn malformed(error: &serde_json::Error) -> Malformed {
    Malformed::new("", format!("not an event of this dialect, at column {}", error.column()))
}

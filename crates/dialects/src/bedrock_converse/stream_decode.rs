//! A provider's stream to events.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ringmain_wire::event_stream::EXCEPTION_PREFIX;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::usage::WireUsage;
use super::wire::{Kind as MediaKind, token_of_blob};
use super::{OWN, fault, response_decode, stop_reason};
use crate::codec::{Cut, Malformed, StreamDecoder};
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Finish, Media, MediaSource};
use crate::loss::{Loss, Losses};
use crate::shared::borrowed::borrowed;

/// One event as it is written; which members are there depends on its type. The padding `p` is passed over.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(default)]
    content_block_index: u64,
    start: Option<Start>,
    #[serde(borrow)]
    delta: Option<WireDelta<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Cow<'a, str>>,
    additional_model_response_fields: Option<Value>,
    usage: Option<WireUsage>,
    /// What a guardrail did.
    trace: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    tool_use: Option<Value>,
    tool_result: Option<Value>,
    image: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDelta<'a> {
    text: Option<String>,
    tool_use: Option<Input>,
    tool_result: Option<Vec<Value>>,
    #[serde(borrow)]
    reasoning_content: Option<Thought<'a>>,
    citation: Option<Value>,
    image: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Input {
    #[serde(default)]
    input: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thought<'a> {
    text: Option<String>,
    signature: Option<String>,
    #[serde(borrow)]
    redacted_content: Option<Cow<'a, str>>,
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
    ToolUse {
        value: Value,
        input: String,
    },
    /// Told whole at the stop.
    ToolResult {
        value: Value,
    },
    /// Told whole at the stop.
    Image {
        format: String,
        data: String,
    },
}

/// Reads a stream. Blocks of the provider's own tools and images are held back until they are whole; all else passes
/// through at once.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    started: bool,
    ended: bool,
    next_index: u32,
    open: BTreeMap<u64, Open>,
    finish: Option<Finish>,
    counted: bool,
    losses: Losses,
}

impl StreamDecoder for Decoder {
    fn event(&mut self, name: Option<&str>, data: &[u8], out: &mut Vec<Event>) -> Result<(), Malformed> {
        let name = name.unwrap_or_default();
        if self.ended {
            return Ok(());
        }
        if let Some(exception) = name.strip_prefix(EXCEPTION_PREFIX) {
            self.ended = true;
            out.push(Event::Error(Box::new(fault::decode_event(exception, data))));
            return Ok(());
        }
        // An event of a type to come is skipped.
        if !["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
            .contains(&name)
        {
            return Ok(());
        }
        let wire: Wire<'_> = borrowed(data).map_err(|error| malformed(&error))?;
        self.ensure_started(out);
        match name {
            "contentBlockStart" => self.block_start(wire.content_block_index, wire.start, out)?,
            "contentBlockDelta" => self.block_delta(wire.content_block_index, wire.delta, out)?,
            "contentBlockStop" => self.block_stop(wire.content_block_index, out),
            "messageStop" => {
                let sequence = wire.additional_model_response_fields.as_ref().and_then(response_decode::stop_sequence);
                self.losses.extend(wire.additional_model_response_fields.as_ref().and_then(response_decode::unsaid));
                let reason = wire.stop_reason.ok_or_else(|| Malformed::new("stopReason", "is required"))?;
                self.finish = Some(stop_reason::decode(&reason, sequence));
                if self.counted {
                    self.finish(out);
                }
            }
            "metadata" => {
                self.counted = true;
                self.losses.extend(wire.trace.map(|_| Loss::dropped("trace")));
                out.extend(wire.usage.and_then(|usage| usage.usage()).map(Event::Usage));
                if self.finish.is_some() {
                    self.finish(out);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _lenient: bool, out: &mut Vec<Event>) -> Result<(), Cut> {
        // The reason to stop is the answer's end; what may be missing after it is only the count of its tokens.
        if !self.ended && self.finish.is_some() {
            self.finish(out);
        }
        if self.ended { Ok(()) } else { Err(Cut) }
    }

    fn take_losses(&mut self) -> Vec<Loss> {
        self.losses.take()
    }
}

impl Decoder {
    fn ensure_started(&mut self, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            out.push(Event::Start { id: String::new(), model: String::new(), created: None });
        }
    }

    fn block_start(&mut self, at: u64, start: Option<Start>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if self.open.contains_key(&at) {
            self.block_stop(at, out);
        }
        let kind = match start {
            Some(Start { tool_use: Some(value), .. }) => return self.tool_start(at, value, out),
            Some(Start { tool_result: Some(value), .. }) => Kind::ToolResult { value },
            Some(Start { image: Some(value), .. }) => {
                let format = value.get("format").and_then(Value::as_str).unwrap_or_default().to_owned();
                Kind::Image { format, data: String::new() }
            }
            // The start of text says nothing that its first piece does not.
            Some(_) | None => return Ok(()),
        };
        self.open.insert(at, Open { index: 0, kind });
        Ok(())
    }

    fn tool_start(&mut self, at: u64, value: Value, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, name, kind) = (text("toolUseId"), text("name"), text("type"));
        if !matches!(kind.as_str(), "" | "tool_use") {
            self.open.insert(at, Open { index: 0, kind: Kind::ToolUse { value, input: String::new() } });
            return Ok(());
        }
        if name.is_empty() {
            return Err(Malformed::new("start.toolUse.name", "is required"));
        }
        let id = if id.is_empty() { format!("tooluse_{}", self.next_index) } else { id };
        self.begin(at, Kind::ToolCall { any: false }, BlockHead::ToolCall { id, name }, out);
        Ok(())
    }

    fn begin(&mut self, at: u64, kind: Kind, head: BlockHead, out: &mut Vec<Event>) {
        let index = self.next_index;
        self.next_index += 1;
        self.open.insert(at, Open { index, kind });
        out.push(Event::BlockStart { index, head });
    }

    fn whole(&mut self, block: Block, out: &mut Vec<Event>) {
        let index = self.next_index;
        self.next_index += 1;
        out.push(Event::BlockStart { index, head: BlockHead::Whole(Box::new(block)) });
        out.push(Event::BlockStop { index });
    }

    fn block_delta(&mut self, at: u64, delta: Option<WireDelta<'_>>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let delta = delta.ok_or_else(|| Malformed::new("delta", "is required"))?;
        if !self.open.contains_key(&at) {
            if delta.text.is_some() || delta.citation.is_some() {
                self.begin(at, Kind::Text, BlockHead::Text, out);
            } else if delta.reasoning_content.is_some() {
                self.begin(at, Kind::Reasoning, BlockHead::Reasoning, out);
            } else {
                return Err(Malformed::new("contentBlockIndex", "names no open block"));
            }
        }
        let Some(Open { index, kind }) = self.open.get_mut(&at) else { return Ok(()) };
        let piece = |text: Option<String>, delta: fn(String) -> Delta| text.filter(|text| !text.is_empty()).map(delta);
        let mut deltas = Vec::new();
        match (kind, delta) {
            (Kind::Text, WireDelta { text, citation, .. }) if text.is_some() || citation.is_some() => {
                deltas.extend(piece(text, Delta::Text));
                deltas.extend(citation.map(Delta::Citation));
            }
            (Kind::Reasoning, WireDelta { reasoning_content: Some(thought), .. }) => {
                deltas.extend(piece(thought.text, Delta::Reasoning));
                deltas.extend(piece(thought.signature, Delta::Signature));
                deltas.extend(thought.redacted_content.map(|blob| Delta::Redacted(token_of_blob(&blob))));
            }
            (Kind::ToolCall { any }, WireDelta { tool_use: Some(Input { input }), .. }) => {
                *any |= !input.is_empty();
                deltas.extend(piece(Some(input), Delta::Arguments));
            }
            (Kind::ToolUse { input: whole, .. }, WireDelta { tool_use: Some(Input { input }), .. }) => {
                whole.push_str(&input);
            }
            (Kind::ToolResult { value }, WireDelta { tool_result: Some(items), .. }) => grow_result(value, items),
            (Kind::Image { data, .. }, WireDelta { image: Some(image), .. }) => {
                let more = image.get("source").and_then(|source| source.get("bytes")).and_then(Value::as_str);
                data.push_str(more.unwrap_or_default());
            }
            _ => return Err(Malformed::new("delta", "does not fit its block")),
        }
        let index = *index;
        out.extend(deltas.into_iter().map(|delta| Event::Delta { index, delta }));
        Ok(())
    }

    fn block_stop(&mut self, at: u64, out: &mut Vec<Event>) {
        let Some(Open { index, kind }) = self.open.remove(&at) else { return };
        let whole = match kind {
            Kind::Text | Kind::Reasoning | Kind::ToolCall { any: true } => None,
            Kind::ToolCall { any: false } => {
                out.push(Event::Delta { index, delta: Delta::Arguments("{}".to_owned()) });
                None
            }
            Kind::ToolUse { mut value, input } => {
                // Never an invented input: what does not parse stays as text.
                let parsed = serde_json::from_str(&input).unwrap_or(Value::String(input));
                value["input"] = parsed;
                Some(BlockKind::Opaque { dialect: OWN, value: json!({ "toolUse": value }) })
            }
            Kind::ToolResult { value } => {
                Some(BlockKind::Opaque { dialect: OWN, value: json!({ "toolResult": value }) })
            }
            Kind::Image { format, data } => Some(BlockKind::Image(Media {
                source: MediaSource::Base64(data),
                media_type: MediaKind::Image.media_type(&format).map(str::to_owned),
                name: None,
                detail: None,
            })),
        };
        match whole {
            Some(kind) => self.whole(kind.into(), out),
            None => out.push(Event::BlockStop { index }),
        }
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        while let Some((&at, _)) = self.open.first_key_value() {
            self.block_stop(at, out);
        }
        self.ended = true;
        out.push(Event::Finish(self.finish.take().unwrap_or_default()));
    }
}

/// Adds the pieces of a result: text goes on with the text before it.
fn grow_result(value: &mut Value, items: Vec<Value>) {
    if !value.is_object() {
        return;
    }
    if !value["content"].is_array() {
        value["content"] = json!([]);
    }
    let Some(content) = value["content"].as_array_mut() else { return };
    for item in items {
        match (content.last_mut().and_then(|last| last.get_mut("text")), item.get("text").and_then(Value::as_str)) {
            (Some(Value::String(text)), Some(more)) => text.push_str(more),
            _ => content.push(item),
        }
    }
}

fn malformed(error: &serde_json::Error) -> Malformed {
    Malformed::new("", format!("not an event of this dialect, at column {}", error.column()))
}

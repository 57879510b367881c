//! A provider's stream to events.

use std::collections::BTreeMap;

use ringmain_core::{Loss, Losses, Phase};
use serde_json::Value;
use serde_json::value::RawValue;

use super::citations::{self, About};
use super::wire::{Call, Content, Delta as WireDelta, Wire, owned, unreadable, word};
use super::{fault, finish, logprobs};
use crate::codec::{Cut, Malformed, StreamDecoder};
use crate::ir::{BlockHead, Delta, Event};
use crate::shared::borrowed::{Text, borrowed};

/// Reads a stream. Text and thinking come one block after the other; only calls may overlap.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    started: bool,
    ended: bool,
    next_index: u32,
    open: Option<Open>,
    /// The open tool calls by their index on the wire.
    calls: BTreeMap<u64, u32>,
    any_call: bool,
    losses: Losses,
}

/// The open block of text or thinking. It is closed by what comes after it, not by its own end: citations may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    place: Place,
    kind: Kind,
    index: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Content(u64),
    Plan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
}

impl StreamDecoder for Decoder {
    fn event(&mut self, name: Option<&str>, data: &[u8], out: &mut Vec<Event>) -> Result<(), Malformed> {
        let data = data.trim_ascii();
        // The API writes the marker behind its last event, which says the same.
        if self.ended || data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let wire: Wire<'_> = borrowed(data).map_err(|error| unreadable(&error))?;
        if wire.is_error(name) {
            self.ended = true;
            out.push(Event::Error(Box::new(fault::of_stream(data, self.phase()))));
            return Ok(());
        }
        self.logprobs(wire.logprobs, out);
        let at = wire.index.unwrap_or_default();
        let message = wire.message();
        match wire.kind(name) {
            "message-start" => self.message_start(wire.id, out),
            "content-start" | "content-delta" => {
                let content = message.and_then(|message| message.content.0.as_ref());
                self.content(at, content.ok_or_else(|| missing("content"))?, out);
            }
            "tool-plan-delta" => {
                let plan = word(message.and_then(|message| message.tool_plan.as_ref()));
                self.said(Place::Plan, Kind::Text, plan, out);
            }
            "tool-call-start" => {
                let call = message.and_then(|message| message.tool_calls.0.as_ref());
                return self.call_start(at, call.ok_or_else(|| missing("tool_calls"))?, out);
            }
            "tool-call-delta" => {
                let call = message.and_then(|message| message.tool_calls.0.as_ref());
                return self.call_delta(at, call.ok_or_else(|| missing("tool_calls"))?, out);
            }
            "tool-call-end" => {
                out.extend(self.calls.remove(&at).map(|index| Event::BlockStop { index }));
            }
            "citation-start" => {
                let raw = message.and_then(|message| message.citations).ok_or_else(|| missing("citations"))?;
                return self.cite(serde_json::from_str(raw.get()).unwrap_or_default(), out);
            }
            "message-end" => self.message_end(wire.delta.as_ref(), out),
            // `content-end`, `citation-end`, `debug`, and event types to come.
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _lenient: bool, _out: &mut Vec<Event>) -> Result<(), Cut> {
        if self.ended { Ok(()) } else { Err(Cut) }
    }

    fn take_losses(&mut self) -> Vec<Loss> {
        self.losses.take()
    }
}

fn missing(field: &str) -> Malformed {
    Malformed::new(format!("delta.message.{field}"), "is required")
}

impl Decoder {
    fn message_start(&mut self, id: Option<Text<'_>>, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            out.push(Event::Start { id: owned(id).unwrap_or_default(), model: String::new(), created: None });
        }
    }

    fn logprobs(&mut self, found: Option<&RawValue>, out: &mut Vec<Event>) {
        match found.map(|found| logprobs::read(found.get())) {
            Some(Some(tokens)) if !tokens.is_empty() => {
                self.message_start(None, out);
                out.push(Event::Logprobs(tokens));
            }
            Some(None) => self.losses.add(Loss::dropped("logprobs")),
            _ => {}
        }
    }

    fn content(&mut self, at: u64, content: &Content<'_>, out: &mut Vec<Event>) {
        let (text, thinking) = (word(content.text.as_ref()), word(content.thinking.as_ref()));
        let kind = match word(content.kind.as_ref()) {
            "thinking" => Kind::Reasoning,
            "" if content.thinking.is_some() && content.text.is_none() => Kind::Reasoning,
            _ => Kind::Text,
        };
        self.said(Place::Content(at), kind, if kind == Kind::Text { text } else { thinking }, out);
    }

    /// More text of a block, which begins here if it is not open. Even empty text begins a block of the content.
    fn said(&mut self, place: Place, kind: Kind, text: &str, out: &mut Vec<Event>) {
        if place == Place::Plan && text.is_empty() {
            return;
        }
        let index = match self.open.filter(|open| (open.place, open.kind) == (place, kind)) {
            Some(open) => open.index,
            None => self.begin_text(place, kind, out),
        };
        if !text.is_empty() {
            let text = text.to_owned();
            let delta = if kind == Kind::Text { Delta::Text(text) } else { Delta::Reasoning(text) };
            out.push(Event::Delta { index, delta });
        }
    }

    fn begin_text(&mut self, place: Place, kind: Kind, out: &mut Vec<Event>) -> u32 {
        self.close_text(out);
        let head = if kind == Kind::Text { BlockHead::Text } else { BlockHead::Reasoning };
        let index = self.begin(head, out);
        self.open = Some(Open { place, kind, index });
        index
    }

    fn close_text(&mut self, out: &mut Vec<Event>) {
        out.extend(self.open.take().map(|open| Event::BlockStop { index: open.index }));
    }

    fn begin(&mut self, head: BlockHead, out: &mut Vec<Event>) -> u32 {
        self.message_start(None, out);
        let index = self.next_index;
        self.next_index += 1;
        out.push(Event::BlockStart { index, head });
        index
    }

    fn call_start(&mut self, at: u64, call: &Call<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let name = call.name().to_owned();
        if name.is_empty() {
            return Err(missing("tool_calls.function.name"));
        }
        self.close_text(out);
        out.extend(self.calls.remove(&at).map(|index| Event::BlockStop { index }));
        let id = call.id.as_ref().map(|id| id.0.as_ref()).filter(|id| !id.is_empty());
        let id = id.map_or_else(|| format!("call_{at}"), str::to_owned);
        let index = self.begin(BlockHead::ToolCall { id, name }, out);
        self.calls.insert(at, index);
        self.any_call = true;
        arguments(index, call, out);
        Ok(())
    }

    fn call_delta(&mut self, at: u64, call: &Call<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let index = self.calls.get(&at).ok_or_else(|| Malformed::new("index", "names no open tool call"))?;
        arguments(*index, call, out);
        Ok(())
    }

    /// A source goes to the text it is about, as long as that is open.
    fn cite(&mut self, citation: Value, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let about = citations::about(&citation);
        let fits = |open: &Open| match about {
            About::Text(None) => open.kind == Kind::Text,
            About::Text(Some(nth)) => open.kind == Kind::Text && open.place == Place::Content(nth),
            About::Plan => open.place == Place::Plan,
            About::Thinking => false,
        };
        match self.open.filter(fits) {
            Some(Open { index, .. }) => out.push(Event::Delta { index, delta: Delta::Citation(citation) }),
            None if about == About::Thinking => self.losses.add(Loss::dropped("message.citations")),
            None => return Err(Malformed::new("delta.message.citations", "names no open text")),
        }
        Ok(())
    }

    fn message_end(&mut self, delta: Option<&WireDelta<'_>>, out: &mut Vec<Event>) {
        self.message_start(None, out);
        let usage = delta.and_then(|delta| delta.usage?.usage());
        out.extend(usage.map(Event::Usage));
        let reason = word(delta.and_then(|delta| delta.finish_reason.as_ref()));
        let error = delta.and_then(|delta| delta.error.as_ref()).map(|error| error.0.as_ref());
        self.ended = true;
        if let Some(fault) = broken(reason, error, self.phase()) {
            out.push(Event::Error(Box::new(fault)));
            return;
        }
        self.close_text(out);
        out.extend(std::mem::take(&mut self.calls).into_values().map(|index| Event::BlockStop { index }));
        let finish = finish::read(if reason.is_empty() { "COMPLETE" } else { reason });
        out.push(Event::Finish(finish::with_calls(finish, self.any_call)));
    }

    const fn phase(&self) -> Phase {
        if self.next_index > 0 { Phase::AfterCommit } else { Phase::BeforeCommit }
    }
}

/// The fault of an answer that says it broke off.
pub(super) fn broken(reason: &str, error: Option<&str>, phase: Phase) -> Option<ringmain_core::Fault> {
    let said = error.is_some_and(|error| !error.is_empty());
    (said || finish::is_broken(reason)).then(|| fault::of_end(reason, error, phase))
}

fn arguments(index: u32, call: &Call<'_>, out: &mut Vec<Event>) {
    let arguments = call.arguments();
    if !arguments.is_empty() {
        out.push(Event::Delta { index, delta: Delta::Arguments(arguments.to_owned()) });
    }
}

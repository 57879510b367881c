//! A provider's stream to events.

use std::collections::BTreeMap;

use ringmain_core::{Loss, Losses, Phase};
use serde_json::Value;
use serde_json::value::RawValue;

use super::output::BETWEEN;
use super::seal::Sealed;
use super::wire::{self, Shell, Wire};
use super::{fault, output, response_decode, usage};
use crate::codec::{Cut, Malformed, StreamDecoder};
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Finish, Response, fold};
use crate::shared::fields::Fields;
use crate::shared::logprobs;

/// More items and parts than any answer has; further ones are not read.
const MAX_PLACES: usize = 4096;

/// Reads one stream.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    started: bool,
    ended: bool,
    next_index: u32,
    /// The blocks of items and of parts of messages, by their place in the output. Closed ones stay, so that what is
    /// said twice is heard once.
    places: BTreeMap<Place, Slot>,
    calls: bool,
    /// Signatures of calls that are to come.
    proofs: Vec<(String, String)>,
    losses: Losses,
}

/// An item, and the part of it where it is a message.
type Place = (u32, Option<u32>);

#[derive(Debug)]
struct Slot {
    /// Its block and the kind of it, once there is one.
    block: Option<(u32, Kind)>,
    closed: bool,
    /// Has any text or arguments come?
    said: bool,
    /// Has it been told how likely its tokens are?
    told: bool,
    /// Of thinking: the kind and number of the part that is being said.
    part: Option<(bool, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Reasoning,
    Call,
    Whole,
}

impl Kind {
    const fn of(head: &BlockHead) -> Self {
        match head {
            BlockHead::Text => Self::Text,
            BlockHead::Refusal => Self::Refusal,
            BlockHead::Reasoning => Self::Reasoning,
            BlockHead::ToolCall { .. } => Self::Call,
            BlockHead::Whole(_) => Self::Whole,
        }
    }
}

impl StreamDecoder for Decoder {
    fn event(&mut self, name: Option<&str>, data: &[u8], out: &mut Vec<Event>) -> Result<(), Malformed> {
        let data = data.trim_ascii();
        if self.ended || data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let wire = Wire::parse(data)?;
        if wire.is_error(name) {
            out.push(Event::Error(Box::new(fault::of_stream(data, self.phase()))));
            self.ended = true;
            return Ok(());
        }
        let item = (wire.output_index.unwrap_or(0), None);
        let part = (item.0, Some(wire.content_index.unwrap_or(0)));
        match wire.kind(name) {
            "response.created" | "response.in_progress" | "response.queued" => {
                if let Some(raw) = wire.response {
                    self.start(&Shell::parse(raw)?, out);
                }
            }
            "response.output_item.added" => self.item_added(item, wire.item, out)?,
            "response.output_item.done" => self.item_done(item, wire.item, out)?,
            "response.output_text.delta" => {
                let text = wire::text(wire.delta)?;
                self.logprobs(part, wire.logprobs, out)?;
                self.text(part, BlockHead::Text, &text.0, out)?;
            }
            "response.refusal.delta" => self.text(part, BlockHead::Refusal, &wire::text(wire.delta)?.0, out)?,
            "response.output_text.done" => {
                let text = wire::text(wire.text)?;
                if !self.places.get(&part).is_some_and(|slot| slot.told) {
                    self.logprobs(part, wire.logprobs, out)?;
                }
                self.rest(part, BlockHead::Text, &text.0, out)?;
            }
            "response.refusal.done" => self.rest(part, BlockHead::Refusal, &wire::text(wire.refusal)?.0, out)?,
            "response.output_text.annotation.added" => {
                let annotation = wire.annotation.and_then(|raw| serde_json::from_str(raw.get()).ok());
                if let Some(index) = self.open(part, BlockHead::Text, out)? {
                    out.extend(annotation.map(|source| Event::Delta { index, delta: Delta::Citation(source) }));
                }
            }
            "response.content_part.done" => self.close(part, out),
            "response.reasoning_summary_text.delta" => {
                let nth = (false, wire.summary_index.unwrap_or(0));
                self.thought(item, nth, &wire::text(wire.delta)?.0, out)?;
            }
            "response.reasoning_text.delta" => {
                let nth = (true, wire.content_index.unwrap_or(0));
                self.thought(item, nth, &wire::text(wire.delta)?.0, out)?;
            }
            "response.function_call_arguments.delta" => self.arguments(item, &wire::text(wire.delta)?.0, false, out),
            "response.function_call_arguments.done" => self.arguments(item, &wire::text(wire.arguments)?.0, true, out),
            "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" => {
                let raw = wire.response.ok_or_else(|| Malformed::new("response", "is required"))?;
                self.end_with(raw, wire.kind(name), out)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _lenient: bool, _out: &mut Vec<Event>) -> Result<(), Cut> {
        // Every whole answer says so in its last event, with what it used.
        if self.ended { Ok(()) } else { Err(Cut) }
    }

    fn take_losses(&mut self) -> Vec<Loss> {
        self.losses.take()
    }
}

impl Decoder {
    fn start(&mut self, shell: &Shell<'_>, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            let word = |text: &Option<crate::shared::borrowed::Text<'_>>| {
                text.as_ref().map(|text| text.0.clone().into_owned()).unwrap_or_default()
            };
            out.push(Event::Start { id: word(&shell.id), model: word(&shell.model), created: shell.created() });
        }
    }

    fn slot(&mut self, place: Place) -> Result<&mut Slot, Malformed> {
        if self.places.len() >= MAX_PLACES && !self.places.contains_key(&place) {
            return Err(Malformed::new("output_index", "too many items"));
        }
        let new = || Slot { block: None, closed: false, said: false, told: false, part: None };
        Ok(self.places.entry(place).or_insert_with(new))
    }

    /// The open block of this kind at a place, begun now if it is not yet; `None` where it is closed or of another kind.
    fn open(&mut self, place: Place, head: BlockHead, out: &mut Vec<Event>) -> Result<Option<u32>, Malformed> {
        self.start(&Shell::default(), out);
        let (next, kind) = (self.next_index, Kind::of(&head));
        let slot = self.slot(place)?;
        if slot.closed {
            return Ok(None);
        }
        if let Some((index, open)) = slot.block {
            return Ok(Some(index).filter(|_| open == kind));
        }
        slot.block = Some((next, kind));
        self.next_index += 1;
        self.calls |= kind == Kind::Call;
        out.push(Event::BlockStart { index: next, head });
        Ok(Some(next))
    }

    fn close(&mut self, place: Place, out: &mut Vec<Event>) {
        if let Some(slot) = self.places.get_mut(&place).filter(|slot| !slot.closed && slot.block.is_some()) {
            slot.closed = true;
            out.extend(slot.block.map(|(index, _)| Event::BlockStop { index }));
        }
    }

    /// How likely the tokens of a text are. What repeats the text repeats them too.
    fn logprobs(&mut self, place: Place, list: Option<&RawValue>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        match list.map(|list| logprobs::read(list.get())) {
            Some(Some(tokens)) if !tokens.is_empty() => {
                self.slot(place)?.told = true;
                self.start(&Shell::default(), out);
                out.push(Event::Logprobs(tokens));
            }
            Some(None) => self.losses.add(Loss::dropped("output.content.logprobs")),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, place: Place, head: BlockHead, text: &str, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if text.is_empty() {
            return Ok(());
        }
        let refusal = head == BlockHead::Refusal;
        if let Some(index) = self.open(place, head, out)? {
            self.slot(place)?.said = true;
            let text = text.to_owned();
            let delta = if refusal { Delta::Refusal(text) } else { Delta::Text(text) };
            out.push(Event::Delta { index, delta });
        }
        Ok(())
    }

    /// The whole text of a part, where no piece of it came before.
    fn rest(&mut self, place: Place, head: BlockHead, text: &str, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let said = self.places.get(&place).is_some_and(|slot| slot.said);
        if said { Ok(()) } else { self.text(place, head, text, out) }
    }

    fn thought(&mut self, place: Place, nth: (bool, u32), text: &str, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if text.is_empty() {
            return Ok(());
        }
        let Some(index) = self.open(place, BlockHead::Reasoning, out)? else { return Ok(()) };
        let slot = self.slot(place)?;
        let last = slot.part.replace(nth);
        slot.said = true;
        let between = match last {
            // Where a summary is given, the long form beside it is not.
            Some((raw, _)) if raw != nth.0 => {
                slot.part = last;
                return Ok(());
            }
            Some((_, part)) if part != nth.1 => BETWEEN,
            _ => "",
        };
        out.push(Event::Delta { index, delta: Delta::Reasoning(format!("{between}{text}")) });
        Ok(())
    }

    fn arguments(&mut self, place: Place, text: &str, whole: bool, out: &mut Vec<Event>) {
        let Some(slot) = self.places.get_mut(&place).filter(|slot| !slot.closed) else { return };
        let heard = text.is_empty() || whole && slot.said;
        if let Some((index, Kind::Call)) = slot.block.filter(|_| !heard) {
            slot.said = true;
            out.push(Event::Delta { index, delta: Delta::Arguments(text.to_owned()) });
        }
    }

    fn item_added(&mut self, place: Place, raw: Option<&RawValue>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let item = item(raw)?;
        if output::kind(&item, "item")? == "function_call" {
            // Some servers write the arguments here already, and again in pieces.
            self.call(place, item, false, out)?;
        }
        Ok(())
    }

    /// Begins a call, where it has a name already; a whole one must have it.
    fn call(&mut self, place: Place, item: Value, whole: bool, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let is_named = item.get("name").is_some_and(|name| name != "");
        if !is_named && !whole {
            return Ok(());
        }
        let block = output::function_call(&mut Fields::of("item", item)?)?;
        if let BlockKind::ToolCall { id, name, arguments, .. } = block.kind {
            let proof = self.proofs.iter().position(|(call, _)| *call == id).map(|at| self.proofs.swap_remove(at).1);
            let index = self.open(place, BlockHead::ToolCall { id, name }, out)?;
            if let (Some(index), Some(proof)) = (index, proof) {
                out.push(Event::Delta { index, delta: Delta::Signature(proof) });
            }
            if whole {
                self.arguments(place, &arguments, true, out);
            }
        }
        Ok(())
    }

    fn item_done(&mut self, place: Place, raw: Option<&RawValue>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let item = item(raw)?;
        match output::kind(&item, "item")? {
            "message" => self.message_done(place.0, &item, out)?,
            "function_call" => self.call(place, item, true, out)?,
            "reasoning" => self.reasoning_done(place, item, out)?,
            "image_generation_call" => {
                let block = output::image(&item).unwrap_or_else(|| response_decode::opaque(item));
                self.whole(place, block, out)?;
            }
            _ => self.whole(place, response_decode::opaque(item), out)?,
        }
        self.close(place, out);
        Ok(())
    }

    fn whole(&mut self, place: Place, block: Block, out: &mut Vec<Event>) -> Result<(), Malformed> {
        self.open(place, BlockHead::Whole(Box::new(block)), out)?;
        self.close(place, out);
        Ok(())
    }

    /// Says what no event said of a message, and closes its parts.
    fn message_done(&mut self, nth: u32, item: &Value, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let parts = if let Some(Value::Array(parts)) = item.get("content") { parts.as_slice() } else { &[] };
        for (at, part) in (0..).zip(parts) {
            let word = |field: &str| part.get(field).and_then(Value::as_str);
            let place = (nth, Some(at));
            if let Some(text) = word("refusal") {
                self.rest(place, BlockHead::Refusal, text, out)?;
            } else {
                self.rest(place, BlockHead::Text, word("text").unwrap_or_default(), out)?;
            }
        }
        let open: Vec<Place> =
            self.places.range((nth, None)..=(nth, Some(u32::MAX))).map(|(place, _)| *place).collect();
        open.into_iter().for_each(|place| self.close(place, out));
        Ok(())
    }

    fn reasoning_done(&mut self, place: Place, item: Value, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let (block, sealed) = output::reasoning(&mut Fields::of("item", item)?)?;
        if let Some(Sealed::Call { id, signature }) = sealed {
            self.proofs.push((id, signature));
        }
        let Some(BlockKind::Reasoning { text, signature, redacted }) = block.map(|block| block.kind) else {
            return Ok(());
        };
        if !self.places.get(&place).is_some_and(|slot| slot.said) {
            self.thought(place, (false, 0), &text, out)?;
        }
        let seals = [signature.map(Delta::Signature), redacted.map(Delta::Redacted)];
        if let Some(index) = self.open(place, BlockHead::Reasoning, out)? {
            out.extend(seals.into_iter().flatten().map(|delta| Event::Delta { index, delta }));
        }
        Ok(())
    }

    fn end_with(&mut self, raw: &RawValue, kind: &str, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let shell = Shell::parse(raw)?;
        self.start(&shell, out);
        let used = shell.usage.and_then(|raw| usage::read(raw.get()));
        out.extend(used.map(Event::Usage));
        let ended = shell.ending(kind);
        let Some(mut ended) = ended else {
            let response = serde_json::from_str(raw.get()).unwrap_or_default();
            out.push(Event::Error(Box::new(fault::of_response(&response, self.phase()))));
            self.ended = true;
            return Ok(());
        };
        if self.next_index == 0 {
            self.unsaid(raw, out)?;
        }
        let places: Vec<Place> = self.places.keys().copied().collect();
        places.into_iter().for_each(|place| self.close(place, out));
        if self.calls && ended == Finish::Stop {
            ended = Finish::ToolUse;
        }
        out.push(Event::Finish(ended));
        self.ended = true;
        Ok(())
    }

    /// A stream that holds its answer in the last event alone.
    fn unsaid(&mut self, raw: &RawValue, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let mut response: Value = serde_json::from_str(raw.get()).map_err(|error| wire::unreadable(&error))?;
        let Some(Value::Array(items)) = response.get_mut("output").map(Value::take) else { return Ok(()) };
        let mut losses = Vec::new();
        let (blocks, logprobs) = response_decode::blocks(items, &mut losses)?;
        self.losses.extend(losses);
        self.calls = response_decode::has_calls(&blocks);
        let answer = Response { blocks, logprobs, ..Response::default() };
        let events = fold::unfold(&answer).into_iter();
        out.extend(events.filter(|event| !matches!(event, Event::Start { .. } | Event::Finish(_))));
        Ok(())
    }

    const fn phase(&self) -> Phase {
        if self.next_index > 0 { Phase::AfterCommit } else { Phase::BeforeCommit }
    }
}

fn item(raw: Option<&RawValue>) -> Result<Value, Malformed> {
    let raw = raw.ok_or_else(|| Malformed::new("item", "is required"))?;
    serde_json::from_str(raw.get()).map_err(|error| wire::unreadable(&error))
}

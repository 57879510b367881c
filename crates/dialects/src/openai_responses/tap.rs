//! Reads a copy of a relayed answer.

use ringmain_core::{Fault, Phase};
use serde_json::Value;
use serde_json::value::RawValue;

use super::stream_encode::{Encoder, GoingOn, failure};
use super::wire::{self, Item, Shell, Wire};
use super::{fault, finish, usage};
use crate::codec::{Framing, Glance, StreamEncoder, StreamStart, Tap};
use crate::continuation::{Barrier, Kind, SoFar};
use crate::ir::Finish;
use crate::shared::borrowed::borrowed;

/// Bytes of finished items kept, at most: an answer is not continued beyond them, since its last event repeats them.
const ITEMS_MAX: usize = 256 * 1024;

/// What has been seen of one answer.
#[derive(Debug, Default)]
pub(super) struct Reader {
    id: String,
    model: String,
    created: u64,
    /// The number of the next event, to go on with.
    sequence: u64,
    useful: bool,
    /// The last event came, and it was no error.
    whole: bool,
    so_far: SoFar,
    /// The items that are done, which the last event is to repeat, and their size.
    items: Vec<Value>,
    items_size: usize,
    /// The message that is open: its id, its finished parts, and where in the text the open part begins.
    message: Option<(String, Vec<Value>)>,
    part_from: usize,
}

impl Reader {
    const fn phase(&self) -> Phase {
        if self.useful { Phase::AfterCommit } else { Phase::BeforeCommit }
    }

    fn begin(&mut self, shell: &Shell<'_>) {
        if self.id.is_empty() {
            self.id = shell.id.as_ref().map(|id| id.0.as_ref().to_owned()).unwrap_or_default();
            self.model = shell.model.as_ref().map(|model| model.0.as_ref().to_owned()).unwrap_or_default();
            self.created = shell.created().unwrap_or(0);
        }
    }

    /// Follows what is said, for as long as somebody else could go on with it.
    fn follow(&mut self, wire: &Wire<'_>, kind: &str) {
        if !self.so_far.keeps() {
            // Its size is counted all the same.
            if kind == "response.output_text.delta" {
                self.so_far.thought(&wire::text(wire.delta).unwrap_or(wire::NOTHING).0);
            }
            return;
        }
        match kind {
            "response.output_text.delta" => match wire::text(wire.delta) {
                Ok(text) => self.so_far.text(&text.0),
                Err(_) => self.so_far.bar(Barrier::Unknown),
            },
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.so_far.thought(&wire::text(wire.delta).unwrap_or(wire::NOTHING).0);
            }
            "response.output_item.added" => self.added(&value(wire.item)),
            "response.content_part.added" => {
                self.part_from = self.so_far.len();
                if wire.part.is_some_and(|raw| value(Some(raw))["type"] != "output_text") {
                    self.so_far.bar(Barrier::NotText);
                }
                self.so_far.stands_in(Kind::Text);
            }
            "response.content_part.done" => {
                if let (Some((_, parts)), Some(raw)) = (&mut self.message, wire.part) {
                    parts.push(value(Some(raw)));
                }
                self.so_far.close();
            }
            "response.output_item.done" => {
                self.items_size += wire.item.map_or(0, |raw| raw.get().len());
                if self.items_size > ITEMS_MAX {
                    self.so_far.bar(Barrier::TooLong);
                    self.items = Vec::new();
                    return;
                }
                let item = value(wire.item);
                if item["type"] == "reasoning" {
                    self.so_far.leave();
                }
                self.items.push(item);
                self.message = None;
            }
            "response.refusal.delta" => self.so_far.bar(Barrier::Refusal),
            "response.output_text.annotation.added" => self.so_far.bar(Barrier::NotText),
            _ => {}
        }
    }

    fn added(&mut self, item: &Value) {
        match item["type"].as_str().unwrap_or_default() {
            "message" => self.message = Some((item["id"].as_str().unwrap_or_default().to_owned(), Vec::new())),
            "reasoning" => self.so_far.enter(Barrier::SignedReasoning),
            "function_call" | "custom_tool_call" => self.so_far.bar(Barrier::ToolCall),
            _ => self.so_far.bar(Barrier::NotText),
        }
    }

    /// The end of an answer, in a stream or whole.
    fn end(&mut self, shell: &Shell<'_>, ended: Option<Finish>, json: &[u8], glance: &mut Glance) {
        glance.usage = shell.usage.and_then(|raw| usage::read(raw.get()));
        glance.terminal = true;
        self.whole = ended.is_some();
        match ended {
            Some(finish) => {
                glance.finished = true;
                glance.refused = finish == Finish::Refusal;
            }
            None => {
                let response = serde_json::from_slice(json).unwrap_or_default();
                glance.error = Some(Box::new(fault::of_response(&response, self.phase())));
            }
        }
    }

    fn read(&mut self, wire: &Wire<'_>, name: Option<&str>, data: &[u8]) -> Option<Glance> {
        let mut glance = Glance::default();
        if wire.is_error(name) {
            glance.terminal = true;
            glance.error = Some(Box::new(fault::of_stream(data, self.phase())));
            return Some(glance);
        }
        match wire.kind(name) {
            "response.output_text.delta"
            | "response.refusal.delta"
            | "response.reasoning_summary_text.delta"
            | "response.reasoning_text.delta"
            | "response.function_call_arguments.delta" => {
                glance.useful = wire.delta.is_some_and(|delta| delta.get() != "\"\"");
            }
            "response.output_text.annotation.added" => glance.useful = true,
            // A call of whatever tool; a message or a thought says nothing yet.
            "response.output_item.added" => {
                let item: Item<'_> = serde_json::from_str(wire.item?.get()).ok()?;
                glance.useful = !matches!(item.kind(), "message" | "reasoning");
            }
            "response.output_item.done" => {
                let item: Item<'_> = serde_json::from_str(wire.item?.get()).ok()?;
                glance.useful = item.says();
            }
            "response.created" | "response.in_progress" | "response.queued" => {
                self.begin(&Shell::parse(wire.response?).ok()?);
            }
            "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" => {
                let raw = wire.response?;
                let shell = Shell::parse(raw).ok()?;
                self.begin(&shell);
                glance.useful = shell.output.iter().flatten().any(Item::says);
                self.end(&shell, shell.ending(wire.kind(name)), raw.get().as_bytes(), &mut glance);
            }
            _ => {}
        }
        Some(glance)
    }
}

fn value(raw: Option<&RawValue>) -> Value {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

impl Tap for Reader {
    fn event(&mut self, name: Option<&str>, data: &[u8]) -> Glance {
        let data = data.trim_ascii();
        // Some servers of this dialect end their streams with a marker; it means nothing here.
        if data.is_empty() || data == b"[DONE]" {
            return Glance::default();
        }
        let wire = Wire::parse(data);
        let glance = wire.ok().and_then(|wire| {
            let glance = self.read(&wire, name, data)?;
            // An error is not passed on: another is written in its place.
            if glance.error.is_none() {
                self.follow(&wire, wire.kind(name));
                self.sequence = wire.sequence_number.map_or(self.sequence, |number| number.saturating_add(1));
            }
            Some(glance)
        });
        let glance = glance.unwrap_or_else(|| Glance { malformed: true, ..Glance::default() });
        self.useful |= glance.useful;
        glance
    }

    fn body(&mut self, body: &[u8]) -> Glance {
        let Ok(shell) = borrowed::<Shell<'_>>(body) else {
            return Glance { malformed: true, ..Glance::default() };
        };
        let mut glance = Glance::default();
        if shell.output.is_none() && !shell.failed() {
            glance.malformed = true;
            return glance;
        }
        // An answer that is made in the background is asked for later: that it is on its way is all it says.
        let later = matches!(shell.status(), "queued" | "in_progress");
        glance.useful = later || shell.output.iter().flatten().any(Item::says);
        let ended = if later { Some(Finish::Stop) } else { finish::read(shell.status(), shell.reason(), false) };
        self.end(&shell, ended.filter(|_| !shell.failed()), body, &mut glance);
        glance
    }

    fn is_whole(&self, _lenient: bool) -> bool {
        self.whole
    }

    fn so_far(&mut self) -> &mut SoFar {
        &mut self.so_far
    }

    fn take_over(&mut self, start: &StreamStart) -> Box<dyn StreamEncoder> {
        let in_text = self.so_far.place().open.is_some();
        let going_on = GoingOn {
            sequence: self.sequence,
            items: std::mem::take(&mut self.items),
            message: self.message.take(),
            text: in_text.then(|| self.so_far.text_from(self.part_from).to_owned()),
        };
        let created = if self.created > 0 { self.created } else { start.created };
        let start = StreamStart { created, ..start.as_begun(&self.id, &self.model) };
        Box::new(Encoder::going_on(&start, going_on))
    }

    fn encode_error(&self, found: &Fault, _request_id: &str, _framing: Framing) -> Vec<u8> {
        let mut out = Vec::new();
        let shell = super::response_encode::Shell { id: &self.id, model: &self.model, created: self.created };
        failure(&shell, found, self.sequence, Vec::new(), &mut out);
        out
    }
}

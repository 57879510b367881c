//! Reads a copy of a relayed answer.

use ringmain_core::{Fault, Phase};

use super::stream_encode::failure;
use super::wire::{Item, Shell, Wire};
use super::{fault, finish, usage};
use crate::codec::{Framing, Glance, Tap};
use crate::ir::Finish;
use crate::shared::borrowed::borrowed;

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

    fn encode_error(&self, found: &Fault, _request_id: &str, _framing: Framing) -> Vec<u8> {
        let mut out = Vec::new();
        let shell = super::response_encode::Shell { id: &self.id, model: &self.model, created: self.created };
        failure(&shell, found, self.sequence, Vec::new(), &mut out);
        out
    }
}

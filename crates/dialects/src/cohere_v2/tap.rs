//! Reads a copy of an answer that is relayed.

use ringmain_core::{Fault, Phase};

use super::stream_decode::broken;
use super::stream_encode::Encoder;
use super::wire::{Content, Whole, WholeMessage, Wire, word};
use super::{fault, finish};
use crate::codec::{Framing, Glance, StreamEncoder, StreamStart, Tap};
use crate::continuation::{Barrier, Kind, SoFar};
use crate::ir::Finish;
use crate::shared::borrowed::{Text, borrowed};

/// Follows one answer.
#[derive(Debug, Default)]
pub(super) struct ChatTap {
    useful: bool,
    /// The answer's last event was seen.
    finished: bool,
    so_far: SoFar,
    id: String,
    /// The index of the content that is open, or of the next.
    index: u32,
}

fn malformed() -> Glance {
    Glance { malformed: true, ..Glance::default() }
}

impl ChatTap {
    const fn phase(&self) -> Phase {
        if self.useful { Phase::AfterCommit } else { Phase::BeforeCommit }
    }

    fn said(&mut self, index: Option<u64>, content: &Content<'_>) {
        self.index = index.and_then(|index| u32::try_from(index).ok()).unwrap_or(self.index);
        let (text, thinking) = (word(content.text.as_ref()), word(content.thinking.as_ref()));
        let thinks = match word(content.kind.as_ref()) {
            "" => content.thinking.is_some() && content.text.is_none(),
            kind => kind == "thinking",
        };
        let kind = if thinks { Kind::Reasoning } else { Kind::Text };
        self.so_far.stands_in(kind);
        if thinks {
            self.so_far.thought(thinking);
        } else {
            self.so_far.text(text);
        }
    }

    fn stopped(&mut self, reason: Option<&Text<'_>>, error: Option<&Text<'_>>, glance: &mut Glance) {
        let reason = word(reason);
        let error = error.map(|error| error.0.as_ref());
        if let Some(found) = broken(reason, error, self.phase()) {
            glance.error = Some(Box::new(found));
            return;
        }
        self.finished = true;
        glance.finished = true;
        glance.refused = finish::read(reason) == Finish::Refusal;
    }
}

impl Tap for ChatTap {
    fn event(&mut self, name: Option<&str>, data: &[u8]) -> Glance {
        let data = data.trim_ascii();
        if data.is_empty() {
            return Glance::default();
        }
        if data == b"[DONE]" {
            // Behind the last event, and not always there: a stream without it is whole too.
            return Glance { terminal: self.finished, ..Glance::default() };
        }
        if self.finished {
            return malformed();
        }
        let Ok(wire) = borrowed::<Wire<'_>>(data) else { return malformed() };
        let mut glance = Glance::default();
        if wire.is_error(name) {
            glance.error = Some(Box::new(fault::of_stream(data, self.phase())));
            return glance;
        }
        let message = wire.message();
        match wire.kind(name) {
            "content-start" | "content-delta" => match message.and_then(|message| message.content.0.as_ref()) {
                Some(content) => {
                    glance.useful = content.is_useful();
                    self.said(wire.index, content);
                }
                None => return malformed(),
            },
            "message-start" => self.id = word(wire.id.as_ref()).to_owned(),
            "content-end" => {
                self.so_far.close();
                self.index += 1;
            }
            "tool-plan-delta" => {
                self.so_far.bar(Barrier::ToolCall);
                let plan = message.and_then(|message| message.tool_plan.as_ref());
                glance.useful = !word(plan).is_empty();
            }
            "tool-call-start" => match message.and_then(|message| message.tool_calls.0.as_ref()) {
                Some(call) if !call.name().is_empty() => {
                    glance.useful = true;
                    self.so_far.bar(Barrier::ToolCall);
                }
                _ => return malformed(),
            },
            "tool-call-delta" => match message.and_then(|message| message.tool_calls.0.as_ref()) {
                Some(call) => glance.useful = !call.arguments().is_empty(),
                None => return malformed(),
            },
            "citation-start" => {
                glance.useful = message.is_some_and(|message| message.citations.is_some());
                self.so_far.bar(Barrier::NotText);
            }
            "message-end" => {
                let delta = wire.delta.as_ref();
                glance.usage = delta.and_then(|delta| delta.usage?.usage());
                let reason = delta.and_then(|delta| delta.finish_reason.as_ref());
                self.stopped(reason, delta.and_then(|delta| delta.error.as_ref()), &mut glance);
            }
            _ => {}
        }
        self.useful |= glance.useful;
        glance
    }

    fn body(&mut self, body: &[u8]) -> Glance {
        let Ok(whole) = borrowed::<Whole<'_>>(body) else { return malformed() };
        let Some(message) = whole.message else { return malformed() };
        let mut glance = Glance { terminal: true, ..Glance::default() };
        if message.get().starts_with('"') {
            glance.error = Some(Box::new(fault::of_stream(body, Phase::BeforeCommit)));
            return glance;
        }
        let Ok(message) = serde_json::from_str::<WholeMessage<'_>>(message.get()) else { return malformed() };
        glance.useful = message.is_useful();
        glance.usage = whole.usage.and_then(|usage| usage.usage());
        self.useful = glance.useful;
        self.stopped(whole.finish_reason.as_ref(), None, &mut glance);
        glance
    }

    fn is_whole(&self, _lenient: bool) -> bool {
        self.finished
    }

    fn so_far(&mut self) -> &mut SoFar {
        &mut self.so_far
    }

    fn take_over(&mut self, start: &StreamStart) -> Box<dyn StreamEncoder> {
        let open = self.so_far.place().open.map(|(_, kind)| kind);
        Box::new(Encoder::going_on(&start.as_begun(&self.id, ""), self.index, open))
    }

    fn encode_error(&self, found: &Fault, _request_id: &str, _framing: Framing) -> Vec<u8> {
        let mut out = Vec::new();
        fault::encode_event(found, None, &mut out);
        out
    }
}

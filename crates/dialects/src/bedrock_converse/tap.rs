//! Reads a copy of an answer that is relayed.

use std::borrow::Cow;

use ringmain_core::Fault;
use ringmain_wire::event_stream::EXCEPTION_PREFIX;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::stream_encode::Encoder;
use super::usage::WireUsage;
use super::{fault, stop_reason};
use crate::codec::{Framing, Glance, StreamEncoder, StreamStart, Tap};
use crate::continuation::{Barrier, Kind, SoFar};
use crate::shared::borrowed::borrowed;

/// Follows one answer.
#[derive(Debug, Default)]
pub(super) struct ConverseTap {
    /// A stop reason was given.
    finished: bool,
    /// The count of tokens came, which mostly is last.
    counted: bool,
    so_far: SoFar,
    /// The index of the block that is open, or of the next.
    index: u32,
}

/// An event, by all that any of them may hold.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    start: Option<Start>,
    #[serde(borrow)]
    delta: Option<Piece<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Cow<'a, str>>,
    usage: Option<WireUsage>,
    #[serde(default)]
    content_block_index: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    tool_use: Option<IgnoredAny>,
    tool_result: Option<IgnoredAny>,
    image: Option<IgnoredAny>,
}

/// A block, or a piece of one: what may be useful in it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Piece<'a> {
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    #[serde(borrow)]
    reasoning_content: Option<Thought<'a>>,
    tool_use: Option<IgnoredAny>,
    tool_result: Option<IgnoredAny>,
    citation: Option<IgnoredAny>,
    citations_content: Option<IgnoredAny>,
    image: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thought<'a> {
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    #[serde(borrow)]
    reasoning_text: Option<Said<'a>>,
}

#[derive(Debug, Deserialize)]
struct Said<'a> {
    #[serde(borrow, default)]
    text: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    output: Option<Output<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Cow<'a, str>>,
    usage: Option<WireUsage>,
}

#[derive(Debug, Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Option<Message<'a>>,
}

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Vec<Piece<'a>>,
}

impl Piece<'_> {
    fn is_useful(&self) -> bool {
        let thought = self.reasoning_content.as_ref();
        let thinks = thought.is_some_and(|thought| {
            !thought.text.is_empty() || thought.reasoning_text.as_ref().is_some_and(|said| !said.text.is_empty())
        });
        let others = [&self.tool_use, &self.tool_result, &self.citation, &self.citations_content, &self.image];
        thinks || !self.text.is_empty() || others.iter().any(|other| other.is_some())
    }
}

fn malformed() -> Glance {
    Glance { malformed: true, ..Glance::default() }
}

impl ConverseTap {
    fn more(&mut self, index: u32, piece: &Piece<'_>) {
        self.index = index;
        if let Some(thought) = &piece.reasoning_content {
            self.so_far.enter(Barrier::SignedReasoning);
            self.so_far.thought(&thought.text);
        } else if piece.tool_use.is_some() {
            self.so_far.bar(Barrier::ToolCall);
        } else if piece.is_useful() && piece.text.is_empty() {
            self.so_far.bar(Barrier::NotText);
        } else {
            self.so_far.stands_in(Kind::Text);
            self.so_far.text(&piece.text);
        }
    }

    fn stopped(&mut self, reason: Option<&str>, glance: &mut Glance) {
        if let Some(reason) = reason {
            self.finished = true;
            glance.finished = true;
            glance.refused = stop_reason::is_refusal(reason);
        }
    }
}

impl Tap for ConverseTap {
    fn event(&mut self, name: Option<&str>, data: &[u8]) -> Glance {
        let name = name.unwrap_or_default();
        if let Some(exception) = name.strip_prefix(EXCEPTION_PREFIX) {
            let error = Some(Box::new(fault::decode_event(exception, data)));
            return Glance { terminal: true, error, ..Glance::default() };
        }
        let known =
            ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"];
        if !known.contains(&name) {
            return Glance::default();
        }
        let Ok(wire) = borrowed::<Wire<'_>>(data) else { return malformed() };
        let mut glance = Glance::default();
        match name {
            "contentBlockStart" => {
                match &wire.start {
                    Some(start) if start.tool_use.is_some() => self.so_far.bar(Barrier::ToolCall),
                    Some(start) if start.tool_result.is_some() || start.image.is_some() => {
                        self.so_far.bar(Barrier::NotText);
                    }
                    Some(_) | None => {}
                }
                glance.useful = wire.start.is_some_and(|start| {
                    start.tool_use.is_some() || start.tool_result.is_some() || start.image.is_some()
                });
            }
            "contentBlockDelta" => match wire.delta {
                Some(delta) => {
                    glance.useful = delta.is_useful();
                    self.more(wire.content_block_index, &delta);
                }
                None => return malformed(),
            },
            "contentBlockStop" => {
                self.index = wire.content_block_index.saturating_add(1);
                self.so_far.close();
            }
            "messageStop" => match wire.stop_reason {
                Some(reason) => self.stopped(Some(&reason), &mut glance),
                None => return malformed(),
            },
            "metadata" => {
                self.counted = true;
                glance.usage = wire.usage.and_then(|usage| usage.usage());
            }
            _ => {}
        }
        glance.terminal = self.finished && self.counted;
        glance
    }

    fn body(&mut self, body: &[u8]) -> Glance {
        let Ok(answer) = borrowed::<Body<'_>>(body) else { return malformed() };
        let Some(message) = answer.output.and_then(|output| output.message) else { return malformed() };
        let mut glance = Glance { terminal: true, ..Glance::default() };
        glance.useful = message.content.iter().any(Piece::is_useful);
        glance.usage = answer.usage.and_then(|usage| usage.usage());
        self.stopped(answer.stop_reason.as_deref(), &mut glance);
        self.finished = true;
        glance
    }

    fn is_whole(&self, _lenient: bool) -> bool {
        self.finished
    }

    fn so_far(&mut self) -> &mut SoFar {
        &mut self.so_far
    }

    fn take_over(&mut self, _start: &StreamStart) -> Box<dyn StreamEncoder> {
        Box::new(Encoder::going_on(self.index, self.so_far.place().open.is_some()))
    }

    fn encode_error(&self, fault: &Fault, _request_id: &str, _framing: Framing) -> Vec<u8> {
        let mut out = Vec::new();
        fault::encode_event(fault, &mut out);
        out
    }
}

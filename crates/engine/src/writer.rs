//! What is done with each event of a provider's stream: passed on as it is, or translated; gathered, where it is the
//! second half of an answer that broke off.

mod half;

use std::collections::VecDeque;

use bytes::Bytes;
use ringmain_core::{Fault, Loss, Usage};
use ringmain_dialects::continuation::SoFar;
use ringmain_dialects::freeform::Calls;
use ringmain_dialects::ir::Event;
use ringmain_dialects::{Codec, Framing, StreamDecoder, StreamEncoder, StreamStart, Tap};
use ringmain_operations::images::openai::{Glance, Watch};
use ringmain_wire::json_array::JsonArrayEncoder;

use crate::frames::Frame;
use crate::kept::Seal;
use crate::pins::Learner;
use half::Events;
pub use half::{Gathered, Second};

/// What a stream has shown so far.
#[derive(Debug, Default)]
pub struct Seen {
    /// Something a caller waits for has come.
    pub useful: bool,
    /// A reason to stop has come, and it is a content filter.
    pub refused: bool,
    /// Its last event has come.
    pub terminal: bool,
    /// What it used.
    pub usage: Option<Usage>,
}

/// A stream's events on their way out.
pub struct Writer {
    way: Way,
    seen: Seen,
    skipped: u32,
    error: Option<Fault>,
}

enum Way {
    /// Same dialect: the same bytes, read along by a tap.
    Relay {
        codec: &'static dyn Codec,
        tap: Box<dyn Tap>,
        strip_usage: bool,
        framing: Framing,
        array: Option<JsonArrayEncoder>,
        learner: Option<Box<Learner>>,
    },
    /// Another dialect, or the second half of an answer: through events.
    Translate {
        decoder: Box<dyn StreamDecoder>,
        encoder: Box<dyn StreamEncoder>,
        seal: Option<Box<Seal>>,
        events: Box<Events>,
    },
    /// Images while they are made: the same bytes, and each picture is looked at.
    Images { codec: &'static dyn Codec, watch: Box<Watch> },
    /// The second half of an answer, on its own for now: its events wait.
    Gather { decoder: Box<dyn StreamDecoder>, events: Vec<Event>, looked: usize, calls: Option<Calls> },
    /// Its events have gone over to the first half.
    Gone,
}

impl Writer {
    /// Passes events on. `strip_usage`: we asked for usage, the caller did not. `learner` remembers whom it is of.
    #[must_use]
    pub fn relay(
        codec: &'static dyn Codec,
        strip_usage: bool,
        framing: Framing,
        learner: Option<Box<Learner>>,
    ) -> Self {
        Self::of(Way::Relay { codec, tap: codec.tap(), strip_usage, framing, array: None, learner })
    }

    /// Translates events. `seal`: what is done with the proofs in them. `signs`: the provider signs its thinking, and the
    /// caller sees the signature. `calls`: what becomes of calls that stand for free-form tools.
    #[must_use]
    pub fn translate(
        decoder: Box<dyn StreamDecoder>,
        encoder: Box<dyn StreamEncoder>,
        seal: Option<Box<Seal>>,
        signs: bool,
        calls: Option<Calls>,
    ) -> Self {
        Self::of(Way::Translate { decoder, encoder, seal, events: Events::new(signs, calls) })
    }

    /// Passes images on while they are made. `codec`: of the dialect whose errors and keep-alives the caller reads.
    #[must_use]
    pub fn images(codec: &'static dyn Codec, watch: Watch) -> Self {
        Self::of(Way::Images { codec, watch: Box::new(watch) })
    }

    fn of(way: Way) -> Self {
        Self { way, seen: Seen::default(), skipped: 0, error: None }
    }

    /// Keeps what somebody needs to go on with this answer, if it breaks off. For its beginning.
    pub fn keep(&mut self) {
        if let Some(so_far) = self.so_far() {
            so_far.keep();
        }
    }

    /// What the answer has said so far; `None` for what nobody can go on with.
    pub fn so_far(&mut self) -> Option<&mut SoFar> {
        match &mut self.way {
            Way::Relay { tap, .. } => Some(tap.so_far()),
            Way::Translate { events, .. } => Some(events.so_far()),
            Way::Images { .. } | Way::Gather { .. } | Way::Gone => None,
        }
    }

    /// What has been seen.
    #[must_use]
    pub const fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Unreadable events since this was last asked.
    pub const fn take_skipped(&mut self) -> u32 {
        std::mem::replace(&mut self.skipped, 0)
    }

    /// The error the stream said of itself, once.
    pub const fn take_error(&mut self) -> Option<Fault> {
        self.error.take()
    }

    /// What of the answer the caller's dialect could not carry, since this was last asked.
    pub fn take_losses(&mut self) -> Vec<Loss> {
        match &mut self.way {
            Way::Relay { .. } | Way::Images { .. } => Vec::new(),
            Way::Translate { decoder, encoder, .. } => {
                let mut losses = decoder.take_losses();
                losses.extend(encoder.take_losses());
                losses
            }
            Way::Gather { decoder, .. } => decoder.take_losses(),
            Way::Gone => Vec::new(),
        }
    }

    /// Takes one event of `chunk`; what goes out is appended to `out`.
    pub fn frame(&mut self, frame: &Frame, chunk: &Bytes, out: &mut VecDeque<Bytes>) {
        if self.seen.terminal || self.error.is_some() {
            return;
        }
        if frame.is_comment() {
            return;
        }
        let (name, data) = (frame.event(), frame.data());
        match &mut self.way {
            Way::Relay { tap, strip_usage, framing, array, learner, .. } => {
                learner.iter_mut().for_each(|learner| learner.event(&data));
                let glance = tap.event(name.as_deref(), &data);
                self.seen.useful |= glance.useful;
                self.seen.refused |= glance.refused;
                self.seen.terminal |= glance.terminal;
                self.seen.usage = glance.usage.or(self.seen.usage);
                if glance.malformed {
                    self.skipped += 1;
                } else if let Some(fault) = glance.error {
                    self.error = Some(*fault);
                } else if !(glance.premature || glance.usage_only && *strip_usage) {
                    match framing {
                        Framing::Sse | Framing::EventStream => push(out, chunk, frame.raw()),
                        Framing::JsonArray => out.push_back(element(array, &data)),
                    }
                }
            }
            Way::Translate { decoder, encoder, seal, events } => {
                if decoder.event(name.as_deref(), &data, &mut events.list).is_err() {
                    self.skipped += 1;
                }
                proofs(seal, &mut events.list);
                events.encode(encoder.as_mut(), &mut self.seen, &mut self.error, out);
            }
            Way::Images { watch, .. } => match watch.event(&data) {
                Glance::Malformed => self.skipped += 1,
                Glance::Failed(fault) => self.error = Some(*fault),
                glance @ (Glance::Image | Glance::Other) => {
                    self.seen.useful |= glance == Glance::Image;
                    self.seen.terminal |= watch.is_whole();
                    self.seen.usage = watch.usage();
                    push(out, chunk, frame.raw());
                }
            },
            Way::Gather { decoder, events, looked, .. } => {
                if decoder.event(name.as_deref(), &data, events).is_err() {
                    self.skipped += 1;
                }
                half::look(events, looked, &mut self.seen, &mut self.error);
            }
            Way::Gone => {}
        }
    }

    /// The stream ended. True if the answer is whole.
    pub fn end(&mut self, lenient: bool, out: &mut VecDeque<Bytes>) -> bool {
        match &mut self.way {
            Way::Relay { tap, framing, array, .. } => {
                let whole = self.seen.terminal || tap.is_whole(lenient);
                if whole && *framing == Framing::JsonArray {
                    out.push_back(close(array));
                } else if whole && !self.seen.terminal && !tap.end_marker().is_empty() {
                    out.push_back(Bytes::from_static(tap.end_marker()));
                }
                whole
            }
            Way::Translate { decoder, encoder, seal, events } => {
                if self.seen.terminal {
                    return true;
                }
                let whole = decoder.end(lenient, &mut events.list).is_ok();
                proofs(seal, &mut events.list);
                events.encode(encoder.as_mut(), &mut self.seen, &mut self.error, out);
                whole && self.error.is_none()
            }
            Way::Images { watch, .. } => watch.is_whole(),
            Way::Gather { decoder, events, looked, .. } => {
                let whole = self.seen.terminal || decoder.end(lenient, events).is_ok();
                half::look(events, looked, &mut self.seen, &mut self.error);
                whole && self.error.is_none()
            }
            Way::Gone => false,
        }
    }

    /// Ends the caller's stream with an error that its SDK raises on.
    pub fn error(&mut self, fault: &Fault, request_id: &str, out: &mut VecDeque<Bytes>) {
        match &mut self.way {
            Way::Relay { tap, framing, array, .. } => {
                let bytes = match framing {
                    Framing::Sse | Framing::EventStream => tap.encode_error(fault, request_id, *framing).into(),
                    Framing::JsonArray => {
                        let mut bytes =
                            element(array, &tap.encode_error(fault, request_id, Framing::JsonArray)).to_vec();
                        bytes.extend_from_slice(&close(array));
                        bytes.into()
                    }
                };
                out.push_back(bytes);
            }
            Way::Translate { encoder, .. } => {
                let mut bytes = Vec::new();
                encoder.event(&Event::Error(Box::new(fault.clone())), &mut bytes);
                out.push_back(bytes.into());
            }
            Way::Images { codec, .. } => {
                out.push_back(codec.tap().encode_error(fault, request_id, Framing::Sse).into());
            }
            Way::Gather { .. } | Way::Gone => {}
        }
    }

    /// Appends what keeps a silent connection alive.
    pub fn keep_alive(&mut self, out: &mut VecDeque<Bytes>) {
        let mut bytes = Vec::new();
        match &mut self.way {
            // What means nothing differs by dialect: not every SDK takes comments.
            Way::Relay { codec, framing, .. } => {
                codec
                    .stream_encoder(&StreamStart { framing: *framing, ..StreamStart::default() })
                    .keep_alive(&mut bytes);
            }
            Way::Images { codec, .. } => codec.stream_encoder(&StreamStart::default()).keep_alive(&mut bytes),
            Way::Translate { encoder, .. } => encoder.keep_alive(&mut bytes),
            Way::Gather { .. } | Way::Gone => {}
        }
        if !bytes.is_empty() {
            out.push_back(bytes.into());
        }
    }
}

/// What is done with the proofs in events that have just come.
fn proofs(seal: &mut Option<Box<Seal>>, events: &mut [Event]) {
    if let Some(seal) = seal {
        events.iter_mut().for_each(|event| seal.event(event));
    }
}

/// Appends a frame; frames that lie side by side in the chunk become one piece again, and one write.
fn push(out: &mut VecDeque<Bytes>, chunk: &Bytes, raw: &Bytes) {
    let inside = |piece: &Bytes| {
        let start = (piece.as_ptr() as usize).checked_sub(chunk.as_ptr() as usize)?;
        (start + piece.len() <= chunk.len()).then_some(start)
    };
    if let Some(last) = out.back_mut()
        && let (Some(from), Some(to)) = (inside(last), inside(raw))
        && from + last.len() == to
    {
        *last = chunk.slice(from..to + raw.len());
        return;
    }
    out.push_back(raw.clone());
}

/// The next element of the caller's JSON array; the first opens it.
fn element(array: &mut Option<JsonArrayEncoder>, data: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(data.len() + 2);
    array.get_or_insert_with(|| JsonArrayEncoder::open(&mut bytes)).element(data, &mut bytes);
    bytes.into()
}

fn close(array: &mut Option<JsonArrayEncoder>) -> Bytes {
    let mut bytes = Vec::new();
    array.take().unwrap_or_else(|| JsonArrayEncoder::open(&mut bytes)).close(&mut bytes);
    bytes.into()
}

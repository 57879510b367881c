//! Answers as events, and how a second half goes on with a first.

use std::collections::VecDeque;

use bytes::Bytes;
use ringmain_core::{Fault, FaultClass, Origin, Phase, Usage};
use ringmain_dialects::continuation::{Form, Seam, SoFar, Splice};
use ringmain_dialects::freeform::Calls;
use ringmain_dialects::ir::{Event, Finish};
use ringmain_dialects::{StreamDecoder, StreamEncoder, StreamStart};

use super::{Seen, Way, Writer};

/// The events of one answer on their way to an encoder.
#[derive(Debug)]
pub(super) struct Events {
    /// Those that are to be encoded.
    pub(super) list: Vec<Event>,
    so_far: SoFar,
    signs: bool,
    /// Makes calls of free-form tools of those that stand for them.
    calls: Option<Calls>,
    /// Makes the events of a second half those of the first.
    splice: Option<Splice>,
    spliced: Vec<Event>,
}

/// The second half of an answer, as it was gathered.
pub struct Gathered {
    decoder: Box<dyn StreamDecoder>,
    events: Vec<Event>,
    calls: Option<Calls>,
    skipped: u32,
    error: Option<Fault>,
}

/// How a second half goes on with the first.
pub struct Second<'a> {
    /// The second half.
    pub gathered: Gathered,
    /// The text of the first, as it was when the second was asked for.
    pub first: &'a str,
    /// How the second was asked for.
    pub form: Form,
    /// What the first half used.
    pub used: Usage,
    /// What the caller is told of the answer where its stream has not said it.
    pub start: &'a StreamStart,
    /// The second half's provider signs its thinking, and the caller sees the signature.
    pub signs: bool,
    /// Says to people who read the stream that another goes on.
    pub remark: &'a str,
}

impl Events {
    pub(super) fn new(signs: bool, calls: Option<Calls>) -> Box<Self> {
        Box::new(Self { list: Vec::new(), so_far: SoFar::default(), signs, calls, splice: None, spliced: Vec::new() })
    }

    pub(super) const fn so_far(&mut self) -> &mut SoFar {
        &mut self.so_far
    }

    /// Encodes the events of the list and empties it.
    pub(super) fn encode(
        &mut self,
        encoder: &mut dyn StreamEncoder,
        seen: &mut Seen,
        error: &mut Option<Fault>,
        out: &mut VecDeque<Bytes>,
    ) {
        let mut bytes = Vec::new();
        if let Some(calls) = &mut self.calls {
            calls.events(&mut self.list);
            // The model has decided what to do, though its caller hears of it when the call is whole.
            seen.useful |= calls.holds_one();
        }
        for event in self.list.drain(..) {
            // Written by whoever decides that it is the answer.
            if !note(&event, seen, error) {
                continue;
            }
            match &mut self.splice {
                None => {
                    self.so_far.event(&event, self.signs);
                    encoder.event(&event, &mut bytes);
                }
                Some(splice) => {
                    if error.is_none() && splice.event(event, &mut self.spliced).is_err() {
                        *error = Some(diverged());
                    }
                    for event in self.spliced.drain(..) {
                        self.so_far.event(&event, self.signs);
                        encoder.event(&event, &mut bytes);
                    }
                }
            }
        }
        if !bytes.is_empty() {
            out.push_back(bytes.into());
        }
    }
}

/// What an event shows. False for an error.
fn note(event: &Event, seen: &mut Seen, error: &mut Option<Fault>) -> bool {
    seen.useful |= event.is_useful();
    seen.terminal |= event.is_terminal();
    match event {
        Event::Usage(usage) => seen.usage = Some(*usage),
        Event::Finish(finish) => seen.refused |= *finish == Finish::Refusal,
        Event::Error(fault) => {
            *error = Some((**fault).clone());
            return false;
        }
        Event::Start { .. }
        | Event::BlockStart { .. }
        | Event::Delta { .. }
        | Event::BlockStop { .. }
        | Event::Logprobs(_) => {}
    }
    true
}

/// What the events of a list show from `looked` on.
pub(super) fn look(events: &[Event], looked: &mut usize, seen: &mut Seen, error: &mut Option<Fault>) {
    for event in events.get(*looked..).unwrap_or_default() {
        note(event, seen, error);
    }
    *looked = events.len();
}

fn diverged() -> Fault {
    let message = "the answer that was to go on with another began anew and came out otherwise";
    Fault::new(FaultClass::Protocol, Origin::Provider, Phase::AfterCommit, message)
}

impl Writer {
    /// Gathers events, to go on with an answer that broke off.
    #[must_use]
    pub fn gather(decoder: Box<dyn StreamDecoder>, events: Vec<Event>, calls: Option<Calls>) -> Self {
        let mut writer = Self::of(Way::Gather { decoder, events, looked: 0, calls });
        if let Way::Gather { events, looked, .. } = &mut writer.way {
            look(events, looked, &mut writer.seen, &mut writer.error);
        }
        writer
    }

    /// Takes out what was gathered.
    pub fn take_gathered(&mut self) -> Option<Gathered> {
        match std::mem::replace(&mut self.way, Way::Gone) {
            Way::Gather { decoder, events, calls, .. } => {
                Some(Gathered { decoder, events, calls, skipped: self.take_skipped(), error: self.take_error() })
            }
            other => {
                self.way = other;
                None
            }
        }
    }

    /// From now on the events of a second half are written where the first half stands.
    pub fn go_on(&mut self, second: Second<'_>, out: &mut VecDeque<Bytes>) {
        let (mut encoder, so_far) = match std::mem::replace(&mut self.way, Way::Gone) {
            Way::Relay { mut tap, .. } => {
                let encoder = tap.take_over(second.start);
                (encoder, std::mem::take(tap.so_far()))
            }
            Way::Translate { encoder, events, .. } => (encoder, events.so_far),
            way @ Way::Images { .. } => {
                // Nobody goes on with a picture.
                self.way = way;
                return;
            }
            Way::Gather { .. } | Way::Gone => return,
        };
        let mut remark = Vec::new();
        encoder.comment(second.remark, &mut remark);
        if !remark.is_empty() {
            out.push_back(remark.into());
        }
        let Gathered { decoder, events: list, calls, skipped, error } = second.gathered;
        let seam = Seam::after(second.first, second.form);
        let splice = Some(Splice::new(so_far.place(), seam, second.form, second.used));
        let signs = second.signs;
        let mut events = Box::new(Events { list, so_far, signs, calls, splice, spliced: Vec::new() });
        (self.seen, self.skipped, self.error) = (Seen::default(), skipped, error);
        events.encode(encoder.as_mut(), &mut self.seen, &mut self.error, out);
        // An answer whose thinking is proven is not gone on with: the second half has no proofs that matter.
        self.way = Way::Translate { decoder, encoder, seal: None, events };
    }

    /// Bytes of a second half that had been said before and were taken out.
    #[must_use]
    pub fn trimmed(&self) -> Option<usize> {
        match &self.way {
            Way::Translate { events, .. } => events.splice.as_ref().map(Splice::trimmed),
            Way::Relay { .. } | Way::Images { .. } | Way::Gather { .. } | Way::Gone => None,
        }
    }
}

//! Speech and transcription: what a target is to do, done, and written for the caller. Sound flows; nothing of it is with
//! the caller before its first bytes are here.

use std::sync::Arc;

use bytes::BytesMut;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use ringmain_catalog::Endpoint;
use ringmain_core::{Fault, Shape, Units, Usage};
use ringmain_dialects::Malformed;
use ringmain_operations::audio::dress::Dress;
use ringmain_operations::audio::watch::Watch;
use ringmain_operations::audio::{self, Heard, Hearing, Sound, Speaking, Speech, Transcription, answer, openai, sound};
use ringmain_operations::talk::{Call, Once, Payload, Reader};
use ringmain_upstream::AnswerBody;

use super::images::with_model;
use super::{AsItIs, Asked, Body, Courier, Performed, Performing, Planned, Sent, Work, site, unavailable};
use crate::classify;
use crate::exchange::Failed;
use crate::inspect::Inspected;
use crate::passthrough::{Flow, Through};
use crate::render::refusal;
use crate::target::Target;

const EVENTS: &str = "text/event-stream";

/// A text to be spoken at a target.
struct Speak {
    asked: Arc<Speech>,
    call: Call,
    sound: Option<Sound>,
}

/// Speech to be written down at a target.
struct Hear {
    asked: Arc<Transcription>,
    call: Call,
    read: Option<Reader<Heard>>,
}

pub(super) fn read_speech(sent: &Sent<'_>) -> Result<Arc<dyn Asked>, Malformed> {
    super::asked(Speech::read(sent.body))
}

pub(super) fn read_transcription(sent: &Sent<'_>) -> Result<Arc<dyn Asked>, Malformed> {
    let form = sent.form.ok_or_else(|| Malformed::new("file", "is required, in a form"))?;
    super::asked(Transcription::read(form, sent.translates))
}

fn codec(target: &Target, endpoint: &Endpoint) -> Result<&'static dyn audio::Codec, Fault> {
    audio::codec(endpoint.shape).ok_or_else(|| unavailable(target, "audio"))
}

impl Asked for Speech {
    fn plan(self: Arc<Self>, _: &Inspected, target: &Target, endpoint: &Endpoint) -> Result<Planned, Fault> {
        if endpoint.shape == Shape::OpenAi && openai::speaks_as_it_is(&self, &target.family) {
            return Ok(None);
        }
        let path = endpoint.path_for(&target.name.model, false);
        let Speaking { call, sound, losses } = codec(target, endpoint)?
            .speak(&self, &site(target, &path))
            .map_err(|unsupported| refusal(target, &unsupported))?;
        Ok(Some((Box::new(Speak { asked: self, call, sound: Some(sound) }), losses)))
    }

    /// The caller's own bytes, for a target of OpenAI's shape.
    fn as_it_is(self: Arc<Self>, _: &Inspected, to: &AsItIs<'_>) -> Option<Box<dyn Work>> {
        let path = to.endpoint.path_for(&to.target.name.model, false);
        let payload = Payload::Json(to.parts.to_vec());
        let call = Call { payload, accept: "*/*", ..Call::post(path, &serde_json::Value::Null) };
        Some(Box::new(Speak { asked: self, call, sound: None }))
    }

    fn units(&self) -> Units {
        Units { characters: self.characters(), ..Units::default() }
    }
}

impl Asked for Transcription {
    fn plan(self: Arc<Self>, _: &Inspected, target: &Target, endpoint: &Endpoint) -> Result<Planned, Fault> {
        if endpoint.shape == Shape::OpenAi && openai::hears_as_it_is(&self, &target.family) {
            return Ok(None);
        }
        let path = endpoint.path_for(&target.name.model, false);
        let Hearing { call, read, losses } = codec(target, endpoint)?
            .hear(&self, &site(target, &path))
            .map_err(|unsupported| refusal(target, &unsupported))?;
        Ok(Some((Box::new(Hear { asked: self, call, read: Some(read) }), losses)))
    }

    /// The caller's own form, for this model.
    fn as_it_is(self: Arc<Self>, request: &Inspected, to: &AsItIs<'_>) -> Option<Box<dyn Work>> {
        let model = to.target.name.model.as_str();
        let path = openai::path(&to.endpoint.path_for(model, false), self.translates);
        let form = request.form.as_ref().map(|form| with_model(form, model)).unwrap_or_default();
        Some(Box::new(Hear { asked: self, call: Call { accept: "*/*", ..Call::form(path, form) }, read: None }))
    }
}

impl Work for Speak {
    fn perform<'a>(self: Box<Self>, courier: &'a Courier, _: &'a Inspected) -> Performing<'a> {
        Box::pin(self.speak(courier))
    }
}

impl Work for Hear {
    fn perform<'a>(self: Box<Self>, courier: &'a Courier, _: &'a Inspected) -> Performing<'a> {
        Box::pin(self.hear(courier))
    }
}

impl Speak {
    async fn speak(self: Box<Self>, courier: &Courier) -> Result<Performed, Failed> {
        let asked = &*self.asked;
        let spoken = Usage::of_units(asked.units());
        let is_theirs = self.sound.is_none();
        let (format, samples) = match self.sound {
            None => (asked.format.unwrap_or(audio::Format::Mp3), None),
            Some(Sound::Flows { format, samples }) => (format, samples),
            Some(Sound::Whole { format, read }) => {
                let made = courier.hold(Box::new(Once::new(self.call, read))).await?;
                return Ok(whole(made, asked, format, spoken));
            }
        };
        let (headers, body) = courier.open(&self.call).await?;
        let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase()).unwrap_or_default();
        if kind.starts_with(b"application/json") || kind.starts_with(b"text/html") {
            let reply = courier.read(headers, body).await?;
            return Err(courier.failed(courier.fault_inside(&reply)));
        }
        if kind.starts_with(EVENTS.as_bytes()) {
            let flow = watched(courier, body, Some(spoken)).await?;
            return Ok(flowing(flow, true, None, spoken));
        }
        // A server that knows no events answered with the sound itself.
        let dress = Dress::new(samples, asked.events, None);
        let flow = first_bytes(courier, body, dress).await?;
        let relayed = is_theirs && !asked.events;
        let kind = if asked.events { EVENTS } else { format.media_type() };
        Ok(flowing(flow, relayed, Some(kind).filter(|_| !relayed), spoken))
    }
}

/// Sound that came all at once.
fn whole(made: sound::Spoken, asked: &Speech, format: audio::Format, spoken: Usage) -> Performed {
    let usage = Some(Usage { units: spoken.units, ..made.usage.unwrap_or_default() });
    let (body, kind) = if asked.events {
        let mut dress = Dress::new(None, true, made.usage);
        let events = [dress.piece(made.bytes), dress.end().unwrap_or_default()].concat();
        (events.into(), EVENTS)
    } else {
        (made.bytes, format.media_type())
    };
    Performed {
        body: Body::Whole(body),
        relayed: false,
        kind: HeaderValue::from_str(kind).ok(),
        usage,
        losses: Vec::new(),
    }
}

fn flowing(flow: Flow, relayed: bool, kind: Option<&'static str>, usage: Usage) -> Performed {
    let kind = kind.map(HeaderValue::from_static);
    Performed { body: Body::Flow(Box::new(flow)), relayed, kind, usage: Some(usage), losses: Vec::new() }
}

/// The first bytes of sound: an answer without any is none.
async fn first_bytes(courier: &Courier, mut body: AnswerBody, mut dress: Dress) -> Result<Flow, Failed> {
    loop {
        match body.next().await {
            None => return Err(courier.failed(classify::empty())),
            Some(Err(error)) => return Err(courier.failed(classify::of_exchange(&error))),
            Some(Ok(bytes)) if bytes.is_empty() => {}
            Some(Ok(bytes)) => {
                let first = Some(dress.piece(bytes)).filter(|first| !first.is_empty());
                let through = if dress.is_bare() { Through::AsItIs } else { Through::Dressed(Box::new(dress)) };
                return Ok(Flow { first, body, through });
            }
        }
    }
}

/// A stream of events, up to its first that says something.
async fn watched(courier: &Courier, mut body: AnswerBody, units: Option<Usage>) -> Result<Flow, Failed> {
    let (mut watch, mut held) = (Watch::default(), BytesMut::new());
    while !watch.is_useful() {
        match body.next().await {
            None => return Err(courier.failed(classify::empty())),
            Some(Err(error)) => return Err(courier.failed(classify::of_exchange(&error))),
            Some(Ok(bytes)) => {
                held.extend_from_slice(&bytes);
                watch.piece(bytes).map_err(|fault| courier.failed(fault))?;
            }
        }
        if held.len() > HELD_MAX {
            let fault = classify::protocol("the provider's stream says nothing", format!("more than {HELD_MAX} bytes"));
            return Err(courier.failed(fault));
        }
    }
    let through = Through::Watched(Box::new(watch), units.unwrap_or_default());
    Ok(Flow { first: Some(held.freeze()), body, through })
}

/// What is held of a stream before its first useful event.
const HELD_MAX: usize = 4 * 1024 * 1024;

impl Hear {
    async fn hear(self: Box<Self>, courier: &Courier) -> Result<Performed, Failed> {
        let asked = &*self.asked;
        if let Some(read) = self.read {
            let heard = courier.hold(Box::new(Once::new(self.call, read))).await?;
            return Ok(written(&heard, asked));
        }
        let (headers, body) = courier.open(&self.call).await?;
        let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase()).unwrap_or_default();
        if kind.starts_with(EVENTS.as_bytes()) {
            let flow = watched(courier, body, None).await?;
            return Ok(flowing(flow, true, None, Usage::default()));
        }
        let reply = courier.read(headers, body).await?;
        if kind.starts_with(b"application/json") {
            let heard = openai::read(&reply).map_err(|fault| courier.failed(fault))?;
            // Models that know no events answer a request for them all at once.
            if asked.events {
                return Ok(written(&heard, asked));
            }
        } else if reply.body.is_empty() || kind.starts_with(b"text/html") {
            return Err(courier.failed(classify::empty()));
        }
        let usage = openai::billed(&reply.body);
        Ok(Performed { body: Body::Whole(reply.body), relayed: true, kind: None, usage, losses: Vec::new() })
    }
}

fn written(heard: &Heard, asked: &Transcription) -> Performed {
    let answer::Written { body, media_type } = answer::write(heard, asked);
    let (body, kind) = (Body::Whole(body.into()), Some(HeaderValue::from_static(media_type)));
    Performed { body, relayed: false, kind, usage: Some(heard.billed()), losses: Vec::new() }
}

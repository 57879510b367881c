//! What the codecs' tests share: recorded traffic, and streams without a network.

mod counting;
mod fitted;
mod logprobs;
mod sources;
mod tools;
mod usage;

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ringmain_core::Usage;
use ringmain_wire::event_stream::EventStreamFramer;
use ringmain_wire::sse::SseFramer;
use serde_json::Value;

use crate::codec::{Framing, StreamDecoder, StreamEncoder};
use crate::ir::grammar::Checker;
use crate::ir::{Event, Response, fold};

/// What of a use an answer can say again: not the provider's own bill, nor how a part of it was priced.
pub(crate) fn said_again(usage: Option<Usage>) -> Option<Usage> {
    let plain = Usage::default();
    usage.map(|usage| Usage {
        cache_read_audio: plain.cache_read_audio,
        image_input: plain.image_input,
        image_output: plain.image_output,
        billed: plain.billed,
        units: plain.units,
        ..usage
    })
}

/// One recorded exchange.
pub(crate) struct Recording {
    pub(crate) id: String,
    pub(crate) request: Option<Value>,
    pub(crate) status: u16,
    /// A plain answer.
    pub(crate) body: Option<Value>,
    /// A streamed answer.
    pub(crate) text: Option<String>,
    /// One that is no text.
    pub(crate) binary: Option<Vec<u8>>,
}

impl Recording {
    fn of(value: &Value) -> Self {
        let (request, response) = (&value["request"], &value["response"]);
        Self {
            id: value["id"].as_str().unwrap().to_owned(),
            request: request.get("body").cloned(),
            status: response["status"].as_u64().unwrap().try_into().unwrap(),
            body: response.get("body").cloned(),
            text: response.get("body_text").and_then(Value::as_str).map(str::to_owned),
            binary: response.get("body_base64").and_then(Value::as_str).map(|text| STANDARD.decode(text).unwrap()),
        }
    }
}

/// Every recording of an API, by name. Empty, with a line that says so, where there are no recordings.
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
pub(crate) fn recordings(api: &str) -> Vec<Recording> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings")).join(api);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: no recordings at {}", folder.display());
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| Recording::of(&serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())).collect()
}

/// One framed event: its name and its data.
pub(crate) type Frame = (Option<String>, Vec<u8>);

/// Cuts a stream that arrives in these pieces into its events.
pub(crate) fn frames_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Frame> {
    let mut framer = SseFramer::new(1 << 24);
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(Bytes::copy_from_slice(piece));
        while let Some(frame) = framer.next().unwrap() {
            if !frame.is_comment() {
                frames.push((frame.event().map(str::to_owned), frame.data().into_owned()));
            }
        }
    }
    frames
}

/// Cuts a whole stream into its events.
pub(crate) fn frames(stream: &[u8]) -> Vec<Frame> {
    frames_of([stream])
}

/// Cuts a stream that arrives in these pieces, delimited so, into its events.
pub(crate) fn frames_as<'a>(framing: Framing, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Frame> {
    if framing != Framing::EventStream {
        return frames_of(pieces);
    }
    let mut framer = EventStreamFramer::new(1 << 24);
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(Bytes::copy_from_slice(piece));
        while let Some(frame) = framer.next().unwrap() {
            frames.push((Some(frame.event().into_owned()), frame.data().into_owned()));
        }
    }
    assert_eq!(framer.pending_len(), 0, "half a message at the end");
    frames
}

/// Decodes a stream that must be whole and well-formed.
pub(crate) fn decode(mut decoder: Box<dyn StreamDecoder>, frames: &[Frame]) -> Vec<Event> {
    let mut events = Vec::new();
    for (name, data) in frames {
        decoder.event(name.as_deref(), data, &mut events).unwrap();
    }
    decoder.end(false, &mut events).unwrap();
    assert_eq!(Checker::check(&events), Ok(()));
    events
}

/// Encodes a stream.
pub(crate) fn encode(mut encoder: Box<dyn StreamEncoder>, events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.event(event, &mut out));
    out
}

/// Gathers events into the answer.
pub(crate) fn folded(events: impl IntoIterator<Item = Event>) -> Response {
    let mut fold = fold::Fold::default();
    events.into_iter().for_each(|event| fold.event(event));
    fold.finish().unwrap().unwrap()
}

/// Numbers that look random and are the same in every run (`xorshift64*`).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// From 0 to below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % bound.max(1)
    }
}

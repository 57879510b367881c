//! Streams without a network: bytes to events and back.

use bytes::Bytes;
use ringmain_core::Dialect;
use ringmain_dialects::ir::grammar::Checker;
use ringmain_dialects::ir::{Event, Response, fold::Fold};
use ringmain_dialects::{Codec, Framing, StreamStart};
use ringmain_wire::event_stream::EventStreamFramer;
use ringmain_wire::sse::SseFramer;

/// The largest event.
const EVENT_MAX: usize = 1 << 24;

/// One framed event: its name and its data.
pub(crate) type Frame = (Option<String>, Vec<u8>);

/// Cuts what a provider of this dialect streams, arriving in these pieces, into its events.
pub(crate) fn frames<'a>(dialect: Dialect, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Frame>, String> {
    let mut frames = Vec::new();
    if Framing::of_provider(dialect) == Framing::EventStream {
        let mut framer = EventStreamFramer::new(EVENT_MAX);
        for piece in pieces {
            framer.push(Bytes::copy_from_slice(piece));
            while let Some(frame) = framer.next().map_err(|error| error.to_string())? {
                frames.push((Some(frame.event().into_owned()), frame.data().into_owned()));
            }
        }
        return if framer.pending_len() == 0 { Ok(frames) } else { Err("half a message at the end".to_owned()) };
    }
    let mut framer = SseFramer::new(EVENT_MAX);
    for piece in pieces {
        framer.push(Bytes::copy_from_slice(piece));
        while let Some(frame) = framer.next().map_err(|error| error.to_string())? {
            if !frame.is_comment() {
                frames.push((frame.event().map(str::to_owned), frame.data().into_owned()));
            }
        }
    }
    Ok(frames)
}

/// Decodes a stream that must be whole and well-formed.
pub(crate) fn decode(codec: &dyn Codec, frames: &[Frame]) -> Result<Vec<Event>, String> {
    let mut decoder = codec.stream_decoder();
    let mut events = Vec::new();
    for (name, data) in frames {
        decoder.event(name.as_deref(), data, &mut events).map_err(|malformed| format!("unreadable: {malformed}"))?;
    }
    decoder.end(false, &mut events).map_err(|_| "it ends before the answer does".to_owned())?;
    Checker::check(&events)?;
    Ok(events)
}

/// The bytes of a stream for a caller.
pub(crate) fn encode(codec: &dyn Codec, events: &[Event]) -> Vec<u8> {
    let start = StreamStart { include_usage: true, ..StreamStart::default() };
    let mut encoder = codec.stream_encoder(&start);
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.event(event, &mut out));
    out
}

/// The answer that events spell.
pub(crate) fn folded(events: impl IntoIterator<Item = Event>) -> Result<Response, String> {
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.event(event));
    let ended = fold.finish().ok_or("it has no end")?;
    ended.map_err(|fault| fault.to_string())
}

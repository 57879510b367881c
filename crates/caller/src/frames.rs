//! A stream, cut into its events, however the dialect delimits them.

use bytes::Bytes;
use ringmain_core::Dialect;
use ringmain_wire::event_stream::EventStreamFramer;
use ringmain_wire::sse::SseFramer;

/// Bytes an event may have.
const EVENT_MAX: usize = 1 << 20;

/// One event: its name, where it has one, and its data.
pub type Frame = (Option<String>, Vec<u8>);

/// Cuts a stream into events as it comes. Comments are left out.
#[derive(Debug)]
pub struct Frames(Framer);

#[derive(Debug)]
enum Framer {
    Sse(SseFramer),
    EventStream(EventStreamFramer),
}

impl Frames {
    /// For one stream of this dialect. Gemini is read as server-sent events.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self(if dialect == Dialect::BedrockConverse {
            Framer::EventStream(EventStreamFramer::new(EVENT_MAX))
        } else {
            Framer::Sse(SseFramer::new(EVENT_MAX))
        })
    }

    /// Adds what came; gives the events that are whole now.
    ///
    /// # Errors
    /// It cannot be cut any further.
    pub fn push(&mut self, bytes: Bytes) -> Result<Vec<Frame>, String> {
        let mut frames = Vec::new();
        match &mut self.0 {
            Framer::Sse(framer) => {
                framer.push(bytes);
                while let Some(frame) = framer.next().map_err(|error| error.to_string())? {
                    if !frame.is_comment() {
                        frames.push((frame.event().map(str::to_owned), frame.data().into_owned()));
                    }
                }
            }
            Framer::EventStream(framer) => {
                framer.push(bytes);
                while let Some(frame) = framer.next().map_err(|error| error.to_string())? {
                    frames.push((Some(frame.event().into_owned()), frame.data().into_owned()));
                }
            }
        }
        Ok(frames)
    }

    /// Bytes of an event that is not whole yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        match &self.0 {
            Framer::Sse(framer) => framer.pending_len(),
            Framer::EventStream(framer) => framer.pending_len(),
        }
    }
}

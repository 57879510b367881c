//! A provider's stream, cut into its events however they are delimited.

use std::borrow::Cow;

use bytes::Bytes;
use ringmain_core::Fault;
use ringmain_dialects::Framing;
use ringmain_wire::event_stream::{EventStreamFrame, EventStreamFramer};
use ringmain_wire::sse::{SseFrame, SseFramer};

use crate::classify;

/// Cuts a stream into events.
#[derive(Debug)]
pub enum Framer {
    /// Server-sent events.
    Sse(SseFramer),
    /// Binary messages.
    EventStream(EventStreamFramer),
}

impl Framer {
    /// For one stream, whose events may have `max` bytes.
    #[must_use]
    pub fn new(framing: Framing, max: usize) -> Self {
        match framing {
            Framing::EventStream => Self::EventStream(EventStreamFramer::new(max)),
            Framing::Sse | Framing::JsonArray => Self::Sse(SseFramer::new(max)),
        }
    }

    /// Adds the next chunk.
    pub fn push(&mut self, chunk: Bytes) {
        match self {
            Self::Sse(framer) => framer.push(chunk),
            Self::EventStream(framer) => framer.push(chunk),
        }
    }

    /// The next whole event, or `None` until more is pushed.
    ///
    /// # Errors
    /// The stream cannot be read any further.
    #[expect(clippy::should_implement_trait, reason = "an iterator would be fused: `None` here means push more")]
    pub fn next(&mut self) -> Result<Option<Frame>, Fault> {
        let unreadable = |error: String| classify::protocol("the provider's stream is unreadable", error);
        match self {
            Self::Sse(framer) => match framer.next() {
                Ok(frame) => Ok(frame.map(Frame::Sse)),
                Err(error) => Err(unreadable(error.to_string())),
            },
            Self::EventStream(framer) => match framer.next() {
                Ok(frame) => Ok(frame.map(Frame::EventStream)),
                Err(error) => Err(unreadable(error.to_string())),
            },
        }
    }
}

/// One event of a stream.
#[derive(Debug)]
pub enum Frame {
    /// A server-sent event.
    Sse(SseFrame),
    /// A binary message.
    EventStream(EventStreamFrame),
}

impl Frame {
    /// The event as it was sent.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        match self {
            Self::Sse(frame) => &frame.raw,
            Self::EventStream(frame) => &frame.raw,
        }
    }

    /// Its name, as the codecs know it.
    #[must_use]
    pub fn event(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Sse(frame) => frame.event().map(Cow::Borrowed),
            Self::EventStream(frame) => Some(frame.event()),
        }
    }

    /// What it says.
    #[must_use]
    pub fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Sse(frame) => frame.data(),
            Self::EventStream(frame) => frame.data(),
        }
    }

    /// Whether it means nothing: a keep-alive.
    #[must_use]
    pub fn is_comment(&self) -> bool {
        match self {
            Self::Sse(frame) => frame.is_comment(),
            Self::EventStream(_) => false,
        }
    }
}

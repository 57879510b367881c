//! `application/vnd.amazon.eventstream`: the binary messages in which AWS streams answers.
//!
//! ```text
//! message = total length u32 | headers length u32 | CRC of these 8 bytes u32 | headers | payload | CRC of all before u32
//! header  = name length u8 | name | type u8 | value
//! ```
//! All numbers are big-endian. Which event a message is says its header `:event-type`; an error that ends the stream is a
//! message whose `:message-type` is `exception` (a modelled error) or `error` (any other).

pub mod crc32;
mod encode;
mod frame;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::carry::Carry;
pub use encode::{encode, encode_exception};
pub use frame::{EXCEPTION_PREFIX, EventStreamFrame, MessageKind};

/// Length of the two lengths and their checksum.
const PRELUDE: usize = 12;
/// Length of the checksum at the end.
const TRAILER: usize = 4;

/// Why a byte stream is not one of messages. The framer gives no more after it: without lengths there is no next message,
/// and a payload whose checksum is wrong may be half an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventStreamError {
    /// A message says that it is larger than the framer's limit.
    #[error("a message of the event stream is larger than {limit} bytes")]
    TooLarge {
        /// The limit given to [`EventStreamFramer::new`], in bytes.
        limit: usize,
    },
    /// A checksum does not fit its bytes.
    #[error("a checksum of the event stream is wrong, in the message at offset {offset}")]
    Checksum {
        /// Position of the message in the stream, from 0.
        offset: u64,
    },
    /// Lengths or headers that no message has.
    #[error("the event stream is malformed, in the message at offset {offset}")]
    Malformed {
        /// Position of the message in the stream, from 0.
        offset: u64,
    },
}

/// Cuts a stream of chunks into messages, whatever the chunk boundaries.
///
/// Push a chunk, then call [`next`](Self::next) until it gives `None`. Then at most the limit and one chunk are kept. A
/// length is believed only once its checksum is right, and never above the limit.
#[derive(Debug)]
pub struct EventStreamFramer {
    limit: usize,
    carry: Carry,
    /// The length of the message that is being read, once its prelude was found good.
    expected: Option<usize>,
    /// Bytes of the stream before the carry.
    consumed: u64,
    failed: Option<EventStreamError>,
}

impl EventStreamFramer {
    /// A framer for one stream. A message may have at most `max_message_bytes` bytes.
    pub fn new(max_message_bytes: usize) -> Self {
        Self { limit: max_message_bytes, carry: Carry::default(), expected: None, consumed: 0, failed: None }
    }

    /// Adds the next chunk of the stream. After an error chunks are dropped.
    pub fn push(&mut self, chunk: Bytes) {
        if self.failed.is_none() {
            self.carry.push(chunk);
        }
    }

    /// The next whole message, or `None` until more is pushed. It is a slice of the pushed chunk where it lies inside one.
    ///
    /// # Errors
    /// [`EventStreamError`]; from then on always the same.
    #[expect(clippy::should_implement_trait, reason = "an iterator would be fused: `None` here means push more")]
    pub fn next(&mut self) -> Result<Option<EventStreamFrame>, EventStreamError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.read().inspect_err(|error| self.failed = Some(*error))
    }

    /// How many bytes have been pushed and not yet come out in a message.
    pub fn pending_len(&self) -> usize {
        self.carry.len()
    }

    fn read(&mut self) -> Result<Option<EventStreamFrame>, EventStreamError> {
        let offset = self.consumed;
        if self.expected.is_none()
            && let Some(prelude) = self.carry.first::<PRELUDE>()
        {
            self.expected = Some(self.length(prelude)?);
        }
        let Some(expected) = self.expected.filter(|expected| self.carry.len() >= *expected) else {
            self.carry.scanned = self.carry.chunk().len();
            return Ok(None);
        };
        self.expected = None;
        let held = self.carry.len_to(0);
        let raw = self.carry.take(expected - held);
        self.consumed += expected as u64;
        EventStreamFrame::read(raw, offset).map(Some)
    }

    /// The length of the message that begins so.
    fn length(&self, prelude: [u8; PRELUDE]) -> Result<usize, EventStreamError> {
        let offset = self.consumed;
        if u32_at(&prelude, 8) != Some(crc32::of(&prelude[..8])) {
            return Err(EventStreamError::Checksum { offset });
        }
        let length = |at| u32_at(&prelude, at).and_then(|length| usize::try_from(length).ok());
        let (Some(total), Some(headers)) = (length(0), length(4)) else {
            return Err(EventStreamError::Malformed { offset });
        };
        let room = total.checked_sub(PRELUDE + TRAILER);
        if room.is_none_or(|room| headers > room) {
            return Err(EventStreamError::Malformed { offset });
        }
        if total > self.limit {
            return Err(EventStreamError::TooLarge { limit: self.limit });
        }
        Ok(total)
    }
}

/// The big-endian number at this place.
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}

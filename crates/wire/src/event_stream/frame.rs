//! One message: its headers, and what it is.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::{EventStreamError, PRELUDE, TRAILER, crc32, u32_at};

/// Stands before the type of an exception where a name says both: `exception/throttlingException`. No event's type holds
/// a slash.
pub const EXCEPTION_PREFIX: &str = "exception/";
/// More headers than any message has.
const HEADERS_MAX: usize = 128;
/// The type of a header's value that is text.
const STRING: u8 = 7;

/// What `:message-type` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// A part of the answer.
    Event,
    /// An error that the service's model names; the stream is over.
    Exception,
    /// Another error, told in headers; the stream is over.
    Error,
}

/// One message of a stream, its checksums found right and its headers readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventStreamFrame {
    /// The message as it was sent.
    pub raw: Bytes,
    kind: MessageKind,
    /// `:event-type`, `:exception-type` or `:error-code`.
    name: Range<usize>,
    /// `:error-message`.
    message: Range<usize>,
    payload: Range<usize>,
}

impl EventStreamFrame {
    /// Reads a message whose prelude was found good; `offset` is its place in the stream.
    pub(super) fn read(raw: Bytes, offset: u64) -> Result<Self, EventStreamError> {
        let end = raw.len().saturating_sub(TRAILER);
        if u32_at(&raw, end) != Some(crc32::of(&raw[..end])) {
            return Err(EventStreamError::Checksum { offset });
        }
        let malformed = EventStreamError::Malformed { offset };
        let headers = u32_at(&raw, 4).and_then(|length| usize::try_from(length).ok()).ok_or(malformed)?;
        let payload = PRELUDE + headers..end;
        let mut frame = Self { raw, kind: MessageKind::Event, name: 0..0, message: 0..0, payload };
        frame.headers().ok_or(malformed)?;
        Ok(frame)
    }

    /// Goes through the headers and keeps what matters. `None` where they are malformed.
    fn headers(&mut self) -> Option<()> {
        let (mut at, end) = (PRELUDE, self.payload.start);
        for _ in 0..HEADERS_MAX {
            if at == end {
                return Some(());
            }
            let (name, kind, value, next) = header(&self.raw[..end], at)?;
            at = next;
            if kind != STRING {
                continue;
            }
            std::str::from_utf8(&self.raw[value.clone()]).ok()?;
            match &self.raw[name] {
                b":message-type" => {
                    self.kind = match &self.raw[value] {
                        b"exception" => MessageKind::Exception,
                        b"error" => MessageKind::Error,
                        _ => MessageKind::Event,
                    }
                }
                b":event-type" | b":exception-type" | b":error-code" => self.name = value,
                b":error-message" => self.message = value,
                _ => {}
            }
        }
        None
    }

    /// What kind of message.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// The event's type; of an error its type or code after [`EXCEPTION_PREFIX`]. Empty where the headers name none.
    #[must_use]
    pub fn event(&self) -> Cow<'_, str> {
        let name = self.text(&self.name);
        match self.kind {
            MessageKind::Event => Cow::Borrowed(name),
            MessageKind::Exception | MessageKind::Error => Cow::Owned(format!("{EXCEPTION_PREFIX}{name}")),
        }
    }

    /// The payload. Of an error without one, its text in the form that exceptions have: `{"message":"…"}`.
    #[must_use]
    pub fn data(&self) -> Cow<'_, [u8]> {
        if self.kind == MessageKind::Error && self.payload.is_empty() {
            let message = serde_json::Value::from(self.text(&self.message));
            return Cow::Owned(format!("{{\"message\":{message}}}").into_bytes());
        }
        Cow::Borrowed(&self.raw[self.payload.clone()])
    }

    /// A part that was found to be UTF-8.
    fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(&self.raw[range.clone()]).unwrap_or_default()
    }
}

/// The header at this place: its name, the type of its value, the value, and where the next one begins.
fn header(bytes: &[u8], at: usize) -> Option<(Range<usize>, u8, Range<usize>, usize)> {
    let length = usize::from(*bytes.get(at)?);
    let name = at + 1..at + 1 + length;
    let kind = *bytes.get(name.end)?;
    let value = name.end + 1;
    let (start, length) = match kind {
        // True and false, which have no value but their type.
        0 | 1 => (value, 0),
        2 => (value, 1),
        3 => (value, 2),
        4 => (value, 4),
        // A long, a timestamp.
        5 | 8 => (value, 8),
        6 | STRING => {
            let length = bytes.get(value..value + 2)?;
            (value + 2, usize::from(u16::from_be_bytes(length.try_into().ok()?)))
        }
        // A UUID.
        9 => (value, 16),
        _ => return None,
    };
    let end = start + length;
    (end <= bytes.len()).then_some((name, kind, start..end, end))
}

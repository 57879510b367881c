//! Server-sent events, as the HTML standard's "event stream" section defines them: framing, reading fields, writing.

mod encode;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memchr2;

use crate::carry::Carry;
pub use encode::{encode, encode_comment};

const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// An event larger than the framer's limit. The framer gives no more frames after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than {limit} bytes")]
pub struct FrameTooLarge {
    /// The limit given to [`SseFramer::new`], in bytes.
    pub limit: usize,
}

/// Where the scan stands: all that has to survive from one chunk to the next.
#[derive(Debug, Clone, Copy)]
enum At {
    /// At the start of the stream, after this many bytes of a byte order mark.
    Bom(usize),
    LineStart,
    InLine,
    /// After a CR that ended a line (`blank`: an empty one); an LF now still belongs to it.
    AfterCr {
        blank: bool,
    },
}

/// Cuts a stream of chunks into events, whatever the chunk boundaries.
///
/// Push a chunk, then call [`next`](Self::next) until it gives `None`. (Pushing before that is correct too, and copies.)
#[derive(Debug)]
pub struct SseFramer {
    limit: usize,
    carry: Carry,
    at: At,
    /// The line before ended in a CR alone.
    bare_cr: bool,
    /// Length of the byte order mark in front of the frame being scanned.
    mark: u8,
    failed: bool,
}

impl SseFramer {
    /// A framer for one stream. An event may have at most `max_frame_bytes` bytes, its blank line included.
    pub fn new(max_frame_bytes: usize) -> Self {
        Self { limit: max_frame_bytes, carry: Carry::default(), at: At::Bom(0), bare_cr: false, mark: 0, failed: false }
    }

    /// Adds the next chunk of the stream. After [`FrameTooLarge`] chunks are dropped.
    pub fn push(&mut self, chunk: Bytes) {
        if !self.failed {
            self.carry.push(chunk);
        }
    }

    /// The next whole event, or `None` until more is pushed.
    ///
    /// An event whose blank line is a CR at the end of all that was pushed waits for one more byte, which may be the LF
    /// of a CRLF; unless the line before it ended in a CR alone, for then the stream does not use CRLF.
    ///
    /// # Errors
    /// [`FrameTooLarge`] when the event is, or already has become, larger than the limit; from then on always.
    #[expect(clippy::should_implement_trait, reason = "an iterator would be fused: `None` here means push more")]
    pub fn next(&mut self) -> Result<Option<SseFrame>, FrameTooLarge> {
        let end = if self.failed { None } else { self.scan() };
        let len = end.map_or(self.carry.len(), |end| self.carry.len_to(end));
        if self.failed || len > self.limit {
            self.failed = true;
            return Err(FrameTooLarge { limit: self.limit });
        }
        let Some(end) = end else { return Ok(None) };
        self.at = At::LineStart;
        self.bare_cr = false;
        let mark = std::mem::take(&mut self.mark);
        Ok(Some(SseFrame { raw: self.carry.take(end), mark }))
    }

    /// How many bytes have been pushed and not yet come out in a frame.
    pub fn pending_len(&self) -> usize {
        self.carry.len()
    }

    /// Takes what is pending: after `next` gave `None` at the end of the stream, the half event that was cut off.
    pub fn take_pending(&mut self) -> Bytes {
        self.at = At::LineStart;
        self.bare_cr = false;
        self.mark = 0;
        self.carry.take_all()
    }

    /// Scans on from where the last scan stopped; the end of the frame in the chunk, if it is there.
    fn scan(&mut self) -> Option<usize> {
        let chunk = self.carry.chunk();
        let mut i = self.carry.scanned;
        let mut end = None;
        while let (Some(&byte), None) = (chunk.get(i), end) {
            match (self.at, byte) {
                (At::InLine, _) => match memchr2(b'\n', b'\r', &chunk[i..]) {
                    Some(n) => {
                        self.at = if chunk[i + n] == b'\n' { At::LineStart } else { At::AfterCr { blank: false } };
                        self.bare_cr = false;
                        i += n + 1;
                    }
                    None => i = chunk.len(),
                },
                (At::LineStart, b'\n') => end = Some(i + 1),
                (At::LineStart, b'\r') if self.bare_cr => end = Some(i + 1),
                (At::LineStart, b'\r') => {
                    self.at = At::AfterCr { blank: true };
                    i += 1;
                }
                (At::LineStart, _) => self.at = At::InLine,
                (At::AfterCr { blank }, _) => {
                    self.at = At::LineStart;
                    self.bare_cr = byte != b'\n';
                    i += usize::from(byte == b'\n');
                    end = blank.then_some(i);
                }
                (At::Bom(seen), _) if byte == BOM[seen] => {
                    let whole = seen + 1 == BOM.len();
                    self.at = if whole { At::LineStart } else { At::Bom(seen + 1) };
                    self.mark = if whole { 3 } else { 0 };
                    i += 1;
                }
                (At::Bom(seen), _) => self.at = if seen == 0 { At::LineStart } else { At::InLine },
            }
        }
        self.carry.scanned = i;
        end
    }
}

/// One event of a stream, or a blank line on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseFrame {
    /// The event as it was sent, with the blank line that ends it (and a byte order mark before it).
    pub raw: Bytes,
    mark: u8,
}

impl SseFrame {
    /// The value of the last `event:` field; `None` where there is none, or it is empty or not UTF-8.
    pub fn event(&self) -> Option<&str> {
        let value = self.values(b"event").last()?;
        std::str::from_utf8(value).ok().filter(|name| !name.is_empty())
    }

    /// The event's data: its `data:` fields joined by LF, borrowed where there is one; empty where there is none.
    pub fn data(&self) -> Cow<'_, [u8]> {
        let mut values = self.values(b"data");
        let first = values.next().unwrap_or_default();
        let Some(second) = values.next() else { return Cow::Borrowed(first) };
        let mut joined = first.to_vec();
        for value in std::iter::once(second).chain(values) {
            joined.push(b'\n');
            joined.extend_from_slice(value);
        }
        Cow::Owned(joined)
    }

    /// The value of the last `id:` field that counts (UTF-8, without NUL). It may be empty.
    pub fn id(&self) -> Option<&str> {
        let value = self.values(b"id").filter(|value| memchr::memchr(0, value).is_none()).last()?;
        std::str::from_utf8(value).ok()
    }

    /// Whether there is nothing here but comments and blank lines: a keep-alive, no event.
    pub fn is_comment(&self) -> bool {
        self.lines().all(|line| line.first().is_none_or(|&byte| byte == b':'))
    }

    fn lines(&self) -> Lines<'_> {
        Lines { rest: &self.raw[usize::from(self.mark)..] }
    }

    /// The values of the fields of this name, in order. A line without a colon is a field without a value.
    fn values<'a>(&'a self, name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.lines().filter_map(move |line| match line.strip_prefix(name)? {
            [] => Some(&[][..]),
            [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
            _ => None,
        })
    }
}

/// The lines of a frame without their ends.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(end) = memchr2(b'\n', b'\r', self.rest) else { return Some(std::mem::take(&mut self.rest)) };
        let line = &self.rest[..end];
        let width = if self.rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        self.rest = &self.rest[end + width..];
        Some(line)
    }
}

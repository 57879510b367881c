//! A JSON array that arrives piece by piece, as Gemini streams without `alt=sse`: `[{…}\n,{…}\n]`.

#[cfg(test)]
mod tests;

use bytes::{BufMut, Bytes};
use memchr::memchr2;

use crate::carry::Carry;

/// Why a stream is not an array this framer can go on with. It gives no more elements after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonArrayError {
    /// An element is larger than the framer's limit.
    #[error("an element of the array is larger than {limit} bytes")]
    ElementTooLarge {
        /// The limit given to [`JsonArrayFramer::new`], in bytes.
        limit: usize,
    },
    /// A byte between the elements that no array has there.
    #[error("the stream is not a JSON array: unexpected byte at offset {offset}")]
    Malformed {
        /// Position of the byte in the stream, from 0.
        offset: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before `[`.
    Start,
    /// After `[`: an element or `]`.
    First,
    /// After a comma: an element.
    Element,
    /// Inside an element, this many brackets deep.
    Inside {
        depth: usize,
    },
    InString {
        depth: usize,
        escaped: bool,
    },
    /// Inside a number or literal that is an element of its own.
    Bare,
    /// After an element: a comma or `]`.
    After,
    /// After `]`.
    End,
}

/// Cuts a streamed JSON array into its elements, whatever the chunk boundaries.
///
/// Push a chunk, then call [`next`](Self::next) until it gives `None`. Then at most the limit and one chunk are kept.
/// It follows strings, escapes and bracket depth, and leaves it to the reader of an element to find it malformed inside.
#[derive(Debug)]
pub struct JsonArrayFramer {
    limit: usize,
    carry: Carry,
    at: At,
    /// Bytes of the stream before the carry, for error offsets.
    consumed: u64,
    failed: Option<JsonArrayError>,
}

impl JsonArrayFramer {
    /// A framer for one stream. An element may have at most `max_element_bytes` bytes.
    pub fn new(max_element_bytes: usize) -> Self {
        Self { limit: max_element_bytes, carry: Carry::default(), at: At::Start, consumed: 0, failed: None }
    }

    /// Adds the next chunk of the stream. After an error chunks are dropped.
    pub fn push(&mut self, chunk: Bytes) {
        if self.failed.is_none() {
            self.carry.push(chunk);
        }
    }

    /// The next whole element without the space around it, or `None` until more is pushed.
    /// It is a slice of the pushed chunk where the element lies inside one.
    ///
    /// # Errors
    /// [`JsonArrayError`]; from then on always the same.
    #[expect(clippy::should_implement_trait, reason = "an iterator would be fused: `None` here means push more")]
    pub fn next(&mut self) -> Result<Option<Bytes>, JsonArrayError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if !self.inside() && !self.skip_between() {
            let offset = self.consumed + self.carry.scanned as u64;
            return Err(self.fail(JsonArrayError::Malformed { offset }));
        }
        if !self.inside() {
            return Ok(None);
        }
        let end = self.scan_element();
        let len = end.map_or(self.carry.len(), |end| self.carry.len_to(end));
        if len > self.limit {
            return Err(self.fail(JsonArrayError::ElementTooLarge { limit: self.limit }));
        }
        let Some(end) = end else { return Ok(None) };
        self.at = At::After;
        self.consumed += len as u64;
        Ok(Some(self.carry.take(end)))
    }

    /// Whether the closing bracket has been read: without it the stream was cut.
    pub fn is_finished(&self) -> bool {
        self.at == At::End
    }

    /// How many bytes have been pushed and not yet come out, or been skipped between elements.
    pub fn pending_len(&self) -> usize {
        self.carry.len()
    }

    /// Takes what is pending: after `next` gave `None` at the end of the stream, the half element that was cut off.
    pub fn take_pending(&mut self) -> Bytes {
        self.consumed += self.carry.len() as u64;
        self.carry.take_all()
    }

    fn fail(&mut self, error: JsonArrayError) -> JsonArrayError {
        self.failed = Some(error);
        error
    }

    fn inside(&self) -> bool {
        matches!(self.at, At::Inside { .. } | At::InString { .. } | At::Bare)
    }

    /// Goes to the start of the next element or the end of the chunk; `false` at a byte that cannot stand there.
    fn skip_between(&mut self) -> bool {
        let chunk = self.carry.chunk();
        let mut i = 0;
        while let Some(&byte) = chunk.get(i) {
            self.at = match (self.at, byte) {
                (at, b' ' | b'\t' | b'\r' | b'\n') => at,
                (At::Start, b'[') => At::First,
                (At::First | At::After, b']') => At::End,
                (At::After, b',') => At::Element,
                (At::First | At::Element, b'{' | b'[' | b'"') => At::Inside { depth: 0 },
                (At::First | At::Element, b'-' | b'0'..=b'9' | b'a'..=b'z') => At::Bare,
                _ => {
                    self.carry.scanned = i;
                    return false;
                }
            };
            if self.inside() {
                break;
            }
            i += 1;
        }
        self.carry.skip(i);
        self.consumed += i as u64;
        true
    }

    /// Scans on inside an element; its end in the chunk, if it is there.
    fn scan_element(&mut self) -> Option<usize> {
        let chunk = self.carry.chunk();
        let mut i = self.carry.scanned;
        let mut end = None;
        while let (Some(&byte), None) = (chunk.get(i), end) {
            i += 1;
            match self.at {
                At::InString { depth, escaped: true } => self.at = At::InString { depth, escaped: false },
                At::InString { depth, .. } => match memchr2(b'"', b'\\', &chunk[i - 1..]) {
                    None => i = chunk.len(),
                    Some(n) => {
                        i += n;
                        if chunk[i - 1] == b'\\' {
                            self.at = At::InString { depth, escaped: true };
                        } else if depth == 0 {
                            end = Some(i);
                        } else {
                            self.at = At::Inside { depth };
                        }
                    }
                },
                At::Bare => {
                    if matches!(byte, b',' | b']' | b' ' | b'\t' | b'\r' | b'\n') {
                        end = Some(i - 1);
                    }
                }
                At::Inside { depth } => match byte {
                    b'"' => self.at = At::InString { depth, escaped: false },
                    b'{' | b'[' => self.at = At::Inside { depth: depth + 1 },
                    b'}' | b']' if depth <= 1 => end = Some(i),
                    b'}' | b']' => self.at = At::Inside { depth: depth - 1 },
                    _ => {}
                },
                At::Start | At::First | At::Element | At::After | At::End => break,
            }
        }
        self.carry.scanned = i;
        end
    }
}

/// Writes an array in the layout Gemini uses. An array without elements is `[]`.
#[derive(Debug)]
pub struct JsonArrayEncoder {
    started: bool,
}

impl JsonArrayEncoder {
    /// Appends the opening bracket: once, before the first element.
    pub fn open(out: &mut impl BufMut) -> Self {
        out.put_u8(b'[');
        Self { started: false }
    }

    /// Goes on with an array that has elements.
    #[must_use]
    pub const fn begun() -> Self {
        Self { started: true }
    }

    /// Appends one element, given as JSON text.
    pub fn element(&mut self, element: &[u8], out: &mut impl BufMut) {
        if self.started {
            out.put_slice(b"\n,");
        }
        self.started = true;
        out.put_slice(element);
    }

    /// Appends the closing bracket.
    pub fn close(self, out: &mut impl BufMut) {
        out.put_slice(if self.started { b"\n]" } else { b"]" });
    }
}

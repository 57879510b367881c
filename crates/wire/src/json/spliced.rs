//! The result of a splice.

use bytes::{Bytes, BytesMut};

/// Up to this size, in bytes, a result is one buffer: copying is cheaper than a vectored write.
const ONE_BUFFER: usize = 16 * 1024;

/// In a larger result, neighbouring pieces up to this size are copied together; larger ones stay slices.
const SMALL_PIECE: usize = 4 * 1024;

/// An edited document: its bytes in order, in parts that share the input where they are long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spliced {
    parts: Vec<Bytes>,
    len: usize,
}

impl Spliced {
    pub(super) fn whole(body: Bytes) -> Self {
        Self { len: body.len(), parts: vec![body] }
    }

    /// Joins pieces, given as slices with the way to share each.
    pub(super) fn join(pieces: &[(&Bytes, usize, usize)]) -> Self {
        let len = pieces.iter().map(|(_, start, end)| end - start).sum();
        let piece_limit = if len <= ONE_BUFFER { ONE_BUFFER } else { SMALL_PIECE };
        let mut parts = Vec::new();
        let mut small = BytesMut::new();
        if len <= ONE_BUFFER {
            small.reserve(len);
        }
        for &(source, start, end) in pieces {
            if end - start <= piece_limit {
                small.extend_from_slice(&source[start..end]);
                continue;
            }
            if !small.is_empty() {
                parts.push(small.split().freeze());
            }
            parts.push(source.slice(start..end));
        }
        if !small.is_empty() {
            parts.push(small.freeze());
        }
        Self { parts, len }
    }

    /// Length of the document in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never true of a JSON document.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The parts in order; none is empty.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// The parts in order, to be sent one after the other.
    pub fn into_parts(self) -> Vec<Bytes> {
        self.parts
    }

    /// The document in one buffer: a copy if it has more than one part.
    pub fn into_bytes(mut self) -> Bytes {
        if self.parts.len() == 1
            && let Some(part) = self.parts.pop()
        {
            return part;
        }
        let mut whole = BytesMut::with_capacity(self.len);
        for part in &self.parts {
            whole.extend_from_slice(part);
        }
        whole.freeze()
    }
}

//! The bytes a framer has been given and has not yet given out: the newest chunk, and before it what had to be copied.

use bytes::{Buf, Bytes, BytesMut};

/// An unfinished frame. Invariant: a frame that began in an earlier chunk lies in `held`, so `held` is empty for as long
/// as frames begin and end inside one chunk, and then nothing is ever copied.
#[derive(Debug, Default)]
pub(crate) struct Carry {
    held: BytesMut,
    chunk: Bytes,
    /// How much of `chunk` has been scanned without finding the end of the frame.
    pub(crate) scanned: usize,
}

impl Carry {
    pub(crate) fn len(&self) -> usize {
        self.held.len() + self.chunk.len()
    }

    pub(crate) fn chunk(&self) -> &[u8] {
        &self.chunk
    }

    /// The first bytes of the unfinished frame, if that many have come.
    pub(crate) fn first<const N: usize>(&self) -> Option<[u8; N]> {
        let mut first = [0; N];
        let mut bytes = self.held.iter().chain(&self.chunk);
        first.iter_mut().try_for_each(|slot| bytes.next().map(|byte| *slot = *byte)).map(|()| first)
    }

    pub(crate) fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else if self.scanned == self.chunk.len() {
            self.held.extend_from_slice(&self.chunk);
            self.chunk = chunk;
            self.scanned = 0;
        } else {
            // The owner pushed before draining: the unread frames must stay in `chunk`.
            let mut joined = BytesMut::with_capacity(self.chunk.len() + chunk.len());
            joined.extend_from_slice(&self.chunk);
            joined.extend_from_slice(&chunk);
            self.chunk = joined.freeze();
        }
    }

    /// Gives out everything up to `end` in the chunk.
    pub(crate) fn take(&mut self, end: usize) -> Bytes {
        self.scanned = 0;
        if self.held.is_empty() {
            return self.chunk.split_to(end);
        }
        self.held.extend_from_slice(&self.chunk[..end]);
        self.chunk.advance(end);
        self.held.split().freeze()
    }

    /// Drops everything up to `end` in the chunk; only between frames, when nothing is held.
    pub(crate) fn skip(&mut self, end: usize) {
        self.scanned = 0;
        self.chunk.advance(end);
    }

    pub(crate) fn take_all(&mut self) -> Bytes {
        self.take(self.chunk.len())
    }

    /// The length the frame would have if it ended at `end` in the chunk.
    pub(crate) fn len_to(&self, end: usize) -> usize {
        self.held.len() + end
    }
}

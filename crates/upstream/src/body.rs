//! A request body: shared pieces, which can be sent again without a copy, or something that flows, once.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Why a flowing body broke off.
pub type Broken = Box<dyn Error + Send + Sync>;

/// A body that comes from somewhere else while it is sent.
pub type Flowing = Pin<Box<dyn Body<Data = Bytes, Error = Broken> + Send>>;

/// Pieces of bytes, sent one after the other; or a body that flows.
#[derive(Default)]
pub struct RequestBody {
    parts: VecDeque<Bytes>,
    length: u64,
    flowing: Option<(Flowing, Option<u64>)>,
}

impl RequestBody {
    /// A body of these pieces.
    pub fn new(parts: impl IntoIterator<Item = Bytes>) -> Self {
        let parts: VecDeque<Bytes> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let length = parts.iter().map(|part| part.len() as u64).sum();
        Self { parts, length, flowing: None }
    }

    /// A body that is read while it is sent. `length`: in bytes, where it is known.
    #[must_use]
    pub fn flowing(body: Flowing, length: Option<u64>) -> Self {
        Self { flowing: Some((body, length)), ..Self::default() }
    }

    /// Can it be sent only once?
    #[must_use]
    pub const fn is_flowing(&self) -> bool {
        self.flowing.is_some()
    }
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::new([bytes])
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("length", &self.length).field("flowing", &self.is_flowing()).finish()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some((body, _)) = &mut self.flowing {
            return body.as_mut().poll_frame(cx);
        }
        let part = self.parts.pop_front();
        self.length -= part.as_ref().map_or(0, |part| part.len() as u64);
        Poll::Ready(part.map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.flowing.as_ref().map_or(self.parts.is_empty(), |(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.flowing {
            Some((_, Some(length))) => SizeHint::with_exact(*length),
            Some((body, None)) => body.size_hint(),
            None => SizeHint::with_exact(self.length),
        }
    }
}

//! Bodies that flow: the caller's on its way out, the provider's on its way in.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use ringmain_upstream::AnswerBody;
use tokio::time::{Instant, Sleep};

use crate::classify;
use crate::reply::BrokenOff;
use crate::settle::{AttemptGuard, RequestGuard};

/// Silence inside a body before its sender is given up. Longer than in a chat: what flows here may be anything.
const IDLE: Duration = Duration::from_secs(300);

/// A clock that runs while something is waited for, and not while nobody asks for more.
#[derive(Default)]
struct Patience {
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn heard(&mut self) {
        self.since = None;
    }

    /// Ready when it has run out.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = *self.since.get_or_insert_with(Instant::now) + IDLE;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        loop {
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

/// A caller's body on its way out.
pub(super) struct Upload<B> {
    body: B,
    broke: Arc<AtomicBool>,
    patience: Patience,
}

impl<B> Upload<B> {
    pub(super) fn new(body: B, broke: Arc<AtomicBool>) -> Self {
        Self { body, broke, patience: Patience::default() }
    }
}

impl<B> Body for Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Box<dyn Error + Send + Sync>>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Err(error))) => {
                this.broke.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(frame) => {
                this.patience.heard();
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => this.patience.poll_over(cx).map(|()| {
                this.broke.store(true, Ordering::Relaxed);
                Some(Err("the request body stopped coming".into()))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that is coming, and what was read of it already.
pub struct Flow {
    /// Its beginning.
    pub first: Option<Bytes>,
    /// The rest.
    pub body: AnswerBody,
}

/// A provider's body on its way to the caller, as it comes.
pub struct Raw {
    flow: Flow,
    length: Option<u64>,
    patience: Patience,
    settles: Option<(AttemptGuard, RequestGuard)>,
}

impl Raw {
    /// An answer whose head has come; `length` as its headers say.
    #[must_use]
    pub fn new(flow: Flow, length: Option<u64>, attempt: AttemptGuard, request: RequestGuard) -> Self {
        Self { flow, length, patience: Patience::default(), settles: Some((attempt, request)) }
    }

    /// The next bytes.
    ///
    /// # Errors
    /// The provider's body broke off, and so does this one.
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if let Some(first) = self.flow.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        match self.flow.body.poll_next(cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                self.patience.heard();
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Ready(None) => {
                if let Some((mut attempt, mut request)) = self.settles.take() {
                    attempt.served();
                    request.ended(None);
                }
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.fail("the provider's answer broke off", error.chain());
                Poll::Ready(Some(Err(BrokenOff)))
            }
            Poll::Pending => self.patience.poll_over(cx).map(|()| {
                self.fail("the provider's answer fell silent", String::new());
                Some(Err(BrokenOff))
            }),
        }
    }

    /// How long it is, where that was said.
    #[must_use]
    pub const fn length(&self) -> Option<u64> {
        self.length
    }

    fn fail(&mut self, what: &str, detail: String) {
        if let Some((mut attempt, mut request)) = self.settles.take() {
            let fault = classify::interrupted(what).with_detail(detail);
            attempt.failed(&fault);
            request.ended(Some(&fault));
        }
    }
}

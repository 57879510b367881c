//! Bodies that flow: the caller's on its way out, the provider's on its way in. Neither is held: who reads slowly makes
//! who sends slow.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use ringmain_core::{Fault, FaultClass, Usage};
use ringmain_operations::audio::dress::Dress;
use ringmain_operations::audio::watch::{self, Watch};
use ringmain_upstream::{AnswerBody, Broken, Flowing};
use tokio::time::{Instant, Sleep};

use super::counted::Counter;
use crate::attempt::Attempts;
use crate::classify;
use crate::read;
use crate::reply::BrokenOff;
use crate::settle::AttemptGuard;

/// A clock that runs while something is waited for, and not while nobody asks for more.
struct Patience {
    limit: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    const fn new(limit: Duration) -> Self {
        Self { limit, since: None, timer: None }
    }

    const fn heard(&mut self) {
        self.since = None;
    }

    /// Ready when it has run out, or at `until` if that is sooner.
    fn poll_over(&mut self, until: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let silent = *self.since.get_or_insert_with(Instant::now) + self.limit;
        let due = until.map_or(silent, |until| until.min(silent));
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(cx)
    }
}

/// A caller's body, of which each attempt may read the rest: nothing of it is lost with an attempt that never began to.
pub(super) struct Upload(Mutex<Inner>);

struct Inner {
    body: Flowing,
    patience: Patience,
    begun: bool,
    broke: Option<&'static str>,
    moved: Instant,
}

impl Upload {
    pub(super) fn new<B>(body: B) -> Arc<Self>
    where
        B: Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: Into<Broken>,
    {
        Arc::new(Self(Mutex::new(Inner {
            body: Box::pin(Erased(body)),
            patience: Patience::new(read::IDLE),
            begun: false,
            broke: None,
            moved: Instant::now(),
        })))
    }

    /// Something of it has been sent.
    pub(super) fn has_begun(&self) -> bool {
        self.inner().begun
    }

    /// Why it broke off, if it did.
    pub(super) fn broke(&self) -> Option<&'static str> {
        self.inner().broke
    }

    /// When a piece of it was last taken.
    pub(super) fn moved(&self) -> Instant {
        self.inner().moved
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt's way of reading it.
pub(super) struct Reader(pub(super) Arc<Upload>);

impl Body for Reader {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let mut inner = self.0.inner();
        let inner = &mut *inner;
        match inner.body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Err(error))) => {
                inner.broke = Some("the request body broke off");
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(frame) => {
                inner.begun = true;
                inner.moved = Instant::now();
                inner.patience.heard();
                Poll::Ready(frame)
            }
            Poll::Pending => inner.patience.poll_over(None, cx).map(|()| {
                let why = "the request body stopped coming";
                inner.broke = Some(why);
                Some(Err(why.into()))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.inner().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.inner().body.size_hint()
    }
}

/// A body whose error is of any kind.
struct Erased<B>(B);

impl<B> Body for Erased<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Broken>,
{
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// A body that is coming, and what was read of it already.
pub struct Flow {
    /// Its beginning.
    pub first: Option<Bytes>,
    /// The rest.
    pub body: AnswerBody,
    /// What is done with it on the way.
    pub through: Through,
}

/// What is done with a body on its way.
pub enum Through {
    /// Nothing.
    AsItIs,
    /// Nothing, but a copy of its end is read for what was used.
    Counted(Box<Counter>),
    /// Sound is put into the form its caller wants; what follows `first`.
    Dressed(Box<Dress>),
    /// Events are looked at, the units beside the tokens they name are known.
    Watched(Box<Watch>, Usage),
}

impl Through {
    /// Does it end with an event, also where it breaks off?
    fn has_events(&self) -> bool {
        match self {
            Self::AsItIs | Self::Counted(_) => false,
            Self::Dressed(dress) => dress.has_events(),
            Self::Watched(..) => true,
        }
    }

    /// The next piece as it goes out; nothing may go out for it.
    ///
    /// # Errors
    /// It says that the provider failed; it goes out all the same.
    fn piece(&mut self, bytes: Bytes) -> (Bytes, Option<Fault>) {
        match self {
            Self::AsItIs => (bytes, None),
            Self::Counted(counter) => {
                counter.piece(&bytes);
                (bytes, None)
            }
            Self::Dressed(dress) => (dress.piece(bytes), None),
            Self::Watched(watch, _) => {
                let fault = watch.piece(bytes.clone()).err();
                (bytes, fault)
            }
        }
    }
}

/// A provider's body on its way to the caller, as it comes.
pub struct Raw {
    flow: Flow,
    /// Bytes that are still to go out, where its length was said.
    left: Option<u64>,
    patience: Patience,
    /// The end of its caller's time, where the caller named one.
    until: Option<Instant>,
    owner: Option<(AttemptGuard, Box<Attempts>)>,
    /// Its last bytes; nothing comes after them.
    last: Option<Bytes>,
    ended: bool,
}

impl Raw {
    /// An answer whose head has come; `length` as its headers say. Its caller's time, if the caller named one, is the only
    /// clock that may cut it while it flows.
    #[must_use]
    pub fn new(flow: Flow, length: Option<u64>, attempt: AttemptGuard, attempts: Box<Attempts>) -> Self {
        let request = attempt.request();
        let until = request.facts.timeout.map(|_| attempt.gateway().clock.instant(request.deadline));
        let patience = Patience::new(request.route.policy.timeouts.idle);
        let owner = Some((attempt, attempts));
        let mut raw = Self { flow, left: length, patience, until, owner, last: None, ended: false };
        raw.gave(0);
        raw
    }

    /// So many bytes go out. Who was told how long the answer is asks for nothing after its last byte: it ends here.
    fn gave(&mut self, bytes: usize) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(bytes as u64);
            if *left == 0 && !self.ended {
                self.end();
            }
        }
    }

    /// The next bytes.
    ///
    /// # Errors
    /// The provider's body broke off, and so does this one, where it has no place for an error.
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            if let Some(bytes) = self.flow.first.take().or_else(|| self.last.take()) {
                self.gave(bytes.len());
                return Poll::Ready(Some(Ok(bytes)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            if self.owner.as_ref().is_some_and(|(attempt, _)| attempt.gateway().is_ending()) {
                return self.stopped("the gateway is being restarted");
            }
            match self.flow.body.poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => {
                    self.patience.heard();
                    let (bytes, fault) = self.flow.through.piece(bytes);
                    if let Some(fault) = fault {
                        // The caller reads it in the provider's own words.
                        self.settle(&fault);
                        (self.last, self.ended) = (Some(bytes), true);
                    } else if !bytes.is_empty() {
                        self.gave(bytes.len());
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Poll::Ready(None) => self.end(),
                Poll::Ready(Some(Err(error))) => {
                    let fault = classify::interrupted("the provider's answer broke off").with_detail(error.chain());
                    return self.broke(&fault);
                }
                Poll::Pending => {
                    std::task::ready!(self.patience.poll_over(self.until, cx));
                    if self.until.is_some_and(|until| Instant::now() >= until) {
                        return self.stopped("the answer did not end within the caller's time limit");
                    }
                    return self.broke(&classify::interrupted("the provider's answer fell silent"));
                }
            }
        }
    }

    /// The provider's end of it.
    fn end(&mut self) {
        self.ended = true;
        match &mut self.flow.through {
            Through::AsItIs => {}
            Through::Counted(counter) => {
                if let (Some((attempt, _)), Some((model, usage))) = (&mut self.owner, counter.end()) {
                    attempt.counted(usage, &model);
                }
            }
            Through::Dressed(dress) => self.last = dress.end(),
            Through::Watched(watch, _) if !watch.is_whole() => {
                let fault = classify::interrupted("the provider's stream ended without its last event");
                self.last = self.told(&fault);
                return self.settle(&fault);
            }
            Through::Watched(watch, units) => {
                let units = units.units;
                if let Some((attempt, _)) = &mut self.owner {
                    attempt.told(Some(Usage { units, ..watch.tokens().unwrap_or_default() }));
                }
            }
        }
        if let Some((mut attempt, mut attempts)) = self.owner.take() {
            attempt.served();
            attempts.guard.ended(None);
        }
    }

    /// What its caller is told of a failure, where it is a stream of events.
    fn told(&self, fault: &Fault) -> Option<Bytes> {
        let (attempt, _) = self.owner.as_ref()?;
        Some(watch::broken(fault, &attempt.request().id.to_string())).filter(|_| self.flow.through.has_events())
    }

    /// Bytes that are still to come, where its length was said.
    #[must_use]
    pub const fn left(&self) -> Option<u64> {
        self.left
    }

    /// It ends here, and its provider is not to blame.
    fn stopped(&mut self, why: &str) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let mut fault = classify::interrupted(why);
        (fault.class, fault.scope) = (FaultClass::Cancelled, FaultClass::Cancelled.scope());
        fault.origin = ringmain_core::Origin::Gateway;
        let told = self.told(&fault);
        if let Some((attempt, mut attempts)) = self.owner.take() {
            drop(attempt);
            attempts.guard.ended(Some(&fault));
        }
        self.last_words(told)
    }

    /// It breaks off.
    fn broke(&mut self, fault: &Fault) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let told = self.told(fault);
        self.settle(fault);
        self.last_words(told)
    }

    fn last_words(&mut self, told: Option<Bytes>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        self.ended = true;
        Poll::Ready(Some(told.ok_or(BrokenOff)))
    }

    fn settle(&mut self, fault: &Fault) {
        if let Some((mut attempt, mut attempts)) = self.owner.take() {
            attempt.failed(fault);
            attempts.guard.ended(Some(fault));
        }
    }
}

//! An answer on its way: provider events in, caller bytes out, on one path before and after the commit point.
//!
//! Before the commit the output is held ([`Live::hold`]); after it the caller's connection pulls ([`Live::poll_bytes`]):
//! a slow caller slows the provider, and a caller who leaves drops everything.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use ringmain_core::{Fault, Loss, LossKind, Phase};
use ringmain_dialects::Framing;
use ringmain_routing::OnRefusal;
use ringmain_upstream::AnswerBody;
use tokio::time::{Instant, Sleep};

use crate::classify;
use crate::frames::Framer;
use crate::reply::BrokenOff;
use crate::settle::{AttemptGuard, RequestGuard};
use crate::writer::{Seen, Writer};

/// The largest single event: a picture in base64 fits.
const EVENT_MAX: usize = 32 * 1024 * 1024;
/// Output held before the commit, at most; what is beyond commits.
const HOLD_MAX: usize = 1024 * 1024;
/// Silence towards the caller before a keep-alive is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long the provider may take to close a stream after its last event.
const LINGER: Duration = Duration::from_secs(1);

/// A streamed answer.
pub struct Live {
    answer: AnswerBody,
    framer: Framer,
    writer: Writer,
    queue: VecDeque<Bytes>,
    idle: Duration,
    lenient: bool,
    /// When the provider was last heard.
    heard: Instant,
    /// When a keep-alive was last sent.
    spoke: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    ended: bool,
    /// Set at the commit; before it, whoever holds the stream settles for it.
    settles: Option<(AttemptGuard, RequestGuard)>,
}

/// Why an answer ends.
enum End {
    Whole,
    Broken(Fault),
}

impl Live {
    /// A stream whose head has come; `framing`: how the provider delimits it.
    #[must_use]
    pub fn new(answer: AnswerBody, framing: Framing, writer: Writer, idle: Duration, lenient: bool) -> Self {
        let now = Instant::now();
        Self {
            answer,
            framer: Framer::new(framing, EVENT_MAX),
            writer,
            queue: VecDeque::new(),
            idle,
            lenient,
            heard: now,
            spoke: now,
            timer: None,
            ended: false,
            settles: None,
        }
    }

    /// Reads until the first useful token. Nothing of it is with the caller yet.
    ///
    /// # Errors
    /// The stream failed, ended or refused before anything useful.
    pub async fn hold(mut self, on_refusal: OnRefusal) -> Result<Self, Fault> {
        loop {
            let seen = self.writer.seen();
            if seen.useful || self.queue.iter().map(Bytes::len).sum::<usize>() > HOLD_MAX {
                return Ok(self);
            }
            if self.ended || seen.terminal {
                return barren(seen, on_refusal).map(|()| self);
            }
            match self.answer.next().await {
                Some(Ok(chunk)) => self.take(&chunk)?,
                Some(Err(error)) => return Err(classify::of_exchange(&error)),
                None => match self.finish() {
                    End::Whole => self.ended = true,
                    End::Broken(mut fault) => {
                        fault.phase = Phase::BeforeCommit;
                        return Err(fault);
                    }
                },
            }
        }
    }

    /// What of the answer so far the caller's dialect could not carry, since this was last asked.
    pub fn take_losses(&mut self) -> Vec<Loss> {
        let mut losses = self.writer.take_losses();
        losses.retain(|loss| loss.kind != LossKind::Defaulted);
        losses
    }

    /// The answer is this request's: from here on the caller sees it, and it settles for both when it ends.
    pub fn commit(&mut self, attempt: AttemptGuard, request: RequestGuard) {
        let now = Instant::now();
        (self.heard, self.spoke) = (now, now);
        let settles = self.settles.insert((attempt, request));
        if self.ended {
            settles.0.usage = self.writer.seen().usage;
            settles.0.served();
            settles.1.ended(None);
        }
    }

    /// The next bytes for the caller.
    ///
    /// # Errors
    /// Never: what breaks off ends with an error event in the caller's dialect.
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            if let Some(bytes) = self.queue.pop_front() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            if self.settles.as_ref().is_some_and(|(attempt, _)| attempt.gateway().is_ending()) {
                let end = self.broke_off("the gateway is being restarted", None);
                self.end(end);
                continue;
            }
            match self.answer.poll_next(cx) {
                Poll::Ready(Some(Ok(chunk))) => {
                    self.heard = Instant::now();
                    if let Err(fault) = self.take(&chunk) {
                        self.end(End::Broken(fault));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    let end = self.broke_off("the provider's stream broke off", Some(error.chain()));
                    self.end(end);
                }
                Poll::Ready(None) => {
                    let end = self.finish();
                    self.end(end);
                }
                Poll::Pending => match self.poll_silence(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => {}
                },
            }
        }
    }

    /// Takes a chunk apart. An error inside the stream ends it.
    fn take(&mut self, chunk: &Bytes) -> Result<(), Fault> {
        self.framer.push(chunk.clone());
        while let Some(frame) = self.framer.next()? {
            self.writer.frame(&frame, chunk, &mut self.queue);
        }
        if let Some((attempt, _)) = &self.settles {
            for _ in 0..self.writer.take_skipped() {
                attempt.skipped_event();
            }
        }
        self.writer.take_error().map_or(Ok(()), Err)
    }

    /// The provider closed the stream: is the answer whole?
    fn finish(&mut self) -> End {
        if self.writer.end(self.lenient, &mut self.queue) {
            End::Whole
        } else {
            self.broke_off("the provider's stream ended early", None)
        }
    }

    fn broke_off(&self, what: &str, detail: Option<String>) -> End {
        // A finish reason has come: what is missing is only the marker after it.
        if self.writer.is_whole(self.lenient) {
            return End::Whole;
        }
        let mut fault = classify::interrupted(what);
        fault.detail = detail;
        End::Broken(fault)
    }

    fn end(&mut self, end: End) {
        self.ended = true;
        let losses = self.take_losses();
        let Some((attempt, request)) = &mut self.settles else { return };
        attempt.usage = self.writer.seen().usage;
        request.lost(attempt.target(), Vec::new(), losses);
        match end {
            End::Whole => {
                attempt.served();
                request.ended(None);
            }
            End::Broken(fault) => {
                attempt.failed(&fault);
                self.writer.error(&fault, &attempt.request().id.to_string(), &mut self.queue);
                request.ended(Some(&fault));
            }
        }
    }

    /// Nothing came: is it time for a keep-alive, or to give the stream up? One timer serves both and is moved only
    /// when it fires, so that a flowing stream never touches it.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let patience = if self.writer.seen().terminal { LINGER } else { self.idle };
        let given_up = self.heard + patience;
        let keep_alive = self.spoke.max(self.heard) + KEEP_ALIVE;
        let due = given_up.min(keep_alive);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        loop {
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if now >= given_up {
                let end = self.broke_off("the provider's stream fell silent", None);
                if matches!(end, End::Whole) {
                    self.writer.end(self.lenient, &mut self.queue);
                }
                self.end(end);
                return Poll::Ready(());
            }
            if now >= keep_alive {
                self.spoke = now;
                self.writer.keep_alive(&mut self.queue);
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

/// What an answer is that ended without anything useful: a refusal is one, nothing at all is a failure.
fn barren(seen: &Seen, on_refusal: OnRefusal) -> Result<(), Fault> {
    match (seen.refused, on_refusal) {
        (true, OnRefusal::Return) => Ok(()),
        (true, OnRefusal::Next) => Err(classify::refusal()),
        (false, _) if seen.usage.is_some_and(|usage| usage.output > 0) => Ok(()),
        (false, _) => Err(classify::empty()),
    }
}

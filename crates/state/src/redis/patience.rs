//! How long an answer is waited for: patience is for silence, and not for one's turn.
//!
//! A burst makes a queue, here, at the server and for a processor, and nothing in it is dead. So a question waits on while
//! the server answers others, up to an end; and a silence is counted in short parts of which each must have been watched: a
//! task that was not run for a while had no chance to hear, and its answer may lie in the socket.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout};

/// The parts in which a silence is counted. One that lasted longer than it should counts once.
const PARTS: u32 = 4;

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    silence: Duration,
    most: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missed {
    /// Nobody is answered, or nobody in time.
    Silence,
    /// Others were answered in time meanwhile.
    Turn,
}

impl Patience {
    /// `silence`: for a server that says nothing; `most`: for one that answers others, and on a machine that does not run us.
    pub(crate) fn new(silence: Duration, most: Duration) -> Self {
        Self { silence, most: most.max(silence) }
    }

    /// Waits while others are answered.
    ///
    /// # Errors
    /// No answer: nothing was heard at all for `silence`, or it did not come within `most`.
    pub(crate) async fn in_turn<T>(self, ear: &Ear, answer: impl Future<Output = T>) -> Result<T, Missed> {
        self.wait(ear, true, answer).await
    }

    /// Waits as long as for a silence, whoever else is answered.
    ///
    /// # Errors
    /// No answer by then.
    pub(crate) async fn briskly<T>(self, ear: &Ear, answer: impl Future<Output = T>) -> Result<T, Missed> {
        self.wait(ear, false, answer).await
    }

    async fn wait<T>(self, ear: &Ear, in_turn: bool, answer: impl Future<Output = T>) -> Result<T, Missed> {
        let mut answer = pin!(answer);
        let (asked, answers, mut pieces) = (Instant::now(), ear.answers(), ear.pieces());
        let part = self.silence / PARTS;
        let mut quiet = 0;
        while asked.elapsed() < self.most {
            let begun = Instant::now();
            if let Ok(answer) = timeout(part, answer.as_mut()).await {
                ear.answers.fetch_add(1, Ordering::Relaxed);
                return Ok(answer);
            }
            let newest = ear.pieces();
            // Who was not run for so long was no witness of a silence.
            let is_late = begun.elapsed() > 2 * part;
            quiet = if is_late || (in_turn && newest != pieces) { 0 } else { quiet + 1 };
            pieces = newest;
            if quiet >= PARTS {
                if in_turn {
                    return Err(Missed::Silence);
                }
                break;
            }
        }
        Err(if ear.answers() == answers { Missed::Silence } else { Missed::Turn })
    }
}

/// What was heard of a server since the start, by whomever.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    pieces: AtomicU64,
    answers: AtomicU64,
}

impl Ear {
    /// Something came from the server.
    pub(crate) fn hear(&self) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
    }

    fn pieces(&self) -> u64 {
        self.pieces.load(Ordering::Relaxed)
    }

    /// Answers that somebody had still waited for.
    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

/// A connection that is listened to.
pub(super) struct Overheard<S> {
    stream: S,
    ear: Arc<Ear>,
}

impl<S> Overheard<S> {
    pub(super) const fn new(stream: S, ear: Arc<Ear>) -> Self {
        Self { stream, ear }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Overheard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.ear.hear();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Overheard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

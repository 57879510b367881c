//! A connection that has left HTTP: bytes go both ways until one side closes.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Response;
use ringmain_core::FaultScope;
use ringmain_upstream::AnswerBody;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::frames::Frames;
use crate::attempt::Attempts;
use crate::classify;
use crate::settle::AttemptGuard;

/// The longest a tunnel stands: sessions of the providers end within hours.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// What the other side has left to say after one has closed.
const LINGER: Duration = Duration::from_secs(5);
/// The last words of a tunnel.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// What is held of one direction.
const BUFFER: usize = 16 * 1024;
/// A WebSocket's "going away" (RFC 6455, 7.4.1), as a server writes it.
const GOING_AWAY: [u8; 4] = [0x88, 2, 0x03, 0xe9];

/// The provider's half, to be joined with the caller's when its connection has switched as well.
pub struct Tunnel {
    answer: AnswerBody,
    attempt: AttemptGuard,
    attempts: Box<Attempts>,
}

/// What a response carries to whoever holds the caller's connection.
#[derive(Clone)]
struct Carried(Arc<Mutex<Option<Tunnel>>>);

/// How a tunnel ended.
enum End {
    Closed,
    Broken(io::Error),
    Drained,
}

impl Tunnel {
    pub(crate) const fn new(answer: AnswerBody, attempt: AttemptGuard, attempts: Box<Attempts>) -> Self {
        Self { answer, attempt, attempts }
    }

    /// Puts it into the response that switches the caller's connection.
    pub(crate) fn put<B>(self, response: &mut Response<B>) {
        response.extensions_mut().insert(Carried(Arc::new(Mutex::new(Some(self)))));
    }

    /// Takes it out again.
    #[must_use]
    pub fn take<B>(response: &mut Response<B>) -> Option<Self> {
        let carried = response.extensions_mut().remove::<Carried>()?;
        carried.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Joins it with the caller's half, until either closes or the gateway goes out of service.
    pub async fn run(self, caller: impl AsyncRead + AsyncWrite + Unpin, ending: impl Future<Output = ()>) {
        let Self { answer, mut attempt, mut attempts } = self;
        let end = match answer.into_io().await {
            Ok((provider, read)) => join(caller, provider, &read, ending).await,
            Err(error) => End::Broken(error),
        };
        match end {
            End::Closed | End::Drained => {
                attempt.served();
                attempts.guard.ended(None);
            }
            End::Broken(error) => {
                // Which side broke is not to be told from here: nobody is benched.
                let mut fault = classify::interrupted("the connection broke off").with_detail(error.to_string());
                fault.scope = FaultScope::Request;
                attempt.failed(&fault);
                attempts.guard.ended(Some(&fault));
            }
        }
    }
}

/// `read`: what the provider had said already.
async fn join(
    caller: impl AsyncRead + AsyncWrite + Unpin,
    provider: impl AsyncRead + AsyncWrite + Unpin,
    read: &[u8],
    ending: impl Future<Output = ()>,
) -> End {
    let (mut of_caller, mut to_caller) = tokio::io::split(caller);
    let (mut of_provider, mut to_provider) = tokio::io::split(provider);
    let between_frames = AtomicBool::new(true);
    let end = {
        let mut up = pin!(pump(&mut of_caller, &mut to_provider));
        let mut down = pin!(pump_frames(&mut of_provider, &mut to_caller, read, &between_frames));
        tokio::select! {
            ended = &mut up => lingers(ended, down).await,
            ended = &mut down => lingers(ended, up).await,
            () = ending => End::Drained,
            () = tokio::time::sleep(LONGEST) => End::Drained,
        }
    };
    let last = async {
        if matches!(end, End::Drained) && between_frames.load(Ordering::Relaxed) {
            to_caller.write_all(&GOING_AWAY).await?;
        }
        to_caller.shutdown().await?;
        to_provider.shutdown().await
    };
    // Nobody may be there to hear it.
    let _ = tokio::time::timeout(LAST_WORDS, last).await;
    end
}

/// One direction has ended: the other has a moment left.
async fn lingers(ended: io::Result<()>, other: impl Future<Output = io::Result<()>>) -> End {
    match ended {
        Err(error) => End::Broken(error),
        Ok(()) => match tokio::time::timeout(LINGER, other).await {
            Ok(Err(error)) => End::Broken(error),
            Ok(Ok(())) | Err(_) => End::Closed,
        },
    }
}

/// All of one direction; the end is told to whoever reads it.
async fn pump(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(buffer.get(..count).unwrap_or_default()).await?;
        to.flush().await?;
    }
}

/// The same, and knows when what is written ends with a frame: only there something may be put in.
async fn pump_frames(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    read: &[u8],
    between_frames: &AtomicBool,
) -> io::Result<()> {
    let mut frames = Frames::default();
    let mut buffer = vec![0; BUFFER.max(read.len())];
    buffer.get_mut(..read.len()).unwrap_or_default().copy_from_slice(read);
    let mut count = read.len();
    loop {
        if count > 0 {
            let piece = buffer.get(..count).unwrap_or_default();
            between_frames.store(false, Ordering::Relaxed);
            to.write_all(piece).await?;
            to.flush().await?;
            frames.feed(piece);
            between_frames.store(frames.is_between(), Ordering::Relaxed);
        }
        count = from.read(&mut buffer).await?;
        if count == 0 {
            between_frames.store(false, Ordering::Relaxed);
            return to.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_go_both_ways_until_one_side_closes() {
        let (mut caller, near) = duplex(64);
        let (far, mut provider) = duplex(64);
        let joined = tokio::spawn(join(near, far, b"\x81\x02hi", std::future::pending()));
        caller.write_all(b"to the provider").await.unwrap();
        let mut seen = [0; 15];
        provider.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"to the provider");
        caller.shutdown().await.unwrap();
        assert_eq!(provider.read(&mut seen).await.unwrap(), 0, "the caller's end is the provider's");
        provider.write_all(b"\x88\x00").await.unwrap();
        drop(provider);
        let mut rest = Vec::new();
        caller.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"\x81\x02hi\x88\x00", "what was read with the head comes first");
        assert!(matches!(joined.await.unwrap(), End::Closed));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_close_in_turn_is_left() {
        let (caller, near) = duplex(64);
        let (far, _provider) = duplex(64);
        let began = tokio::time::Instant::now();
        drop(caller);
        assert!(matches!(join(near, far, b"", std::future::pending()).await, End::Closed));
        assert_eq!(began.elapsed(), LINGER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_is_told_between_frames_alone() {
        for (said, told) in [(&b"\x81\x02hi"[..], &b"\x81\x02hi\x88\x02\x03\xe9"[..]), (b"\x81\x05hi", b"\x81\x05hi")] {
            let (mut caller, near) = duplex(64);
            let (far, mut provider) = duplex(64);
            let ending = tokio::time::sleep(Duration::from_secs(60));
            let joined = tokio::spawn(join(near, far, b"", ending));
            provider.write_all(said).await.unwrap();
            let mut heard = Vec::new();
            caller.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, told);
            assert!(matches!(joined.await.unwrap(), End::Drained));
        }
    }
}

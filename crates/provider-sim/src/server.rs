//! The listener and its connections.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::behavior::Behavior;
use crate::choose::Chooser;
use crate::log::Log;
use crate::recordings::Recordings;
use crate::reply::Templates;
use crate::respond::handle;
use crate::script::Script;
use crate::vertex::Tokens;

/// Connections served at once; further ones wait in the listener's queue.
const MAX_CONNECTIONS: usize = 16_384;
/// After a failed accept (out of descriptors, for one).
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What all connections share.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) chooser: Chooser,
    pub(crate) log: Arc<Log>,
    pub(crate) recordings: Option<Recordings>,
    pub(crate) templates: Templates,
    pub(crate) tokens: Tokens,
    ids: AtomicU64,
}

impl State {
    pub(crate) fn new(script: Script, default: Behavior, recordings: Option<Recordings>, log: usize) -> Self {
        Self {
            chooser: Chooser::new(script, default),
            log: Arc::new(Log::new(log, Instant::now())),
            recordings,
            templates: Templates::default(),
            tokens: Tokens::default(),
            ids: AtomicU64::new(1),
        }
    }

    /// A number no other answer has; spread over its bits so that ids look unlike each other.
    pub(crate) fn id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// What a connection's requests share with its socket.
#[derive(Debug, Default)]
pub(crate) struct Conn {
    /// Close with a reset.
    pub(crate) reset: AtomicBool,
    /// Requests so far.
    pub(crate) requests: AtomicU64,
}

/// Something that may be closed with a reset.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// The close is to be a reset.
    fn reset(&self);
}

impl Stream for TcpStream {
    fn reset(&self) {
        // Where it fails the close is an orderly one, which is still a close.
        let _ = self.set_zero_linger();
    }
}

/// A pipe in memory knows one way to close.
impl Stream for DuplexStream {
    fn reset(&self) {}
}

/// A socket that can be closed with a reset.
struct Socket<S: Stream> {
    stream: S,
    conn: Arc<Conn>,
}

impl<S: Stream> Drop for Socket<S> {
    fn drop(&mut self) {
        if self.conn.reset.load(Ordering::Relaxed) {
            self.stream.reset();
        }
    }
}

impl<S: Stream> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: Stream> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.conn.reset.load(Ordering::Relaxed) {
            // A FIN first would let the client see an orderly end.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}

/// Serves connections until it is dropped; they are closed with it.
pub(crate) async fn accept(listener: TcpListener, state: Arc<State>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let state = Arc::clone(&state);
                // Without it an event could wait for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                connections.spawn(async move {
                    serve(stream, state).await;
                    drop(permit);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

pub(crate) async fn serve<S: Stream>(stream: S, state: Arc<State>) {
    let conn = Arc::new(Conn::default());
    let socket = Socket { stream, conn: Arc::clone(&conn) };
    let service = service_fn(move |request| handle(Arc::clone(&state), Arc::clone(&conn), request));
    // An error here is a client that went away, or a cut that was meant.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

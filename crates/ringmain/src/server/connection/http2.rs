//! Callers that speak HTTP/2 from the first byte ("prior knowledge", RFC 9113 section 3.3): proxies and meshes in front of
//! the gateway, which carry many requests over one connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use ringmain_engine::ReplyBody;
use tokio::net::TcpStream;

use super::BUFFER_MAX;
use crate::server::drain::{Drain, Stage};

/// The first bytes of such a connection (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long to wait for the rest of a preface that has come in part.
const REST_WITHIN: Duration = Duration::from_millis(5);
/// Requests of one connection at once.
const STREAMS_MAX: u32 = 256;
/// What a request may have sent that nobody has read yet, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all requests of a connection: the most it can make the gateway hold.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// A connection whose other end is gone without a word is asked after this long.
const ALIVE_EVERY: Duration = Duration::from_secs(20);

/// Does the caller begin as one that speaks HTTP/2? Takes nothing from the connection.
///
/// # Errors
/// The connection broke, or closed before it said anything.
pub(super) async fn is_spoken(stream: &TcpStream) -> io::Result<bool> {
    let mut seen = [0; PREFACE.len()];
    loop {
        let count = stream.peek(&mut seen).await?;
        match PREFACE.strip_prefix(&seen[..count]) {
            _ if count == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            None => return Ok(false),
            Some([]) => return Ok(true),
            // What was seen stays to be read, so that there is no telling when more has come.
            Some(_) => tokio::time::sleep(REST_WITHIN).await,
        }
    }
}

/// What such a caller may do.
pub(super) fn settings(tasks: TokioExecutor) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(BUFFER_MAX as u32)
        .max_send_buf_size(BUFFER_MAX)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(ALIVE_EVERY)
        .keep_alive_timeout(ALIVE_EVERY);
    builder
}

/// The body of an answer in a task of its own. The connection does not ask for it again when the process goes out of
/// service, as one of HTTP/1.1 does: it asks itself, for its last words.
pub(super) struct Streamed {
    body: ReplyBody,
    ending: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Streamed {
    pub(super) fn new(body: ReplyBody, mut drain: Drain) -> Self {
        Self { body, ending: Some(Box::pin(async move { drain.reached(Stage::Ending).await })) }
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = <ReplyBody as Body>::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.ending.as_mut().is_some_and(|ending| ending.as_mut().poll(cx).is_ready()) {
            self.ending = None;
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! One request, one answer.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Request, Response, StatusCode, response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ringmain_wire::coding::{CodingError, Decoder, codings};
use tokio::time::Instant;

use crate::body::RequestBody;
use crate::dial::{Dial, Io};
use crate::error::{SendError, Stage};
use crate::origin::Origin;
use crate::pool::{Connection, Pool};

/// The largest response head, and the read buffer of one connection.
const BUFFER_MAX: usize = 64 * 1024;

/// Connections to providers. One for each worker thread, so that a request never waits on another thread's sockets.
#[derive(Clone)]
pub struct Upstream {
    dialer: Arc<dyn Dial>,
    pool: Arc<Pool>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("dialer", &self.dialer).finish_non_exhaustive()
    }
}

/// An answer whose head has come. Dropping it closes the connection.
pub struct Exchange {
    /// Status and headers.
    pub head: response::Parts,
    /// The rest.
    pub body: AnswerBody,
    /// The connection had served another request before.
    pub reused: bool,
}

impl Upstream {
    /// An empty pool that opens connections with `dialer`.
    pub fn new(dialer: Arc<dyn Dial>) -> Self {
        Self { dialer, pool: Arc::default() }
    }

    /// Sends a request and waits for the response head. `connect` bounds DNS, TCP and TLS together.
    ///
    /// `request` makes the request; its URI is in origin form, and it has a `host` header. A kept connection that turns out to be dead before
    /// any answer is replaced by a fresh one, once: the provider closed it while we wrote, and processed nothing.
    ///
    /// # Errors
    /// No head came; the stage says how far it got.
    pub async fn send(
        &self,
        origin: &Arc<Origin>,
        request: &(dyn Fn() -> Request<RequestBody> + Sync),
        connect: Duration,
    ) -> Result<Exchange, SendError> {
        self.send_raw(origin, request, connect).await?.decoded()
    }

    /// The same, with the answer's body in whatever encoding it comes.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_raw(
        &self,
        origin: &Arc<Origin>,
        request: &(dyn Fn() -> Request<RequestBody> + Sync),
        connect: Duration,
    ) -> Result<Exchange, SendError> {
        if let Some(connection) = self.pool.take(origin) {
            match self.exchange(origin, connection, request(), true).await {
                Err(error) if died_idle(&error) => {}
                done => return done,
            }
        }
        self.send_once(origin, request(), connect).await
    }

    /// Sends a request whose body can be read only once, on a connection of its own. The answer's body comes in whatever
    /// encoding it has.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_once(
        &self,
        origin: &Arc<Origin>,
        request: Request<RequestBody>,
        connect: Duration,
    ) -> Result<Exchange, SendError> {
        let io = self.dialer.dial(origin, connect).await?;
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(BUFFER_MAX)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| SendError::new(Stage::Connect, error))?;
        self.exchange(origin, Box::new(Connection { sender, driver, since: Instant::now() }), request, false).await
    }

    async fn exchange(
        &self,
        origin: &Arc<Origin>,
        mut connection: Box<Connection>,
        request: Request<RequestBody>,
        reused: bool,
    ) -> Result<Exchange, SendError> {
        let mut answer = pin!(connection.sender.send_request(request));
        let mut finished = None;
        let response: Response<Incoming> = poll_fn(|cx| {
            if finished.is_none()
                && let Poll::Ready(end) = Pin::new(&mut connection.driver).poll(cx)
            {
                finished = Some(end);
            }
            answer.as_mut().poll(cx)
        })
        .await
        .map_err(|error| SendError::new(Stage::Exchange, error))?;
        let (head, incoming) = response.into_parts();
        // A connection that leaves HTTP is done as one, and its socket goes on.
        let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
        let switched = switches && finished.is_some();
        let connection = (switches || finished.is_none()).then_some(connection);
        let (pool, origin) = (Arc::clone(&self.pool), Arc::clone(origin));
        let body = AnswerBody { incoming, connection, switched, pool, origin, decoder: None };
        Ok(Exchange { head, body, reused })
    }
}

impl Exchange {
    /// Undoes the encodings that a server chose. The headers then are those of the body as read.
    ///
    /// # Errors
    /// It is an encoding that nobody here knows.
    pub fn decoded(mut self) -> Result<Self, SendError> {
        self.body.decoder = decoder(&mut self.head.headers)?;
        Ok(self)
    }
}

/// What undoes the encodings that these headers name, if they name any.
fn decoder(headers: &mut HeaderMap) -> Result<Option<Box<Decoder>>, SendError> {
    let Some(encodings) = headers.remove(CONTENT_ENCODING) else { return Ok(None) };
    let codings = codings(encodings.to_str().unwrap_or("?")).map_err(|error| SendError::new(Stage::Body, error))?;
    if codings.is_empty() {
        return Ok(None);
    }
    headers.remove(CONTENT_LENGTH);
    Ok(Some(Box::new(Decoder::new(&codings))))
}

/// The connection was closed by the other side before a byte of an answer.
fn died_idle(error: &SendError) -> bool {
    error.stage == Stage::Exchange
        && error.source.downcast_ref::<hyper::Error>().is_some_and(|hyper| {
            hyper.is_incomplete_message() || hyper.is_closed() || hyper.is_canceled() || is_reset(hyper)
        })
}

fn is_reset(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|io| matches!(io.kind(), BrokenPipe | ConnectionReset | ConnectionAborted))
}

/// The body of an answer, read when asked.
pub struct AnswerBody {
    incoming: Incoming,
    connection: Option<Box<Connection>>,
    /// The connection has left HTTP.
    switched: bool,
    pool: Arc<Pool>,
    origin: Arc<Origin>,
    /// For an answer that came encoded.
    decoder: Option<Box<Decoder>>,
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl AnswerBody {
    /// The next bytes, decoded; `None` at the end, when the connection goes back to the pool.
    ///
    /// # Errors
    /// The connection broke before the end, or the bytes are not what their encoding says.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SendError>>> {
        let Some(mut decoder) = self.decoder.take() else { return self.poll_raw(cx) };
        loop {
            match decoder.next() {
                Ok(Some(piece)) => {
                    self.decoder = Some(decoder);
                    return Poll::Ready(Some(Ok(piece)));
                }
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(self.unreadable(error)))),
            }
            match self.poll_raw(cx) {
                Poll::Pending => {
                    self.decoder = Some(decoder);
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(bytes))) => decoder.push(bytes),
                Poll::Ready(None) => {
                    return Poll::Ready(decoder.finish().err().map(|error| Err(self.unreadable(error))));
                }
                broken @ Poll::Ready(Some(Err(_))) => return broken,
            }
        }
    }

    /// The rest of such a body says nothing.
    fn unreadable(&mut self, error: CodingError) -> SendError {
        self.connection = None;
        SendError::new(Stage::Body, error)
    }

    fn poll_raw(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SendError>>> {
        loop {
            let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    self.drive(cx);
                    ready!(Pin::new(&mut self.incoming).poll_frame(cx))
                }
            };
            match frame {
                // Trailers say nothing we use.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => {
                    self.connection = None;
                    return Poll::Ready(Some(Err(SendError::new(Stage::Body, error))));
                }
                None => {
                    self.keep(cx);
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// The next bytes.
    ///
    /// # Errors
    /// The connection broke before the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, SendError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Is there nothing to read any more?
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.decoder.is_none() && self.incoming.is_end_stream()
    }

    /// The socket of an exchange whose answer switched protocols, and what was read of it already.
    ///
    /// # Errors
    /// It has none any more.
    pub async fn into_io(mut self) -> io::Result<(Box<dyn Io>, Bytes)> {
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "the connection is gone");
        let mut connection = self.connection.take().ok_or_else(gone)?;
        if !self.switched {
            poll_fn(|cx| connection.driver.poll_without_shutdown(cx)).await.map_err(io::Error::other)?;
        }
        let parts = connection.driver.into_parts();
        Ok((parts.io.into_inner(), parts.read_buf))
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && Pin::new(&mut connection.driver).poll(cx).is_ready()
        {
            self.connection = None;
        }
    }

    fn keep(&mut self, cx: &mut Context<'_>) {
        self.drive(cx);
        if let Some(connection) = self.connection.take()
            && connection.sender.is_ready()
        {
            self.pool.put(&self.origin, connection);
        }
    }
}

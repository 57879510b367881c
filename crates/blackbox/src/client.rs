//! A request on a connection of its own, or on one that it shares with others; its answer is read to the end or left early.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ringmain_caller::{Ask, Heard, heard};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body came to its end; otherwise the connection broke inside it.
    pub(crate) complete: bool,
    /// Until the end.
    pub(crate) took: Duration,
}

impl Got {
    /// One of the gateway's own headers.
    pub(crate) fn mine(&self, name: &str) -> Option<&str> {
        self.headers.get(format!("x-ringmain-{name}"))?.to_str().ok()
    }

    /// The answer as its SDK would read it.
    pub(crate) fn heard(&self, ask: &Ask) -> Heard {
        if self.complete {
            heard(ask.dialect, ask.stream, self.status, &self.headers, &self.body)
        } else {
            Heard::Unreadable(format!("the connection broke after {} bytes of body", self.body.len()))
        }
    }
}

/// An answer, and when each piece of its body came.
#[derive(Debug)]
pub(crate) struct Timed {
    pub(crate) got: Got,
    pub(crate) arrivals: Vec<Instant>,
}

/// Asks and reads the whole answer.
///
/// # Errors
/// No answer came: refused, closed before a head, or not within `patience`.
pub(crate) async fn ask(address: SocketAddr, ask: &Ask, patience: Duration) -> Result<Got> {
    send(address, ask.request(&address.to_string())?, patience).await
}

/// The same, with a virtual key.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn ask_with(address: SocketAddr, ask: &Ask, key: &str, patience: Duration) -> Result<Got> {
    let mut request = ask.request(&address.to_string())?;
    request.headers_mut().insert("authorization", format!("Bearer {key}").parse()?);
    send(address, request, patience).await
}

/// A plain GET.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<Got> {
    let request = Request::get(path).header("host", address.to_string()).body(Bytes::new())?;
    send(address, request, Duration::from_secs(10)).await
}

/// A plain PUT.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn put(address: SocketAddr, path: &str, body: String) -> Result<Got> {
    let request = Request::put(path).header("host", address.to_string()).body(body.into())?;
    send(address, request, Duration::from_secs(10)).await
}

/// A POST of JSON.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn post(address: SocketAddr, path: &str, body: String) -> Result<Got> {
    let request = Request::post(path).header("host", address.to_string()).header("content-type", "application/json");
    send(address, request.body(body.into())?, Duration::from_secs(10)).await
}

/// A plain DELETE.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn delete(address: SocketAddr, path: &str) -> Result<Got> {
    let request = Request::delete(path).header("host", address.to_string()).body(Bytes::new())?;
    send(address, request, Duration::from_secs(10)).await
}

/// Sends a request as it is and reads the whole answer.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn send(address: SocketAddr, request: Request<Bytes>, patience: Duration) -> Result<Got> {
    Ok(timed(address, request, patience).await?.got)
}

async fn timed(address: SocketAddr, request: Request<Bytes>, patience: Duration) -> Result<Timed> {
    within(patience, exchange(address, request)).await
}

async fn within(patience: Duration, answer: impl Future<Output = Result<Timed>>) -> Result<Timed> {
    tokio::time::timeout(patience, answer).await.with_context(|| format!("nothing within {patience:?}"))?
}

async fn connect(address: SocketAddr) -> Result<TokioIo<TcpStream>> {
    let stream = TcpStream::connect(address).await.context("connecting")?;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(stream))
}

async fn exchange(address: SocketAddr, request: Request<Bytes>) -> Result<Timed> {
    let start = Instant::now();
    let (mut sender, connection) = http1::handshake(connect(address).await?).await?;
    // Dropped with its handle, so that a caller who gives up is gone.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request.map(Full::new)).await.context("waiting for a head")?;
    Ok(read(response, start).await)
}

/// Reads an answer to its end, or to where it breaks.
async fn read(response: Response<Incoming>, start: Instant) -> Timed {
    let (parts, mut incoming) = response.into_parts();
    let (mut body, mut complete, mut arrivals) = (BytesMut::new(), true, Vec::new());
    while let Some(frame) = incoming.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => {
                arrivals.push(Instant::now());
                body.extend_from_slice(&data);
            }
            Ok(Err(_)) => {}
            Err(_) => {
                complete = false;
                break;
            }
        }
    }
    let (status, headers) = (parts.status, parts.headers);
    let got = Got { status, headers, body: body.freeze(), complete, took: start.elapsed() };
    Timed { got, arrivals }
}

/// How callers reach the gateway.
#[derive(Clone)]
pub(crate) enum Way {
    /// Each on a connection of its own.
    Apart(SocketAddr),
    /// Together on one.
    Together(Arc<Line>),
}

impl Way {
    /// Asks and reads the whole answer, noting when its pieces come.
    ///
    /// # Errors
    /// As [`ask`].
    pub(crate) async fn ask_timed(&self, ask: &Ask, patience: Duration) -> Result<Timed> {
        match self {
            Self::Apart(address) => timed(*address, ask.request(&address.to_string())?, patience).await,
            Self::Together(line) => line.ask_timed(ask, patience).await,
        }
    }
}

/// An HTTP/2 connection that requests share, as those of a proxy do. It closes when it is dropped.
pub(crate) struct Line {
    address: SocketAddr,
    sender: http2::SendRequest<Full<Bytes>>,
    _driver: JoinSet<hyper::Result<()>>,
}

impl Line {
    /// Opens one.
    ///
    /// # Errors
    /// Nobody listens, or it is not HTTP/2 that is spoken there.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = connect(address).await?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Self { address, sender, _driver: driver })
    }

    async fn ask_timed(&self, ask: &Ask, patience: Duration) -> Result<Timed> {
        let mut request = ask.request(&self.address.to_string())?;
        // HTTP/2 has it in the address; the header would say it again.
        request.headers_mut().remove("host");
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = format!("http://{}{path}", self.address).parse()?;
        *request.version_mut() = http::Version::HTTP_2;
        let (mut sender, start) = (self.sender.clone(), Instant::now());
        within(patience, async move {
            let response = sender.send_request(request.map(Full::new)).await.context("waiting for a head")?;
            Ok(read(response, start).await)
        })
        .await
    }
}

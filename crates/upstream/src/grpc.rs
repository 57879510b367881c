//! One kind of call over gRPC: a message there, and whether it was taken. In plain HTTP/2, to a server one knows to speak
//! it, over one connection that is made anew when it is gone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinHandle;

use crate::dial::Dial;
use crate::origin::Origin;

/// A connection to one server.
pub struct Grpc {
    dialer: Arc<dyn Dial>,
    origin: Arc<Origin>,
    open: Option<Open>,
}

/// Dropped, it is closed.
struct Open {
    sender: http2::SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl fmt::Debug for Grpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grpc").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    /// The server took it.
    Taken,
    /// It refused it, and would again: its status code, as gRPC numbers them.
    Refused(u16),
    /// Nobody answered in time, or the server said to try again.
    Failed,
}

impl Grpc {
    /// Nothing is opened before the first call.
    #[must_use]
    pub fn new(dialer: Arc<dyn Dial>, origin: Arc<Origin>) -> Self {
        Self { dialer, origin, open: None }
    }

    /// Sends one message to a method, `/package.Service/Method`.
    pub async fn call(&mut self, method: &str, message: &[u8], patience: Duration) -> Called {
        let called = tokio::time::timeout(patience, self.exchange(method, message, patience)).await;
        let called = called.ok().flatten().unwrap_or(Called::Failed);
        if called == Called::Failed {
            self.open = None;
        }
        called
    }

    async fn exchange(&mut self, method: &str, message: &[u8], patience: Duration) -> Option<Called> {
        if self.open.as_ref().is_none_or(|open| open.sender.is_closed()) {
            self.open = Some(self.dial(patience).await?);
        }
        let request = self.request(method, message)?;
        let sender = &mut self.open.as_mut()?.sender;
        sender.ready().await.ok()?;
        let (head, mut body) = sender.send_request(request).await.ok()?.into_parts();
        let mut status = status(&head.headers);
        while let Some(frame) = body.frame().await {
            if let Ok(trailers) = frame.ok()?.into_trailers() {
                status = self::status(&trailers).or(status);
            }
        }
        Some(match status {
            Some(0) => Called::Taken,
            // Cancelled, deadline exceeded, resource exhausted, aborted, out of range, unavailable, data loss.
            Some(1 | 4 | 8 | 10 | 11 | 14 | 15) | None => Called::Failed,
            Some(code) => Called::Refused(code),
        })
    }

    async fn dial(&self, patience: Duration) -> Option<Open> {
        let io = self.dialer.dial(&self.origin, patience).await.ok()?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.ok()?;
        let driver = tokio::spawn(async move {
            // Its end is told to whoever sends next.
            let _ = connection.await;
        });
        Some(Open { sender, driver })
    }

    fn request(&self, method: &str, message: &[u8]) -> Option<Request<Full<Bytes>>> {
        let uri: Uri = format!("http://{}{}", self.origin.authority(), self.origin.path(method)).parse().ok()?;
        // Not compressed, and its length.
        let mut body = BytesMut::with_capacity(message.len() + 5);
        body.put_u8(0);
        body.put_u32(u32::try_from(message.len()).ok()?);
        body.put_slice(message);
        let mut request = Request::new(Full::new(body.freeze()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_2;
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        Some(request)
    }
}

fn status(headers: &HeaderMap) -> Option<u16> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

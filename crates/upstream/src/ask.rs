//! One short question to an endpoint that is no provider: one that hands out credentials, or takes measurements.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};

use crate::{Origin, RequestBody, Upstream};

/// The largest answer.
const ANSWER_MAX: usize = 64 * 1024;

/// An endpoint's URL, taken apart.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it is.
    pub origin: Arc<Origin>,
    /// With its query.
    pub path: String,
}

impl Place {
    /// Takes a URL apart. `None` where it is none.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let after = url.find("://")? + 3;
        let at = url.get(after..)?.find('/').map_or(url.len(), |slash| after + slash);
        let origin = Arc::new(Origin::parse(url.get(..at)?).ok()?);
        Some(Self { origin, path: url.get(at..).filter(|path| !path.is_empty()).unwrap_or("/").to_owned() })
    }

    /// Can nobody between read what is said: is it encrypted, or does it not leave this machine?
    #[must_use]
    pub fn is_private(&self) -> bool {
        let host = self.origin.host();
        self.origin.is_secure() || host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }
}

/// What is asked.
#[derive(Debug)]
pub struct Question<'a> {
    /// How.
    pub method: Method,
    /// Of whom.
    pub origin: &'a Arc<Origin>,
    /// With its query.
    pub path: &'a str,
    /// Beside `host`.
    pub headers: &'a [(HeaderName, HeaderValue)],
    /// What is sent along.
    pub body: Bytes,
    /// How long it may take in all.
    pub patience: Duration,
}

/// What was answered, whatever its status.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Vec<u8>,
}

impl Question<'_> {
    /// Asks. `None` where no whole answer came in time, or one of more than 64 KiB.
    pub async fn ask(self, upstream: &Upstream) -> Option<Reply> {
        let uri: http::Uri = self.path.parse().ok()?;
        let host = HeaderValue::try_from(self.origin.authority()).ok()?;
        let request = || {
            let mut request = Request::new(RequestBody::from(self.body.clone()));
            *request.method_mut() = self.method.clone();
            *request.uri_mut() = uri.clone();
            request.headers_mut().insert(HOST, host.clone());
            for (name, value) in self.headers {
                request.headers_mut().insert(name.clone(), value.clone());
            }
            request
        };
        let exchange = async {
            let mut exchange = upstream.send(self.origin, &request, self.patience).await.ok()?;
            let mut body = Vec::new();
            while let Some(chunk) = exchange.body.next().await {
                body.extend_from_slice(&chunk.ok()?);
                if body.len() > ANSWER_MAX {
                    return None;
                }
            }
            Some(Reply { status: exchange.head.status, headers: exchange.head.headers, body })
        };
        tokio::time::timeout(self.patience, exchange).await.ok().flatten()
    }
}

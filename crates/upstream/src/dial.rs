//! Opening a connection: DNS, TCP, TLS, all under one clock.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::address::is_public;
use crate::dns::Resolver;
use crate::error::{SendError, Stage};
use crate::origin::Origin;
use crate::tls;

/// A byte stream in both directions.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection being opened.
pub type Dialed<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Io>, SendError>> + Send + 'a>>;

/// Opens connections. The network in production; a duplex pipe in simulation.
pub trait Dial: Send + Sync + fmt::Debug {
    /// Opens one connection within `timeout`.
    fn dial<'a>(&'a self, origin: &'a Origin, timeout: Duration) -> Dialed<'a>;
}

/// The real network.
#[derive(Debug, Default)]
pub struct NetDialer {
    resolver: Resolver,
    /// Made at the first TLS connection: reading the system's roots takes milliseconds that a start-up should not pay.
    tls: OnceLock<Arc<ClientConfig>>,
}

impl NetDialer {
    async fn open(&self, origin: &Origin) -> Result<Box<dyn Io>, SendError> {
        let addresses = self
            .resolver
            .resolve(origin.host(), origin.port())
            .await
            .map_err(|error| SendError::new(Stage::Dns, error))?;
        let addresses = if origin.is_public() { public(addresses)? } else { addresses };
        let stream = TcpStream::connect(&addresses[..]).await.map_err(|error| SendError::new(Stage::Connect, error))?;
        stream.set_nodelay(true).map_err(|error| SendError::new(Stage::Connect, error))?;
        if !origin.is_secure() {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(origin.host().to_owned()).map_err(|error| SendError::new(Stage::Tls, error))?;
        let config = self.tls.get_or_init(tls::client_config);
        let stream = TlsConnector::from(Arc::clone(config))
            .connect(name, stream)
            .await
            .map_err(|error: io::Error| SendError::new(Stage::Tls, error))?;
        Ok(Box::new(stream))
    }
}

/// What is left of these addresses where only public ones may be dialled. They are what is dialled then, so that a name
/// cannot mean another address a moment later.
fn public(addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, SendError> {
    let left: Vec<_> = addresses.into_iter().filter(|address| is_public(address.ip())).collect();
    if left.is_empty() {
        let why = io::Error::new(io::ErrorKind::PermissionDenied, "not a public address");
        return Err(SendError::new(Stage::Connect, why));
    }
    Ok(left)
}

impl Dial for NetDialer {
    fn dial<'a>(&'a self, origin: &'a Origin, timeout: Duration) -> Dialed<'a> {
        Box::pin(async move {
            tokio::time::timeout(timeout, self.open(origin))
                .await
                .unwrap_or_else(|_| Err(SendError::timeout(Stage::Connect)))
        })
    }
}

//! Opening a connection: proxy, DNS, TCP, TLS, all under one clock.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::address::is_public;
use crate::dns::Resolver;
use crate::error::{SendError, Stage};
use crate::eyeballs;
use crate::origin::Origin;
use crate::proxy::{Proxies, Proxy};
use crate::tls::Trust;
use crate::tunnel;

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
    trust: Trust,
    proxies: Proxies,
}

impl NetDialer {
    /// The network, through these proxies.
    #[must_use]
    pub fn new(proxies: Proxies) -> Self {
        Self { proxies, ..Self::default() }
    }

    async fn open(&self, origin: &Origin) -> Result<Box<dyn Io>, SendError> {
        let io = match self.proxies.of(origin) {
            Some(proxy) => self.through(proxy, origin).await?,
            None => self.tcp(origin.host(), origin.port(), origin.is_public()).await?,
        };
        if !origin.is_secure() {
            return Ok(io);
        }
        tls(io, origin.host(), self.trust.config(origin.roots())).await
    }

    /// A connection to the origin that ends at the proxy's other side.
    async fn through(&self, proxy: &Proxy, origin: &Origin) -> Result<Box<dyn Io>, SendError> {
        if origin.is_public() {
            // The proxy looks the name up again; that it means no address inside is checked as far as can be seen here.
            public(self.resolve(origin.host(), origin.port()).await?)?;
        }
        let mut io = self.tcp(proxy.host(), proxy.port(), false).await?;
        if proxy.is_secure() {
            io = tls(io, proxy.host(), self.trust.config(None)).await?;
        }
        tunnel::open(&mut io, origin, proxy).await.map_err(|error| SendError::new(Stage::Connect, error))?;
        Ok(io)
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, SendError> {
        self.resolver.resolve(host, port).await.map_err(|error| SendError::new(Stage::Dns, error))
    }

    async fn tcp(&self, host: &str, port: u16, only_public: bool) -> Result<Box<dyn Io>, SendError> {
        let addresses = self.resolve(host, port).await?;
        let addresses = if only_public { public(addresses)? } else { addresses };
        let stream = match eyeballs::race(addresses, TcpStream::connect).await {
            Ok(stream) => stream,
            Err(error) => {
                // None of them answers: perhaps the name has moved.
                self.resolver.doubt(host);
                return Err(SendError::new(Stage::Connect, error));
            }
        };
        stream.set_nodelay(true).map_err(|error| SendError::new(Stage::Connect, error))?;
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

async fn tls(io: Box<dyn Io>, host: &str, config: Arc<ClientConfig>) -> Result<Box<dyn Io>, SendError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|error| SendError::new(Stage::Tls, error))?;
    let stream = TlsConnector::from(config)
        .connect(name, io)
        .await
        .map_err(|error: io::Error| SendError::new(Stage::Tls, error))?;
    Ok(Box::new(stream))
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

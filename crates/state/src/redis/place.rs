//! Where a Redis is, and how a connection to it is made: of its own TCP and TLS, so that what goes wrong can be told.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, RedisConnectionInfo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::link::described;
use super::patience::{Ear, Overheard};
use crate::StateError;
use crate::tls::{self, Trust};

/// A server, and how it is logged in to.
pub(super) struct Place {
    host: String,
    port: u16,
    /// With TLS, by these roots.
    trust: Option<Trust>,
    login: RedisConnectionInfo,
}

impl Place {
    /// Of `redis://` or `rediss://`. The URL is not repeated: it may hold a password.
    pub(super) fn of(url: &str, trust: &Trust) -> Result<Self, StateError> {
        let no_url = || StateError::Refused("it is no URL of a Redis server".to_owned());
        let client = Client::open(url).map_err(|_| no_url())?;
        let info = client.get_connection_info();
        let (host, port, trust) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (host.clone(), *port, None),
            ConnectionAddr::TcpTls { insecure: true, .. } => {
                let why = "`#insecure` is not for use here, certificates are always checked: write the authority's \
                           certificate into a file, and the file into `state.ca_file`";
                return Err(StateError::Refused(why.to_owned()));
            }
            ConnectionAddr::TcpTls { host, port, .. } => (host.clone(), *port, Some(trust.clone())),
            _ => return Err(no_url()),
        };
        Ok(Self { host, port, trust, login: info.redis_settings().clone() })
    }

    pub(super) const fn is_secure(&self) -> bool {
        self.trust.is_some()
    }

    /// A connection, driven by a task of the runtime and heard by `ear`; or why not, in words that hold no address.
    pub(super) async fn dial(
        &self,
        config: AsyncConnectionConfig,
        ear: &Arc<Ear>,
    ) -> Result<MultiplexedConnection, String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        match &self.trust {
            None => self.log_in(Overheard::new(stream, Arc::clone(ear)), config).await,
            Some(trust) => {
                let encrypted = trust.connect(&self.host, stream, None).await;
                let why = |error: std::io::Error| {
                    tls::in_words(&error).unwrap_or_else(|| format!("TLS: {error}: is it the server's port for TLS?"))
                };
                self.log_in(Overheard::new(encrypted.map_err(why)?, Arc::clone(ear)), config).await
            }
        }
    }

    async fn log_in<S>(&self, stream: S, config: AsyncConnectionConfig) -> Result<MultiplexedConnection, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let logged_in = MultiplexedConnection::new_with_config(&self.login, stream, config).await;
        let (connection, driver) = logged_in.map_err(|error| described(&error))?;
        tokio::spawn(driver);
        Ok(connection)
    }
}

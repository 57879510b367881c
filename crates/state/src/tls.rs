//! TLS to the servers that things are kept on: whom to trust there, and what went wrong in words that say what to do.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whose certificates are trusted: nobody's, unless it is said whose.
#[derive(Clone)]
pub struct Trust(Arc<Inner>);

struct Inner {
    roots: Box<dyn Fn() -> RootCertStore + Send + Sync>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

impl Default for Trust {
    fn default() -> Self {
        Self::of(RootCertStore::empty)
    }
}

impl Trust {
    /// Those of the authorities that `roots` gives: it is asked once, when the first connection is made.
    #[must_use]
    pub fn of(roots: impl Fn() -> RootCertStore + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { roots: Box::new(roots), config: OnceLock::new() }))
    }

    fn config(&self) -> Arc<ClientConfig> {
        let make = || {
            let roots = (self.0.roots)();
            Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
        };
        Arc::clone(self.0.config.get_or_init(make))
    }

    /// Speaks TLS with the server of this name; `protocol`: what is spoken inside, where the server is to know.
    pub(crate) async fn connect<S>(&self, name: &str, stream: S, protocol: Option<&[u8]>) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let no_name = |_| io::Error::new(io::ErrorKind::InvalidInput, "the host has no name for a certificate");
        let name = ServerName::try_from(name.to_owned()).map_err(no_name)?;
        let mut config = self.config();
        if let Some(protocol) = protocol {
            Arc::make_mut(&mut config).alpn_protocols = vec![protocol.to_vec()];
        }
        TlsConnector::from(config).connect(name, stream).await
    }
}

/// What TLS did not like, if that is what is behind an error: in words, without an address.
pub(crate) fn in_words(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = inside.map_or_else(|| error.downcast_ref(), |inside| inside.downcast_ref::<rustls::Error>());
        if let Some(found) = found {
            return Some(words(found));
        }
        // What an `io::Error` holds is no source of it.
        next = inside.map_or_else(|| error.source(), |inside| Some(inside as &(dyn Error + 'static)));
    }
    None
}

fn words(error: &rustls::Error) -> String {
    use rustls::Error as E;
    let certificate = |what: &str| format!("the server's certificate {what}");
    match error {
        // Two authorities may have one name.
        E::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => certificate(
            "is from an authority that is not trusted here: write the authority's certificate into a file, and the file \
             into `state.ca_file`",
        ),
        E::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            certificate("is for another host than the URL names")
        }
        E::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            certificate("has expired, or this machine's clock is wrong")
        }
        E::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            certificate("is not valid yet, or this machine's clock is wrong")
        }
        E::InvalidCertificate(why) => certificate(&format!("cannot be trusted: {why:?}")),
        E::AlertReceived(rustls::AlertDescription::CertificateRequired) => {
            "the server asks for a certificate of the client's, which is not supported: use a password (in Redis, \
             `tls-auth-clients no`)"
                .to_owned()
        }
        E::InvalidMessage(_) => "what answers there does not speak TLS: name the server's port for TLS".to_owned(),
        other => format!("TLS: {other}"),
    }
}

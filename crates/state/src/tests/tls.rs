//! TLS with a server in memory: who is trusted, and what is said of the rest.

use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::TlsAcceptor;

use crate::tls::{Trust, in_words};

/// An authority that no system knows.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn trusted(&self) -> Trust {
        trusting(self.certificate.der().clone())
    }

    /// A server with a certificate for `db`.
    fn server(&self, until: i32, asks: bool) -> ServerConfig {
        let mut params = CertificateParams::new(vec!["db".to_owned()]).unwrap();
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.config(certificate.der().clone(), &key, asks)
    }

    fn config(&self, certificate: CertificateDer<'static>, key: &KeyPair, asks: bool) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let builder = ServerConfig::builder();
        let builder = if asks {
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        builder.with_single_cert(vec![certificate], key).unwrap()
    }
}

/// Trust in whoever this certificate is of.
fn trusting(certificate: CertificateDer<'static>) -> Trust {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    Trust::of(move || roots.clone())
}

/// What is said of a server that is called by a name; `None`: it was trusted, and said hello.
async fn said(trust: &Trust, name: &str, server: ServerConfig) -> Option<String> {
    let (near, far) = duplex(64 * 1024);
    tokio::spawn(async move {
        if let Ok(mut stream) = TlsAcceptor::from(Arc::new(server)).accept(far).await {
            let _ = stream.write_all(b"hello").await;
        }
    });
    let mut heard = [0; 5];
    let outcome = match trust.connect(name, near, None).await {
        Ok(mut stream) => stream.read_exact(&mut heard).await.map(drop),
        Err(error) => Err(error),
    };
    outcome.err().map(|error| in_words(&error).unwrap_or_else(|| format!("nothing of {error:?}")))
}

#[tokio::test]
async fn who_is_trusted_and_what_is_said_of_the_rest() {
    let (authority, other) = (Authority::new(), Authority::new());
    let trusted = authority.trusted();
    assert_eq!(said(&trusted, "db", authority.server(2100, false)).await, None);
    for (trust, name, server, says) in [
        (&Trust::default(), "db", authority.server(2100, false), "state.ca_file"),
        (&other.trusted(), "db", authority.server(2100, false), "state.ca_file"),
        (&trusted, "cache", authority.server(2100, false), "another host"),
        (&trusted, "127.0.0.1", authority.server(2100, false), "another host"),
        (&trusted, "db", authority.server(2020, false), "expired"),
        (&trusted, "db", authority.server(2100, true), "certificate of the client's"),
    ] {
        let said = said(trust, name, server).await.unwrap_or_else(|| format!("trusted, and not `{says}`"));
        assert!(said.contains(says), "{name}: {said}");
    }
}

/// As whoever makes one with `openssl req -x509` has it: the server's own certificate is the file.
#[tokio::test]
async fn a_certificate_that_signs_itself_is_trusted_where_it_was_said() {
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["db".to_owned()]).unwrap().self_signed(&key).unwrap();
    let server = || Authority::new().config(own.der().clone(), &key, false);
    assert_eq!(said(&trusting(own.der().clone()), "db", server()).await, None);
    assert!(said(&Trust::default(), "db", server()).await.is_some());
}

#[tokio::test]
async fn a_server_without_tls_is_told_as_such() {
    let (near, mut far) = duplex(64 * 1024);
    tokio::spawn(async move {
        far.write_all(b"-ERR unknown command\r\n").await.unwrap();
        far.read_to_end(&mut Vec::new()).await.unwrap();
    });
    let error = Trust::default().connect("db", near, None).await.map(drop).unwrap_err();
    assert!(in_words(&error).unwrap().contains("does not speak TLS"), "{error:?}");
}

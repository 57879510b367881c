//! TLS to providers: the system's roots, Mozilla's where the system has none, and a provider's own beside them.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Settings remembered at most: one for each set of certificates of a provider.
const CONFIGS_MAX: usize = 64;

/// Certificates to trust beside the usual ones.
#[derive(Clone)]
pub struct Roots {
    certificates: Arc<[CertificateDer<'static>]>,
}

impl Roots {
    /// Reads PEM. Other sections than certificates are passed over.
    ///
    /// # Errors
    /// There is no certificate in it, or one that is none.
    pub fn from_pem(pem: &str) -> Result<Self, &'static str> {
        let certificates: Vec<_> =
            CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(|_| "it is not PEM")?;
        if certificates.is_empty() {
            return Err("it holds no certificate");
        }
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            store.add(certificate.clone()).map_err(|_| "it holds a certificate that cannot be read")?;
        }
        Ok(Self { certificates: certificates.into() })
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.certificates.len())
    }
}

impl PartialEq for Roots {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.certificates, &other.certificates) || self.certificates == other.certificates
    }
}

impl Eq for Roots {}

impl Hash for Roots {
    /// The end of the first certificate is its signature: enough to tell sets apart at little cost.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let first = self.certificates.first().map_or([].as_slice(), |first| first.as_ref());
        first[first.len().saturating_sub(16)..].hash(state);
    }
}

/// The TLS settings, each made at its first use: reading the system's roots takes milliseconds that a start-up should
/// not pay.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    configs: Mutex<HashMap<Option<Roots>, Arc<ClientConfig>>>,
}

impl Trust {
    pub(crate) fn config(&self, roots: Option<&Roots>) -> Arc<ClientConfig> {
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        // Sets of earlier rules are in the way some day.
        if configs.len() >= CONFIGS_MAX {
            configs.clear();
        }
        let made = configs.entry(roots.cloned()).or_insert_with(|| client_config(roots));
        Arc::clone(made)
    }
}

/// Whom to trust: the system's roots, or those of `SSL_CERT_FILE`, Mozilla's where there are none, and these beside them.
/// A root that cannot be read trusts nobody. Reads from a disk.
#[must_use]
pub fn root_store(beside: Option<&Roots>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(roots) = beside {
        store.add_parsable_certificates(roots.certificates.iter().cloned());
    }
    store
}

/// HTTP/1.1 only: one slow stream never holds up another on the same connection.
fn client_config(roots: Option<&Roots>) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder().with_root_certificates(root_store(roots)).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

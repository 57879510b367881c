//! TLS to providers: the system's roots, Mozilla's where the system has none.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// The TLS settings. HTTP/1.1 only: one slow stream never holds up another on the same connection.
pub(crate) fn client_config() -> Arc<ClientConfig> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let mut config = ClientConfig::builder().with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

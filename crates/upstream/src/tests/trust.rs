//! TLS to a server whose certificate only `ca_file` vouches for. The keys in `pki` are of no use elsewhere.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::Roots;

const CA: &str = include_str!("pki/ca.pem");

async fn secure_server() -> String {
    let chain = vec![CertificateDer::from_pem_slice(include_bytes!("pki/leaf.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("pki/leaf.key")).unwrap();
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()), "h2 is not asked for");
            let mut seen = Vec::new();
            while !seen.ends_with(b"hello") {
                stream.read_buf(&mut seen).await.unwrap();
            }
            stream.write_all(OK).await.unwrap();
        }
    });
    format!("https://{address}/v1")
}

#[tokio::test]
async fn a_certificate_of_ones_own_authority_is_trusted_where_it_was_said() {
    let url = secure_server().await;
    let (upstream, plain) = (upstream(), Origin::parse(&url).unwrap());
    let trusting = Arc::new(plain.clone().trusting(Roots::from_pem(CA).unwrap()));
    assert_eq!(post(&upstream, &trusting).await.unwrap().0, 200);
    let error = post(&upstream, &Arc::new(plain)).await.unwrap_err();
    assert_eq!(error.stage, Stage::Tls, "nowhere else, not even with a connection at hand: {}", error.chain());
}

#[test]
fn what_is_no_certificate_is_refused() {
    for bad in
        ["", "nonsense", include_str!("pki/leaf.key"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    {
        assert!(Roots::from_pem(bad).is_err(), "{bad}");
    }
    assert_eq!(
        Roots::from_pem(&format!("a comment\n{CA}{CA}")).map(|roots| format!("{roots:?}")),
        Ok("Roots(2)".into())
    );
}

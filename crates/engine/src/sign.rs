//! Requests to AWS: with whose key pair, and for which region, they are signed.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use ringmain_core::{Fault, FaultClass, Origin, Phase, WallTime};
use ringmain_upstream::{AwsCredentials, CredentialChain, RequestBody, Scope, Upstream};

/// The service's name for signing.
const SERVICE: &str = "bedrock";

/// Where the key pair comes from.
#[derive(Debug)]
pub enum Pair {
    /// The configuration.
    Written(Arc<AwsCredentials>),
    /// Wherever this machine has one.
    Found(Arc<CredentialChain>),
}

/// Signs requests.
#[derive(Debug)]
pub struct Signer {
    /// With which key pair.
    pub pair: Pair,
    /// The region its signatures are good for.
    pub region: String,
}

impl Signer {
    /// The key pair as it is now. At once, but for the first time and where nothing good is left.
    ///
    /// # Errors
    /// This machine has none.
    pub async fn credentials(&self, upstream: &Upstream, now: WallTime) -> Result<Arc<AwsCredentials>, Fault> {
        match &self.pair {
            Pair::Written(pair) => Ok(Arc::clone(pair)),
            Pair::Found(chain) => chain.get(upstream, now).await.map_err(|none| {
                // Where it was looked for is the operator's business.
                Fault::new(FaultClass::Auth, Origin::Gateway, Phase::Before, "the gateway has no AWS credentials")
                    .with_detail(none.to_string())
            }),
        }
    }

    /// Signs a request whose body is these pieces. One that cannot be signed goes out without, and is refused.
    pub fn sign(&self, request: &mut Request<RequestBody>, body: &[Bytes], pair: &AwsCredentials, now: WallTime) {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let scope = Scope { region: &self.region, service: SERVICE };
        let _signed = ringmain_upstream::sign(&method, &uri, request.headers_mut(), body, pair, scope, now);
    }
}

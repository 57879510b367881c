//! Requests to clouds: with what they are let in, which ends and is made anew, or is a signature over the request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use ringmain_catalog::Auth;
use ringmain_core::{Fault, FaultClass, Origin, Phase, WallTime};
use ringmain_upstream::{
    AwsChain, AwsCredentials, GoogleSource, GoogleToken, Kept, NoCredential, RequestBody, Scope, Upstream,
};

/// AWS's name of the service for signing.
const SERVICE: &str = "bedrock";
/// How long a key is left alone whose token cannot be had for the moment.
const SOON: Duration = Duration::from_secs(5);

/// Where an AWS key pair comes from.
#[derive(Debug)]
pub enum Pair {
    /// The configuration.
    Written(Arc<AwsCredentials>),
    /// Wherever this machine has one.
    Found(Arc<Kept<AwsChain>>),
}

/// Lets requests in.
#[derive(Debug)]
pub enum Signer {
    /// A signature over the request.
    Aws {
        /// With which key pair.
        pair: Pair,
        /// The region its signatures are good for.
        region: String,
    },
    /// A token beside it.
    Google(Arc<Kept<GoogleSource>>),
}

/// What a signer has in hand for one attempt.
#[derive(Debug)]
pub enum Proof {
    /// A key pair.
    Aws(Arc<AwsCredentials>),
    /// A token.
    Google(Arc<GoogleToken>),
}

impl Proof {
    /// What is sent of it as it is, to be taken out of what a provider says.
    #[must_use]
    pub fn secret(&self) -> Option<&Arc<str>> {
        match self {
            // The key that signs is never sent.
            Self::Aws(_) => None,
            Self::Google(token) => Some(token.text()),
        }
    }
}

impl Signer {
    /// Does it let requests in where this is wanted?
    #[must_use]
    pub fn serves(&self, auth: &Auth) -> bool {
        matches!((self, auth), (Self::Aws { .. }, Auth::AwsSigV4) | (Self::Google(_), Auth::GoogleOAuth))
    }

    /// What it has now. At once, but for the first time and where nothing good is left.
    ///
    /// # Errors
    /// There is none: the key is to blame.
    pub async fn proof(&self, upstream: &Upstream, now: WallTime) -> Result<Proof, Fault> {
        match self {
            Self::Aws { pair: Pair::Written(pair), .. } => Ok(Proof::Aws(Arc::clone(pair))),
            Self::Aws { pair: Pair::Found(chain), .. } => {
                chain.get(upstream, now).await.map(Proof::Aws).map_err(|none| no_proof("AWS credentials", &none))
            }
            Self::Google(tokens) => {
                tokens.get(upstream, now).await.map(Proof::Google).map_err(|none| no_proof("Google token", &none))
            }
        }
    }

    /// Signs a request whose body is these pieces. One that cannot be signed goes out without, and is refused.
    pub fn sign(&self, request: &mut Request<RequestBody>, body: &[Bytes], proof: &Proof, now: WallTime) {
        match (self, proof) {
            (Self::Aws { region, .. }, Proof::Aws(pair)) => {
                let (method, uri) = (request.method().clone(), request.uri().clone());
                let scope = Scope { region, service: SERVICE };
                let _signed = ringmain_upstream::sign(&method, &uri, request.headers_mut(), body, pair, scope, now);
            }
            (Self::Google(_), Proof::Google(token)) => token.authorize(request.headers_mut()),
            (Self::Aws { .. }, Proof::Google(_)) | (Self::Google(_), Proof::Aws(_)) => {}
        }
    }

    /// The provider did not let it in: it may have ended before its time, and the next is fetched anew.
    pub fn refused(&self, proof: &Proof, now: WallTime) {
        match (self, proof) {
            (Self::Aws { pair: Pair::Found(chain), .. }, Proof::Aws(pair)) => chain.refused(pair, now),
            (Self::Google(tokens), Proof::Google(token)) => tokens.refused(token, now),
            _ => {}
        }
    }
}

fn no_proof(what: &str, none: &NoCredential) -> Fault {
    // Where it was looked for is the operator's business.
    let message = format!("the gateway has no {what}");
    let mut fault = Fault::new(FaultClass::Auth, Origin::Gateway, Phase::Before, message).with_detail(none.to_string());
    // Whoever does not answer now may in a moment; a refusal lasts.
    fault.retry_after = (!none.is_final).then_some(SOON);
    fault
}

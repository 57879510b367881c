//! The request as it goes to the provider.

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Request};
use ringmain_upstream::RequestBody;

use super::Job;
use crate::sign::Proof;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What tokens are worth waiting for is small, and pieces of it must not wait for each other in a compressor.
pub(crate) const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
/// Who we say we are.
pub(crate) const AGENT: HeaderValue = HeaderValue::from_static(concat!("ringmain/", env!("CARGO_PKG_VERSION")));

impl Job {
    /// The request for the provider. A caller's own credential never goes along.
    pub(super) fn message(&self, proof: Option<&Proof>) -> Request<RequestBody> {
        let (request, provider, rendered) = (&self.request, &self.target.provider, &self.rendered);
        let mut message = Request::new(RequestBody::new(rendered.parts.iter().cloned()));
        *message.method_mut() = rendered.method.clone();
        *message.uri_mut() = rendered.uri.clone();
        let headers = message.headers_mut();
        headers.reserve(10);
        headers.insert(HOST, provider.host.clone());
        if !rendered.parts.is_empty() {
            headers.insert(CONTENT_TYPE, JSON);
        }
        let accept = if request.facts.stream { self.framing().content_type() } else { "*/*" };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers.insert(ACCEPT_ENCODING, IDENTITY);
        headers.insert(USER_AGENT, AGENT);
        for (name, value) in &provider.headers {
            headers.insert(name.clone(), value.clone());
        }
        // What the caller says stands above what the catalog says; of its own lines none is lost.
        for (name, _) in &rendered.headers {
            headers.remove(name);
        }
        for (name, value) in &rendered.headers {
            headers.append(name.clone(), value.clone());
        }
        if let Some((name, value)) = &self.credential {
            headers.insert(name.clone(), value.clone());
        }
        if let (Some(signer), Some(proof)) = (&self.signer, proof) {
            signer.sign(&mut message, &rendered.parts, proof, self.now);
        }
        message
    }
}

//! Fetches what a provider made and only told the place of. The place is the provider's word, and so is trusted with
//! nothing: no credential goes there, it must be public, and size and time are bounded.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderValue, Request};
use ringmain_core::{Fault, FaultClass, Origin as Whose, Phase};
use ringmain_upstream::{Exchange, Origin, RequestBody};

use super::Courier;
use crate::classify;
use crate::exchange::{AGENT, collect};

/// The largest thing that is fetched, in bytes.
const FETCH_MAX: usize = 64 * 1024 * 1024;
/// How long one fetch may take.
const FETCH_TIME: Duration = Duration::from_secs(60);

/// What is at this URL. The provider's own host may be anywhere, since the operator chose it.
///
/// # Errors
/// It is at no public address, or does not come whole, in time.
pub(super) async fn fetch(courier: &Courier, url: &str) -> Result<Bytes, Fault> {
    match tokio::time::timeout(FETCH_TIME, get(courier, url)).await {
        Ok(result) => result,
        Err(_) => Err(failed(FaultClass::Timeout, "what the provider made could not be fetched in time")),
    }
}

async fn get(courier: &Courier, url: &str) -> Result<Bytes, Fault> {
    let (origin, path) = Origin::of_url(url)
        .map_err(|bad| classify::protocol("the provider named no URL that can be fetched", bad.0))?;
    let own = &courier.target().provider.origin;
    let origin = Arc::new(if origin.is_same_host(own) { origin } else { origin.public() });
    let uri: http::Uri = path.parse().map_err(|_| classify::protocol("the provider named no URL", ""))?;
    let message = || {
        let mut message = Request::new(RequestBody::default());
        *message.uri_mut() = uri.clone();
        let headers = message.headers_mut();
        if let Ok(host) = HeaderValue::try_from(origin.authority()) {
            headers.insert(HOST, host);
        }
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, AGENT);
        message
    };
    let (upstream, connect) = courier.upstream();
    let sent = upstream.send(&origin, &message, connect).await;
    let Exchange { head, mut body, .. } = sent.map_err(|error| {
        // Where it lies is not where the target is: its host is not to blame.
        failed(FaultClass::Server, "what the provider made could not be fetched").with_detail(error.chain())
    })?;
    if head.status != http::StatusCode::OK {
        let told = format!("what the provider made could not be fetched: status {}", head.status.as_u16());
        return Err(failed(FaultClass::Server, &told));
    }
    collect(&mut body, FETCH_MAX).await
}

fn failed(class: FaultClass, words: &str) -> Fault {
    Fault::new(class, Whose::Provider, Phase::BeforeCommit, words)
}

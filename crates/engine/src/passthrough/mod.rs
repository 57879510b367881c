//! Anything else of a provider, under `/providers/{name}/…`: its key, health, quotas and record, and the caller's bytes.
//!
//! Both bodies flow: neither is held, whatever its size. What has flowed cannot be sent again, so there is one attempt,
//! and the provider's answer is the caller's, whatever it says.

mod headers;
mod path;
mod raw;
mod tunnel;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use http_body::Body;
use ringmain_catalog::Auth;
use ringmain_core::{Dialect, Fault, FaultClass, Marks, Operation, Origin, Phase, RequestFacts, RequestId, Seed, Tick};
use ringmain_dialects::Framing;
use ringmain_upstream::{AwsCredentials, Exchange, RequestBody};
use ringmain_wire::json::Document;

pub use raw::{Flow, Raw};
pub use tunnel::Tunnel;

use crate::classify;
use crate::exchange::{Answer, Arrived, Failed, Job, ProviderReply, read_error};
use crate::gateway::Gateway;
use crate::inspect::{Inspected, tags, timeout};
use crate::limits;
use crate::read::read;
use crate::render::{Rendered, cannot};
use crate::target::Target;
use raw::Upload;

pub(crate) use path::{Place, place};

/// A request on its way through.
pub struct Passing {
    /// Its method.
    method: Method,
    /// Path and query under the provider's base URL.
    path: String,
    /// Its body, once.
    body: Mutex<Option<RequestBody>>,
    /// The body's pieces, where a signature needs them.
    parts: Vec<Bytes>,
    /// The caller's body broke off.
    broke: Arc<AtomicBool>,
    /// The caller wants a WebSocket.
    upgrade: bool,
}

impl fmt::Debug for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passing").field("method", &self.method).finish_non_exhaustive()
    }
}

/// A request to be passed through, understood.
///
/// # Errors
/// 404 for a provider that is not configured; as [`read`] where the body must be held.
pub(crate) async fn inspect<B>(
    gateway: &Gateway,
    id: RequestId,
    started: Tick,
    head: Parts,
    body: B,
    place: Place,
) -> Result<Inspected, Fault>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let chosen = gateway.passed_to(&place.provider).ok_or_else(|| {
        let shown: String = place.provider.chars().take(64).collect();
        let message = format!("no provider `{shown}` is configured here");
        Fault::new(FaultClass::Unroutable, Origin::Caller, Phase::Before, message).with_status(404)
    })?;
    let facts = RequestFacts {
        operation: Operation::Passthrough,
        dialect: Dialect::OpenAiChat,
        model: place.provider,
        stream: false,
        needs: ringmain_core::Capabilities::NONE,
        input_tokens: 0,
        max_output_tokens: None,
        timeout: timeout(&head.headers)?,
        tags: tags(&head.headers),
        marks: Marks::default(),
    };
    let broke = Arc::new(AtomicBool::new(false));
    let is_signed = chosen.route.targets.first().is_some_and(|target| target.provider.kind.auth == Auth::AwsSigV4);
    let (parts, body) = if is_signed {
        // A signature covers the body, so it is held, up to the usual limit.
        let bytes = read(body, gateway.max_body()).await?;
        (vec![bytes.clone()], RequestBody::from(bytes))
    } else if body.is_end_stream() {
        (Vec::new(), RequestBody::default())
    } else {
        let length = body.size_hint().exact();
        (Vec::new(), RequestBody::flowing(Box::pin(Upload::new(body, Arc::clone(&broke))), length))
    };
    let total = chosen.route.policy.timeouts.total;
    let deadline = started + facts.timeout.map_or(total, |timeout| timeout.min(total));
    let upgrade = headers::wants_upgrade(&head.headers);
    let passing =
        Passing { method: head.method, path: place.path, body: Mutex::new(Some(body)), parts, broke, upgrade };
    let document = Document::parse(Bytes::from_static(b"{}")).map_err(|error| cannot(error.to_string()))?;
    let mut inspected = Inspected::bare(id, started, head.headers, document, facts, chosen, deadline);
    inspected.seed = Seed::of_request(gateway.seed, id.0);
    inspected.framing = Framing::Sse;
    inspected.passing = Some(passing);
    Ok(inspected)
}

/// The request as it is sent: only the credential's place is known.
pub(crate) fn render(passing: &Passing, target: &Target) -> Result<Rendered, Fault> {
    let path = target.provider.origin.path_once(&passing.path);
    let uri = path.parse().map_err(|_| cannot("the path cannot stand in a URL".to_owned()))?;
    Ok(Rendered::bare(uri, auth_at(target, &passing.path)))
}

/// How a path is authorised: as the endpoints beside it are, where those differ from the provider's way.
fn auth_at(target: &Target, path: &str) -> Auth {
    let kind = &target.provider.kind;
    let folder = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let beside = |endpoint: &&ringmain_catalog::Endpoint| {
        let folder = folder(&endpoint.path);
        endpoint.auth.is_some() && folder.len() > 1 && path.starts_with(&folder)
    };
    kind.endpoints.iter().find(beside).and_then(|endpoint| endpoint.auth.clone()).unwrap_or_else(|| kind.auth.clone())
}

impl Job {
    /// Passes the request through.
    ///
    /// # Errors
    /// The provider could not be reached, or said something of its health or our key: that too the caller is told as it
    /// came, but the attempt has failed.
    pub(crate) async fn pass(&mut self) -> Result<Arrived, Failed> {
        let request = Arc::clone(&self.request);
        let Some(passing) = &request.passing else { return Err(cannot("nothing is passed through".to_owned()).into()) };
        let pair = match &self.signer {
            Some(signer) => Some(signer.credentials(&self.upstream, self.now).await?),
            None => None,
        };
        let body = passing.body.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let message = self.outward(passing, body, pair.as_deref());
        let connect = request.route.policy.timeouts.connect;
        let sent = self.upstream.send_once(&self.target.provider.origin, message, connect).await;
        let Exchange { head, body, .. } = sent.map_err(|error| {
            if passing.broke.load(Ordering::Relaxed) {
                return Fault::new(FaultClass::Cancelled, Origin::Caller, Phase::Send, "the request body broke off");
            }
            classify::of_exchange(&error)
        })?;
        let limits = limits::limits(&head.headers, self.now);
        let status = head.status;
        let headers =
            headers::inward(self.secret.out_of_headers(head.headers), status == StatusCode::SWITCHING_PROTOCOLS);
        if is_of_health(status) {
            return Err(self.told(status, headers, body, limits).await);
        }
        let body = match status {
            StatusCode::SWITCHING_PROTOCOLS if passing.upgrade => Answer::Tunnel(Box::new(body)),
            StatusCode::SWITCHING_PROTOCOLS => {
                return Err(classify::protocol("the provider switched protocols unasked", "").into());
            }
            _ => Answer::Raw(Box::new(Flow { first: None, body }), None),
        };
        Ok(Arrived { status, headers, body, relayed: true, losses: Vec::new(), limits })
    }

    fn outward(
        &self,
        passing: &Passing,
        body: RequestBody,
        pair: Option<&AwsCredentials>,
    ) -> http::Request<RequestBody> {
        let mut message = http::Request::new(body);
        *message.method_mut() = passing.method.clone();
        *message.uri_mut() = self.rendered.uri.clone();
        let own = self.credential.as_ref().map(|(name, _)| name);
        *message.headers_mut() = headers::outward(&self.request.headers, own);
        let headers = message.headers_mut();
        headers.insert(http::header::HOST, self.target.provider.host.clone());
        for (name, value) in &self.target.provider.headers {
            headers.entry(name.clone()).or_insert_with(|| value.clone());
        }
        if let Some((name, value)) = &self.credential {
            headers.insert(name.clone(), value.clone());
        }
        if let (Some(signer), Some(pair)) = (&self.signer, pair) {
            signer.sign(&mut message, &passing.parts, pair, self.now);
        }
        message
    }

    /// An answer that says something of the key or the provider.
    async fn told(
        &self,
        status: StatusCode,
        headers: HeaderMap,
        mut body: ringmain_upstream::AnswerBody,
        limits: Option<ringmain_routing::Limits>,
    ) -> Failed {
        let bytes = self.secret.out_of_bytes(read_error(&mut body).await);
        let kind = &self.target.provider.kind;
        let fault = match ringmain_dialects::registry::codec(kind.dialects().next().unwrap_or(Dialect::OpenAiChat)) {
            Some(codec) => classify::of_answer(codec, kind, status.as_u16(), &headers, &bytes, self.now),
            None => classify::protocol("no codec for the provider's errors", ""),
        };
        Failed { fault, reply: Some(ProviderReply { status, headers, body: bytes }), limits }
    }
}

/// Does a status tell of the provider or the key? All others are about what was asked.
fn is_of_health(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 402 | 429 | 500..=599)
}

//! Sends the calls of an exchange to one target, and sees it to its end: one that is dropped on the way is called off.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use ringmain_core::{Fault, FaultClass, Operation, Shape, WallTime};
use ringmain_operations::talk::{Call, Payload, Reply, Talk, To, Turn};
use ringmain_routing::Limits;
use ringmain_upstream::{AnswerBody, Exchange, Origin, RequestBody, Upstream};

use crate::classify;
use crate::exchange::{AGENT, ANSWER_MAX, Failed, IDENTITY, JSON, Job, ProviderReply, collect, read_error};
use crate::limits;
use crate::secret::Secret;
use crate::sign::{Proof, Signer};
use crate::target::Target;

/// How long telling a provider that nobody waits any more may take.
const ABANDON: Duration = Duration::from_secs(5);
/// Before a question is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// In whose words errors are: an operation's, in a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errors {
    /// The operation.
    pub operation: Operation,
    /// The shape.
    pub shape: Shape,
}

impl Errors {
    fn decode(self, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
        ringmain_operations::decode_fault(self.operation, self.shape, status, headers, body)
    }
}

/// Everything a call needs, owned: an exchange may have to be called off after its request is gone.
#[derive(Clone)]
pub struct Courier(Arc<Inner>);

struct Inner {
    upstream: Upstream,
    target: Arc<Target>,
    credential: Option<(HeaderName, HeaderValue)>,
    signer: Option<Arc<Signer>>,
    secret: Secret,
    connect: Duration,
    now: WallTime,
    boundary: String,
    /// Of the caller's headers, those that are the provider's business.
    forwarded: Vec<(HeaderName, HeaderValue)>,
    /// A provider's error may go to the caller as it came.
    relayed: bool,
    errors: Errors,
    limits: Mutex<Option<Limits>>,
    /// The head of the last answer, for a caller who is given it.
    head: Mutex<HeaderMap>,
}

impl Courier {
    /// For this attempt. `relayed`: the caller speaks the target's shape.
    #[must_use]
    pub fn of(job: &Job, relayed: bool, errors: Errors) -> Self {
        let request = &job.request;
        Self(Arc::new(Inner {
            upstream: job.upstream.clone(),
            target: Arc::clone(&job.target),
            credential: job.credential.clone(),
            signer: job.signer.clone(),
            secret: job.secret.clone(),
            connect: request.route.policy.timeouts.connect,
            now: job.now,
            // The id is drawn from the process's seed: no caller can know it beforehand.
            boundary: format!("ringmain-{}", request.id),
            forwarded: job.rendered.headers.clone(),
            relayed,
            errors,
            limits: Mutex::default(),
            head: Mutex::default(),
        }))
    }

    /// What the answers so far said of the key.
    #[must_use]
    pub fn limits(&self) -> Option<Limits> {
        *self.0.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The headers of the last answer.
    #[must_use]
    pub fn take_headers(&self) -> HeaderMap {
        std::mem::take(&mut *self.0.head.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.0.now.0 / 1000
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.0.target
    }

    /// The pool of this thread, and how long a connection may take.
    #[must_use]
    pub fn upstream(&self) -> (&Upstream, Duration) {
        (&self.0.upstream, self.0.connect)
    }

    /// Sees an exchange to its end.
    ///
    /// # Errors
    /// A provider's error, or what the exchange makes of an answer.
    pub async fn hold<A: 'static>(&self, talk: Box<dyn Talk<A>>) -> Result<A, Failed> {
        let mut held = Held { talk, courier: self.clone(), ended: false };
        let mut reply = None;
        loop {
            let turn = held.talk.next(reply.as_ref()).map_err(|fault| self.failed(fault))?;
            match turn {
                Turn::Done(made) => {
                    held.ended = true;
                    return Ok(made);
                }
                Turn::Call { call, after } => {
                    if !after.is_zero() {
                        tokio::time::sleep(after).await;
                    }
                    reply = Some(self.persist(&call).await?);
                }
            }
        }
    }

    /// What came of a success that was none.
    pub(super) fn failed(&self, mut fault: Fault) -> Failed {
        fault.message = self.0.secret.out_of(&fault.message);
        let fault = classify::refine(fault, &self.0.target.provider.kind, &HeaderMap::new(), self.0.now);
        Failed { fault, reply: None, limits: self.limits() }
    }

    /// What a success that holds an error means.
    pub(super) fn fault_inside(&self, reply: &Reply) -> Fault {
        let is_error = serde_json::from_slice::<serde_json::Value>(&reply.body).is_ok_and(|said| said.is_object());
        if !is_error {
            return classify::empty();
        }
        let fault = self.0.errors.decode(200, &reply.headers, &reply.body);
        Fault { status: None, ..fault }
    }

    /// Sends a call, as often as it allows.
    async fn persist(&self, call: &Call) -> Result<Reply, Failed> {
        let mut left = call.again;
        loop {
            match self.send(call).await {
                Err(failed) if left > 0 && is_passing(failed.fault.class) => {
                    left -= 1;
                    tokio::time::sleep(AGAIN).await;
                }
                result => return result,
            }
        }
    }

    /// Sends a call once, and reads the whole answer.
    async fn send(&self, call: &Call) -> Result<Reply, Failed> {
        let (headers, body) = self.open(call).await?;
        self.read(headers, body).await
    }

    /// Reads the whole of an answer.
    pub(super) async fn read(&self, headers: HeaderMap, mut body: AnswerBody) -> Result<Reply, Failed> {
        let read = collect(&mut body, ANSWER_MAX).await;
        let body = read.map_err(|fault| Failed { fault, reply: None, limits: self.limits() })?;
        Ok(Reply { headers, body })
    }

    /// Sends a call once. A success is still to be read.
    pub(super) async fn open(&self, call: &Call) -> Result<(HeaderMap, AnswerBody), Failed> {
        let inner = &*self.0;
        let (origin, path) = self.place(&call.to)?;
        let proof = match &inner.signer {
            Some(signer) => Some(signer.proof(&inner.upstream, inner.now).await?),
            None => None,
        };
        let shown = proof.as_ref().and_then(Proof::secret).map(|text| Secret(Some(Arc::clone(text))));
        let secret = shown.as_ref().unwrap_or(&inner.secret);
        let (parts, content_type) = inner.written(&call.payload);
        let uri: http::Uri = path.parse().map_err(|_| classify::protocol("no path for a call", ""))?;
        let message = || inner.message(call, &origin, &uri, &parts, content_type.as_ref(), proof.as_ref());
        let sent = inner.upstream.send(&origin, &message, inner.connect).await;
        let Exchange { head, mut body, .. } = sent.map_err(|error| classify::of_exchange(&error))?;
        let told = limits::limits(&head.headers, inner.now);
        if told.is_some() {
            *inner.limits.lock().unwrap_or_else(PoisonError::into_inner) = told;
        }
        if !head.status.is_success() {
            let bytes = secret.out_of_bytes(read_error(&mut body).await);
            let failed = inner.refused(head, bytes, secret, told);
            if let (FaultClass::Auth, Some(signer), Some(proof)) = (failed.fault.class, &inner.signer, &proof) {
                signer.refused(proof, inner.now);
            }
            return Err(failed);
        }
        *inner.head.lock().unwrap_or_else(PoisonError::into_inner) = head.headers.clone();
        Ok((head.headers, body))
    }

    /// The origin and path of a call.
    fn place(&self, to: &To) -> Result<(Arc<Origin>, String), Fault> {
        let own = &self.0.target.provider.origin;
        match to {
            To::Path(path) => Ok((Arc::clone(own), own.path(path))),
            To::Own(url) => {
                let stray = || classify::protocol("the provider named a place that is not its own", "");
                let (origin, path) = Origin::of_url(url).map_err(|_| stray())?;
                if !origin.is_beside(own) {
                    return Err(stray());
                }
                let origin = if origin.is_same_host(own) { Arc::clone(own) } else { Arc::new(origin.public()) };
                Ok((origin, path))
            }
            To::Public(_) => Err(classify::protocol("a public place is fetched, not called", "")),
        }
    }

    /// Tells the provider that nobody waits any more. The one thing here that outlives its request, for seconds.
    fn abandon(&self, call: Call) {
        let courier = self.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Whether it is heard changes nothing for anybody here.
                let _ = tokio::time::timeout(ABANDON, courier.send(&call)).await;
            });
        }
    }
}

impl Inner {
    fn message(
        &self,
        call: &Call,
        origin: &Origin,
        uri: &http::Uri,
        parts: &[Bytes],
        content_type: Option<&HeaderValue>,
        proof: Option<&Proof>,
    ) -> Request<RequestBody> {
        let mut message = Request::new(RequestBody::new(parts.iter().cloned()));
        *message.method_mut() = call.method.clone();
        *message.uri_mut() = uri.clone();
        let headers = message.headers_mut();
        headers.reserve(10);
        if let Ok(host) = HeaderValue::try_from(origin.authority()) {
            headers.insert(HOST, host);
        }
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, content_type.clone());
        }
        headers.insert(ACCEPT, HeaderValue::from_static(call.accept));
        headers.insert(ACCEPT_ENCODING, IDENTITY);
        headers.insert(USER_AGENT, AGENT);
        for (name, value) in self.target.provider.headers.iter().chain(&self.forwarded) {
            headers.insert(name.clone(), value.clone());
        }
        for (name, value) in &call.headers {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        if let Some((name, value)) = &self.credential {
            headers.insert(name.clone(), value.clone());
        }
        if let (Some(signer), Some(proof)) = (&self.signer, proof) {
            headers.remove(AUTHORIZATION);
            signer.sign(&mut message, parts, proof, self.now);
        }
        message
    }

    /// A body in pieces, and its type.
    fn written(&self, payload: &Payload) -> (Vec<Bytes>, Option<HeaderValue>) {
        match payload {
            Payload::Empty => (Vec::new(), None),
            Payload::Json(parts) => (parts.clone(), Some(JSON)),
            Payload::Raw(kind, bytes) => (vec![bytes.clone()], HeaderValue::try_from(kind.as_str()).ok()),
            Payload::Form(form) => {
                let (parts, kind) = form.write(&self.boundary);
                (parts, HeaderValue::try_from(kind).ok())
            }
        }
    }

    fn refused(&self, head: http::response::Parts, bytes: Bytes, secret: &Secret, limits: Option<Limits>) -> Failed {
        let (status, kind) = (head.status, &self.target.provider.kind);
        let is_error = status.is_client_error() || status.is_server_error();
        let fault = if is_error {
            let fault = self.errors.decode(status.as_u16(), &head.headers, &bytes);
            classify::judge(fault, kind, status.as_u16(), &head.headers, self.now)
        } else {
            classify::protocol("the provider answered with a redirect", format!("status {status}"))
        };
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
        let same = self.relayed && json && fault.class != FaultClass::Protocol;
        let headers = secret.out_of_headers(head.headers);
        Failed { fault, reply: same.then_some(ProviderReply { status, headers, body: bytes }), limits }
    }
}

/// Something of the way, or of a moment.
const fn is_passing(class: FaultClass) -> bool {
    matches!(
        class,
        FaultClass::Network
            | FaultClass::Server
            | FaultClass::Overloaded
            | FaultClass::Interrupted
            | FaultClass::RateLimit
    )
}

/// An exchange under way.
struct Held<A> {
    talk: Box<dyn Talk<A>>,
    courier: Courier,
    ended: bool,
}

impl<A> Drop for Held<A> {
    fn drop(&mut self) {
        if !self.ended
            && let Some(call) = self.talk.abandon()
        {
            self.courier.abandon(call);
        }
    }
}

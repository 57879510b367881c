//! One attempt: render, sign, send, classify, and read up to the commit point.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use ringmain_config::OnLoss;
use ringmain_core::{Dialect, Fault, FaultClass, Operation, Usage, WallTime};
use ringmain_dialects::{Codec, Framing, Loss, StreamStart, ir, registry};
use ringmain_routing::{Limits, OnRefusal};
use ringmain_upstream::{AnswerBody, AwsCredentials, Exchange, RequestBody, Upstream};
use serde::de::IgnoredAny;

use crate::classify;
use crate::inspect::Inspected;
use crate::limits;
use crate::live::Live;
use crate::operations::{self, Body, Courier, Work};
use crate::passthrough::Flow;
use crate::render::{Rendered, render};
use crate::secret::Secret;
use crate::sign::Signer;
use crate::target::Target;
use crate::writer::Writer;

/// The largest plain answer; a batch of pictures in base64 fits.
pub(crate) const ANSWER_MAX: usize = 256 * 1024 * 1024;
/// What is read of an error answer.
const ERROR_MAX: usize = 64 * 1024;
/// How long an error answer's body may take.
const ERROR_PATIENCE: Duration = Duration::from_secs(5);
/// Headers of the caller that are the provider's business.
static FORWARDED: [HeaderName; 6] = [
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("http-referer"),
    HeaderName::from_static("x-title"),
];
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Who we say we are.
pub(crate) const AGENT: HeaderValue = HeaderValue::from_static(concat!("ringmain/", env!("CARGO_PKG_VERSION")));

/// An answer that is good enough to commit to.
pub struct Arrived {
    /// The provider's status.
    pub status: StatusCode,
    /// The provider's headers.
    pub headers: HeaderMap,
    /// The answer in the caller's dialect.
    pub body: Answer,
    /// The provider's bytes are the caller's.
    pub relayed: bool,
    /// What was lost in translation.
    pub losses: Vec<Loss>,
    /// What the headers say of the key.
    pub limits: Option<Limits>,
}

/// The forms of an answer.
pub enum Answer {
    /// All there.
    Plain(Bytes, Option<Usage>),
    /// Coming; held at its first useful token.
    Live(Box<Live>),
    /// Coming, and nobody looks at it.
    Raw(Box<Flow>, Option<Usage>),
    /// The connection has left HTTP.
    Tunnel(Box<AnswerBody>),
}

/// An attempt that failed before anything was with the caller.
pub struct Failed {
    /// Why.
    pub fault: Fault,
    /// The provider's own error answer, where the caller speaks the same dialect.
    pub reply: Option<ProviderReply>,
    /// What the headers say of the key.
    pub limits: Option<Limits>,
}

/// A provider's error answer as it came.
pub struct ProviderReply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, reply: None, limits: None }
    }
}

/// Everything one attempt needs, owned, so that two can run side by side.
pub struct Job {
    /// The pool of this thread.
    pub upstream: Upstream,
    /// The request.
    pub request: Arc<Inspected>,
    /// The target.
    pub target: Arc<Target>,
    /// What is sent to it.
    pub rendered: Rendered,
    /// The header that lets us in.
    pub credential: Option<(HeaderName, HeaderValue)>,
    /// What signs the request, where it must be signed.
    pub signer: Option<Arc<Signer>>,
    /// The credential's text, to be taken out of what a provider says of it.
    pub secret: Secret,
    /// The date, for what headers say.
    pub now: WallTime,
}

impl Job {
    /// Runs the attempt up to the commit point.
    ///
    /// # Errors
    /// It failed before the caller saw anything.
    pub async fn run(mut self) -> Result<Arrived, Failed> {
        match self.once().await {
            Err(failed) if self.lacks_dialect(&failed.fault) => {
                let rendered = render(&self.request, &self.target)?;
                // A credential was chosen for one way to be let in.
                if rendered.auth != self.rendered.auth {
                    return Err(failed);
                }
                self.rendered = rendered;
                self.once().await
            }
            result => result,
        }
    }

    /// The server has nothing at the path of the caller's dialect, and another dialect it may have. The target is not to
    /// blame: it was never asked.
    fn lacks_dialect(&self, fault: &Fault) -> bool {
        let facts = &self.request.facts;
        self.rendered.relayed
            && facts.operation == Operation::Chat
            && classify::is_no_such_path(fault)
            && self.target.forgo(facts.operation, facts.dialect)
    }

    async fn once(&mut self) -> Result<Arrived, Failed> {
        if self.request.passing.is_some() {
            return self.pass().await;
        }
        if let Some(work) = self.rendered.work.take() {
            return self.perform(work).await;
        }
        let connect = self.request.route.policy.timeouts.connect;
        let pair = match &self.signer {
            Some(signer) => Some(signer.credentials(&self.upstream, self.now).await?),
            None => None,
        };
        let message = || self.message(pair.as_deref());
        let sent = self.upstream.send(&self.target.provider.origin, &message, connect).await;
        let Exchange { head, body, .. } = sent.map_err(|error| classify::of_exchange(&error))?;
        let limits = limits::limits(&head.headers, self.now);
        let losses = std::mem::take(&mut self.rendered.losses);
        let relayed = self.rendered.relayed;
        if !head.status.is_success() {
            return Err(self.refused(head.status, head.headers, body, limits).await);
        }
        let answer = if self.request.facts.stream && is_stream(&head.headers, self.framing()) {
            self.stream(body).await
        } else {
            self.plain(&head, body).await
        };
        let body = answer.map_err(|mut fault| {
            fault.message = self.secret.out_of(&fault.message);
            let fault = classify::refine(fault, &self.target.provider.kind, &head.headers, self.now);
            Failed { fault, reply: None, limits }
        })?;
        Ok(Arrived { status: head.status, headers: head.headers, body, relayed, losses, limits })
    }

    /// An operation that is an exchange of its own.
    async fn perform(&mut self, work: Work) -> Result<Arrived, Failed> {
        let courier = Courier::of(self, self.rendered.relayed, self.rendered.errors);
        let performed = work.perform(&courier, &self.request).await?;
        let mut losses = std::mem::take(&mut self.rendered.losses);
        losses.extend(performed.losses.into_iter().filter(|_| self.request.route.on_loss != OnLoss::Allow));
        Ok(Arrived {
            status: StatusCode::OK,
            headers: courier.take_headers(),
            body: match performed.body {
                Body::Whole(bytes) => Answer::Plain(bytes, performed.usage),
                Body::Flow(flow) => Answer::Raw(flow, performed.usage),
            },
            relayed: performed.relayed,
            losses,
            limits: courier.limits(),
        })
    }

    /// The request for the provider. A caller's own credential never goes along.
    fn message(&self, pair: Option<&AwsCredentials>) -> Request<RequestBody> {
        let (request, provider, rendered) = (&self.request, &self.target.provider, &self.rendered);
        let mut message = Request::new(RequestBody::new(rendered.parts.iter().cloned()));
        *message.method_mut() = http::Method::POST;
        *message.uri_mut() = rendered.uri.clone();
        let headers = message.headers_mut();
        headers.reserve(10);
        headers.insert(HOST, provider.host.clone());
        headers.insert(CONTENT_TYPE, JSON);
        let accept = if request.facts.stream { self.framing().content_type() } else { "*/*" };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers.insert(USER_AGENT, AGENT);
        for (name, value) in &provider.headers {
            headers.insert(name.clone(), value.clone());
        }
        if rendered.relayed {
            headers.extend(forwarded(&request.headers));
        }
        if let Some((name, value)) = &self.credential {
            headers.insert(name.clone(), value.clone());
        }
        if let (Some(signer), Some(pair)) = (&self.signer, pair) {
            signer.sign(&mut message, &rendered.parts, pair, self.now);
        }
        message
    }

    /// The codec of the dialect spoken with the provider. An operation of one shape has OpenAI's errors.
    fn codec(&self) -> Result<&'static dyn Codec, Fault> {
        let dialect = self.rendered.dialect.unwrap_or(Dialect::OpenAiChat);
        registry::codec(dialect).ok_or_else(|| classify::protocol("no codec for the provider's dialect", ""))
    }

    /// How the provider delimits a stream.
    fn framing(&self) -> Framing {
        Framing::of_provider(self.rendered.dialect.unwrap_or(Dialect::OpenAiChat))
    }

    async fn refused(
        &self,
        status: StatusCode,
        headers: HeaderMap,
        mut body: AnswerBody,
        limits: Option<Limits>,
    ) -> Failed {
        let bytes = self.secret.out_of_bytes(read_error(&mut body).await);
        let fault = match self.codec() {
            // A redirect would carry the credential elsewhere: it is not followed, and no answer either.
            _ if !status.is_client_error() && !status.is_server_error() => {
                classify::protocol("the provider answered with a redirect", format!("status {status}"))
            }
            Ok(codec) => {
                let kind = &self.target.provider.kind;
                classify::of_answer(codec, kind, status.as_u16(), &headers, &bytes, self.now)
            }
            Err(fault) => fault,
        };
        // A page from something in front of the provider is not the provider's words.
        let json = serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
        let same = self.rendered.relayed && json && fault.class != FaultClass::Protocol;
        let headers = self.secret.out_of_headers(headers);
        Failed { fault, reply: same.then_some(ProviderReply { status, headers, body: bytes }), limits }
    }

    async fn stream(&self, body: AnswerBody) -> Result<Answer, Fault> {
        let codec = self.codec()?;
        let request = &self.request;
        let writer = if self.rendered.relayed {
            Writer::relay(codec, self.rendered.strip_usage, request.framing)
        } else {
            Writer::translate(codec.stream_decoder(), self.callers_codec()?.stream_encoder(&self.stream_start()))
        };
        let policy = &request.route.policy;
        let lenient = self.target.ends_without_done;
        let live =
            Live::new(body, self.framing(), writer, policy.timeouts.idle, lenient).hold(policy.on_refusal).await?;
        Ok(Answer::Live(Box::new(live)))
    }

    fn callers_codec(&self) -> Result<&'static dyn Codec, Fault> {
        registry::codec(self.request.facts.dialect)
            .ok_or_else(|| classify::protocol("no codec for the caller's dialect", ""))
    }

    fn stream_start(&self) -> StreamStart {
        StreamStart {
            id: self.request.id.to_string(),
            model: self.target.name.model.clone(),
            created: self.now.0 / 1000,
            include_usage: self.request.include_usage,
            framing: self.request.framing,
        }
    }

    async fn plain(&self, head: &http::response::Parts, mut body: AnswerBody) -> Result<Answer, Fault> {
        let bytes = collect(&mut body, ANSWER_MAX).await?;
        let codec = self.codec()?;
        if self.request.facts.operation != Operation::Chat {
            let (bytes, usage) = self.other_operation(head, bytes)?;
            return Ok(Answer::Plain(bytes, usage));
        }
        let glance = codec.tap().body(&bytes);
        if let Some(fault) = glance.error {
            return Err(*fault);
        }
        if glance.malformed {
            return Err(classify::protocol(
                "the provider's answer is unreadable",
                format!("not a {} answer", codec.dialect()),
            ));
        }
        let used = glance.usage.is_some_and(|usage| usage.output > 0);
        match (glance.refused, self.request.route.policy.on_refusal) {
            (true, OnRefusal::Next) => return Err(classify::refusal()),
            (true, OnRefusal::Return) => {}
            (false, _) if glance.useful || used => {}
            (false, _) => return Err(classify::empty()),
        }
        if self.request.facts.stream {
            return self.as_stream(codec, &bytes, glance.usage);
        }
        if self.rendered.relayed {
            return Ok(Answer::Plain(bytes, glance.usage));
        }
        let response = self.decode(codec, &bytes)?;
        Ok(Answer::Plain(self.callers_codec()?.encode_response(&response).body.into(), glance.usage))
    }

    /// The provider answered a request for a stream with a plain answer: the caller still gets a stream.
    fn as_stream(&self, codec: &dyn Codec, bytes: &Bytes, usage: Option<Usage>) -> Result<Answer, Fault> {
        let response = self.decode(codec, bytes)?;
        let mut encoder = self.callers_codec()?.stream_encoder(&self.stream_start());
        let mut out = Vec::new();
        for event in ir::fold::unfold(&response) {
            encoder.event(&event, &mut out);
        }
        Ok(Answer::Plain(out.into(), usage))
    }

    /// Decodes a plain answer; what its dialect does not say of itself is filled in.
    fn decode(&self, codec: &dyn Codec, bytes: &[u8]) -> Result<ir::Response, Fault> {
        let mut response = codec
            .decode_response(bytes)
            .map_err(|malformed| classify::protocol("the provider's answer is unreadable", malformed.to_string()))?;
        let start = self.stream_start();
        if response.id.is_empty() {
            response.id = start.id;
        }
        if response.model.is_empty() {
            response.model = start.model;
        }
        response.created.get_or_insert(start.created);
        Ok(response)
    }

    /// Embeddings, images, moderations, counts of tokens: JSON that is not an error and not nothing.
    fn other_operation(&self, head: &http::response::Parts, bytes: Bytes) -> Result<(Bytes, Option<Usage>), Fault> {
        let object = ringmain_wire::json::Object::parse(&bytes)
            .map_err(|error| classify::protocol("the provider's answer is unreadable", error.to_string()))?;
        let has = |key| object.get(key).is_some_and(|value| !matches!(value.get(), "null" | "[]"));
        if has("error") {
            let kind = &self.target.provider.kind;
            return Err(classify::of_answer(self.codec()?, kind, 500, &head.headers, &bytes, self.now));
        }
        if ["data", "results", "embeddings", "input_tokens", "inputTokens", "totalTokens"].into_iter().any(has) {
            let usage = operations::counted(self.request.facts.operation, &object);
            Ok((bytes, usage))
        } else {
            Err(classify::empty())
        }
    }
}

/// The caller's headers that are the provider's business.
pub(crate) fn forwarded(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    FORWARDED.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect()
}

/// What an error answer says, as far as it comes.
pub(crate) async fn read_error(body: &mut AnswerBody) -> Bytes {
    let read = tokio::time::timeout(ERROR_PATIENCE, collect(body, ERROR_MAX)).await;
    read.ok().and_then(Result::ok).unwrap_or_default()
}

/// Reads a body of at most `max` bytes.
pub(crate) async fn collect(body: &mut AnswerBody, max: usize) -> Result<Bytes, Fault> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| classify::of_exchange(&error))?;
        if first.len() + all.len() + chunk.len() > max {
            return Err(classify::protocol("the provider's answer is too large", format!("more than {max} bytes")));
        }
        if first.is_empty() && all.is_empty() {
            first = chunk;
            continue;
        }
        if all.is_empty() {
            all.reserve(first.len() + chunk.len());
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

fn is_stream(headers: &HeaderMap, framing: Framing) -> bool {
    let says =
        |wanted: &str| headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(wanted.as_bytes()));
    !says("application/json") && !headers.contains_key(CONTENT_LENGTH) || says(framing.content_type())
}

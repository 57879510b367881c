//! One attempt: render, sign, send, classify, and read up to the commit point.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use memchr::memmem;
use ringmain_core::{Dialect, Fault, FaultClass, Operation, Usage, WallTime};
use ringmain_dialects::continuation::Form;
use ringmain_dialects::{Codec, Framing, Loss, StreamStart, ir, registry};
use ringmain_routing::{Limits, OnRefusal, Resume};
use ringmain_upstream::{AnswerBody, AwsCredentials, Exchange, RequestBody, Upstream};
use serde::de::IgnoredAny;

use crate::classify;
use crate::inspect::Inspected;
use crate::limits;
use crate::live::{Live, Source};
use crate::render::{self, Rendered, render};
use crate::resume::{Rest, signs};
use crate::sign::Signer;
use crate::target::Target;
use crate::writer::Writer;

/// The largest plain answer; a batch of pictures in base64 fits.
const ANSWER_MAX: usize = 256 * 1024 * 1024;
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
const REDACTED: &str = "[redacted]";
const JSON: HeaderValue = HeaderValue::from_static("application/json");
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
    /// It is the rest of an answer, and was asked for in this form.
    pub form: Option<Form>,
    /// The provider signs its thinking, and the caller sees the signature.
    pub signs: bool,
}

/// The two forms of an answer.
pub enum Answer {
    /// All there.
    Plain(Bytes, Option<Usage>),
    /// Coming; held at its first useful token.
    Live(Box<Live>),
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
    /// The answer has begun: what is asked for is the rest of it.
    pub rest: Option<Arc<Rest>>,
    /// The header that lets us in.
    pub credential: Option<(HeaderName, HeaderValue)>,
    /// What signs the request, where it must be signed.
    pub signer: Option<Arc<Signer>>,
    /// The credential's text, to be taken out of what a provider says of it.
    pub secret: Option<Arc<str>>,
    /// The date, for what headers say.
    pub now: WallTime,
}

impl Job {
    /// Runs the attempt up to the commit point.
    ///
    /// # Errors
    /// It failed before the caller saw anything.
    pub async fn run(mut self) -> Result<Arrived, Failed> {
        let mut result = self.once().await;
        if let Err(failed) = &result
            && let Some(rendered) = self.otherwise(&failed.fault)
        {
            let rendered = rendered?;
            // A credential was chosen for one way to be let in.
            if rendered.auth == self.rendered.auth {
                self.rendered = rendered;
                result = self.once().await;
            }
        }
        result.map_err(|failed| self.blameless(failed))
    }

    /// The same request in another way, where the first was refused for its form. The target is not to blame: it was
    /// never asked.
    fn otherwise(&self, fault: &Fault) -> Option<Result<Rendered, Fault>> {
        match &self.rest {
            None if self.lacks_dialect(fault) => Some(render(&self.request, &self.target)),
            Some(rest) if self.rendered.form == Some(Form::Prefill) && fault.class == FaultClass::BadRequest => {
                Some(render::rest(&self.request, &self.target, rest, false))
            }
            None | Some(_) => None,
        }
    }

    /// A refusal of the request for the rest of an answer says nothing of the caller's: another target may take it.
    fn blameless(&self, mut failed: Failed) -> Failed {
        if self.rest.is_some() && failed.fault.class == FaultClass::BadRequest {
            failed.fault.class = FaultClass::Unroutable;
            failed.fault.scope = failed.fault.class.scope();
        }
        failed
    }

    /// The server has nothing at the path of the caller's dialect, and another dialect it may have.
    fn lacks_dialect(&self, fault: &Fault) -> bool {
        let facts = &self.request.facts;
        self.rendered.relayed
            && facts.operation == Operation::Chat
            && classify::is_no_such_path(fault)
            && self.target.forgo(facts.operation, facts.dialect)
    }

    async fn once(&mut self) -> Result<Arrived, Failed> {
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
            if let Some(secret) = &self.secret {
                fault.message = fault.message.replace(&**secret, REDACTED);
            }
            let fault = classify::refine(fault, &self.target.provider.kind, &head.headers, self.now);
            Failed { fault, reply: None, limits }
        })?;
        let signs = self.signs();
        let form = self.rendered.form;
        Ok(Arrived { status: head.status, headers: head.headers, body, relayed, losses, limits, form, signs })
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
            for name in &FORWARDED {
                if let Some(value) = request.headers.get(name) {
                    headers.insert(name.clone(), value.clone());
                }
            }
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
        let read = tokio::time::timeout(ERROR_PATIENCE, collect(&mut body, ERROR_MAX)).await;
        let bytes = self.without_key(read.ok().and_then(Result::ok).unwrap_or_default());
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
        let headers = self.headers_without_key(headers);
        Failed { fault, reply: same.then_some(ProviderReply { status, headers, body: bytes }), limits }
    }

    /// Some providers repeat the key they refuse.
    fn without_key(&self, bytes: Bytes) -> Bytes {
        let Some(secret) = &self.secret else { return bytes };
        if memmem::find(&bytes, secret.as_bytes()).is_none() {
            return bytes;
        }
        String::from_utf8_lossy(&bytes).replace(&**secret, REDACTED).into_bytes().into()
    }

    fn headers_without_key(&self, mut headers: HeaderMap) -> HeaderMap {
        if let Some(secret) = &self.secret {
            for value in headers.values_mut() {
                if memmem::find(value.as_bytes(), secret.as_bytes()).is_some() {
                    *value = HeaderValue::from_static(REDACTED);
                }
            }
        }
        headers
    }

    async fn stream(&self, body: AnswerBody) -> Result<Answer, Fault> {
        let codec = self.codec()?;
        let request = &self.request;
        let policy = &request.route.policy;
        let (mut writer, on_refusal) = if self.rest.is_some() {
            // Who refuses to go on is not the one who began.
            (Writer::gather(codec.stream_decoder(), Vec::new()), OnRefusal::Next)
        } else if self.rendered.relayed {
            (Writer::relay(codec, self.rendered.strip_usage, request.framing), policy.on_refusal)
        } else {
            let encoder = self.callers_codec()?.stream_encoder(&self.stream_start());
            (Writer::translate(codec.stream_decoder(), encoder, self.signs()), policy.on_refusal)
        };
        if policy.resume == Resume::Auto {
            writer.keep();
        }
        let source = Source::new(body, self.framing(), policy.timeouts.idle, self.target.ends_without_done);
        Ok(Answer::Live(Box::new(Live::new(source, writer).hold(on_refusal).await?)))
    }

    /// Does the provider sign its thinking, and does the caller see that?
    fn signs(&self) -> bool {
        self.rendered.dialect.is_some_and(|provider| signs(provider, self.request.facts.dialect))
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
            return Ok(Answer::Plain(self.other_operation(head, bytes)?, None));
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
            (true, _) if self.rest.is_some() => return Err(classify::refusal()),
            (true, OnRefusal::Next) => return Err(classify::refusal()),
            (true, OnRefusal::Return) => {}
            (false, _) if glance.useful || used => {}
            (false, _) => return Err(classify::empty()),
        }
        if self.request.facts.stream {
            return self.as_stream(codec, &bytes, glance.usage).await;
        }
        if self.rendered.relayed {
            return Ok(Answer::Plain(bytes, glance.usage));
        }
        let response = self.decode(codec, &bytes)?;
        Ok(Answer::Plain(self.callers_codec()?.encode_response(&response).body.into(), glance.usage))
    }

    /// The provider answered a request for a stream with a plain answer: the caller still gets a stream.
    async fn as_stream(&self, codec: &dyn Codec, bytes: &Bytes, usage: Option<Usage>) -> Result<Answer, Fault> {
        let response = self.decode(codec, bytes)?;
        if self.rest.is_some() {
            let writer = Writer::gather(codec.stream_decoder(), ir::fold::unfold(&response));
            return Ok(Answer::Live(Box::new(Live::new(Source::read(), writer).hold(OnRefusal::Next).await?)));
        }
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
    fn other_operation(&self, head: &http::response::Parts, bytes: Bytes) -> Result<Bytes, Fault> {
        let object = ringmain_wire::json::Object::parse(&bytes)
            .map_err(|error| classify::protocol("the provider's answer is unreadable", error.to_string()))?;
        let has = |key| object.get(key).is_some_and(|value| !matches!(value.get(), "null" | "[]"));
        if has("error") {
            let kind = &self.target.provider.kind;
            return Err(classify::of_answer(self.codec()?, kind, 500, &head.headers, &bytes, self.now));
        }
        if ["data", "results", "embeddings", "input_tokens", "inputTokens", "totalTokens"].into_iter().any(has) {
            Ok(bytes)
        } else {
            Err(classify::empty())
        }
    }
}

/// Reads a body of at most `max` bytes.
async fn collect(body: &mut AnswerBody, max: usize) -> Result<Bytes, Fault> {
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

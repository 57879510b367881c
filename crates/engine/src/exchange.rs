//! One attempt: render, sign, send, classify, and read up to the commit point.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use ringmain_core::{Dialect, Fault, FaultClass, Operation, Usage, WallTime};
use ringmain_dialects::continuation::Form;
use ringmain_dialects::freeform::Calls;
use ringmain_dialects::provenance::Maker;
use ringmain_dialects::{Codec, Encoded, Framing, Loss, StreamStart, ir, registry};
use ringmain_operations::counts;
use ringmain_routing::{Limits, OnRefusal, Resume};
use ringmain_upstream::{AnswerBody, Exchange, RequestBody, Upstream};
use serde::de::IgnoredAny;

use crate::inspect::Inspected;
use crate::kept::Seal;
use crate::limits;
use crate::live::{Live, Source};
use crate::operations::{Body, Courier, Work};
use crate::passthrough::Flow;
use crate::pins::{self, Learner};
use crate::render::{self, Rendered, render};
use crate::resume::{Rest, signs};
use crate::secret::Secret;
use crate::sign::{Proof, Signer};
use crate::target::Target;
use crate::writer::Writer;
use crate::{classify, count};

/// The largest plain answer; a batch of pictures in base64 fits.
pub(crate) const ANSWER_MAX: usize = 256 * 1024 * 1024;
/// What is read of an error answer.
const ERROR_MAX: usize = 64 * 1024;
/// How long an error answer's body may take.
const ERROR_PATIENCE: Duration = Duration::from_secs(5);
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What tokens are worth waiting for is small, and pieces of it must not wait for each other in a compressor.
pub(crate) const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
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

/// The forms of an answer.
pub enum Answer {
    /// All there.
    Plain(Plain),
    /// Coming; held at its first useful token.
    Live(Box<Live>),
    /// Coming, and nobody looks at it. What it used is known already, if it is known.
    Raw(Box<Flow>, Option<Usage>),
    /// The connection has left HTTP.
    Tunnel(Box<AnswerBody>),
}

/// A whole answer.
#[derive(Debug)]
pub struct Plain {
    /// In the caller's dialect; `None` where the answer has no body, whatever its headers say of one.
    pub bytes: Option<Bytes>,
    /// What the provider says it used.
    pub usage: Option<Usage>,
    /// What of it the caller's dialect could not carry.
    pub losses: Vec<Loss>,
}

impl Plain {
    pub(crate) const fn relayed(bytes: Bytes, usage: Option<Usage>) -> Self {
        Self { bytes: Some(bytes), usage, losses: Vec::new() }
    }

    pub(crate) const fn empty() -> Self {
        Self { bytes: None, usage: None, losses: Vec::new() }
    }
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
    /// What lets the request in, where no header does.
    pub signer: Option<Arc<Signer>>,
    /// The credential's text, to be taken out of what a provider says of it.
    pub secret: Secret,
    /// The credential's label.
    pub key: String,
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
        if let Err(failed) = &result
            && self.counts()
            && classify::cannot_count(&failed.fault)
        {
            if classify::is_no_such_path(&failed.fault) {
                self.target.forgo_counting();
            }
            return Ok(count::estimate(&self.request, &self.target)?);
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

    fn counts(&self) -> bool {
        self.request.facts.operation == Operation::CountTokens
    }

    async fn once(&mut self) -> Result<Arrived, Failed> {
        if self.request.passing.is_some() {
            return self.pass().await;
        }
        if let Some(work) = self.rendered.work.take() {
            return self.perform(work).await;
        }
        let connect = self.request.route.policy.timeouts.connect;
        let proof = match &self.signer {
            Some(signer) => Some(signer.proof(&self.upstream, self.now).await?),
            None => None,
        };
        if let Some(text) = proof.as_ref().and_then(Proof::secret) {
            self.secret = Secret(Some(Arc::clone(text)));
        }
        let message = || self.message(proof.as_ref());
        let sent = self.upstream.send(&self.target.provider.origin, &message, connect).await;
        let Exchange { head, body, .. } = sent.map_err(|error| classify::of_exchange(&error))?;
        let limits = limits::limits(&head.headers, self.now);
        let losses = std::mem::take(&mut self.rendered.losses);
        let relayed = self.rendered.relayed;
        if !head.status.is_success() {
            let failed = self.refused(head.status, head.headers, body, limits).await;
            if let (FaultClass::Auth, Some(signer), Some(proof)) = (failed.fault.class, &self.signer, &proof) {
                signer.refused(proof, self.now);
            }
            return Err(failed);
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
        let signs = self.signs();
        let form = self.rendered.form;
        Ok(Arrived { status: head.status, headers: head.headers, body, relayed, losses, limits, form, signs })
    }

    /// An operation that is an exchange of its own.
    async fn perform(&mut self, work: Work) -> Result<Arrived, Failed> {
        let courier = Courier::of(self, self.rendered.relayed, self.rendered.errors);
        let performed = work.perform(&courier, &self.request).await?;
        let mut losses = std::mem::take(&mut self.rendered.losses);
        losses.extend(performed.losses);
        let mut headers = courier.take_headers();
        if let Some(kind) = performed.kind {
            headers.insert(CONTENT_TYPE, kind);
        }
        Ok(Arrived {
            status: StatusCode::OK,
            headers,
            body: match performed.body {
                Body::Whole(bytes) => Answer::Plain(Plain::relayed(bytes, performed.usage)),
                Body::Live(live) => Answer::Live(live),
                Body::Flow(flow) => Answer::Raw(flow, performed.usage),
            },
            relayed: performed.relayed,
            losses,
            limits: courier.limits(),
            form: None,
            signs: false,
        })
    }

    /// The request for the provider. A caller's own credential never goes along.
    fn message(&self, proof: Option<&Proof>) -> Request<RequestBody> {
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

    /// The codec of the dialect spoken with the provider; of an operation without one, that of its errors.
    fn codec(&self) -> Result<&'static dyn Codec, Fault> {
        let shape = self.rendered.errors.shape;
        let dialect = self.rendered.dialect.unwrap_or_else(|| ringmain_operations::dialect_of(shape));
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
        let mut fault = match self.codec() {
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
        // The model is there; what the request names is not.
        let names_response = self.request.stored.is_some() || fault.message.contains("revious response with id");
        if fault.class == FaultClass::Gone && names_response {
            (fault.class, fault.scope) = (FaultClass::BadRequest, FaultClass::BadRequest.scope());
        }
        // A page from something in front of the provider is not the provider's words.
        let json = serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
        // And a cloud that serves another's dialect has errors of its own.
        let own = self.rendered.dialect.is_none_or(|dialect| registry::is_own_fault(dialect, &bytes));
        let same = self.rendered.relayed && json && own && fault.class != FaultClass::Protocol;
        let headers = self.secret.out_of_headers(headers);
        Failed { fault, reply: same.then_some(ProviderReply { status, headers, body: bytes }), limits }
    }

    async fn stream(&self, body: AnswerBody) -> Result<Answer, Fault> {
        let codec = self.codec()?;
        let request = &self.request;
        let policy = &request.route.policy;
        let (mut writer, on_refusal) = if self.rest.is_some() {
            // Who refuses to go on is not the one who began.
            (Writer::gather(codec.stream_decoder(), Vec::new(), self.calls()), OnRefusal::Next)
        } else if self.rendered.relayed {
            (self.relay(codec), policy.on_refusal)
        } else {
            let encoder = self.callers_codec()?.stream_encoder(&self.stream_start());
            let seal = self.seal(codec.dialect()).map(Box::new);
            let writer = Writer::translate(codec.stream_decoder(), encoder, seal, self.signs(), self.calls());
            (writer, policy.on_refusal)
        };
        if policy.resume == Resume::Auto {
            writer.keep();
        }
        let source = Source::new(body, self.framing(), policy.timeouts.idle, self.target.ends_without_done);
        Ok(Answer::Live(Box::new(Live::new(source, writer).hold(on_refusal).await?)))
    }

    fn relay(&self, codec: &'static dyn Codec) -> Writer {
        let learner = self.learner().map(Box::new);
        Writer::relay(codec, self.rendered.strip_usage, self.request.framing, learner)
    }

    /// Does the provider sign its thinking, and does the caller see that?
    fn signs(&self) -> bool {
        self.rendered.dialect.is_some_and(|provider| signs(provider, self.request.facts.dialect))
    }

    fn callers_codec(&self) -> Result<&'static dyn Codec, Fault> {
        registry::codec(self.request.facts.dialect)
            .ok_or_else(|| classify::protocol("no codec for the caller's dialect", ""))
    }

    /// Remembers whom a relayed answer is of, where a later request may go on from it.
    fn learner(&self) -> Option<Learner> {
        let pins = self.request.learns.as_ref().filter(|_| self.rendered.relayed)?;
        let (name, key) = (&self.target.name, self.key.clone());
        let maker = pins::Maker {
            provider: name.provider.clone(),
            model: name.model.clone(),
            key,
            owner: self.request.facts.key.as_ref().map(|key| key.id.clone()),
        };
        Some(Learner::new(pins, maker, self.request.started))
    }

    /// What is done with the proofs in an answer that is translated.
    fn seal(&self, from: Dialect) -> Option<Seal> {
        let name = &self.target.name;
        let maker = Maker::of(from, &name.provider, &name.model);
        Seal::new(&self.request.keeping, &maker, from, self.request.facts.dialect)
    }

    /// What becomes of calls that stand for the caller's free-form tools, where the provider knows none of the kind.
    fn calls(&self) -> Option<Calls> {
        let other = self.rendered.dialect != Some(self.request.facts.dialect);
        self.request.decoded().ok().filter(|_| other).and_then(Calls::of)
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
        if self.request.stored.is_some() {
            return Ok(Answer::Plain(Plain::relayed(bytes, None)));
        }
        if self.request.facts.operation != Operation::Chat {
            let (bytes, usage) = self.other_operation(head, bytes)?;
            return Ok(Answer::Plain(Plain::relayed(bytes, usage)));
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
            self.learner().into_iter().for_each(|mut learner| learner.body(&bytes));
            return Ok(Answer::Plain(Plain::relayed(bytes, glance.usage)));
        }
        let mut response = self.decode(codec, &bytes)?;
        if let Some(seal) = self.seal(codec.dialect()) {
            seal.response(&mut response);
        }
        self.calls().into_iter().for_each(|calls| calls.response(&mut response));
        let Encoded { body, losses } = self.callers_codec()?.encode_response(&response);
        Ok(Answer::Plain(Plain { bytes: Some(body.into()), usage: glance.usage, losses }))
    }

    /// The provider answered a request for a stream with a plain answer: the caller still gets a stream.
    async fn as_stream(&self, codec: &dyn Codec, bytes: &Bytes, usage: Option<Usage>) -> Result<Answer, Fault> {
        let mut response = self.decode(codec, bytes)?;
        if self.rest.is_some() {
            let writer = Writer::gather(codec.stream_decoder(), ir::fold::unfold(&response), self.calls());
            return Ok(Answer::Live(Box::new(Live::new(Source::read(), writer).hold(OnRefusal::Next).await?)));
        }
        if let Some(seal) = self.seal(codec.dialect()).filter(|_| !self.rendered.relayed) {
            seal.response(&mut response);
        }
        self.calls().into_iter().for_each(|calls| calls.response(&mut response));
        let mut encoder = self.callers_codec()?.stream_encoder(&self.stream_start());
        let mut out = Vec::new();
        for event in ir::fold::unfold(&response) {
            encoder.event(&event, &mut out);
        }
        let mut losses = response.losses;
        losses.extend(encoder.take_losses());
        Ok(Answer::Plain(Plain { bytes: Some(out.into()), usage, losses }))
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
        if let Some(counting) = self.rendered.dialect.and_then(registry::counting).filter(|_| self.counts()) {
            return Ok((count::answer(&self.request, counting, bytes, self.rendered.relayed)?, None));
        }
        if !["data", "results", "embeddings"].into_iter().any(has) {
            return Err(classify::empty());
        }
        let usage = counts::of(&object);
        Ok((bytes, usage))
    }
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

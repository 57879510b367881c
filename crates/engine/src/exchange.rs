//! One attempt: render, sign, send, classify, and read up to the commit point.

mod body;
mod message;
mod outcome;
mod plain;
mod refused;
mod stream;

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use ringmain_core::{Dialect, Fault, FaultClass, Operation, WallTime};
use ringmain_dialects::continuation::Form;
use ringmain_dialects::freeform::Calls;
use ringmain_dialects::provenance::Maker;
use ringmain_dialects::{Codec, Framing, StreamStart, registry};
use ringmain_upstream::{Exchange, Upstream};

use crate::inspect::Inspected;
use crate::kept::Seal;
use crate::operations::{Body, Courier, Work};
use crate::pins::{self, Learner};
use crate::render::{self, Rendered, render};
use crate::resume::{Rest, signs};
use crate::secret::Secret;
use crate::sign::{Proof, Signer};
use crate::target::Target;
use crate::{classify, count, limits};

pub(crate) use body::{ANSWER_MAX, collect, read_error};
pub(crate) use message::{AGENT, IDENTITY, JSON};
pub use outcome::{Answer, Arrived, Failed, Plain, ProviderReply};

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
    async fn perform(&mut self, work: Box<dyn Work>) -> Result<Arrived, Failed> {
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
        let maker = Maker::of(from, &self.target.name.provider, &self.target.family);
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
}

fn is_stream(headers: &HeaderMap, framing: Framing) -> bool {
    let says =
        |wanted: &str| headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(wanted.as_bytes()));
    !says("application/json") && !headers.contains_key(CONTENT_LENGTH) || says(framing.content_type())
}

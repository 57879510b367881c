//! An answer that comes whole.

use bytes::Bytes;
use ringmain_core::{Fault, Operation, Usage};
use ringmain_dialects::continuation::SoFar;
use ringmain_dialects::{Codec, Encoded, ir, registry, shared};
use ringmain_operations::counts;
use ringmain_routing::OnRefusal;
use ringmain_upstream::AnswerBody;

use super::body::{ANSWER_MAX, collect};
use super::{Answer, Job, Plain};
use crate::live::{Live, Source};
use crate::writer::Writer;
use crate::{classify, count};

impl Job {
    pub(super) async fn plain(&self, head: &http::response::Parts, mut body: AnswerBody) -> Result<Answer, Fault> {
        let bytes = collect(&mut body, ANSWER_MAX).await?;
        let codec = self.codec()?;
        if self.request.stored.is_some() {
            return Ok(Answer::Plain(Plain::relayed(bytes, None)));
        }
        if self.request.facts.operation != Operation::Chat {
            let (bytes, usage) = self.other_operation(head, bytes)?;
            let estimated = self.request.facts.operation == Operation::Embeddings && usage.is_none();
            let usage = if estimated { Some(self.about(0)) } else { usage };
            return Ok(Answer::Plain(Plain { estimated, ..Plain::relayed(bytes, usage) }));
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
            let (usage, estimated) = self.used(codec, &bytes, glance.usage);
            return Ok(Answer::Plain(Plain { estimated, ..Plain::relayed(bytes, Some(usage)) }));
        }
        let mut response = self.decode(codec, &bytes)?;
        if let Some(seal) = self.seal(codec.dialect()) {
            seal.response(&mut response);
        }
        self.calls().into_iter().for_each(|calls| calls.response(&mut response));
        let Encoded { body, losses } = self.callers_codec()?.encode_response(&response);
        let (usage, estimated) = self.used(codec, &bytes, glance.usage);
        Ok(Answer::Plain(Plain { bytes: Some(body.into()), usage: Some(usage), estimated, losses }))
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
        let (usage, estimated) = self.used(codec, bytes, usage);
        let mut losses = response.losses;
        losses.extend(encoder.take_losses());
        Ok(Answer::Plain(Plain { bytes: Some(out.into()), usage: Some(usage), estimated, losses }))
    }

    /// What a conversation's answer used; true where its provider does not say, or says what cannot be, and it is an estimate.
    fn used(&self, codec: &dyn Codec, bytes: &Bytes, told: Option<Usage>) -> (Usage, bool) {
        if let Some(told) = told.filter(Usage::is_credible) {
            return (told, false);
        }
        let said = |response: &ir::Response| {
            let mut so_far = SoFar::default();
            ir::fold::unfold(response).iter().for_each(|event| so_far.event(event, false));
            so_far.tokens()
        };
        let output = codec.decode_response(bytes).map_or_else(|_| shared::estimate::tokens(bytes), |made| said(&made));
        (self.about(output), true)
    }

    fn about(&self, output: u64) -> Usage {
        Usage { input: self.request.facts.input_tokens, output, ..Usage::default() }
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
            return Err(classify::of_answer(self.codec()?, kind, 200, &head.headers, &bytes, self.now));
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

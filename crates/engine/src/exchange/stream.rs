//! An answer that comes in pieces, up to its first useful token.

use ringmain_core::Fault;
use ringmain_dialects::Codec;
use ringmain_routing::{OnRefusal, Resume};
use ringmain_upstream::AnswerBody;

use super::{Answer, Job};
use crate::live::{Live, Source};
use crate::writer::Writer;

impl Job {
    pub(super) async fn stream(&self, body: AnswerBody) -> Result<Answer, Fault> {
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
}

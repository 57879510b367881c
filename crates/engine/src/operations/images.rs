//! Images: planned for a target, made, and written for the caller.

use std::sync::Arc;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use ringmain_catalog::Endpoint;
use ringmain_core::{Dialect, Fault, Operation, Quality, Shape, Units};
use ringmain_dialects::{Framing, Loss, Malformed, registry};
use ringmain_operations::images::{self, Delivery, Image, Made, Request, Source, answer, openai};
use ringmain_operations::talk::{Call, Once, Payload, Talk};
use ringmain_upstream::AnswerBody;
use ringmain_wire::multipart::{Form, Part};

use super::{
    AsItIs, Asked, Body, Courier, Performed, Performing, Planned, Sent, Work, fetch, site, together, unavailable,
};
use crate::classify;
use crate::exchange::Failed;
use crate::inspect::Inspected;
use crate::live::{Live, Source as Events};
use crate::render::refusal;
use crate::target::Target;
use crate::writer::Writer;

/// Images to be made at a target.
struct Images {
    asked: Arc<Request>,
    way: Way,
}

enum Way {
    /// These exchanges, side by side.
    Talks(Vec<Box<dyn Talk<Made>>>),
    /// One call whose answer is a stream, if its server knows how.
    Stream(Call),
}

pub(super) fn read(sent: &Sent<'_>) -> Result<Arc<dyn Asked>, Malformed> {
    super::asked(match sent.form {
        Some(form) => Request::read_form(form),
        None => Request::read(sent.body),
    })
}

impl Asked for Request {
    fn plan(self: Arc<Self>, request: &Inspected, target: &Target, endpoint: &Endpoint) -> Result<Planned, Fault> {
        if endpoint.shape == Shape::OpenAi && openai::takes_as_it_is(&self, &target.family) {
            return Ok(None);
        }
        let codec = images::codec(endpoint.shape).ok_or_else(|| unavailable(target, "images"))?;
        let path = endpoint.path_for(&target.name.model, request.facts.stream);
        let planned = codec.plan(&self, &site(target, &path)).map_err(|unsupported| refusal(target, &unsupported))?;
        let way = planned.stream.map_or(Way::Talks(planned.talks), Way::Stream);
        Ok(Some((Box::new(Images { asked: self, way }), planned.losses)))
    }

    /// The caller's own bytes, or its form, for a target of OpenAI's shape.
    fn as_it_is(self: Arc<Self>, request: &Inspected, to: &AsItIs<'_>) -> Option<Box<dyn Work>> {
        let model = to.target.name.model.as_str();
        let path = to.endpoint.path_for(model, request.facts.stream);
        let call = match &request.form {
            Some(form) => Call::form(path, with_model(form, model)),
            None => Call { payload: Payload::Json(to.parts.to_vec()), ..Call::post(path, &serde_json::Value::Null) },
        };
        let is_stream = request.facts.stream;
        let way = if is_stream { Way::Stream(call) } else { Way::Talks(vec![Box::new(Once::new(call, openai::read))]) };
        Some(Box::new(Images { asked: self, way }))
    }

    fn units(&self) -> Units {
        let (width, height) = self.size.map_or((0, 0), |size| (size.width, size.height));
        let quality = self.quality.as_deref().map_or(Quality::Usual, Quality::of_word);
        Units { images: self.n, width, height, quality, ..Units::default() }
    }
}

/// The same form for this model; files are not copied.
pub(super) fn with_model(form: &Form, model: &str) -> Form {
    let others = form.parts.iter().filter(|part| part.name != "model").cloned();
    Form { parts: std::iter::once(Part::text("model", model)).chain(others).collect() }
}

impl Work for Images {
    fn perform<'a>(self: Box<Self>, courier: &'a Courier, request: &'a Inspected) -> Performing<'a> {
        Box::pin(self.make(courier, request))
    }
}

impl Images {
    async fn make(self: Box<Self>, courier: &Courier, request: &Inspected) -> Result<Performed, Failed> {
        let asked = &*self.asked;
        let made = match self.way {
            Way::Talks(talks) => Made::joined(together::all(talks.into_iter().map(|talk| courier.hold(talk))).await?),
            Way::Stream(call) => {
                let (headers, body) = courier.open(&Call { accept: "text/event-stream", ..call }).await?;
                if is_events(&headers) {
                    let live = held(courier, request, asked, body).await?;
                    let body = Body::Live(Box::new(live));
                    return Ok(Performed { body, relayed: true, kind: None, usage: None, losses: Vec::new() });
                }
                openai::read(&courier.read(headers, body).await?).map_err(|fault| courier.failed(fault))?
            }
        };
        Self::finish(courier, request, asked, made).await
    }

    /// What was made, as the caller wants it.
    async fn finish(
        courier: &Courier,
        request: &Inspected,
        asked: &Request,
        mut made: Made,
    ) -> Result<Performed, Failed> {
        if asked.delivery == Delivery::Base64 || request.facts.stream {
            let fetched = bring(courier, &mut made).await;
            fetched.map_err(|fault| Failed { fault, reply: None, limits: courier.limits() })?;
        }
        let usage = Some(made.billed(asked));
        let created = courier.created();
        if request.facts.stream {
            let is_edit = request.facts.operation == Operation::ImageEdits;
            let body = Body::Whole(answer::write_stream(&made, asked, is_edit, created).into());
            return Ok(Performed { body, relayed: false, kind: None, usage, losses: Vec::new() });
        }
        if let Some(whole) = made.whole.take() {
            let body = Body::Whole(whole);
            return Ok(Performed { body, relayed: true, kind: None, usage, losses: Vec::new() });
        }
        let is_here = made.images.iter().any(|image| matches!(image.source, Source::Bytes(..)));
        // Asked for a URL, we have the image itself: it is in the URL.
        let losses = (asked.delivery == Delivery::Url && is_here).then(|| Loss::approximated("response_format"));
        let body = Body::Whole(answer::write(&made, asked, &request.facts.model, created).into());
        Ok(Performed { body, relayed: false, kind: None, usage, losses: losses.into_iter().collect() })
    }
}

/// A stream of events, read to its first image or preview of one: nothing is with the caller before that.
async fn held(courier: &Courier, request: &Inspected, asked: &Request, body: AnswerBody) -> Result<Live, Failed> {
    let codec = registry::codec(Dialect::OpenAiChat)
        .ok_or_else(|| classify::protocol("no codec for the provider's dialect", ""))?;
    let policy = &request.route.policy;
    // Between two pictures lies the making of one, which may take as long as the first did.
    let patience = policy.timeouts.first_token.max(policy.timeouts.idle);
    let live =
        Live::new(Events::new(body, Framing::Sse, patience, false), Writer::images(codec, openai::Watch::of(asked)));
    live.hold(policy.on_refusal).await.map_err(|fault| courier.failed(fault))
}

fn is_events(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// Fetches what is elsewhere.
async fn bring(courier: &Courier, made: &mut Made) -> Result<(), Fault> {
    let elsewhere = made.images.iter().enumerate().filter_map(|(at, image)| match &image.source {
        Source::Url(url) => Some((at, url.clone())),
        Source::Bytes(..) => None,
    });
    let fetches = elsewhere.map(|(at, url)| async move {
        let bytes = fetch::fetch(courier, &url).await?;
        Ok::<_, Fault>((at, Image::of_bytes(bytes)?.source))
    });
    for (at, source) in together::all(fetches.collect::<Vec<_>>()).await? {
        made.whole = None;
        if let Some(image) = made.images.get_mut(at) {
            image.source = source;
        }
    }
    Ok(())
}

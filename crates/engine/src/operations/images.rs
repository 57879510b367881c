//! Images: planned for a target, made, and written for the caller.

use bytes::Bytes;
use ringmain_catalog::Endpoint;
use ringmain_core::{Fault, Operation, Shape};
use ringmain_dialects::Loss;
use ringmain_operations::images::{self, Delivery, Image, Made, Request, Site, Source, answer, openai};
use ringmain_operations::talk::{Call, Once, Payload, Talk};
use ringmain_wire::multipart::{Form, Part};

use super::{Body, Courier, Performed, fetch, together};
use crate::exchange::Failed;
use crate::inspect::Inspected;
use crate::render::cannot;
use crate::target::Target;

/// Images to be made at a target.
pub struct Images {
    talks: Vec<Box<dyn Talk<Made>>>,
}

/// What a target is to do where it cannot be given the caller's own bytes.
pub(super) fn plan(
    request: &Inspected,
    asked: &Request,
    target: &Target,
    endpoint: &Endpoint,
) -> Result<Option<(Images, Vec<Loss>)>, Fault> {
    let model = target.name.model.as_str();
    if endpoint.shape == Shape::OpenAi && openai::takes_as_it_is(asked, model) {
        return Ok(None);
    }
    let codec = images::codec(endpoint.shape)
        .ok_or_else(|| cannot(format!("{} is asked for images in a way that is not available yet", target.name)))?;
    let path = endpoint.path_for(model, request.facts.stream);
    let planned = codec
        .plan(asked, &Site { model, path: &path })
        .map_err(|unsupported| cannot(format!("{}: {unsupported}", target.name)))?;
    Ok(Some((Images { talks: planned.talks }, planned.losses)))
}

/// The caller's own bytes, or its form, for a target of OpenAI's shape.
pub(super) fn as_it_is(request: &Inspected, target: &Target, endpoint: &Endpoint, parts: &[Bytes]) -> Images {
    let model = target.name.model.as_str();
    let path = endpoint.path_for(model, request.facts.stream);
    let call = match &request.form {
        Some(form) => Call::form(path, with_model(form, model)),
        None => Call { payload: Payload::Json(parts.to_vec()), ..Call::post(path, &serde_json::Value::Null) },
    };
    Images { talks: vec![Box::new(Once::new(call, openai::read))] }
}

/// The same form for this model; files are not copied.
pub(super) fn with_model(form: &Form, model: &str) -> Form {
    let others = form.parts.iter().filter(|part| part.name != "model").cloned();
    Form { parts: std::iter::once(Part::text("model", model)).chain(others).collect() }
}

impl Images {
    pub(super) async fn perform(
        self,
        courier: &Courier,
        request: &Inspected,
        asked: &Request,
    ) -> Result<Performed, Failed> {
        let exchanges = self.talks.into_iter().map(|talk| courier.hold(talk));
        let mut made = Made::joined(together::all(exchanges).await?);
        if asked.delivery == Delivery::Base64 || request.facts.stream {
            let fetched = bring(courier, &mut made).await;
            fetched.map_err(|fault| Failed { fault, reply: None, limits: courier.limits() })?;
        }
        let usage = Some(made.billed(asked));
        let created = courier.created();
        if request.facts.stream {
            let event = match request.facts.operation {
                Operation::ImageEdits => "image_edit.completed",
                _ => "image_generation.completed",
            };
            let body = Body::Whole(answer::write_stream(&made, event, created).into());
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

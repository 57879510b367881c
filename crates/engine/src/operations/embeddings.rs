//! Embeddings for targets that do not take the caller's own body: split, sent, and put together again.

use std::sync::Arc;

use ringmain_catalog::Endpoint;
use ringmain_core::{Fault, Shape};
use ringmain_dialects::Malformed;
use ringmain_operations::embeddings::{self, Made, Request};
use ringmain_operations::talk::Talk;

use super::{
    Asked, Body, Courier, Performed, Performing, Planned, Sent, Work, site, together, told_or_estimated, unavailable,
};
use crate::inspect::Inspected;
use crate::render::refusal;
use crate::target::Target;

/// Vectors to be made at a target.
struct Embeddings {
    asked: Arc<Request>,
    talks: Vec<Box<dyn Talk<Made>>>,
}

pub(super) fn read(sent: &Sent<'_>) -> Result<Arc<dyn Asked>, Malformed> {
    super::asked(Request::read(sent.body))
}

/// In Cohere's words.
pub(super) fn read_cohere(sent: &Sent<'_>) -> Result<Arc<dyn Asked>, Malformed> {
    super::asked(Request::read_cohere(sent.body))
}

impl Asked for Request {
    fn plan(self: Arc<Self>, _: &Inspected, target: &Target, endpoint: &Endpoint) -> Result<Planned, Fault> {
        if endpoint.shape == Shape::OpenAi && embeddings::takes_as_it_is(&self, &target.family) {
            return Ok(None);
        }
        let path = endpoint.path_for(&target.name.model, false);
        let planned = embeddings::plan(endpoint.shape, &self, &site(target, &path));
        let planned = planned
            .ok_or_else(|| unavailable(target, "embeddings"))?
            .map_err(|unsupported| refusal(target, &unsupported))?;
        Ok(Some((Box::new(Embeddings { asked: self, talks: planned.talks }), planned.losses)))
    }
}

impl Work for Embeddings {
    fn perform<'a>(self: Box<Self>, courier: &'a Courier, request: &'a Inspected) -> Performing<'a> {
        Box::pin(async move {
            let parts = together::all(self.talks.into_iter().map(|talk| courier.hold(talk))).await?;
            let made = Made::joined(parts, &self.asked).map_err(|fault| courier.failed(fault))?;
            let (usage, losses) = told_or_estimated(made.usage, request);
            let (id, model) = (request.id.to_string(), &courier.target().name.model);
            let body = Body::Whole(embeddings::write(&made, &self.asked, &id, model, usage.input));
            Ok(Performed { body, relayed: false, kind: None, usage: Some(usage), losses })
        })
    }
}

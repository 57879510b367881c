//! Embeddings for targets that do not take the caller's own body: split, sent, and put together again.

use ringmain_catalog::Endpoint;
use ringmain_core::{Fault, Shape};
use ringmain_dialects::Loss;
use ringmain_operations::Site;
use ringmain_operations::embeddings::{self, Made, Request};
use ringmain_operations::talk::Talk;

use super::{Body, Courier, Performed, together};
use crate::exchange::Failed;
use crate::inspect::Inspected;
use crate::render::cannot;
use crate::target::Target;

/// Vectors to be made at a target.
pub struct Embeddings {
    talks: Vec<Box<dyn Talk<Made>>>,
}

/// What a target is to do where it cannot be given the caller's own bytes.
pub(super) fn plan(
    asked: &Request,
    target: &Target,
    endpoint: &Endpoint,
) -> Result<Option<(Embeddings, Vec<Loss>)>, Fault> {
    let model = target.name.model.as_str();
    if endpoint.shape == Shape::OpenAi && embeddings::takes_as_it_is(asked, model) {
        return Ok(None);
    }
    let path = endpoint.path_for(model, false);
    let planned = embeddings::plan(endpoint.shape, asked, &Site { model, path: &path });
    let planned = planned
        .ok_or_else(|| cannot(format!("{} is asked for embeddings in a way that is not available yet", target.name)))?
        .map_err(|unsupported| cannot(format!("{}: {unsupported}", target.name)))?;
    Ok(Some((Embeddings { talks: planned.talks }, planned.losses)))
}

impl Embeddings {
    pub(super) async fn perform(
        self,
        courier: &Courier,
        request: &Inspected,
        asked: &Request,
    ) -> Result<Performed, Failed> {
        let parts = together::all(self.talks.into_iter().map(|talk| courier.hold(talk))).await?;
        let made = Made::joined(parts, asked).map_err(|fault| courier.failed(fault))?;
        let (usage, losses) = super::told_or_estimated(made.usage, request);
        let model = &courier.target().name.model;
        let body = Body::Whole(embeddings::write(&made, asked, &request.id.to_string(), model, usage.input));
        Ok(Performed { body, relayed: false, kind: None, usage: Some(usage), losses })
    }
}

//! Reranking and moderation: one question and one answer, for targets that do not take the caller's own body.

use std::sync::Arc;

use ringmain_catalog::Endpoint;
use ringmain_core::Fault;
use ringmain_dialects::Malformed;
use ringmain_operations::talk::Talk;
use ringmain_operations::{moderation, rerank};

use super::{Asked, Body, Courier, Performed, Performing, Planned, Sent, Work, site, told_or_estimated};
use crate::inspect::Inspected;
use crate::render::{cannot, refusal};
use crate::target::Target;

/// Documents to be ranked at a target.
struct Rerank {
    asked: Arc<rerank::Request>,
    talk: Box<dyn Talk<rerank::Made>>,
}

/// Texts to be judged at a target.
struct Moderation {
    talk: Box<dyn Talk<moderation::Made>>,
}

pub(super) fn read_rerank(sent: &Sent<'_>) -> Result<Arc<dyn Asked>, Malformed> {
    super::asked(rerank::Request::read(sent.body))
}

pub(super) fn read_moderation(sent: &Sent<'_>) -> Result<Arc<dyn Asked>, Malformed> {
    super::asked(moderation::Request::read(sent.body))
}

impl Asked for rerank::Request {
    fn plan(self: Arc<Self>, _: &Inspected, target: &Target, endpoint: &Endpoint) -> Result<Planned, Fault> {
        if rerank::takes_as_it_is(&self, endpoint.shape) {
            return Ok(None);
        }
        let path = endpoint.path_for(&target.name.model, false);
        let planned = rerank::plan(endpoint.shape, &self, &site(target, &path)).transpose();
        let planned = planned.map_err(|unsupported| refusal(target, &unsupported))?;
        let planned = planned.ok_or_else(|| cannot(format!("{} does not rank documents", target.name)))?;
        Ok(Some((Box::new(Rerank { asked: self, talk: planned.talk }), planned.losses)))
    }
}

impl Asked for moderation::Request {
    fn plan(self: Arc<Self>, _: &Inspected, target: &Target, endpoint: &Endpoint) -> Result<Planned, Fault> {
        let path = endpoint.path_for(&target.name.model, false);
        let planned = moderation::plan(endpoint.shape, &self, &site(target, &path)).transpose();
        let planned = planned.map_err(|unsupported| refusal(target, &unsupported))?;
        Ok(planned.map(|planned| (Box::new(Moderation { talk: planned.talk }) as Box<dyn Work>, planned.losses)))
    }
}

impl Work for Rerank {
    fn perform<'a>(self: Box<Self>, courier: &'a Courier, request: &'a Inspected) -> Performing<'a> {
        Box::pin(async move {
            let mut made = courier.hold(self.talk).await?;
            let (usage, losses) = told_or_estimated(made.usage, request);
            made.usage = Some(usage);
            let model = &courier.target().name.model;
            let body = Body::Whole(rerank::write(&made, &self.asked, &request.id.to_string(), model));
            Ok(Performed { body, relayed: false, kind: None, usage: Some(usage), losses })
        })
    }
}

impl Work for Moderation {
    fn perform<'a>(self: Box<Self>, courier: &'a Courier, request: &'a Inspected) -> Performing<'a> {
        Box::pin(async move {
            let made = courier.hold(self.talk).await?;
            let body = Body::Whole(moderation::write(&made, &request.id.to_string(), &courier.target().name.model));
            // The answer tells no count, so that an estimate is told to nobody either.
            let (usage, _) = told_or_estimated(made.usage, request);
            Ok(Performed { body, relayed: false, kind: None, usage: Some(usage), losses: Vec::new() })
        })
    }
}

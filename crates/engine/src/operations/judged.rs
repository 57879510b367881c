//! Reranking and moderation: one question and one answer, for targets that do not take the caller's own body.

use ringmain_catalog::Endpoint;
use ringmain_core::Fault;
use ringmain_dialects::{Loss, Unsupported};
use ringmain_operations::talk::Talk;
use ringmain_operations::{Site, moderation, rerank};

use super::{Body, Courier, Performed, told_or_estimated};
use crate::exchange::Failed;
use crate::inspect::Inspected;
use crate::render::cannot;
use crate::target::Target;

/// Documents to be ranked at a target.
pub struct Rerank {
    talk: Box<dyn Talk<rerank::Made>>,
}

/// Texts to be judged at a target.
pub struct Moderation {
    talk: Box<dyn Talk<moderation::Made>>,
}

/// What a target is to do where it cannot be given the caller's own bytes.
pub(super) fn plan_rerank(
    asked: &rerank::Request,
    target: &Target,
    endpoint: &Endpoint,
) -> Result<Option<(Rerank, Vec<Loss>)>, Fault> {
    if rerank::takes_as_it_is(asked, endpoint.shape) {
        return Ok(None);
    }
    let path = endpoint.path_for(&target.name.model, false);
    let site = Site { model: &target.name.model, path: &path };
    let planned = rerank::plan(endpoint.shape, asked, &site).transpose();
    let planned = planned.map_err(|unsupported| refusal(target, &unsupported))?;
    let planned = planned.ok_or_else(|| cannot(format!("{} does not rank documents", target.name)))?;
    Ok(Some((Rerank { talk: planned.talk }, planned.losses)))
}

/// The same for moderation.
pub(super) fn plan_moderation(
    asked: &moderation::Request,
    target: &Target,
    endpoint: &Endpoint,
) -> Result<Option<(Moderation, Vec<Loss>)>, Fault> {
    let path = endpoint.path_for(&target.name.model, false);
    let site = Site { model: &target.name.model, path: &path };
    let planned = moderation::plan(endpoint.shape, asked, &site).transpose();
    let planned = planned.map_err(|unsupported| refusal(target, &unsupported))?;
    Ok(planned.map(|planned| (Moderation { talk: planned.talk }, planned.losses)))
}

fn refusal(target: &Target, unsupported: &Unsupported) -> Fault {
    cannot(format!("{}: {unsupported}", target.name))
}

impl Rerank {
    pub(super) async fn perform(
        self,
        courier: &Courier,
        request: &Inspected,
        asked: &rerank::Request,
    ) -> Result<Performed, Failed> {
        let mut made = courier.hold(self.talk).await?;
        let (usage, losses) = told_or_estimated(made.usage, request);
        made.usage = Some(usage);
        let model = &courier.target().name.model;
        let body = Body::Whole(rerank::write(&made, asked, &request.id.to_string(), model));
        Ok(Performed { body, relayed: false, kind: None, usage: Some(usage), losses })
    }
}

impl Moderation {
    pub(super) async fn perform(self, courier: &Courier, request: &Inspected) -> Result<Performed, Failed> {
        let made = courier.hold(self.talk).await?;
        let body = Body::Whole(moderation::write(&made, &request.id.to_string(), &courier.target().name.model));
        // The answer tells no count, so that an estimate is told to nobody either.
        let (usage, _) = told_or_estimated(made.usage, request);
        Ok(Performed { body, relayed: false, kind: None, usage: Some(usage), losses: Vec::new() })
    }
}

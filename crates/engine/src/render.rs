//! A request as its target wants it: relayed, spliced, or translated; then the provider's own departures on top.

mod body;
mod messages;
mod quirks;

#[cfg(test)]
mod tests;

pub use quirks::Departures;

use std::borrow::Cow;

use bytes::Bytes;
use http::Uri;
use ringmain_catalog::{Auth, Endpoint, StreamUsage};
use ringmain_config::OnLoss;
use ringmain_core::{Dialect, Fault, FaultClass, Operation, Origin, Phase, Shape};
use ringmain_dialects::{Loss, LossKind, registry};
use ringmain_wire::json::{Document, Edit};

use crate::inspect::Inspected;
use crate::operations::{self, Errors, Work};
use crate::passthrough;
use crate::target::Target;
use quirks::Asked;

/// A request body for one target.
#[derive(Debug)]
pub struct Rendered {
    /// The body in pieces that share the caller's bytes where nothing changed.
    pub parts: Vec<Bytes>,
    /// Path and query at the provider's host.
    pub uri: Uri,
    /// The dialect spoken with the provider; `None` for an operation of one shape.
    pub dialect: Option<Dialect>,
    /// The caller speaks the same: the provider's bytes are the caller's.
    pub relayed: bool,
    /// How the request is authorised.
    pub auth: Auth,
    /// The provider may tell usage at the end of the stream though the caller did not ask for it.
    pub strip_usage: bool,
    /// What the target will not see of the request.
    pub losses: Vec<Loss>,
    /// What is to be done instead of sending the parts, where an operation is an exchange of its own.
    pub work: Option<Work>,
    /// In whose words errors are there.
    pub errors: Errors,
}

impl Rendered {
    /// Nothing but a place and how to be let in there.
    pub(crate) fn bare(uri: Uri, auth: Auth) -> Self {
        let errors = Errors { operation: Operation::Passthrough, shape: Shape::OpenAi };
        let (parts, losses) = (Vec::new(), Vec::new());
        Self { parts, uri, dialect: None, relayed: true, auth, strip_usage: false, losses, work: None, errors }
    }
}

/// Renders the request for `target`.
///
/// # Errors
/// The target cannot be told this (a 400 naming the field); another one may.
pub fn render(request: &Inspected, target: &Target) -> Result<Rendered, Fault> {
    if let Some(passing) = &request.passing {
        return passthrough::render(passing, target);
    }
    let facts = &request.facts;
    let endpoint = target
        .endpoint(facts.operation, facts.dialect)
        .ok_or_else(|| cannot(format!("{} does not serve {}", target.name, facts.operation)))?;
    let path = target.provider.origin.path(&endpoint.path_for(&target.name.model, facts.stream));
    let uri = path.parse().map_err(|_| cannot(format!("model: {} cannot stand in a URL", target.name)))?;
    let auth = target.provider.kind.auth_at(endpoint).clone();
    let errors = Errors { operation: facts.operation, shape: endpoint.shape };
    if let Some((work, losses)) = operations::plan(request, target, endpoint)? {
        let losses = bearable(request, target, losses)?;
        let parts = Vec::new();
        let (dialect, relayed, strip_usage) = (None, false, false);
        return Ok(Rendered {
            parts,
            uri,
            dialect,
            relayed,
            auth,
            strip_usage,
            losses,
            work: Some(work),
            decode_fault,
        });
    }
    let relayed = endpoint.dialect.is_none_or(|dialect| dialect == facts.dialect);
    // What earlier answers hold of models elsewhere, a provider of the caller's own dialect would refuse.
    let foreign = endpoint.dialect.is_some_and(|dialect| registry::holds_foreign(dialect, request.document.body()));
    let (base, mut losses) = if relayed && !foreign {
        (Cow::Borrowed(&request.document), Vec::new())
    } else {
        translated(request, target, endpoint)?
    };
    let strip_usage =
        relayed && endpoint.dialect == Some(Dialect::OpenAiChat) && facts.stream && !request.include_usage;
    let asked = Asked { document: &base, endpoint, facts, relayed };
    let mut edits = target.departures.edits(&asked, &mut losses);
    if relayed && request.model_in_body && facts.model != target.name.model {
        edits.push(Edit::set("/model", json_text(&target.name.model)));
    }
    if strip_usage && target.departures.stream_usage() == StreamUsage::OnRequest {
        edits.push(Edit::set("/stream_options/include_usage", "true"));
    }
    let spliced = base.splice(&edits).map_err(|error| cannot(error.to_string()))?;
    let losses = bearable(request, target, losses)?;
    let (parts, dialect) = (spliced.into_parts(), endpoint.dialect);
    let work = operations::as_it_is(request, target, endpoint, &parts);
    Ok(Rendered { parts, uri, dialect, relayed, auth, strip_usage, losses, work, errors })
}

/// What is lost, as the caller is to be told of it.
fn bearable(request: &Inspected, target: &Target, mut losses: Vec<Loss>) -> Result<Vec<Loss>, Fault> {
    losses.retain(|loss| loss.kind != LossKind::Defaulted);
    if request.route.on_loss == OnLoss::Reject && !losses.is_empty() {
        let fields: Vec<_> = losses.iter().map(|loss| loss.field.as_str()).collect();
        return Err(cannot(format!("{} cannot be carried to {}", fields.join(", "), target.name)));
    }
    if request.route.on_loss == OnLoss::Allow {
        losses.clear();
    }
    Ok(losses)
}

fn translated<'a>(
    request: &Inspected,
    target: &Target,
    endpoint: &Endpoint,
) -> Result<(Cow<'a, Document>, Vec<Loss>), Fault> {
    let codec = endpoint.dialect.and_then(registry::codec);
    let codec = codec.ok_or_else(|| cannot(format!("{} speaks a dialect that is not available yet", target.name)))?;
    let mut decoded = Cow::Borrowed(request.decoded()?);
    if let Some(field) = decoded.remembered.first().filter(|_| decoded.dialect != codec.dialect()) {
        let why =
            format!("only the provider it was made for knows it, and {} is asked in another dialect", target.name);
        return Err(cannot(format!("{field} cannot be carried: {why}")));
    }
    if decoded.stream != request.facts.stream || (request.facts.stream && !decoded.include_usage) {
        let decoded = decoded.to_mut();
        decoded.stream = request.facts.stream;
        // The account needs it, and the caller's encoder drops it where it was not asked for.
        decoded.include_usage = true;
    }
    let encoded = codec
        .encode_request(&decoded, &target.profile)
        .map_err(|unsupported| cannot(format!("{}: {}", target.name, unsupported)))?;
    let document = Document::parse(encoded.body.into()).map_err(|error| cannot(error.to_string()))?;
    Ok((Cow::Owned(document), encoded.losses))
}

fn json_text(text: &str) -> Bytes {
    serde_json::Value::from(text).to_string().into()
}

pub(crate) fn cannot(message: String) -> Fault {
    Fault::new(FaultClass::BadRequest, Origin::Gateway, Phase::Before, message).with_status(400)
}

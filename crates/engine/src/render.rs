//! A request as its target wants it: relayed, spliced, or translated; then the provider's own departures on top.

mod body;
mod messages;
mod quirks;
mod tools;

#[cfg(test)]
mod tests;

pub use quirks::Departures;

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri};
use ringmain_catalog::{Auth, Endpoint, StreamUsage};
use ringmain_config::OnLoss;
use ringmain_core::{Capabilities, Dialect, Fault, FaultClass, Operation, Origin, Phase};
use ringmain_dialects::continuation::{self, Form, Said};
use ringmain_dialects::freeform::{self, Calls};
use ringmain_dialects::provenance::{self, Maker};
use ringmain_dialects::{Loss, LossKind, Unsupported, ir, registry, shared};
use ringmain_wire::json::{Document, Edit, Object};

use crate::headers;
use crate::inspect::Inspected;
use crate::operations::{self, AsItIs, Errors, Work};
use crate::passthrough;
use crate::resume::Rest;
use crate::stored;
use crate::target::Target;
use quirks::Asked;

/// A request body for one target.
#[derive(Debug)]
pub struct Rendered {
    /// The method.
    pub method: Method,
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
    /// What goes along of the caller's headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What the target will not see of the request.
    pub losses: Vec<Loss>,
    /// What is to be done instead of sending the parts, where an operation is an exchange of its own.
    pub work: Option<Box<dyn Work>>,
    /// In whose words errors are there.
    pub errors: Errors,
    /// It asks for the rest of an answer, in this form.
    pub form: Option<Form>,
}

/// Renders the request for `target`.
///
/// # Errors
/// The target cannot be told this (a 400 naming the field); another one may.
pub fn render(request: &Inspected, target: &Target) -> Result<Rendered, Fault> {
    if let Some(stored) = &request.stored {
        return stored::render(request, target, stored);
    }
    if let Some(passing) = &request.passing {
        return passthrough::render(passing, target);
    }
    of_model(request, target)
}

/// Renders a request that asks something of a model.
fn of_model(request: &Inspected, target: &Target) -> Result<Rendered, Fault> {
    let facts = &request.facts;
    let (endpoint, uri) = place(request, target)?;
    let auth = target.provider.kind.auth_at(endpoint).clone();
    let errors = Errors { operation: facts.operation, shape: endpoint.shape };
    if let Some((work, losses)) = operations::plan(request, target, endpoint)? {
        let losses = bearable(request, target, losses)?;
        let parts = Vec::new();
        let (dialect, relayed, strip_usage, work) = (None, false, false, Some(work));
        let (method, headers, form) = (Method::POST, Vec::new(), None);
        return Ok(Rendered {
            method,
            parts,
            uri,
            dialect,
            relayed,
            auth,
            strip_usage,
            headers,
            losses,
            work,
            errors,
            form,
        });
    }
    let relayed = endpoint.dialect.is_none_or(|dialect| dialect == facts.dialect);
    // What earlier answers hold of models elsewhere, a provider of the caller's own dialect would refuse.
    let foreign = endpoint
        .dialect
        .is_some_and(|dialect| registry::holds_foreign(dialect, &target.family, request.document.body()));
    let (base, mut losses) = if relayed && !foreign {
        (Cow::Borrowed(&request.document), Vec::new())
    } else {
        let decoded = request.decoded()?;
        let asked = if decoded.stream != facts.stream || (facts.stream && !decoded.include_usage) {
            // The account needs usage, and the caller's encoder drops it where it was not asked for.
            Cow::Owned(ir::Request { stream: facts.stream, include_usage: true, ..decoded.clone() })
        } else {
            Cow::Borrowed(decoded)
        };
        translated(request, &asked, target, endpoint)?
    };
    let base = lifted(base, endpoint);
    let strip_usage =
        relayed && endpoint.dialect == Some(Dialect::OpenAiChat) && facts.stream && !request.include_usage;
    let asked = Asked { document: &base, endpoint, prefill: facts.needs.contains(Capabilities::PREFILL), relayed };
    let told = losses.len();
    let mut edits = target.departures.edits(&asked, &mut losses);
    if !relayed {
        // What a provider's departure takes out of a translated body is the caller's field all the same.
        let decoded = request.decoded()?;
        let taken = losses.iter_mut().skip(told).filter(|loss| !loss.field.contains('['));
        taken.for_each(|loss| loss.field = shared::told::name(decoded, &loss.field));
    }
    let named = !endpoint.omit.iter().any(|pointer| pointer.as_str() == "/model");
    if relayed && request.model_in_body && named && facts.model != target.name.model {
        edits.push(Edit::set("/model", target.model_in_json.clone()));
    }
    if relayed && facts.operation == Operation::CountTokens {
        edits.extend(model_inside(&base, &target.name.model));
    }
    if strip_usage && target.departures.stream_usage() == StreamUsage::OnRequest {
        edits.push(Edit::set("/stream_options/include_usage", "true"));
    }
    adapt(endpoint, &mut edits);
    let headers::Passed { headers, edit } = headers::passed(request, target, endpoint, &base, &mut losses);
    edits.extend(edit);
    let spliced = base.splice(&edits).map_err(|error| cannot(error.to_string()))?;
    let losses = bearable(request, target, losses)?;
    let (parts, dialect) = (spliced.into_parts(), endpoint.dialect);
    let work = operations::as_it_is(request, &AsItIs { target, endpoint, parts: &parts });
    let (method, form) = (Method::POST, None);
    Ok(Rendered { method, parts, uri, dialect, relayed, auth, strip_usage, headers, losses, work, errors, form })
}

/// What is lost, as the caller is to be told of it.
fn bearable(request: &Inspected, target: &Target, mut losses: Vec<Loss>) -> Result<Vec<Loss>, Fault> {
    losses.retain(|loss| loss.kind != LossKind::Defaulted);
    if request.route.on_loss == OnLoss::Reject && !losses.is_empty() {
        let fields: Vec<_> = losses.iter().map(|loss| loss.field.as_str()).collect();
        return Err(cannot(format!("{} cannot be carried to {}", fields.join(", "), target.name)));
    }
    Ok(losses)
}

/// Renders the request for the rest of an answer that broke off, for `target`, which may be another than the one that
/// began it. `prefill`: it may be asked to write on where the answer ends, if its model is known to take that.
///
/// # Errors
/// The target cannot be told this; another one may.
pub fn rest(request: &Inspected, target: &Target, rest: &Rest, prefill: bool) -> Result<Rendered, Fault> {
    let (endpoint, uri) = place(request, target)?;
    let form = match rest.said() {
        Said::Nothing => Form::Anew,
        Said::Text(_) if prefill && target.prefills(endpoint.dialect) => Form::Prefill,
        Said::Text(_) => Form::Instruction,
    };
    let asked = continuation::ask(request.decoded()?, rest.said(), rest.tokens, form);
    let (base, mut losses) = translated(request, &asked, target, endpoint)?;
    let begun = form == Form::Anew && request.facts.needs.contains(Capabilities::PREFILL);
    let asked = Asked { document: &base, endpoint, prefill: form == Form::Prefill || begun, relayed: false };
    let mut edits = target.departures.edits(&asked, &mut losses);
    adapt(endpoint, &mut edits);
    let headers::Passed { headers, edit } = headers::passed(request, target, endpoint, &base, &mut losses);
    edits.extend(edit);
    let parts = base.splice(&edits).map_err(|error| cannot(error.to_string()))?.into_parts();
    losses.retain(|loss| loss.kind != LossKind::Defaulted);
    if request.route.on_loss == OnLoss::Reject && !losses.is_empty() {
        return Err(cannot(format!("the rest of the answer cannot be asked of {} without loss", target.name)));
    }
    let auth = target.provider.kind.auth_at(endpoint).clone();
    let (dialect, form) = (endpoint.dialect, Some(form));
    let (work, errors) = (None, Errors { operation: request.facts.operation, shape: endpoint.shape });
    let (method, relayed, strip_usage) = (Method::POST, false, false);
    Ok(Rendered { method, parts, uri, dialect, relayed, auth, strip_usage, headers, losses, work, errors, form })
}

/// What the endpoint wants otherwise than its dialect says.
fn adapt(endpoint: &Endpoint, edits: &mut Vec<Edit>) {
    edits.extend(endpoint.omit.iter().map(|pointer| Edit::remove(pointer.as_str().to_owned())));
    let added = endpoint.add.iter();
    edits.extend(added.map(|(pointer, value)| Edit::default(pointer.as_str().to_owned(), value.to_string())));
}

/// Where the target is asked.
fn place<'t>(request: &Inspected, target: &'t Target) -> Result<(&'t Endpoint, Uri), Fault> {
    let facts = &request.facts;
    let endpoint = target
        .endpoint(facts.operation, facts.dialect)
        .ok_or_else(|| cannot(format!("{} does not serve {}", target.name, facts.operation)))?;
    let path = target.provider.origin.path(&endpoint.path_for(&target.name.model, facts.stream));
    let uri = path.parse().map_err(|_| cannot(format!("model: {} cannot stand in a URL", target.name)))?;
    Ok((endpoint, uri))
}

fn translated<'a>(
    request: &Inspected,
    asked: &ir::Request,
    target: &Target,
    endpoint: &Endpoint,
) -> Result<(Cow<'a, Document>, Vec<Loss>), Fault> {
    let codec = endpoint.dialect.and_then(registry::codec);
    let codec = codec.ok_or_else(|| cannot(format!("{} speaks a dialect that is not available yet", target.name)))?;
    if let Some(field) = asked.remembered.first().filter(|_| asked.dialect != codec.dialect()) {
        let why =
            format!("only the provider it was made for knows it, and {} is asked in another dialect", target.name);
        let code = registry::forgotten(asked.dialect, field).map(str::to_owned);
        return Err(Fault { code, ..cannot(format!("{field} cannot be carried: {why}")) });
    }
    let counts = request.facts.operation == Operation::CountTokens;
    let mut asked = Cow::Borrowed(asked);
    let mut lost = Vec::new();
    // Thinking without a proof is of models elsewhere too, where a target of the same dialect cannot have it as it is.
    if asked.dialect == codec.dialect() || provenance::has_proofs(&asked) {
        let maker = Maker::of(codec.dialect(), &target.name.provider, &target.family);
        lost = provenance::claim(asked.to_mut(), &maker);
    }
    if asked.dialect != codec.dialect() && Calls::of(&asked).is_some() {
        lost.extend(freeform::as_functions(asked.to_mut(), codec.dialect()));
    }
    let encoded = match endpoint.dialect.and_then(registry::counting) {
        Some(counting) if counts => counting.encode(&asked, &target.profile),
        _ => codec.encode_request(&asked, &target.profile),
    };
    let encoded = encoded.map_err(|unsupported| refusal(target, &unsupported))?;
    let document = Document::parse(encoded.body.into()).map_err(|error| cannot(error.to_string()))?;
    lost.extend(encoded.losses);
    Ok((Cow::Owned(document), lost))
}

/// The request without the envelope that the endpoint does not know.
fn lifted<'a>(base: Cow<'a, Document>, endpoint: &Endpoint) -> Cow<'a, Document> {
    let inner = endpoint.lift.as_deref().and_then(|name| {
        let root = Object::parse(base.body()).ok()?;
        let inner = root.get(name)?.get().as_bytes();
        Document::parse(base.body().slice_ref(inner)).ok()
    });
    inner.map_or(base, Cow::Owned)
}

/// Gemini's envelope of a request to count repeats the model of the path.
fn model_inside(document: &Document, model: &str) -> Option<Edit> {
    let places = ["/generateContentRequest/model", "/generate_content_request/model"];
    let place = places.into_iter().find(|place| document.has(place))?;
    Some(Edit::set(place, json_text(&format!("models/{model}"))))
}

fn json_text(text: &str) -> Bytes {
    serde_json::Value::from(text).to_string().into()
}

/// A target cannot be told something, as its codec says.
pub(crate) fn refusal(target: &Target, unsupported: &Unsupported) -> Fault {
    cannot(format!("{}: {unsupported}", target.name))
}

pub(crate) fn cannot(message: String) -> Fault {
    Fault::new(FaultClass::BadRequest, Origin::Gateway, Phase::Before, message).with_status(400)
}

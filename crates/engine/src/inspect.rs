//! Stage 4: the facts of the request, and the route it takes.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};
use ringmain_core::{
    Capabilities, Fault, FaultClass, Marks, Operation, Origin, Phase, RequestFacts, RequestId, Seed, Tick,
};
use ringmain_dialects::{BodyFacts, Codec, Framing, Malformed, ir, registry, shared};
use ringmain_telemetry::otlp::TRACEPARENT;
use ringmain_wire::json::{self, Document, Object};
use ringmain_wire::multipart::{self, Form};

use crate::accept::Accepted;
use crate::gateway::Gateway;
use crate::kept::Keeping;
use crate::keys::Caller;
use crate::marks::marks;
use crate::operations::{self, Asked};
use crate::passthrough::Passing;
use crate::pins::{self, Maker, Pin, Pins};
use crate::route::{Chosen, Route};
use crate::stored::Stored;
use crate::tags::tags;
use crate::trace::Trace;

static TIMEOUT: HeaderName = HeaderName::from_static("x-ringmain-timeout");
/// The longest `traceparent` that is written down.
const PARENT_MAX: usize = 128;
/// The built-in route of image models.
const IMAGE_ROUTE: &str = "image";

/// A request that is understood and has a route.
#[derive(Debug)]
pub struct Inspected {
    /// Its id.
    pub id: RequestId,
    /// When its first byte came.
    pub started: Tick,
    /// The caller's headers.
    pub headers: HeaderMap,
    /// Its body, with the places of its members.
    pub document: Document,
    /// What a decision is made from.
    pub facts: RequestFacts,
    /// The model is named in the body (and not in the path).
    pub model_in_body: bool,
    /// Does the caller want usage at the end of a stream?
    pub include_usage: bool,
    /// How the caller wants a stream delimited.
    pub framing: Framing,
    /// The route it takes.
    pub route: Arc<Route>,
    /// Why that one, in words.
    pub why: Arc<str>,
    /// Candidates that may cost more than the caller's budget has left.
    pub over_budget: Vec<usize>,
    /// The chance it has.
    pub seed: Seed,
    /// The end of its time.
    pub deadline: Tick,
    /// The reasoning kept for its caller.
    pub keeping: Keeping,
    /// What it goes on from, where that is known to be with somebody.
    pub pin: Option<Pin>,
    /// Where what its answer makes is remembered, if it makes anything to go on from.
    pub learns: Option<Arc<Pins>>,
    /// What is asked of a stored response.
    pub stored: Option<Stored>,
    /// What is decided and done for it.
    pub trace: Mutex<Trace>,
    /// The decoded request, made once if any target needs a translation.
    pub decoded: OnceLock<Result<ir::Request, Malformed>>,
    /// The request came as a form; the document then holds its texts.
    pub form: Option<Form>,
    /// Speech is to be written down in English, whatever is spoken.
    pub translates: bool,
    /// The request is passed through as it comes.
    pub passing: Option<Passing>,
    /// The decoded request of another operation than chat, made once.
    pub asked: OnceLock<Option<Result<Arc<dyn Asked>, Malformed>>>,
}

/// Reads the facts and finds the route.
///
/// # Errors
/// 400 for a body that is not a request of its dialect, 404 for a model nothing serves, 403 for one that the caller's key
/// does not allow.
pub fn inspect(
    gateway: &Gateway,
    caller: &Caller,
    id: RequestId,
    started: Tick,
    accepted: Accepted,
    headers: HeaderMap,
    body: &Bytes,
) -> Result<Inspected, Fault> {
    let form = form(accepted.operation, &headers, body).map_err(bad_request)?;
    let texts = form.as_ref().map(texts);
    let body = texts.as_ref().unwrap_or(body);
    let object = Object::parse(body).map_err(|error| bad_request(format!("the request body: {error}")))?;
    let read = facts_of_body(&accepted, &object).map_err(|malformed| bad_request(malformed.to_string()))?;
    let model_in_body = accepted.model.is_none();
    let model = accepted.model.or(read.model).filter(|model| !model.is_empty());
    // OpenAI's images have a default model: here it is the route of that name.
    let model = model.or_else(|| match accepted.operation {
        Operation::Images | Operation::ImageEdits => Some(IMAGE_ROUTE.to_owned()),
        Operation::Moderation => Some(ringmain_operations::moderation::DEFAULT_MODEL.to_owned()),
        _ => None,
    });
    let model = model.ok_or_else(|| bad_request("model: is required".to_owned()))?;
    let mut facts = RequestFacts {
        operation: accepted.operation,
        dialect: accepted.dialect,
        model,
        stream: accepted.stream.unwrap_or(read.stream),
        needs: read.needs,
        input_tokens: read.input_tokens,
        max_output_tokens: read.max_output_tokens,
        timeout: timeout(&headers)?,
        tags: tags(&headers, caller),
        marks: Marks::default(),
        key: caller.key().map(|key| key.name.clone()),
    };
    let Chosen { route, why } = gateway.route(&facts, &headers)?;
    if let Some(Err(message)) = caller.key().map(|key| key.may(&route.name, &facts.model)) {
        return Err(Fault::new(FaultClass::Auth, Origin::Caller, Phase::Before, message).with_status(403));
    }
    if facts.operation == Operation::CountTokens {
        // The route is that of the conversation; but a prompt may be counted where it would not fit.
        facts.input_tokens = 0;
    }
    let turns = registry::codec(facts.dialect).filter(|_| facts.operation == Operation::Chat).map(Codec::turns);
    facts.marks = marks(route.policy.affinity, turns.as_ref(), &object, &headers);
    let total = route.policy.timeouts.total;
    let deadline = started + facts.timeout.map_or(total, |timeout| timeout.min(total));
    let pin = pinned(gateway, caller, &facts, &object, &route, started)?;
    let learns = pins::makes(facts.operation, facts.dialect, &object).then(|| Arc::clone(&gateway.pins));
    let keeping = Keeping::new(&gateway.kept, caller, &headers, started);
    let document = Document::from_object(body, &object).ok_or_else(|| bad_request("unreadable body".to_owned()))?;
    Ok(Inspected {
        id,
        started,
        headers,
        document,
        facts,
        model_in_body,
        include_usage: read.include_usage,
        framing: accepted.framing,
        route,
        why,
        over_budget: Vec::new(),
        seed: Seed::of_request(gateway.seed, id.0),
        deadline,
        keeping,
        pin,
        learns,
        stored: None,
        trace: Mutex::default(),
        decoded: OnceLock::new(),
        form,
        translates: accepted.translates,
        passing: None,
        asked: OnceLock::new(),
    })
}

/// With whom the thing is that the request goes on from.
fn pinned(
    gateway: &Gateway,
    caller: &Caller,
    facts: &RequestFacts,
    object: &Object<'_>,
    route: &Route,
    now: Tick,
) -> Result<Option<Pin>, Fault> {
    if !matches!(facts.operation, Operation::Chat | Operation::CountTokens) {
        return Ok(None);
    }
    let pin = pins::pin(&gateway.pins, caller, facts.dialect, object, now);
    let pin = pin.map_err(|field| bad_request(format!("{field}: there is no such response")))?;
    if let Some(Pin { field, maker }) = pin.as_ref().filter(|pin| !pin.is_in(route)) {
        let Maker { provider, .. } = maker;
        let why = format!("it is with the provider `{provider}`, to which `{}` does not lead", facts.model);
        return Err(bad_request(format!("{field} cannot be gone on from: {why}")));
    }
    Ok(pin)
}

impl Inspected {
    /// A request that asks something of a provider, and nothing of a model.
    ///
    /// # Errors
    /// Never.
    pub(crate) fn bare(
        gateway: &Gateway,
        id: RequestId,
        started: Tick,
        headers: HeaderMap,
        facts: RequestFacts,
        chosen: Chosen,
    ) -> Result<Self, Fault> {
        let document = Document::parse(Bytes::from_static(b"{}")).map_err(|error| bad_request(error.to_string()))?;
        let total = chosen.route.policy.timeouts.total;
        let deadline = started + facts.timeout.map_or(total, |timeout| timeout.min(total));
        Ok(Self {
            id,
            started,
            headers,
            document,
            facts,
            model_in_body: false,
            include_usage: true,
            framing: Framing::Sse,
            route: chosen.route,
            why: chosen.why,
            over_budget: Vec::new(),
            seed: Seed::of_request(gateway.seed, id.0),
            deadline,
            keeping: Keeping::default(),
            pin: None,
            learns: None,
            stored: None,
            trace: Mutex::default(),
            decoded: OnceLock::new(),
            form: None,
            translates: false,
            passing: None,
            asked: OnceLock::new(),
        })
    }

    /// Does how it goes say anything of its target? Counting has limits, a pace and outages of its own, and so has what is
    /// stored.
    #[must_use]
    pub const fn teaches(&self) -> bool {
        !matches!(self.facts.operation, Operation::CountTokens) && self.stored.is_none()
    }

    /// Until when something may be begun for it.
    #[must_use]
    pub fn patience(&self) -> Tick {
        self.passing.as_ref().map_or(self.deadline, |passing| passing.patience)
    }

    /// What is decided and done for it. Held for a moment at a time, by the one thread that serves it.
    pub fn trace(&self) -> MutexGuard<'_, Trace> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The headers that rules ask for, for the record; others may hold anything.
    #[must_use]
    pub fn asked_headers(&self) -> Vec<(String, String)> {
        let value = |name: &String| Some((name.clone(), self.headers.get(name.as_str())?.to_str().ok()?.to_owned()));
        let mut told: Vec<_> = self.route.asked_headers.iter().filter_map(value).collect();
        // And whose trace it belongs to.
        let parent = self.headers.get(TRACEPARENT).and_then(|parent| parent.to_str().ok());
        if let Some(parent) = parent.filter(|parent| parent.len() <= PARENT_MAX)
            && told.iter().all(|(name, _)| name != TRACEPARENT)
        {
            told.push((TRACEPARENT.to_owned(), parent.to_owned()));
        }
        told
    }

    /// The whole request in the intermediate representation; decoded at the first call.
    ///
    /// # Errors
    /// The body is not a request of its dialect.
    pub fn decoded(&self) -> Result<&ir::Request, Fault> {
        let (dialect, body) = (self.facts.dialect, self.document.body());
        let decode = || match (self.facts.operation, registry::codec(dialect), registry::counting(dialect)) {
            (Operation::CountTokens, _, Some(counting)) => counting.decode(body),
            (_, Some(codec), _) => codec.decode_request(body),
            (_, None, _) => Err(Malformed::new("", "this dialect is not available yet")),
        };
        // What the caller had no place for is put back.
        let whole = || {
            decode().map(|mut request| {
                self.keeping.restore(&mut request);
                request
            })
        };
        self.decoded.get_or_init(whole).as_ref().map_err(|malformed| bad_request(malformed.to_string()))
    }

    /// The request of an operation that is translated, decoded at the first call. `None`: another operation.
    ///
    /// # Errors
    /// It is not such a request.
    pub fn asked(&self) -> Result<Option<&Arc<dyn Asked>>, Fault> {
        let (facts, body) = (&self.facts, self.document.body());
        let decode = || operations::decode(facts, body, self.form.as_ref(), self.translates);
        match self.asked.get_or_init(decode) {
            None => Ok(None),
            Some(Ok(asked)) => Ok(Some(asked)),
            Some(Err(malformed)) => Err(bad_request(malformed.to_string())),
        }
    }
}

/// The body as a form, where it is one and the operation takes one.
fn form(operation: Operation, headers: &HeaderMap, body: &Bytes) -> Result<Option<Form>, String> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let Some(boundary) = kind.and_then(multipart::boundary) else { return Ok(None) };
    if !operation.takes_forms() {
        return Err(format!("{operation} is asked for with JSON, not a form"));
    }
    Form::parse(body, boundary).map(Some).map_err(|bad| format!("the request body is no form: {bad}"))
}

/// The texts of a form as a JSON object.
fn texts(form: &Form) -> Bytes {
    let texts = form.parts.iter().filter_map(|part| Some((part.name.clone(), part.as_text()?.into())));
    serde_json::Value::Object(texts.collect()).to_string().into()
}

fn facts_of_body(accepted: &Accepted, object: &Object<'_>) -> Result<BodyFacts, Malformed> {
    match accepted.operation {
        Operation::Chat if let Some(codec) = registry::codec(accepted.dialect) => return codec.inspect(object),
        Operation::CountTokens if let Some(counting) = registry::counting(accepted.dialect) => {
            return counting.inspect(object);
        }
        _ => {}
    }
    // The other operations share their top level: a model, and content that is only measured.
    let model = match object.get("model").map(json::as_str) {
        None => None,
        Some(Some(model)) => Some(model.into_owned()),
        Some(None) => return Err(Malformed::new("model", "expected a string")),
    };
    let content = ["input", "prompt", "texts", "query", "documents"].into_iter().filter_map(|field| object.get(field));
    let input_tokens = content.map(|raw| shared::estimate::tokens(raw.get().as_bytes())).sum();
    // In a form it is a word.
    let is = |member: &str, words: &[&str]| object.get(member).is_some_and(|raw| words.contains(&raw.get()));
    let stream = match accepted.operation {
        Operation::Speech => is("stream_format", &["\"sse\""]),
        _ => is("stream", &["true", "\"true\""]),
    };
    Ok(BodyFacts { model, stream, input_tokens, needs: Capabilities::NONE, ..BodyFacts::default() })
}

/// `x-ringmain-timeout: 20s`
pub(crate) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Fault> {
    let Some(value) = headers.get(&TIMEOUT) else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(ringmain_core::time::parse_duration);
    let timeout = parsed.filter(|timeout| !timeout.is_zero());
    let expected = || bad_request("x-ringmain-timeout: expected a duration such as 500ms, 20s or 2m".to_owned());
    timeout.map(Some).ok_or_else(expected)
}

fn bad_request(message: String) -> Fault {
    Fault::new(FaultClass::BadRequest, Origin::Caller, Phase::Before, message).with_status(400)
}

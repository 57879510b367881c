//! One exchange through every pair.

use http::HeaderMap;
use ringmain_core::{Capabilities, Dialect, Fault, FaultClass, Usage};
use ringmain_dialects::ir::fold::unfold;
use ringmain_dialects::ir::{Event, Response};
use ringmain_dialects::{Codec, TargetProfile, registry};
use serde_json::Value;

use crate::gist::{carried, same_answer, same_request};
use crate::recordings::{Answer, Exchange};
use crate::stream::{Frame, decode, encode, folded, frames};

/// Which part of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The request.
    Request,
    /// A plain answer.
    Plain,
    /// A streamed answer.
    Stream,
    /// An error, whatever its status and form.
    Error,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is the same on the other side.
    Passed,
    /// The other dialect cannot say it, and that is said by name: loud, not lossy.
    Refused(String),
    /// It is not the same.
    Failed(String),
}

/// One part through one pair.
#[derive(Debug)]
pub struct Crossing {
    /// The exchange.
    pub id: String,
    /// Which part.
    pub part: Part,
    /// What was spoken.
    pub from: Dialect,
    /// What it became.
    pub to: Dialect,
    /// What came of it.
    pub outcome: Outcome,
}

/// How many places streams are cut at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splits {
    /// Every place of short streams, a few of long ones; and each into single bytes.
    Some,
    /// Every place of every stream.
    Every,
}

/// Streams up to this length, in bytes, are cut at every place in any case.
const SHORT: usize = 1500;
/// Into how many places a long one is cut.
const PLACES: usize = 24;

/// The outcomes of one exchange: its request and its answer, to every dialect.
#[must_use]
pub fn crossings(exchange: &Exchange, splits: Splits) -> Vec<Crossing> {
    let mut all = Vec::new();
    let mut add = |part, cross: &dyn Fn(Dialect, &'static dyn Codec) -> Outcome| {
        for to in Dialect::ALL {
            let outcome = match registry::codec(to) {
                Some(codec) => cross(to, codec),
                None => Outcome::Failed("there is no codec".to_owned()),
            };
            all.push(Crossing { id: exchange.id.clone(), part, from: exchange.dialect, to, outcome });
        }
    };
    let Some(source) = registry::codec(exchange.dialect) else { return all };
    let failed = |why: String| move |_: Dialect, _: &'static dyn Codec| Outcome::Failed(why.clone());
    match &exchange.request {
        Some(body) => add(Part::Request, &|_, to| request(source, body, to)),
        None => add(Part::Request, &|_, _| Outcome::Refused("the body is not JSON".to_owned())),
    }
    match heard(exchange, source) {
        Heard::Error(fault) => add(Part::Error, &|_, to| error(&fault, to).into()),
        Heard::Plain(body) => match source.decode_response(&body) {
            Ok(response) => add(Part::Plain, &|dialect, to| plain(&carried(response.clone()), dialect, to).into()),
            Err(malformed) => add(Part::Plain, &failed(format!("unreadable: {malformed}"))),
        },
        Heard::Stream(bytes, frames) => match whole(source, exchange.dialect, bytes, &frames, splits) {
            Ok(events) if matches!(events.last(), Some(Event::Error(_))) => {
                add(Part::Error, &|dialect, to| broken(&events, dialect, to).into());
            }
            Ok(events) => add(Part::Stream, &|dialect, to| stream(&events, dialect, to).into()),
            Err(why) => add(Part::Stream, &failed(why)),
        },
    }
    all
}

/// What a recorded answer says it used, where it is one.
pub(crate) fn usage(exchange: &Exchange) -> Option<Usage> {
    let source = registry::codec(exchange.dialect)?;
    match heard(exchange, source) {
        Heard::Error(_) => None,
        Heard::Plain(body) => source.decode_response(&body).ok()?.usage,
        Heard::Stream(bytes, elements) => {
            let frames = if bytes.is_empty() { elements } else { frames(exchange.dialect, [bytes]).ok()? };
            folded(decode(source, &frames).ok()?).ok()?.usage
        }
    }
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Passed)
    }
}

/// An answer, as its status and its form say it is to be read.
enum Heard<'a> {
    Error(Fault),
    Plain(Vec<u8>),
    Stream(&'a [u8], Vec<Frame>),
}

fn heard<'a>(exchange: &'a Exchange, source: &dyn Codec) -> Heard<'a> {
    let fault = |body: &[u8]| Heard::Error(source.decode_fault(exchange.status, &HeaderMap::new(), body));
    let is_error = !(200..300).contains(&exchange.status);
    match &exchange.answer {
        Answer::Plain(body) if is_error => fault(body.to_string().as_bytes()),
        Answer::Bytes(bytes) if is_error => fault(bytes),
        Answer::Nothing => fault(b""),
        // A streamed JSON array's elements are its events.
        Answer::Plain(Value::Array(elements)) => {
            Heard::Stream(&[], elements.iter().map(|element| (None, element.to_string().into_bytes())).collect())
        }
        Answer::Plain(body) => {
            let body = body.to_string().into_bytes();
            match source.tap().body(&body).error {
                // An error under a success status.
                Some(fault) => Heard::Error(*fault),
                None => Heard::Plain(body),
            }
        }
        Answer::Bytes(bytes) => Heard::Stream(bytes, Vec::new()),
    }
}

fn request(source: &dyn Codec, body: &Value, to: &dyn Codec) -> Outcome {
    let request = match source.decode_request(body.to_string().as_bytes()) {
        Ok(request) => request,
        Err(malformed) => return Outcome::Refused(format!("it is no request of its dialect: {}", malformed.problem)),
    };
    let profile = TargetProfile {
        model: "some-model".to_owned(),
        capabilities: Capabilities::NONE,
        max_output_tokens: Some(4096),
        ..TargetProfile::default()
    };
    let encoded = match to.encode_request(&request, &profile) {
        Ok(encoded) => encoded,
        Err(unsupported) => return Outcome::Refused(unsupported.reason),
    };
    match to.decode_request(&encoded.body) {
        Ok(back) => same_request(&back, &request, &encoded).into(),
        Err(malformed) => Outcome::Failed(format!("unreadable: {malformed}")),
    }
}

/// A plain answer there and back; and the same as a stream: an answer streamed, decoded and folded is the answer.
fn plain(response: &Response, dialect: Dialect, to: &dyn Codec) -> Result<(), String> {
    let encoded = to.encode_response(response);
    let back = to.decode_response(&encoded.body).map_err(|malformed| format!("unreadable: {malformed}"))?;
    same_answer(&back, response)?;
    let bytes = encode(to, &unfold(response));
    let back = folded(decode(to, &frames(dialect, [bytes.as_slice()])?)?)?;
    same_answer(&back, response).map_err(|why| format!("as a stream: {why}"))
}

/// The events of a recorded stream, the same wherever it is cut.
fn whole(
    source: &dyn Codec,
    dialect: Dialect,
    bytes: &[u8],
    elements: &[Frame],
    splits: Splits,
) -> Result<Vec<Event>, String> {
    if bytes.is_empty() {
        return decode(source, elements);
    }
    let once = frames(dialect, [bytes])?;
    let events = decode(source, &once)?;
    if frames(dialect, bytes.chunks(1))? != once {
        return Err("other events byte by byte".to_owned());
    }
    let every = splits == Splits::Every || bytes.len() <= SHORT;
    let step = if every { 1 } else { bytes.len() / PLACES };
    for at in (0..bytes.len()).step_by(step.max(1)) {
        let (left, right) = bytes.split_at(at);
        if frames(dialect, [left, right])? != once {
            return Err(format!("other events when cut at {at}"));
        }
    }
    Ok(events)
}

/// A streamed answer there and back, byte by byte too; and the same as a plain one.
fn stream(events: &[Event], dialect: Dialect, to: &dyn Codec) -> Result<(), String> {
    let response = folded(events.iter().cloned())?;
    let kept = carried(response.clone());
    let bytes = if kept == response { encode(to, events) } else { encode(to, &unfold(&kept)) };
    let once = frames(dialect, [bytes.as_slice()])?;
    if frames(dialect, bytes.chunks(1))? != once {
        return Err("other events byte by byte".to_owned());
    }
    same_answer(&folded(decode(to, &once)?)?, &kept)?;
    let encoded = to.encode_response(&kept);
    let back = to.decode_response(&encoded.body).map_err(|malformed| format!("unreadable: {malformed}"))?;
    same_answer(&back, &kept).map_err(|why| format!("as a plain answer: {why}"))
}

/// A stream that says it failed says so, in the provider's words.
fn broken(events: &[Event], dialect: Dialect, to: &dyn Codec) -> Result<(), String> {
    let Some(Event::Error(fault)) = events.last() else { return Err("it did not fail".to_owned()) };
    let back = decode(to, &frames(dialect, [encode(to, events).as_slice()])?)?;
    match back.last() {
        Some(Event::Error(back)) if back.message.contains(&fault.message) => Ok(()),
        Some(Event::Error(_)) => Err("other words".to_owned()),
        _ => Err("a clean end".to_owned()),
    }
}

fn error(fault: &Fault, to: &dyn Codec) -> Result<(), String> {
    if fault.message.is_empty() {
        return Err("no words".to_owned());
    }
    let reply = to.encode_fault(fault, "req_1");
    let back = to.decode_fault(reply.status, &HeaderMap::new(), &reply.body);
    if !back.message.contains(&fault.message) {
        return Err("other words".to_owned());
    }
    // A wrong key answered with a bad request: that its words mean the key is known to the catalog, and to a dialect whose
    // own provider says it in such words.
    let by_words = fault.message.contains("Incorrect API key") && answer_to(back.class) == "credentials";
    let same = by_words || answer_to(back.class) == answer_to(fault.class);
    if same { Ok(()) } else { Err(format!("{} became {}", fault.class, back.class)) }
}

/// What a client does about it: change the request, change the key, or try again.
const fn answer_to(class: FaultClass) -> &'static str {
    match class {
        FaultClass::Auth | FaultClass::Billing => "credentials",
        FaultClass::BadRequest | FaultClass::Context | FaultClass::Refusal | FaultClass::Gone => "request",
        FaultClass::RateLimit => "rate limit",
        _ => "server",
    }
}

//! Operations other than chat, for targets that are not given the caller's own bytes: what is to be sent, sent, and made
//! into the caller's answer. The exchanges themselves are `ringmain-operations`'; here they get their sockets and clocks.
//!
//! ```text
//! reading -> Asked -> plan -> Work -> perform ( courier: Call -> Reply ) -> Performed -> relay
//! ```
//! An operation is a row of [`reading`], and a file with its [`Asked`] and its [`Work`].

mod audio;
mod courier;
mod embeddings;
mod fetch;
mod images;
mod judged;
mod together;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use ringmain_catalog::Endpoint;
use ringmain_core::{Dialect, Fault, Operation, RequestFacts, Shape, Units, Usage};
use ringmain_dialects::{Loss, Malformed};
use ringmain_operations::Site;
use ringmain_wire::multipart::Form;

pub use courier::{Courier, Errors};

use crate::exchange::Failed;
use crate::inspect::Inspected;
use crate::live::Live;
use crate::passthrough::Flow;
use crate::render::cannot;
use crate::target::Target;

/// A caller's request, decoded.
pub trait Asked: fmt::Debug + Send + Sync {
    /// What a target is to do where it cannot be given the caller's own bytes, and what of the request that loses; `None`
    /// where it can.
    ///
    /// # Errors
    /// The target cannot be asked this.
    fn plan(self: Arc<Self>, request: &Inspected, target: &Target, endpoint: &Endpoint) -> Result<Planned, Fault>;

    /// The work of sending the caller's own bytes, where answers are looked at before they are given on.
    fn as_it_is(self: Arc<Self>, request: &Inspected, to: &AsItIs<'_>) -> Option<Box<dyn Work>> {
        let _ = (request, to);
        None
    }

    /// What is billed otherwise than by the token, as far as the request says.
    fn units(&self) -> Units {
        Units::default()
    }
}

/// Work, and what of the request it loses.
pub type Planned = Option<(Box<dyn Work>, Vec<Loss>)>;

/// Where the caller's own bytes go.
pub struct AsItIs<'a> {
    /// The target.
    pub target: &'a Target,
    /// Its endpoint.
    pub endpoint: &'a Endpoint,
    /// The bytes, with the target's model in them.
    pub parts: &'a [Bytes],
}

/// What is to be done at a target.
pub trait Work: Send + Sync {
    /// Does it.
    ///
    /// # Errors
    /// A provider's error, or an answer that is none.
    fn perform<'a>(self: Box<Self>, courier: &'a Courier, request: &'a Inspected) -> Performing<'a>;
}

/// Work that is being done.
pub type Performing<'a> = Pin<Box<dyn Future<Output = Result<Performed, Failed>> + Send + 'a>>;

impl fmt::Debug for dyn Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

/// An answer's body, in the caller's shape.
pub enum Body {
    /// All there.
    Whole(Bytes),
    /// Coming, and its beginning is there.
    Flow(Box<Flow>),
    /// A stream of events, held at its commit point.
    Live(Box<Live>),
}

/// What came of it.
pub struct Performed {
    /// The answer.
    pub body: Body,
    /// It is the provider's own.
    pub relayed: bool,
    /// Its media type, where it is neither JSON nor what the provider says.
    pub kind: Option<HeaderValue>,
    /// What is billed; a stream says it in the end.
    pub usage: Option<Usage>,
    /// What the answer does not carry.
    pub losses: Vec<Loss>,
}

/// What a caller sent.
struct Sent<'a> {
    body: &'a [u8],
    form: Option<&'a Form>,
    /// Speech is to be written down in English.
    translates: bool,
}

/// How a request for an operation is read.
struct Reading {
    read: fn(&Sent<'_>) -> Result<Arc<dyn Asked>, Malformed>,
    /// Servers that follow OpenAI have inputs and words of their own for it, and judge by themselves what we cannot read.
    judged_there: bool,
}

/// The only list of operations that are translated; `None` for one that is not.
fn reading(operation: Operation, dialect: Dialect) -> Option<Reading> {
    let here = |read| Some(Reading { read, judged_there: false });
    let there = |read| Some(Reading { read, judged_there: true });
    match (operation, dialect) {
        (Operation::Images | Operation::ImageEdits, _) => here(images::read),
        (Operation::Embeddings, Dialect::CohereV2) => here(embeddings::read_cohere),
        (Operation::Embeddings, _) => there(embeddings::read),
        (Operation::Rerank, _) => there(judged::read_rerank),
        (Operation::Moderation, _) => there(judged::read_moderation),
        (Operation::Speech, _) => here(audio::read_speech),
        (Operation::Transcription, _) => here(audio::read_transcription),
        (Operation::Chat | Operation::CountTokens | Operation::Models | Operation::Passthrough, _) => None,
    }
}

fn asked<A: Asked + 'static>(read: Result<A, Malformed>) -> Result<Arc<dyn Asked>, Malformed> {
    read.map(|asked| Arc::new(asked) as Arc<dyn Asked>)
}

/// What a codec is told of a target; `path`: its endpoint's.
fn site<'a>(target: &'a Target, path: &'a str) -> Site<'a> {
    Site { model: &target.name.model, family: &target.family, path }
}

/// A target is asked for something in a shape that nobody writes yet.
fn unavailable(target: &Target, what: impl fmt::Display) -> Fault {
    cannot(format!("{} is asked for {what} in a way that is not available yet", target.name))
}

/// Decodes a request for an operation that is translated. `None`: for one that is not. `translates`: speech is to be written
/// down in English.
///
/// # Errors
/// It is not such a request.
pub fn decode(
    facts: &RequestFacts,
    body: &[u8],
    form: Option<&Form>,
    translates: bool,
) -> Option<Result<Arc<dyn Asked>, Malformed>> {
    let reading = reading(facts.operation, facts.dialect)?;
    Some((reading.read)(&Sent { body, form, translates }))
}

/// What a target is to do, where it is not to be given the caller's own bytes; and what of the request that loses.
///
/// # Errors
/// The target cannot be asked this.
pub fn plan(request: &Inspected, target: &Target, endpoint: &Endpoint) -> Result<Planned, Fault> {
    // An endpoint of the caller's own dialect judges by itself.
    if endpoint.dialect.is_some() {
        return Ok(None);
    }
    let (operation, is_openai) = (request.facts.operation, endpoint.shape == Shape::OpenAi);
    match request.asked() {
        Ok(Some(asked)) => Arc::clone(asked).plan(request, target, endpoint),
        Ok(None) if is_openai => Ok(None),
        Ok(None) => Err(unavailable(target, operation)),
        Err(fault) => match reading(operation, request.facts.dialect) {
            Some(reading) if reading.judged_there && is_openai => Ok(None),
            _ => Err(fault),
        },
    }
}

/// The work of sending the caller's own bytes, for an operation whose answers are looked at before they are given on.
pub fn as_it_is(request: &Inspected, to: &AsItIs<'_>) -> Option<Box<dyn Work>> {
    Arc::clone(request.asked().ok()??).as_it_is(request, to)
}

/// What a provider counted; where it does not say, about what the request holds, and that it is only about that.
fn told_or_estimated(told: Option<Usage>, request: &Inspected) -> (Usage, Vec<Loss>) {
    match told {
        Some(usage) => (usage, Vec::new()),
        None => {
            let about = Usage { input: request.facts.input_tokens, ..Usage::default() };
            (about, vec![Loss::approximated("usage")])
        }
    }
}

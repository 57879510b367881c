//! Operations other than chat, for targets that are not given the caller's own bytes: what is to be sent, sent, and made
//! into the caller's answer. The exchanges themselves are `ringmain-operations`'; here they get their sockets and clocks.
//!
//! ```text
//! render -> Work -> perform ( courier: Call -> Reply ) -> Performed -> relay
//! ```

mod audio;
mod courier;
mod embeddings;
mod fetch;
mod images;
mod judged;
mod together;

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use ringmain_catalog::Endpoint;
use ringmain_core::{Dialect, Fault, Operation, RequestFacts, Shape, Usage};
use ringmain_dialects::{Loss, Malformed};
use ringmain_wire::multipart::Form;

pub use courier::{Courier, Errors};

use crate::inspect::Inspected;
use crate::live::Live;
use crate::passthrough::Flow;
use crate::render::cannot;
use crate::target::Target;

/// What is to be done at a target.
pub enum Work {
    /// Images are to be made.
    Images(images::Images),
    /// A text is to be spoken.
    Speak(audio::Speak),
    /// Speech is to be written down.
    Hear(audio::Hear),
    /// Vectors are to be made.
    Embeddings(embeddings::Embeddings),
    /// Documents are to be ranked.
    Rerank(judged::Rerank),
    /// Texts are to be judged.
    Moderation(judged::Moderation),
}

/// A caller's request, decoded.
#[derive(Debug)]
pub enum Asked {
    /// For images.
    Images(Box<ringmain_operations::images::Request>),
    /// For embeddings, in OpenAI's shape or Cohere's.
    Embeddings(ringmain_operations::embeddings::Request),
    /// For reranking.
    Rerank(ringmain_operations::rerank::Request),
    /// For moderation.
    Moderation(ringmain_operations::moderation::Request),
    /// For speech.
    Speech(ringmain_operations::audio::Speech),
    /// For a transcription.
    Transcription(ringmain_operations::audio::Transcription),
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

/// Decodes a request for an operation that is translated. `None`: for one that is not, or not from the caller's dialect.
/// `translates`: speech is to be written down in English.
///
/// # Errors
/// It is not such a request.
pub fn decode(
    facts: &RequestFacts,
    body: &[u8],
    form: Option<&Form>,
    translates: bool,
) -> Option<Result<Asked, Malformed>> {
    match facts.operation {
        Operation::Speech => {
            let read = ringmain_operations::audio::Speech::read(body);
            Some(read.map(Asked::Speech))
        }
        Operation::Transcription => {
            let form = form.ok_or_else(|| Malformed::new("file", "is required, in a form"));
            let read = form.and_then(|form| ringmain_operations::audio::Transcription::read(form, translates));
            Some(read.map(Asked::Transcription))
        }
        Operation::Images | Operation::ImageEdits => {
            let read = match form {
                Some(form) => ringmain_operations::images::Request::read_form(form),
                None => ringmain_operations::images::Request::read(body),
            };
            Some(read.map(|asked| Asked::Images(Box::new(asked))))
        }
        Operation::Embeddings => {
            let read = match facts.dialect {
                Dialect::CohereV2 => ringmain_operations::embeddings::Request::read_cohere(body),
                _ => ringmain_operations::embeddings::Request::read(body),
            };
            Some(read.map(Asked::Embeddings))
        }
        Operation::Rerank => Some(ringmain_operations::rerank::Request::read(body).map(Asked::Rerank)),
        Operation::Moderation => Some(ringmain_operations::moderation::Request::read(body).map(Asked::Moderation)),
        Operation::Chat | Operation::CountTokens | Operation::Models | Operation::Passthrough => None,
    }
}

/// What a target is to do, where it is not to be given the caller's own bytes; and what of the request that loses.
///
/// # Errors
/// The target cannot be asked this.
pub fn plan(request: &Inspected, target: &Target, endpoint: &Endpoint) -> Result<Option<(Work, Vec<Loss>)>, Fault> {
    // An endpoint of the caller's own dialect judges by itself.
    if endpoint.dialect.is_some() {
        return Ok(None);
    }
    let is_cohere = request.facts.dialect == Dialect::CohereV2 && request.facts.operation == Operation::Embeddings;
    let is_judged_there = !is_cohere
        && matches!(request.facts.operation, Operation::Embeddings | Operation::Rerank | Operation::Moderation);
    let asked = match request.asked() {
        // Servers that follow OpenAI have inputs and words of their own, and judge them by themselves.
        Err(_) if endpoint.shape == Shape::OpenAi && is_judged_there => return Ok(None),
        asked => asked?,
    };
    match asked {
        Some(Asked::Images(asked)) => {
            let planned = images::plan(request, asked, target, endpoint)?;
            Ok(planned.map(|(work, losses)| (Work::Images(work), losses)))
        }
        Some(Asked::Embeddings(asked)) => {
            let planned = embeddings::plan(asked, target, endpoint)?;
            Ok(planned.map(|(work, losses)| (Work::Embeddings(work), losses)))
        }
        Some(Asked::Rerank(asked)) => {
            let planned = judged::plan_rerank(asked, target, endpoint)?;
            Ok(planned.map(|(work, losses)| (Work::Rerank(work), losses)))
        }
        Some(Asked::Moderation(asked)) => {
            let planned = judged::plan_moderation(asked, target, endpoint)?;
            Ok(planned.map(|(work, losses)| (Work::Moderation(work), losses)))
        }
        Some(Asked::Speech(asked)) => {
            let planned = audio::plan_speech(asked, target, endpoint)?;
            Ok(planned.map(|(work, losses)| (Work::Speak(work), losses)))
        }
        Some(Asked::Transcription(asked)) => {
            let planned = audio::plan_transcription(asked, target, endpoint)?;
            Ok(planned.map(|(work, losses)| (Work::Hear(work), losses)))
        }
        _ if endpoint.shape == Shape::OpenAi => Ok(None),
        _ => Err(cannot(format!(
            "{} is asked for {} in a way that is not available yet",
            target.name, request.facts.operation
        ))),
    }
}

/// The work of sending the caller's own bytes, for an operation whose answers are looked at before they are given on.
pub fn as_it_is(request: &Inspected, target: &Target, endpoint: &Endpoint, parts: &[Bytes]) -> Option<Work> {
    match request.asked() {
        Ok(Some(Asked::Images(_))) => Some(Work::Images(images::as_it_is(request, target, endpoint, parts))),
        Ok(Some(Asked::Speech(_))) => Some(Work::Speak(audio::speaks_as_it_is(target, endpoint, parts))),
        Ok(Some(Asked::Transcription(asked))) => {
            Some(Work::Hear(audio::hears_as_it_is(request, asked, target, endpoint)))
        }
        Ok(Some(Asked::Embeddings(_) | Asked::Rerank(_) | Asked::Moderation(_)) | None) | Err(_) => None,
    }
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

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Images(_) => f.write_str("Images"),
            Self::Speak(_) => f.write_str("Speak"),
            Self::Hear(_) => f.write_str("Hear"),
            Self::Embeddings(_) => f.write_str("Embeddings"),
            Self::Rerank(_) => f.write_str("Rerank"),
            Self::Moderation(_) => f.write_str("Moderation"),
        }
    }
}

impl Work {
    /// Does it.
    ///
    /// # Errors
    /// A provider's error, or an answer that is none.
    pub async fn perform(self, courier: &Courier, request: &Inspected) -> Result<Performed, crate::exchange::Failed> {
        match (self, request.asked()) {
            (Self::Images(work), Ok(Some(Asked::Images(asked)))) => work.perform(courier, request, asked).await,
            (Self::Speak(work), Ok(Some(Asked::Speech(asked)))) => work.perform(courier, asked).await,
            (Self::Hear(work), Ok(Some(Asked::Transcription(asked)))) => work.perform(courier, asked).await,
            (Self::Embeddings(work), Ok(Some(Asked::Embeddings(asked)))) => work.perform(courier, request, asked).await,
            (Self::Rerank(work), Ok(Some(Asked::Rerank(asked)))) => work.perform(courier, request, asked).await,
            (Self::Moderation(work), Ok(Some(Asked::Moderation(_)))) => work.perform(courier, request).await,
            (
                Self::Images(_)
                | Self::Speak(_)
                | Self::Hear(_)
                | Self::Embeddings(_)
                | Self::Rerank(_)
                | Self::Moderation(_),
                _,
            ) => Err(crate::classify::protocol("another operation was asked for", "").into()),
        }
    }
}

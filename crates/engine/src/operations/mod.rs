//! Operations other than chat, for targets that are not given the caller's own bytes: what is to be sent, sent, and made
//! into the caller's answer. The exchanges themselves are `ringmain-operations`'; here they get their sockets and clocks.
//!
//! ```text
//! render -> Work -> perform ( courier: Call -> Reply ) -> Performed -> relay
//! ```

mod audio;
mod courier;
mod fetch;
mod images;
mod together;

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use ringmain_catalog::Endpoint;
use ringmain_core::{Fault, Operation, Usage};
use ringmain_dialects::{Loss, Malformed};
use ringmain_wire::multipart::Form;

pub use courier::{Courier, Errors};

use crate::inspect::Inspected;
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
}

/// A caller's request, decoded.
#[derive(Debug)]
pub enum Asked {
    /// For images.
    Images(ringmain_operations::images::Request),
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
}

/// What came of it.
pub struct Performed {
    /// The answer.
    pub body: Body,
    /// It is the provider's own.
    pub relayed: bool,
    /// Its media type, where it is neither JSON nor what the provider says.
    pub kind: Option<HeaderValue>,
    /// What is billed.
    pub usage: Option<Usage>,
    /// What the answer does not carry.
    pub losses: Vec<Loss>,
}

/// Decodes a request for an operation that is translated. `None`: for one that is not. `translates`: speech is to be
/// written down in English.
///
/// # Errors
/// It is not such a request.
pub fn decode(
    operation: Operation,
    body: &[u8],
    form: Option<&Form>,
    translates: bool,
) -> Option<Result<Asked, Malformed>> {
    match operation {
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
            Some(read.map(Asked::Images))
        }
        Operation::Chat
        | Operation::CountTokens
        | Operation::Embeddings
        | Operation::Moderation
        | Operation::Rerank
        | Operation::Models
        | Operation::Passthrough => None,
    }
}

/// What a target is to do, where it is not to be given the caller's own bytes; and what of the request that loses.
///
/// # Errors
/// The target cannot be asked this.
pub fn plan(request: &Inspected, target: &Target, endpoint: &Endpoint) -> Result<Option<(Work, Vec<Loss>)>, Fault> {
    match request.asked()? {
        Some(Asked::Images(asked)) => {
            let planned = images::plan(request, asked, target, endpoint)?;
            Ok(planned.map(|(work, losses)| (Work::Images(work), losses)))
        }
        Some(Asked::Speech(asked)) => {
            let planned = audio::plan_speech(asked, target, endpoint)?;
            Ok(planned.map(|(work, losses)| (Work::Speak(work), losses)))
        }
        Some(Asked::Transcription(asked)) => {
            let planned = audio::plan_transcription(asked, target, endpoint)?;
            Ok(planned.map(|(work, losses)| (Work::Hear(work), losses)))
        }
        None if endpoint.shape == ringmain_core::Shape::OpenAi || endpoint.dialect.is_some() => Ok(None),
        None => Err(cannot(format!(
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
        Ok(None) | Err(_) => None,
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Images(_) => f.write_str("Images"),
            Self::Speak(_) => f.write_str("Speak"),
            Self::Hear(_) => f.write_str("Hear"),
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
            (Self::Images(_) | Self::Speak(_) | Self::Hear(_), _) => {
                Err(crate::classify::protocol("another operation was asked for", "").into())
            }
        }
    }
}

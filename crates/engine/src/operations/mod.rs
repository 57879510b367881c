//! Operations other than chat, for targets that are not given the caller's own bytes: what is to be sent, sent, and made
//! into the caller's answer. The exchanges themselves are `ringmain-operations`'; here they get their sockets and clocks.
//!
//! ```text
//! render -> Work -> perform ( courier: Call -> Reply ) -> Performed -> relay
//! ```

mod audio;
mod counted;
mod courier;
mod embeddings;
mod fetch;
mod images;
mod together;

use std::fmt;

use bytes::Bytes;
use ringmain_catalog::Endpoint;
use ringmain_core::{Fault, Operation, Usage};
use ringmain_dialects::{Loss, Malformed};
use ringmain_wire::multipart::Form;

pub use audio::Spoken;
pub(crate) use counted::counted;
pub use courier::{Courier, Errors};

use crate::inspect::Inspected;
use crate::passthrough::Flow;
use crate::render::cannot;
use crate::target::Target;

/// What is to be done at a target.
pub enum Work {
    /// Images are to be made.
    Images(images::Images),
    /// Vectors are to be made.
    Embeddings(embeddings::Embeddings),
    /// Something is to be spoken or heard.
    Audio(audio::Audio),
}

/// A caller's request, decoded.
#[derive(Debug)]
pub enum Asked {
    /// For images.
    Images(ringmain_operations::images::Request),
    /// For embeddings.
    Embeddings(ringmain_operations::embeddings::Request),
    /// For speech or transcription.
    Audio(Spoken),
}

/// An answer's body.
pub enum Body {
    /// All there.
    Whole(Bytes),
    /// Coming, and its beginning is there.
    Flow(Box<Flow>),
}

/// What came of it.
pub struct Performed {
    /// The answer in the caller's shape.
    pub body: Body,
    /// It is the provider's own.
    pub relayed: bool,
    /// What is billed.
    pub usage: Option<Usage>,
    /// What the answer does not carry.
    pub losses: Vec<Loss>,
}

/// Decodes a request for an operation that is translated. `None`: for one that is not.
///
/// # Errors
/// It is not such a request.
pub fn decode(operation: Operation, body: &[u8], form: Option<&Form>) -> Option<Result<Asked, Malformed>> {
    match operation {
        Operation::Images | Operation::ImageEdits => {
            let read = match form {
                Some(form) => ringmain_operations::images::Request::read_form(form),
                None => ringmain_operations::images::Request::read(body),
            };
            Some(read.map(Asked::Images))
        }
        Operation::Embeddings => Some(ringmain_operations::embeddings::Request::read(body).map(Asked::Embeddings)),
        Operation::Speech | Operation::Transcription => Some(audio::read(operation, body, form).map(Asked::Audio)),
        Operation::Chat
        | Operation::CountTokens
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
        Some(Asked::Embeddings(asked)) if endpoint.dialect.is_none() => {
            let planned = embeddings::plan(asked, target, endpoint)?;
            Ok(planned.map(|(work, losses)| (Work::Embeddings(work), losses)))
        }
        _ if endpoint.shape == ringmain_core::Shape::OpenAi || endpoint.dialect.is_some() => Ok(None),
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
        Ok(Some(Asked::Audio(_))) => Some(Work::Audio(audio::as_it_is(request, target, endpoint, parts))),
        Ok(Some(Asked::Embeddings(_)) | None) | Err(_) => None,
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Images(_) => f.write_str("Images"),
            Self::Embeddings(_) => f.write_str("Embeddings"),
            Self::Audio(_) => f.write_str("Audio"),
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
            (Self::Embeddings(work), Ok(Some(Asked::Embeddings(asked)))) => work.perform(courier, asked).await,
            (Self::Audio(work), Ok(Some(Asked::Audio(spoken)))) => work.perform(courier, request, *spoken).await,
            (Self::Images(_) | Self::Embeddings(_) | Self::Audio(_), _) => {
                Err(crate::classify::protocol("another operation was asked for", "").into())
            }
        }
    }
}

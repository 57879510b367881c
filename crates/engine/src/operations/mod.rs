//! Operations other than chat, for targets that are not given the caller's own bytes: what is to be sent, sent, and made
//! into the caller's answer. The exchanges themselves are `ringmain-operations`'; here they get their sockets and clocks.
//!
//! ```text
//! render -> Work -> perform ( courier: Call -> Reply ) -> Performed -> relay
//! ```

mod courier;
mod fetch;
mod images;
mod together;

use std::fmt;

use bytes::Bytes;
use ringmain_catalog::Endpoint;
use ringmain_core::{Fault, Operation, Usage};
use ringmain_dialects::{Loss, Malformed};
use ringmain_wire::multipart::Form;

pub use courier::{Courier, DecodeFault};

use crate::inspect::Inspected;
use crate::render::cannot;
use crate::target::Target;

/// What is to be done at a target.
pub enum Work {
    /// Images are to be made.
    Images(images::Images),
}

/// A caller's request, decoded.
#[derive(Debug)]
pub enum Asked {
    /// For images.
    Images(ringmain_operations::images::Request),
}

/// What came of it.
pub struct Performed {
    /// The answer in the caller's shape.
    pub body: Bytes,
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
        Operation::Chat
        | Operation::CountTokens
        | Operation::Embeddings
        | Operation::Speech
        | Operation::Transcription
        | Operation::Moderation
        | Operation::Rerank
        | Operation::Models
        | Operation::Passthrough => None,
    }
}

/// What an error answer to this operation means, in the shape of a target.
#[must_use]
pub fn decode_fault(_: Operation) -> DecodeFault {
    images::decode_fault
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
        Ok(None) | Err(_) => None,
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Images(_) => f.write_str("Images"),
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
            (Self::Images(_), _) => Err(crate::classify::protocol("no images were asked for", "").into()),
        }
    }
}

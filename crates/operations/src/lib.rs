//! Operations other than chat: for each an intermediate representation, and a codec for each shape a provider speaks.
//!
//! ```text
//! caller's request --images::Request::read--> images::Request --codec.plan--> talks
//! talk: Call -> (the engine sends it) -> Reply -> Call … -> images::Made
//! caller's answer  <--images::answer::write-- images::Made, joined
//! ```
//!
//! A provider may want one request or a whole exchange of them (submit, poll, fetch, cancel): a [`talk::Talk`] is that
//! exchange without IO, and whoever holds it sends what it says. See `docs/adr/0013-operations-other-than-chat.md`.

pub mod audio;
pub mod counts;
pub mod embeddings;
pub mod fault;
pub mod images;
pub mod moderation;
pub mod rerank;
pub mod talk;

use http::HeaderMap;
use ringmain_core::{Dialect, Fault, Operation, Shape};

/// Whom a request is for.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The model in the provider's words: what is sent.
    pub model: &'a str,
    /// The name that tells of which family it is: its own, but where it stands for a model of the catalog.
    pub family: &'a str,
    /// The endpoint's path, with the model in it where it belongs there.
    pub path: &'a str,
}

impl<'a> Site<'a> {
    /// A model that goes by its own name.
    #[must_use]
    pub const fn new(model: &'a str, path: &'a str) -> Self {
        Self { model, family: model, path }
    }
}

/// Is there a way to ask for this operation in this shape?
#[must_use]
pub fn serves(operation: Operation, shape: Shape) -> bool {
    match operation {
        Operation::Images | Operation::ImageEdits => images::codec(shape).is_some(),
        Operation::Embeddings => embeddings::codec(shape).is_some(),
        Operation::Moderation => matches!(shape, Shape::OpenAi | Shape::Mistral),
        Operation::Rerank => {
            matches!(shape, Shape::OpenAi | Shape::Cohere | Shape::Jina | Shape::Voyage | Shape::Bedrock)
        }
        Operation::Chat | Operation::CountTokens | Operation::Models | Operation::Passthrough => shape == Shape::OpenAi,
        Operation::Speech | Operation::Transcription => audio::codec(shape).is_some(),
    }
}

/// The dialect in whose words a shape tells its errors, where they are not its own.
#[must_use]
pub const fn dialect_of(shape: Shape) -> Dialect {
    match shape {
        Shape::Bedrock => Dialect::BedrockConverse,
        Shape::Gemini => Dialect::Gemini,
        Shape::Cohere => Dialect::CohereV2,
        _ => Dialect::OpenAiChat,
    }
}

/// What an error answer to an operation means, in the words of a shape.
#[must_use]
pub fn decode_fault(operation: Operation, shape: Shape, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
    if let Some(codec) = images::codec(shape).filter(|_| operation.is_of_images()) {
        return codec.decode_fault(status, headers, body);
    }
    if let Some(codec) = audio::codec(shape).filter(|_| operation.is_of_audio()) {
        return codec.decode_fault(status, headers, body);
    }
    fault::of_dialect(dialect_of(shape), status, headers, body)
}

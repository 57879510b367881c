//! Embeddings: texts to vectors. A batch is split to what a provider takes and put together again in its order.

mod bedrock;
mod codecs;
pub mod request;

use bytes::Bytes;
use http::HeaderMap;
use ringmain_core::{Dialect, Fault, Shape, Usage};
use ringmain_dialects::{Loss, Unsupported, registry};
use serde_json::{Value, json};

pub use request::{Encoding, Input, Request};

use crate::fault;
use crate::talk::Talk;

/// One shape in which embeddings are asked for.
pub trait Codec: Sync {
    /// The exchanges whose vectors, one after the other, are the answer.
    ///
    /// # Errors
    /// Something asked for the model cannot do.
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported>;

    /// In whose words its errors are.
    fn errors(&self) -> Dialect;
}

/// Whom a request is for.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The model in the provider's words.
    pub model: &'a str,
    /// The endpoint's path.
    pub path: &'a str,
}

/// What is to be done for one request.
pub struct Plan {
    /// The exchanges, in the order of the inputs.
    pub talks: Vec<Box<dyn Talk<Made>>>,
    /// What they do not carry.
    pub losses: Vec<Loss>,
}

/// What one exchange brought.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Made {
    /// A vector for each input, in their order.
    pub vectors: Vec<Vec<f64>>,
    /// Tokens, where the provider counts them.
    pub usage: Option<Usage>,
}

/// The only list of codecs; `None` for a shape in which there are no embeddings.
#[must_use]
pub fn codec(shape: Shape) -> Option<&'static dyn Codec> {
    match shape {
        Shape::OpenAi => Some(&codecs::OpenAi),
        Shape::Cohere => Some(&codecs::Cohere),
        Shape::Gemini => Some(&codecs::Gemini),
        Shape::Voyage => Some(&codecs::Voyage),
        Shape::Jina => Some(&codecs::Jina),
        Shape::Bedrock => Some(&bedrock::Bedrock),
        Shape::Stability | Shape::BlackForestLabs | Shape::Replicate | Shape::SdWebui => None,
    }
}

/// The most inputs a provider of OpenAI's shape takes at once.
pub const OPENAI_MAX: usize = 2048;

/// What an error answer means in a shape.
#[must_use]
pub fn decode_fault(shape: Shape, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault {
    let dialect = codec(shape).map_or(Dialect::OpenAiChat, Codec::errors);
    match registry::codec(dialect) {
        Some(codec) => codec.decode_fault(status, headers, body),
        None => fault::failed(format!("HTTP status {status}")),
    }
}

impl Made {
    /// Several exchanges' vectors, one after the other.
    ///
    /// # Errors
    /// They are not as many as the inputs: a vector would stand for another text.
    pub fn joined(parts: Vec<Self>, inputs: usize) -> Result<Self, Fault> {
        let mut all = Self::default();
        for part in parts {
            all.vectors.extend(part.vectors);
            all.usage = match (all.usage, part.usage) {
                (Some(one), Some(two)) => Some(one + two),
                (one, two) => one.or(two),
            };
        }
        let widths = || all.vectors.iter().map(Vec::len);
        if all.vectors.is_empty() {
            return Err(fault::empty());
        }
        if all.vectors.len() != inputs || widths().any(|width| width == 0) || widths().max() != widths().min() {
            return Err(fault::unreadable(format!("{} vectors for {inputs} inputs", all.vectors.len())));
        }
        Ok(all)
    }
}

/// The answer in OpenAI's shape.
#[must_use]
pub fn write(made: &Made, request: &Request, model: &str) -> Bytes {
    let data = made.vectors.iter().enumerate().map(|(index, vector)| {
        let embedding: Value = match request.encoding {
            Encoding::Float => vector.as_slice().into(),
            Encoding::Base64 => {
                #[expect(clippy::cast_possible_truncation, reason = "the encoding is of single precision")]
                let bytes: Vec<u8> = vector.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
                crate::images::picture::encode(&bytes).into()
            }
        };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let tokens = made.usage.map_or(0, |usage| usage.input);
    json!({
        "object": "list",
        "data": data.collect::<Vec<_>>(),
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    })
    .to_string()
    .into()
}

/// The numbers of a vector.
fn vector(value: &Value) -> Option<Vec<f64>> {
    value.as_array()?.iter().map(Value::as_f64).collect()
}

/// A list of vectors.
fn vectors<'a>(values: impl IntoIterator<Item = &'a Value>) -> Result<Vec<Vec<f64>>, Fault> {
    let all: Option<Vec<_>> = values.into_iter().map(vector).collect();
    all.ok_or_else(|| fault::unreadable("a vector is no list of numbers"))
}

fn tokens(count: Option<u64>) -> Option<Usage> {
    count.map(|input| Usage { input, ..Usage::default() })
}

#[cfg(test)]
mod tests;

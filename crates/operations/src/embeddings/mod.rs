//! Embeddings: texts to vectors. A batch is split to what a provider takes and put together again in its order.

mod bedrock;
mod codecs;
mod cohere;
mod request;
mod split;

use bytes::Bytes;
use ringmain_core::{Fault, Shape, Usage};
use ringmain_dialects::{Loss, Unsupported};
use serde_json::{Value, json};

pub use cohere::Written;
pub use request::{Encoding, Input, Purpose, Request};

use crate::images::picture::{decode, encode};
use crate::talk::Talk;
use crate::{Site, fault};

/// One shape in which embeddings are asked for.
pub trait Codec: Sync {
    /// The exchanges whose vectors, one after the other, are the answer.
    ///
    /// # Errors
    /// Something asked for the model cannot do, or would do in another space than the one that is meant.
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported>;
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
        Shape::Mistral => Some(&codecs::Mistral),
        Shape::Cohere => Some(&codecs::Cohere),
        Shape::Gemini => Some(&codecs::Gemini),
        Shape::Voyage => Some(&codecs::Voyage),
        Shape::Jina => Some(&codecs::Jina),
        Shape::Bedrock => Some(&bedrock::Bedrock),
        Shape::Stability
        | Shape::BlackForestLabs
        | Shape::Replicate
        | Shape::SdWebui
        | Shape::Deepgram
        | Shape::ElevenLabs => None,
    }
}

/// The exchanges for a request in this shape; `None` for one in which there are no embeddings.
#[must_use]
pub fn plan(shape: Shape, request: &Request, site: &Site<'_>) -> Option<Result<Plan, Unsupported>> {
    let codec = codec(shape)?;
    Some(match &request.theirs {
        Some(unsupported) => Err(unsupported.clone()),
        None => codec.plan(request, site),
    })
}

/// May the caller's own body go to a model of this name, at a provider of OpenAI's shape? Not where it holds more than
/// one request may, or a word that OpenAI's own models are known to refuse; servers that follow OpenAI have words of
/// their own.
#[must_use]
pub fn takes_as_it_is(request: &Request, model: &str) -> bool {
    let is_openais = model.rsplit('/').next().is_some_and(|name| name.starts_with("text-embedding-3"));
    let fits = split::batches(&request.inputs, codecs::OPENAI).len() == 1;
    fits && request.cohere.is_none() && (!is_openais || request.purpose.is_none())
}

impl Made {
    /// Several exchanges' vectors, one after the other.
    ///
    /// # Errors
    /// They are not one for each input, or not of the length that was asked for: a vector would stand for another text,
    /// or in another space.
    pub fn joined(parts: Vec<Self>, request: &Request) -> Result<Self, Fault> {
        let mut all = Self::default();
        for (before, part) in parts.into_iter().enumerate() {
            all.vectors.extend(part.vectors);
            // A sum that lacks a part is none.
            all.usage = match (all.usage, part.usage) {
                (Some(one), Some(two)) => Some(one + two),
                (None, two) if before == 0 => two,
                _ => None,
            };
        }
        let inputs = request.inputs.len();
        let Some(width) = all.vectors.first().map(Vec::len) else { return Err(fault::empty()) };
        if all.vectors.len() != inputs {
            return Err(fault::unreadable(format!("{} vectors for {inputs} inputs", all.vectors.len())));
        }
        if width == 0 || all.vectors.iter().any(|vector| vector.len() != width) {
            return Err(fault::unreadable("vectors of different lengths"));
        }
        match request.dimensions {
            Some(asked) if asked != width as u64 => {
                Err(fault::unreadable(format!("vectors of {width} numbers in place of {asked}")))
            }
            _ => Ok(all),
        }
    }
}

/// The answer in the caller's shape; `id`: of the request, `tokens`: of its inputs.
#[must_use]
pub fn write(made: &Made, request: &Request, id: &str, model: &str, tokens: u64) -> Bytes {
    if let Some(written) = &request.cohere {
        return cohere::write(made, request, written, id, tokens);
    }
    let data = made.vectors.iter().enumerate().map(|(index, vector)| {
        let embedding: Value = match request.encoding {
            Encoding::Float => vector.as_slice().into(),
            Encoding::Base64 => base64_of(vector).into(),
        };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    json!({
        "object": "list",
        "data": data.collect::<Vec<_>>(),
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    })
    .to_string()
    .into()
}

/// A vector of single-precision numbers, little end first, in base64.
fn base64_of(vector: &[f64]) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the encoding is of single precision")]
    let bytes: Vec<u8> = vector.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
    encode(&bytes)
}

/// The numbers of a vector, however it is written.
fn vector(value: &Value) -> Option<Vec<f64>> {
    if let Value::String(base64) = value {
        let bytes = decode(base64).ok()?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        return rest.is_empty().then(|| numbers.iter().map(|one| f64::from(f32::from_le_bytes(*one))).collect());
    }
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

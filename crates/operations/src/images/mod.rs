//! Images: made from words, and from other images.

pub mod answer;
mod mask;
pub mod picture;
pub mod request;
pub mod size;

mod bedrock;
mod black_forest_labs;
mod gemini;
pub mod openai;
mod replicate;
mod sd_webui;
mod stability;

use http::HeaderMap;
use ringmain_core::{Fault, Shape};
use ringmain_dialects::{Loss, Unsupported};

pub use answer::{Image, Made, Source};
pub use request::{Delivery, Input, Request};
pub use size::Size;

pub use crate::Site;
use crate::talk::{Call, Once, Reply, Talk};

/// One shape in which images are asked for.
pub trait Codec: Sync {
    /// The exchanges whose images together are the answer.
    ///
    /// # Errors
    /// Something asked for the model cannot do without lying about it; what can merely not be carried is a [`Loss`].
    fn plan(&self, request: &Request, site: &Site<'_>) -> Result<Plan, Unsupported>;

    /// What an error answer means. Never fails: an unreadable body is judged by its status.
    fn decode_fault(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault;
}

/// What is to be done for one request.
pub struct Plan {
    /// The exchanges; they may run side by side.
    pub talks: Vec<Box<dyn Talk<Made>>>,
    /// In place of them the one call whose answer is a stream of events, where the caller wants one and the model has it.
    pub stream: Option<Call>,
    /// What they do not carry.
    pub losses: Vec<Loss>,
}

impl Plan {
    fn of(talks: Vec<Box<dyn Talk<Made>>>, losses: Vec<Loss>) -> Self {
        Self { talks, stream: None, losses }
    }
}

/// The only list of image codecs; `None` for a shape in which there are no images.
#[must_use]
pub fn codec(shape: Shape) -> Option<&'static dyn Codec> {
    match shape {
        Shape::OpenAi => Some(&openai::OpenAi),
        Shape::Stability => Some(&stability::Stability),
        Shape::Bedrock => Some(&bedrock::Bedrock),
        Shape::Gemini => Some(&gemini::Gemini),
        Shape::BlackForestLabs => Some(&black_forest_labs::BlackForestLabs),
        Shape::Replicate => Some(&replicate::Replicate),
        Shape::SdWebui => Some(&sd_webui::SdWebui),
        Shape::Mistral | Shape::Cohere | Shape::Voyage | Shape::Jina | Shape::Deepgram | Shape::ElevenLabs => None,
    }
}

/// What of a request has found its place. All that was given and not carried is a loss, so that a codec cannot forget.
struct Carried {
    open: Vec<String>,
    losses: Vec<Loss>,
}

impl Carried {
    fn of(request: &Request) -> Self {
        Self { open: request.given(), losses: Vec::new() }
    }

    /// It is carried.
    fn whole(&mut self, field: &str) {
        self.open.retain(|open| open != field);
    }

    /// It is carried with a near meaning.
    fn nearly(&mut self, field: &str) {
        if self.open.iter().any(|open| open == field) {
            self.whole(field);
            self.losses.push(Loss::approximated(field));
        }
    }

    /// The shape that is asked for, as the nearest of these ratios.
    fn ratio<'a>(&mut self, request: &Request, ratios: &[&'a str]) -> Option<&'a str> {
        let (field, wanted) = request.shape()?;
        let (ratio, same) = size::nearest_ratio(wanted, ratios)?;
        // Pixels become a shape: which size it has is the model's business.
        if same && field == "aspect_ratio" {
            self.whole(field);
        } else {
            self.nearly(field);
        }
        Some(ratio)
    }

    fn losses(mut self) -> Vec<Loss> {
        self.losses.extend(self.open.into_iter().map(Loss::dropped));
        self.losses
    }
}

/// As many exchanges of one request each as there are images to make, where a provider makes one at a time. A seed is
/// counted on, so that the images differ.
fn one_by_one(
    request: &Request,
    call: impl Fn(&Request) -> Call,
    read: impl Fn(&Reply) -> Result<Made, Fault> + Send + Sync + Clone + 'static,
) -> Vec<Box<dyn Talk<Made>>> {
    each(request).map(|one| Box::new(Once::new(call(&one), read.clone())) as Box<dyn Talk<Made>>).collect()
}

/// The request once for each image.
fn each(request: &Request) -> impl Iterator<Item = Request> {
    (0..request.n).map(|at| Request {
        n: 1,
        seed: request.seed.map(|seed| seed.saturating_add(u64::from(at))),
        ..request.clone()
    })
}

/// The bytes of an image the caller brought along.
fn bytes_of(input: &Input, field: &str) -> Result<(bytes::Bytes, picture::Format), Unsupported> {
    match input {
        Input::Bytes { data, format } => Ok((data.clone(), *format)),
        Input::Url(_) => Err(unsupported(field, "a URL, and this provider takes images only as data")),
    }
}

fn unsupported(field: &str, reason: &str) -> Unsupported {
    Unsupported { field: field.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;

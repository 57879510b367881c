//! Audio: text that is spoken, and speech that is written down. The caller's side is OpenAI's shape.
//!
//! ```text
//! speech:         Speech::read -> codec.speak -> Speaking { call, sound } -> bytes, through a Dress -> the caller
//! transcription:  Heard <- codec.hear's talk;  answer::write -> json, text, srt, vtt, verbose_json, or events
//! ```
//! A target of OpenAI's shape is given the caller's own bytes where it takes what they say. See
//! `docs/adr/0020-speech-and-transcription.md`.

pub mod answer;
pub mod dress;
pub mod openai;
pub mod request;
pub mod sound;
pub mod watch;

mod deepgram;
mod elevenlabs;
mod gemini;

use http::HeaderMap;
use ringmain_core::{Fault, Shape};
use ringmain_dialects::{Loss, Unsupported};

pub use answer::Heard;
pub use request::{Speech, Transcription};
pub use sound::Format;

pub use crate::Site;
use crate::talk::{Call, Reader};

/// One shape in which speech is asked for and written down.
pub trait Codec: Sync {
    /// The request whose answer is the sound.
    ///
    /// # Errors
    /// Something asked for the model cannot do without lying about it; what can merely not be carried is a [`Loss`].
    fn speak(&self, asked: &Speech, site: &Site<'_>) -> Result<Speaking, Unsupported>;

    /// The request whose answer is the text, and what reads it.
    ///
    /// # Errors
    /// As [`Self::speak`].
    fn hear(&self, asked: &Transcription, site: &Site<'_>) -> Result<Hearing, Unsupported>;

    /// What an error answer means. Never fails: an unreadable body is judged by its status.
    fn decode_fault(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault;
}

/// How a text is spoken.
pub struct Speaking {
    /// What is sent.
    pub call: Call,
    /// What comes back.
    pub sound: Sound,
    /// What is not carried.
    pub losses: Vec<Loss>,
}

/// In which form sound comes.
pub enum Sound {
    /// As it is, while it is made.
    Flows {
        /// What it is in the end.
        format: Format,
        /// It comes without the head of its format: samples of this rate.
        samples: Option<u32>,
    },
    /// Inside a document, all at once.
    Whole {
        /// What it is in the end.
        format: Format,
        /// Takes it out.
        read: Reader<sound::Spoken>,
    },
}

/// How speech is written down.
pub struct Hearing {
    /// What is sent.
    pub call: Call,
    /// Reads the answer.
    pub read: Reader<Heard>,
    /// What is not carried.
    pub losses: Vec<Loss>,
}

/// The only list of audio codecs; `None` for a shape in which there is no audio.
#[must_use]
pub fn codec(shape: Shape) -> Option<&'static dyn Codec> {
    match shape {
        Shape::OpenAi => Some(&openai::OpenAi),
        Shape::Gemini => Some(&gemini::Gemini),
        Shape::Deepgram => Some(&deepgram::Deepgram),
        Shape::ElevenLabs => Some(&elevenlabs::ElevenLabs),
        Shape::Stability
        | Shape::Bedrock
        | Shape::BlackForestLabs
        | Shape::Replicate
        | Shape::SdWebui
        | Shape::Mistral
        | Shape::Cohere
        | Shape::Voyage
        | Shape::Jina => None,
    }
}

/// What of a request has found its place. All that was given and not carried is a loss, so that a codec cannot forget.
struct Carried {
    open: Vec<String>,
    losses: Vec<Loss>,
}

impl Carried {
    const fn of(given: Vec<String>) -> Self {
        Self { open: given, losses: Vec::new() }
    }

    /// It is carried.
    fn whole(&mut self, field: &str) {
        self.open.retain(|open| open != field);
    }

    /// It is carried with a near meaning.
    fn nearly(&mut self, field: &str) {
        if self.open.iter().any(|open| open == field) {
            self.whole(field);
        }
        self.losses.push(Loss::approximated(field));
    }

    fn losses(mut self) -> Vec<Loss> {
        self.losses.extend(self.open.into_iter().map(Loss::dropped));
        self.losses
    }
}

/// A value as it stands in a query or in one segment of a path.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    // A segment of dots alone would be another path.
    if text.chars().all(|c| c == '.') { out.replace('.', "%2E") } else { out }
}

fn unsupported(field: &str, reason: &str) -> Unsupported {
    Unsupported { field: field.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;

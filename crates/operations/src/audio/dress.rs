//! Sound on its way to the caller, piece by piece: as it is, behind the head of its format, or as events.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use ringmain_core::Usage;
use serde_json::json;

use super::sound;

/// In what sound goes out.
#[derive(Debug, Default)]
pub struct Dress {
    /// The head is still to go out: samples of this rate follow.
    head: Option<u32>,
    /// As events.
    events: bool,
    /// Bytes that wait for others: base64 is written in threes.
    rest: BytesMut,
    /// Tokens, where they are counted.
    tokens: Option<Usage>,
}

impl Dress {
    /// `samples`: the sound comes without its head, in samples of this rate. `events`: as OpenAI's stream of events,
    /// at whose end stand the tokens where they are counted.
    #[must_use]
    pub fn new(samples: Option<u32>, events: bool, tokens: Option<Usage>) -> Self {
        Self { head: samples, events, rest: BytesMut::new(), tokens }
    }

    /// Nothing is changed.
    #[must_use]
    pub const fn is_bare(&self) -> bool {
        self.head.is_none() && !self.events
    }

    /// Does it go out as events?
    #[must_use]
    pub const fn has_events(&self) -> bool {
        self.events
    }

    /// A piece of the sound; what goes out for it may be nothing yet.
    #[must_use]
    pub fn piece(&mut self, bytes: Bytes) -> Bytes {
        let head = self.head.take().map(|rate| sound::wav_head(rate, None));
        if !self.events {
            return match head {
                Some(head) => [head, bytes].concat().into(),
                None => bytes,
            };
        }
        self.rest.extend_from_slice(head.as_deref().unwrap_or_default());
        self.rest.extend_from_slice(&bytes);
        // Whoever joins the texts instead of the bytes gets the same.
        let whole = self.rest.len() - self.rest.len() % 3;
        let ready = self.rest.split_to(whole);
        if ready.is_empty() { Bytes::new() } else { delta(&ready) }
    }

    /// Its end.
    #[must_use]
    pub fn end(&mut self) -> Option<Bytes> {
        if !self.events {
            return None;
        }
        let rest = std::mem::take(&mut self.rest);
        let mut last = BytesMut::new();
        if !rest.is_empty() {
            last.extend_from_slice(&delta(&rest));
        }
        let mut done = json!({"type": "speech.audio.done"});
        // A made-up number would be believed.
        if let Some(tokens) = self.tokens {
            let (input, output, total) = (tokens.input, tokens.output, tokens.total());
            done["usage"] = json!({"input_tokens": input, "output_tokens": output, "total_tokens": total});
        }
        last.extend_from_slice(&event("speech.audio.done", &done));
        Some(last.freeze())
    }
}

fn delta(bytes: &[u8]) -> Bytes {
    event("speech.audio.delta", &json!({"type": "speech.audio.delta", "audio": STANDARD.encode(bytes)}))
}

fn event(name: &str, data: &serde_json::Value) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}

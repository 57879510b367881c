//! A stream of audio events that goes on to the caller as it comes: has it begun, is it whole, and what did it use?

use bytes::Bytes;
use ringmain_core::{Fault, Usage};
use ringmain_dialects::registry;
use ringmain_wire::sse::SseFramer;
use serde_json::Value;

use super::openai;
use crate::fault;

/// The largest event: a second of sound in base64 is a hundredth of it.
const EVENT_MAX: usize = 4 * 1024 * 1024;

/// Looks at such a stream.
#[derive(Debug)]
pub struct Watch {
    framer: SseFramer,
    useful: bool,
    whole: bool,
    tokens: Option<Usage>,
}

impl Default for Watch {
    fn default() -> Self {
        Self { framer: SseFramer::new(EVENT_MAX), useful: false, whole: false, tokens: None }
    }
}

impl Watch {
    /// A piece went by.
    ///
    /// # Errors
    /// It says that the provider failed, or is no such stream.
    pub fn piece(&mut self, bytes: Bytes) -> Result<(), Fault> {
        self.framer.push(bytes);
        loop {
            let frame = self.framer.next().map_err(|error| fault::unreadable(error.to_string()))?;
            let Some(frame) = frame else { return Ok(()) };
            let data = frame.data();
            self.event(&data)?;
        }
    }

    fn event(&mut self, data: &[u8]) -> Result<(), Fault> {
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let event = fault::json(data)?;
        if event.get("error").is_some_and(|error| !error.is_null()) || event["type"] == "error" {
            return Err(error_of(data));
        }
        match event["type"].as_str().unwrap_or_default() {
            "speech.audio.delta" => self.useful |= event["audio"].as_str().is_some_and(|audio| !audio.is_empty()),
            "transcript.text.delta" => self.useful |= event["delta"].as_str().is_some_and(|text| !text.is_empty()),
            "speech.audio.done" => self.whole = true,
            "transcript.text.done" => {
                self.whole = true;
                // Silence is heard as an empty text.
                self.useful = true;
            }
            _ => {}
        }
        self.tokens = openai::tokens(&event["usage"]).or(self.tokens);
        Ok(())
    }

    /// Something of the answer has come.
    #[must_use]
    pub const fn is_useful(&self) -> bool {
        self.useful
    }

    /// Its last event has come.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.whole
    }

    /// Tokens, where they are counted.
    #[must_use]
    pub const fn tokens(&self) -> Option<Usage> {
        self.tokens
    }
}

/// What the caller of such a stream is told where it breaks off.
#[must_use]
pub fn broken(told: &Fault, request: &str) -> Bytes {
    let error = match registry::codec(ringmain_core::Dialect::OpenAiChat) {
        Some(codec) => serde_json::from_slice(&codec.encode_fault(told, request).body).unwrap_or_default(),
        None => Value::Null,
    };
    format!("event: error\ndata: {error}\n\n").into()
}

fn error_of(data: &[u8]) -> Fault {
    fault::inside(openai::decode_fault(200, &http::HeaderMap::new(), data))
}

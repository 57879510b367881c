//! Reads a copy of a relayed answer.

use ringmain_core::Fault;
use ringmain_wire::sse;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::usage::Counts;
use super::{fault, finish};
use crate::codec::{Framing, Glance, Tap};
use crate::shared::borrowed::borrowed;

/// What a chunk, or a whole answer, says.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Chunk<'a> {
    #[serde(borrow)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    usage_metadata: Option<Counts<'a>>,
    #[serde(borrow)]
    prompt_feedback: Option<Feedback<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Feedback<'a> {
    #[serde(borrow)]
    block_reason: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Candidate<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Vec<Part<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    function_call: Option<IgnoredAny>,
    inline_data: Option<IgnoredAny>,
    file_data: Option<IgnoredAny>,
    executable_code: Option<IgnoredAny>,
    code_execution_result: Option<IgnoredAny>,
}

impl Part<'_> {
    fn is_useful(&self) -> bool {
        self.text.is_some_and(|text| text.get() != "\"\"")
            || self.function_call.is_some()
            || self.inline_data.is_some()
            || self.file_data.is_some()
            || self.executable_code.is_some()
            || self.code_execution_result.is_some()
    }
}

#[derive(Debug, Default)]
pub(super) struct GeminiTap {
    finished: bool,
    useful: bool,
    /// Has any element of a JSON array been relayed?
    begun: bool,
}

impl GeminiTap {
    fn read(&mut self, json: &[u8]) -> Glance {
        let Ok(chunk) = borrowed::<Chunk<'_>>(json) else {
            return Glance { malformed: true, ..Glance::default() };
        };
        let mut glance = Glance { usage: chunk.usage_metadata.and_then(|counts| counts.usage()), ..Glance::default() };
        if let Some(error) = chunk.error {
            let error: serde_json::Value = serde_json::from_str(error.get()).unwrap_or_default();
            glance.error = Some(Box::new(fault::of_chunk(&error)));
        }
        let blocked = chunk.prompt_feedback.and_then(|feedback| feedback.block_reason);
        glance.refused = blocked.is_some_and(|reason| reason.get() != "0");
        // Each candidate carries its own parts; any of them is what the caller waits for.
        for candidate in chunk.candidates.into_iter().flatten() {
            let parts = candidate.content.and_then(|content| content.parts).unwrap_or_default();
            glance.useful |= parts.iter().any(Part::is_useful);
            if let Some(word) = candidate.finish_reason.and_then(|reason| word(reason.get())) {
                glance.finished = true;
                glance.refused |= finish::is_refusal(&word);
            }
        }
        glance.finished |= glance.refused;
        self.finished |= glance.finished;
        self.useful |= glance.useful;
        glance
    }
}

/// The word of a reason that was given.
fn word(raw: &str) -> Option<String> {
    let word = match raw.parse::<u64>() {
        Ok(number) => finish::numbered(number),
        Err(_) => raw.trim_matches('"').to_owned(),
    };
    (word != finish::UNSPECIFIED).then_some(word)
}

impl Tap for GeminiTap {
    fn event(&mut self, _name: Option<&str>, data: &[u8]) -> Glance {
        self.begun = true;
        self.read(data)
    }

    fn body(&mut self, body: &[u8]) -> Glance {
        self.read(body)
    }

    fn is_whole(&self, lenient: bool) -> bool {
        self.finished || (lenient && self.useful)
    }

    fn encode_error(&self, fault: &Fault, request_id: &str, framing: Framing) -> Vec<u8> {
        let document = fault::document(fault, Some(request_id));
        let mut out = Vec::with_capacity(document.len() + 8);
        match framing {
            Framing::Sse | Framing::EventStream => sse::encode(None, &document, &mut out),
            Framing::JsonArray => {
                out.extend_from_slice(if self.begun { b"\n," } else { b"[" });
                out.extend_from_slice(&document);
                out.extend_from_slice(b"\n]");
            }
        }
        out
    }
}

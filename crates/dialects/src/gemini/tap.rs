//! Reads a copy of a relayed answer.

use ringmain_core::Fault;
use ringmain_wire::sse;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::stream_encode::Encoder;
use super::usage::Counts;
use super::{fault, finish};
use crate::codec::{Framing, Glance, StreamEncoder, StreamStart, Tap};
use crate::continuation::{Barrier, SoFar};
use crate::shared::borrowed::{Text, borrowed};

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
    #[serde(borrow)]
    response_id: Option<Text<'a>>,
    #[serde(borrow)]
    model_version: Option<Text<'a>>,
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
    index: Option<u32>,
    grounding_metadata: Option<IgnoredAny>,
    citation_metadata: Option<IgnoredAny>,
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
    thought: Option<bool>,
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
    so_far: SoFar,
    id: String,
    model: String,
}

impl GeminiTap {
    /// Keeps what a stream says of itself, and follows its text.
    fn follow(&mut self, chunk: &Chunk<'_>) {
        for (said, own) in [(&chunk.response_id, &mut self.id), (&chunk.model_version, &mut self.model)] {
            if let Some(said) = said.as_ref().filter(|_| own.is_empty()) {
                *own = said.0.clone().into_owned();
            }
        }
        for candidate in chunk.candidates.iter().flatten() {
            if candidate.index.unwrap_or(0) > 0 {
                self.so_far.bar(Barrier::Several);
            }
            if candidate.grounding_metadata.is_some() || candidate.citation_metadata.is_some() {
                self.so_far.bar(Barrier::NotText);
            }
            let parts = candidate.content.as_ref().and_then(|content| content.parts.as_deref());
            for part in parts.unwrap_or_default() {
                let text = part.text.and_then(|raw| serde_json::from_str::<Text<'_>>(raw.get()).ok());
                match text {
                    Some(text) if part.thought == Some(true) => self.so_far.thought(&text.0),
                    Some(text) => self.so_far.text(&text.0),
                    None if part.function_call.is_some() => self.so_far.bar(Barrier::ToolCall),
                    None if part.is_useful() => self.so_far.bar(Barrier::NotText),
                    None => {}
                }
            }
        }
    }

    fn read(&mut self, json: &[u8], stream: bool) -> Glance {
        let Ok(chunk) = borrowed::<Chunk<'_>>(json) else {
            return Glance { malformed: true, ..Glance::default() };
        };
        if stream {
            self.follow(&chunk);
        }
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
        self.read(data, true)
    }

    fn body(&mut self, body: &[u8]) -> Glance {
        self.read(body, false)
    }

    fn is_whole(&self, lenient: bool) -> bool {
        self.finished || (lenient && self.useful)
    }

    fn so_far(&mut self) -> &mut SoFar {
        &mut self.so_far
    }

    fn take_over(&mut self, start: &StreamStart) -> Box<dyn StreamEncoder> {
        Box::new(Encoder::going_on(&start.as_begun(&self.id, &self.model)))
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

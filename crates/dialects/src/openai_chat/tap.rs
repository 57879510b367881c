//! Reads a copy of a relayed answer.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memchr2;
use memchr::memmem::Finder;
use ringmain_core::{Fault, Phase};
use ringmain_wire::sse;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::codec::{Framing, Glance, Malformed, StreamEncoder, StreamStart, Tap};
use crate::continuation::{Barrier, SoFar};
use crate::shared::borrowed::borrowed;

use super::chunk::{self, Choice, Chunk, Delta};
use super::stream_decode::{self, DONE};
use super::stream_encode::Encoder;
use super::{fault, finish, parts, response_decode};
use crate::ir::{BlockKind, Finish};

/// What has been seen of one answer.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The answers that began and those that ended, a bit each: a request may ask for several.
    begun: u64,
    ended: u64,
    useful: bool,
    failed: bool,
    /// The chunk came that has nothing but the usage, and the end marker after it: see the stream decoder.
    counted: bool,
    done: bool,
    so_far: SoFar,
    /// How the last chunk was written that brought text and nothing else.
    usual: Usual,
    /// What the chunks say of themselves: the same in each.
    id: String,
    model: String,
    created: Option<u64>,
}

/// Marks of a chunk that says more than the next few words; between quotes, they are no content.
static MARKS: LazyLock<[Finder<'static>; 4]> =
    LazyLock::new(|| [r#""finish_reason""#, r#""usage""#, r#""error""#, r#""x_groq""#].map(Finder::new));
/// How a chunk of the first answer is written by all that matters.
static FIRST_CHOICE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""choices":[{"index":0,"#));

static DELTA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""delta""#));

/// A chunk like the thousands in the middle of a stream: a little more of its only answer. Such a chunk need only be
/// valid, and to find that out costs a fifth of reading it.
fn is_more_of_the_same(data: &[u8]) -> bool {
    let null_or_absent = |mark: &Finder<'_>| {
        mark.find_iter(data).all(|at| {
            let after = data.get(at + mark.needle().len()..).unwrap_or_default().trim_ascii_start();
            after.strip_prefix(b":").is_some_and(|value| value.trim_ascii_start().starts_with(b"null"))
        })
    };
    FIRST_CHOICE.find(data).is_some()
        && DELTA.find_iter(data).count() == 1
        && MARKS.iter().all(null_or_absent)
        && borrowed::<IgnoredAny>(data).is_ok()
}

/// Where the text of such a chunk is, as JSON writes it, and whether it is thinking; `None` where it may hold something else
/// too.
fn only_text(data: &[u8]) -> Option<(Range<usize>, bool)> {
    let delta = DELTA.find(data)? + DELTA.needle().len();
    let rest = data.get(delta..)?.strip_prefix(b":{")?;
    let rest = rest.strip_prefix(br#""role":"assistant","#).unwrap_or(rest);
    let (rest, thinks) = match rest.strip_prefix(br#""content":""#) {
        Some(rest) => (rest, false),
        None => (rest.strip_prefix(br#""reasoning_content":""#)?, true),
    };
    let mut end = 0;
    while rest.get(end) != Some(&b'"') {
        end += memchr2(b'"', b'\\', rest.get(end..)?)?;
        end += if rest.get(end) == Some(&b'\\') { 2 } else { 0 };
    }
    let start = data.len() - rest.len();
    (rest.get(end + 1) == Some(&b'}')).then_some((start..start + end, thinks))
}

/// A chunk of text without its text: the next one is nearly always written alike, byte for byte, and need not be read then.
#[derive(Debug, Default)]
struct Usual {
    before: Vec<u8>,
    after: Vec<u8>,
    thinks: bool,
}

impl Usual {
    /// Remembers what stands before and after a text.
    fn learn(&mut self, before: &[u8], after: &[u8], thinks: bool) {
        before.clone_into(&mut self.before);
        after.clone_into(&mut self.after);
        self.thinks = thinks;
    }

    /// The text of a chunk that is written alike; `None` also where the text is more than plain characters.
    fn text<'d>(&self, data: &'d [u8]) -> Option<&'d str> {
        if self.after.is_empty() {
            return None;
        }
        let text = data.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        let is_plain = |byte: &u8| *byte >= b' ' && *byte != b'"' && *byte != b'\\';
        if text.iter().all(is_plain) { std::str::from_utf8(text).ok() } else { None }
    }
}

impl Reader {
    /// Keeps what a stream says of itself, and follows its text.
    fn follow(&mut self, chunk: &Chunk<'_>) {
        let word = |raw| chunk::text_or_json(raw).map(std::borrow::Cow::into_owned).unwrap_or_default();
        if self.id.is_empty() {
            self.id = chunk.id.map(word).unwrap_or_default();
        }
        if self.model.is_empty() {
            self.model = chunk.model.map(word).unwrap_or_default();
        }
        self.created = self.created.or_else(|| chunk.created.and_then(|raw| response_decode::seconds(raw.get())));
        let written = |raw: Option<&RawValue>| raw.is_some_and(|raw| !matches!(raw.get(), "null" | "[]"));
        if written(chunk.search_results) || written(chunk.citations) {
            self.so_far.bar(Barrier::NotText);
        }
        for choice in chunk.choices.iter().flatten() {
            if choice.index.unwrap_or(0) > 0 {
                self.so_far.bar(Barrier::Several);
            } else if let Some(delta) = choice.delta()
                && self.said(delta).is_err()
            {
                self.so_far.bar(Barrier::Unknown);
            }
        }
    }

    fn said(&mut self, delta: &Delta<'_>) -> Result<(), Malformed> {
        self.so_far.thought(&delta.reasoning()?);
        match delta.content {
            Some(content) if content.get().starts_with('[') => {
                for block in parts::read(chunk::value(content), "choices[0].delta.content", &mut Vec::new())? {
                    match block.kind {
                        BlockKind::Text { text, citations } if citations.is_empty() => self.so_far.text(&text),
                        BlockKind::Reasoning { text, .. } => self.so_far.thought(&text),
                        _ => self.so_far.bar(Barrier::NotText),
                    }
                }
            }
            Some(content) => self.so_far.text(&chunk::text_or_json(content)?),
            None => {}
        }
        if delta.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
            || delta.function_call.as_ref().is_some_and(|call| !call.is_blank())
        {
            self.so_far.bar(Barrier::ToolCall);
        }
        if delta.holds_more() {
            self.so_far.bar(Barrier::NotText);
        }
        Ok(())
    }

    /// Takes a chunk that is a little more text. False: it may be something else, and is to be read.
    fn more_text(&mut self, data: &[u8]) -> bool {
        if let Some(text) = self.usual.text(data) {
            if self.usual.thinks {
                self.so_far.thought(text);
            } else {
                self.so_far.text(text);
            }
            return true;
        }
        if !is_more_of_the_same(data) {
            return false;
        }
        let Some((at, thinks)) = only_text(data) else { return false };
        let (before, text, after) = (&data[..at.start], &data[at.clone()], &data[at.end..]);
        self.usual.learn(before, after, thinks);
        if thinks {
            self.so_far.json_thought(text);
        } else {
            self.so_far.json_text(text);
        }
        true
    }

    fn choices(&mut self, chunk: &Chunk<'_>, whole: bool, glance: &mut Glance) {
        for choice in chunk.choices.iter().flatten() {
            let bit = 1_u64 << choice.index.unwrap_or(0).min(63);
            self.begun |= bit;
            let said = if whole { choice.message() } else { choice.delta() };
            glance.useful |= said.is_some_and(Delta::is_useful);
            // A document that can be read is whole; some servers leave its reason to stop empty.
            if whole || choice.finish_reason().is_some() {
                self.ended |= bit;
            }
            self.reason(choice, glance);
        }
        self.useful |= glance.useful;
    }

    fn reason(&mut self, choice: &Choice<'_>, glance: &mut Glance) {
        let Some(word) = choice.finish_reason() else { return };
        if word == finish::BROKEN {
            glance.error = Some(Box::new(stream_decode::broken(self.phase())));
            self.failed = true;
            return;
        }
        glance.finished = true;
        glance.refused |= finish::read(word) == Finish::Refusal;
    }

    const fn phase(&self) -> Phase {
        if self.useful { Phase::AfterCommit } else { Phase::BeforeCommit }
    }

    fn read(&mut self, name: Option<&str>, data: &[u8], whole: bool) -> Glance {
        let mut glance = Glance::default();
        let Ok(chunk) = Chunk::parse(data) else {
            glance.malformed = true;
            return glance;
        };
        glance.usage = chunk.usage();
        if chunk.error.is_some() || name == Some("error") {
            self.failed = true;
            glance.error = Some(Box::new(fault::of_stream(data, self.phase())));
            return glance;
        }
        glance.usage_only = glance.usage.is_some() && chunk.choices.as_ref().is_none_or(Vec::is_empty);
        self.counted |= glance.usage_only;
        if !whole {
            self.follow(&chunk);
        }
        self.choices(&chunk, whole, &mut glance);
        // An answer that says nothing of an answer: an SDK would stumble over it.
        glance.malformed =
            whole && !glance.refused && !chunk.choices.iter().flatten().any(|choice| choice.message().is_some());
        glance
    }
}

impl Tap for Reader {
    fn end_marker(&self) -> &'static [u8] {
        b"data: [DONE]\n\n"
    }

    fn event(&mut self, name: Option<&str>, data: &[u8]) -> Glance {
        let data = data.trim_ascii();
        if data == DONE {
            self.done = true;
            // Some servers write it after a cut too: see the stream decoder.
            let terminal = self.is_whole(false);
            return Glance { terminal, premature: !terminal, ..Glance::default() };
        }
        if data.is_empty() {
            return Glance::default();
        }
        if self.useful && self.begun == 1 && name.is_none() && self.more_text(data) {
            return Glance { useful: true, ..Glance::default() };
        }
        self.read(name, data, false)
    }

    fn body(&mut self, body: &[u8]) -> Glance {
        self.read(None, body, true)
    }

    fn is_whole(&self, lenient: bool) -> bool {
        let ended = self.ended != 0 && self.begun & !self.ended == 0;
        let presumed = lenient || self.counted && self.done;
        !self.failed && (ended || presumed && self.useful)
    }

    fn so_far(&mut self) -> &mut SoFar {
        &mut self.so_far
    }

    fn take_over(&mut self, start: &StreamStart) -> Box<dyn StreamEncoder> {
        let created = self.created.unwrap_or(start.created);
        Box::new(Encoder::new(&StreamStart { created, ..start.as_begun(&self.id, &self.model) }))
    }

    fn encode_error(&self, found: &Fault, _request_id: &str, _framing: Framing) -> Vec<u8> {
        let mut out = Vec::new();
        sse::encode(None, &fault::body(found), &mut out);
        out
    }
}

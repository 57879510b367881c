//! Reads a copy of a relayed answer.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use ringmain_core::{Fault, Phase};
use ringmain_wire::sse;
use serde::de::IgnoredAny;

use crate::codec::{Framing, Glance, Tap};
use crate::shared::borrowed::borrowed;

use super::chunk::{Choice, Chunk};
use super::stream_decode::{self, DONE};
use super::{fault, finish};
use crate::ir::Finish;

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

impl Reader {
    fn choices(&mut self, chunk: &Chunk<'_>, whole: bool, glance: &mut Glance) {
        for choice in chunk.choices.iter().flatten() {
            let bit = 1_u64 << choice.index.unwrap_or(0).min(63);
            self.begun |= bit;
            let said = if whole { choice.message() } else { choice.delta() };
            glance.useful |= said.is_some_and(super::chunk::Delta::is_useful);
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
        self.choices(&chunk, whole, &mut glance);
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
            return Glance { terminal: true, ..Glance::default() };
        }
        if data.is_empty() {
            return Glance::default();
        }
        if self.useful && self.begun == 1 && name.is_none() && is_more_of_the_same(data) {
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

    fn encode_error(&self, found: &Fault, _request_id: &str, _framing: Framing) -> Vec<u8> {
        let mut out = Vec::new();
        sse::encode(None, &fault::body(found), &mut out);
        out
    }
}

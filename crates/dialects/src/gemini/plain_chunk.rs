//! The chunk that streams are mostly made of: a little more text of the only candidate. Read without a tree, for about
//! a tenth of the time; every other chunk is read with one.

use serde::Deserialize;

use super::usage::Counts;
use crate::shared::borrowed::{Text, borrowed};

/// More text, and what was counted. Any further member makes it another kind of chunk.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PlainChunk<'a> {
    #[serde(borrow)]
    candidates: [Candidate<'a>; 1],
    #[serde(borrow, default)]
    pub(super) usage_metadata: Option<Counts<'a>>,
    #[serde(borrow)]
    pub(super) model_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) response_id: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Candidate<'a> {
    #[serde(borrow)]
    content: Content<'a>,
    #[serde(default)]
    index: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<'a> {
    #[serde(borrow)]
    parts: [Part<'a>; 1],
    #[serde(borrow, default, rename = "role")]
    _role: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part<'a> {
    #[serde(borrow)]
    text: Text<'a>,
}

impl<'a> PlainChunk<'a> {
    /// Reads one; `None` for a chunk that says anything else, or is not readable.
    pub(super) fn read(data: &'a [u8]) -> Option<Self> {
        borrowed::<Self>(data).ok().filter(|chunk| chunk.candidates[0].index == 0)
    }

    /// The text it adds.
    pub(super) fn text(&self) -> &str {
        let [Candidate { content: Content { parts: [part], .. }, .. }] = &self.candidates;
        &part.text.0
    }
}

//! One streamed event, borrowed from its bytes. Shared by the tap and the stream decoder, so that they cannot disagree
//! about what an event says.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::finish;
use crate::codec::Malformed;
use crate::ir::Finish;
use crate::shared::borrowed::{Text, borrowed};

/// An event. Of each kind of event only some members are there.
#[derive(Debug, Deserialize)]
pub(super) struct Wire<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(default)]
    pub(super) sequence_number: Option<u64>,
    #[serde(default)]
    pub(super) output_index: Option<u32>,
    #[serde(default)]
    pub(super) content_index: Option<u32>,
    #[serde(default)]
    pub(super) summary_index: Option<u32>,
    /// Text in the events this codec reads.
    #[serde(borrow, default)]
    pub(super) delta: Option<&'a RawValue>,
    /// What a `.done` event repeats.
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) annotation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) part: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

impl<'a> Wire<'a> {
    /// Reads one document.
    ///
    /// # Errors
    /// Not JSON, or not of this dialect.
    pub(super) fn parse(data: &'a [u8]) -> Result<Self, Malformed> {
        borrowed(data).map_err(|error| unreadable(&error))
    }

    /// The kind of event, which is in the data and, mostly, in the frame.
    pub(super) fn kind<'b>(&'b self, name: Option<&'b str>) -> &'b str {
        match &self.kind {
            Some(kind) => &kind.0,
            None => name.unwrap_or_default(),
        }
    }

    /// Is it an error in place of an event?
    pub(super) fn is_error(&self, name: Option<&str>) -> bool {
        self.kind(name) == "error" || self.kind.is_none() && self.error.is_some_and(|raw| raw.get() != "null")
    }
}

/// An answer, or the shell of one that events repeat.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Shell<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) model: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) created_at: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) status: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) incomplete_details: Option<Incomplete<'a>>,
    #[serde(borrow, default)]
    pub(super) output: Option<Vec<Item<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Incomplete<'a> {
    #[serde(borrow, default)]
    pub(super) reason: Option<Text<'a>>,
}

/// An item of an answer: as much as tells whether it says anything.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Item<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    summary: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    refusal: Option<Text<'a>>,
}

impl Part<'_> {
    fn says(&self) -> bool {
        [&self.text, &self.refusal].into_iter().flatten().any(|text| !text.0.is_empty())
    }
}

impl<'a> Shell<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// Not an answer of this dialect.
    pub(super) fn parse(raw: &'a RawValue) -> Result<Self, Malformed> {
        serde_json::from_str(raw.get()).map_err(|error| unreadable(&error))
    }

    /// Seconds since 1970; some servers write a fraction.
    pub(super) fn created(&self) -> Option<u64> {
        self.created_at.and_then(|raw| seconds(raw.get()))
    }

    pub(super) fn status(&self) -> &str {
        self.status.as_ref().map_or("", |status| status.0.as_ref())
    }

    /// Why it is incomplete, where it says.
    pub(super) fn reason(&self) -> Option<&str> {
        self.incomplete_details.as_ref()?.reason.as_ref().map(|reason| reason.0.as_ref())
    }

    /// How an answer ended whose last event is of this kind; `None` where it failed.
    pub(super) fn ending(&self, kind: &str) -> Option<Finish> {
        let status = match kind {
            "response.failed" | "response.cancelled" => return None,
            _ if self.failed() => return None,
            "response.completed" if self.status() != "incomplete" => "completed",
            _ => "incomplete",
        };
        finish::read(status, self.reason(), false)
    }

    /// Did it fail, or was it given up?
    pub(super) fn failed(&self) -> bool {
        matches!(self.status(), "failed" | "cancelled") || self.error.is_some_and(|raw| raw.get() != "null")
    }
}

impl Item<'_> {
    pub(super) fn kind(&self) -> &str {
        self.kind.as_ref().map_or("", |kind| kind.0.as_ref())
    }

    /// Does the whole item hold something a person or a program waits for?
    pub(super) fn says(&self) -> bool {
        if !matches!(self.kind(), "message" | "reasoning") {
            return true;
        }
        [self.content, self.summary].into_iter().flatten().any(|raw| {
            let parts: Vec<Part<'_>> = serde_json::from_str(raw.get()).unwrap_or_default();
            parts.iter().any(Part::says)
        })
    }
}

/// A parser's error, without what it quotes.
pub(super) fn unreadable(error: &serde_json::Error) -> Malformed {
    let what = if error.is_data() { "not of this dialect" } else { "not JSON" };
    Malformed::new("", format!("{what} at line {} column {}", error.line(), error.column()))
}

/// No text.
pub(super) const NOTHING: Text<'static> = Text(std::borrow::Cow::Borrowed(""));

/// The text of a JSON string; of other JSON nothing.
///
/// # Errors
/// The string has an escape that means nothing.
pub(super) fn text<'a>(raw: Option<&'a RawValue>) -> Result<Text<'a>, Malformed> {
    match raw {
        Some(raw) if raw.get().starts_with('"') => serde_json::from_str(raw.get()).map_err(|error| unreadable(&error)),
        _ => Ok(Text("".into())),
    }
}

/// Seconds since 1970 from a number that may have a fraction.
pub(super) fn seconds(number: &str) -> Option<u64> {
    number.split('.').next().unwrap_or_default().parse().ok()
}

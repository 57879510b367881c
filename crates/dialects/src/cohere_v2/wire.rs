//! Streamed events and whole answers, borrowed from their bytes. Shared by the tap and the stream decoder, so that they
//! cannot disagree about what an event says.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::usage::WireUsage;
use crate::codec::Malformed;
use crate::shared::borrowed::Text;

/// One event; which fields are there depends on the type.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Wire<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Text<'a>>,
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(borrow, default)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    pub(super) logprobs: Option<&'a RawValue>,
    /// What an error's body has, which some servers write in the place of an event.
    #[serde(borrow, default, rename = "message")]
    error: Option<&'a RawValue>,
}

impl<'a> Wire<'a> {
    /// Is it an error and no event of a message?
    pub(super) fn is_error(&self, name: Option<&str>) -> bool {
        let kind = self.kind(name);
        kind == "error" || kind.is_empty() && self.error.is_some_and(|message| message.get().starts_with('"'))
    }

    /// The event's type: what the data says, else the event's name.
    pub(super) fn kind<'b>(&'b self, name: Option<&'b str>) -> &'b str {
        self.kind.as_ref().map_or_else(|| name.unwrap_or_default(), |kind| &kind.0)
    }

    /// What the event adds to the message.
    pub(super) fn message(&self) -> Option<&Message<'a>> {
        self.delta.as_ref()?.message.as_ref()
    }
}

/// What an event adds: to the message, or at its end.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Text<'a>>,
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
    #[serde(borrow, default)]
    pub(super) error: Option<Text<'a>>,
}

/// A piece of a message. The first event has empty arrays where later ones have one object.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    pub(super) content: One<Content<'a>>,
    #[serde(borrow, default)]
    pub(super) tool_plan: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) tool_calls: One<Call<'a>>,
    #[serde(borrow, default)]
    pub(super) citations: Option<&'a RawValue>,
}

/// A content block, or a piece of one.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Content<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) text: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) thinking: Option<Text<'a>>,
}

impl Content<'_> {
    /// Is there anything to read in it?
    pub(super) fn is_useful(&self) -> bool {
        !word(self.text.as_ref()).is_empty() || !word(self.thinking.as_ref()).is_empty()
    }
}

/// A tool call, or a piece of one.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Call<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    function: Option<Function<'a>>,
}

#[derive(Debug, serde::Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    arguments: Option<Text<'a>>,
}

impl Call<'_> {
    /// The tool's name; empty in the later pieces.
    pub(super) fn name(&self) -> &str {
        word(self.function.as_ref().and_then(|function| function.name.as_ref()))
    }

    /// The arguments, or more of them.
    pub(super) fn arguments(&self) -> &str {
        word(self.function.as_ref().and_then(|function| function.arguments.as_ref()))
    }
}

/// The text, or nothing.
pub(super) fn word<'a>(text: Option<&'a Text<'_>>) -> &'a str {
    text.map_or("", |text| &text.0)
}

/// A whole answer, or an error in the place of one.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Whole<'a> {
    /// An object in an answer, a string in an error.
    #[serde(borrow, default)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Text<'a>>,
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
}

/// The message of a whole answer.
#[derive(Debug, serde::Deserialize)]
pub(super) struct WholeMessage<'a> {
    #[serde(borrow, default)]
    pub(super) content: Option<Vec<Content<'a>>>,
    #[serde(borrow, default)]
    pub(super) tool_plan: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<Call<'a>>>,
}

impl WholeMessage<'_> {
    /// Does it hold something a person or a program waits for?
    pub(super) fn is_useful(&self) -> bool {
        self.content.iter().flatten().any(Content::is_useful)
            || !word(self.tool_plan.as_ref()).is_empty()
            || self.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
    }
}

/// A parser's error, without what it quotes.
pub(super) fn unreadable(error: &serde_json::Error) -> Malformed {
    let what = if error.is_data() { "not of this dialect" } else { "not JSON" };
    Malformed::new("", format!("{what} at line {} column {}", error.line(), error.column()))
}

/// An object; `None` where there is an array, `null` or text in its place.
#[derive(Debug)]
pub(super) struct One<T>(pub(super) Option<T>);

impl<T> Default for One<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for One<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = One<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or an array")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| One(Some(one)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(One(None))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(One(None))
            }

            fn visit_str<E: Error>(self, _text: &str) -> Result<Self::Value, E> {
                Ok(One(None))
            }
        }
        deserializer.deserialize_any(Read(PhantomData))
    }
}

/// Owned text.
pub(super) fn owned(text: Option<Text<'_>>) -> Option<String> {
    text.map(|text| text.0).map(Cow::into_owned)
}

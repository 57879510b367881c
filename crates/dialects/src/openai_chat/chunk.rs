//! One streamed chunk, or one whole answer, borrowed from its bytes.
//!
//! Shared by the tap and the stream decoder, so that they cannot disagree about what a chunk says. Whatever providers
//! write in more than one form stays a [`RawValue`] until somebody needs it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::codec::Malformed;
use crate::ir::TokenLogprob;
use crate::loss::Loss;
pub(super) use crate::shared::borrowed::Text;
use crate::shared::borrowed::borrowed;
use crate::shared::logprobs;

/// A chunk or a whole answer.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) created: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default)]
    pub(super) usage: Option<&'a RawValue>,
    /// Groq's corner; its last chunk holds the usage.
    #[serde(borrow, default)]
    pub(super) x_groq: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    /// Perplexity: what was read for the answer; repeated in each chunk.
    #[serde(borrow, default)]
    pub(super) search_results: Option<&'a RawValue>,
    /// Perplexity: the same as bare URLs.
    #[serde(borrow, default)]
    pub(super) citations: Option<&'a RawValue>,
}

/// One of the answers.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) index: Option<u32>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    message: Option<Delta<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) logprobs: Option<&'a RawValue>,
}

impl<'a> Choice<'a> {
    /// What this chunk adds; the whole message where the provider sends no deltas.
    pub(super) fn delta(&self) -> Option<&Delta<'a>> {
        self.delta.as_ref().or(self.message.as_ref())
    }

    /// What a whole answer says. Some providers leave an empty delta beside it.
    pub(super) fn message(&self) -> Option<&Delta<'a>> {
        self.message.as_ref()
    }

    /// The reason to stop; some providers write an empty one before there is any.
    pub(super) fn finish_reason(&self) -> Option<&str> {
        self.finish_reason.as_ref().map(|reason| reason.0.as_ref()).filter(|reason| !reason.is_empty())
    }
}

/// More of a message, or the whole of it.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Delta<'a> {
    /// A string, an array of parts (Mistral), an object (Cloudflare's structured output).
    #[serde(borrow, default)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    /// OpenRouter's longer form; all that Snowflake writes.
    #[serde(borrow, default)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<CallChunk<'a>>>,
    #[serde(borrow, default)]
    pub(super) function_call: Option<FunctionChunk<'a>>,
    #[serde(borrow, default)]
    pub(super) annotations: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) images: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) audio: Option<&'a RawValue>,
}

impl<'a> Delta<'a> {
    /// The thinking. Some providers write it under several names.
    ///
    /// # Errors
    /// The string has an escape that means nothing.
    pub(super) fn reasoning(&self) -> Result<Cow<'a, str>, Malformed> {
        let written = |raw: &&RawValue| !is_blank(raw);
        match self.reasoning_content.filter(written).or(self.reasoning.filter(written)) {
            Some(raw) => text_or_json(raw),
            None => Ok(self.reasoning_details.map_or(Cow::Borrowed(""), |raw| details(value(raw)).into())),
        }
    }

    /// What no event has a place for: its name, where it is there.
    pub(super) fn unsaid(&self) -> impl Iterator<Item = &'static str> {
        let sealed = self.reasoning_details.is_some_and(|raw| super::response_decode::sealed(Some(&value(raw))));
        let sound = self.audio.is_some_and(has_sound);
        [("reasoning_details", sealed), ("audio", sound)].into_iter().filter(|(_, there)| *there).map(|(name, _)| name)
    }

    /// Does it hold a refusal, sources, pictures or sound: more than text, thinking and calls?
    pub(super) fn holds_more(&self) -> bool {
        let written = |raw: Option<&RawValue>| raw.is_some_and(|raw| !is_blank(raw));
        written(self.refusal)
            || written(self.annotations)
            || written(self.images)
            || self.audio.is_some_and(|raw| raw.get() != "null")
    }

    /// Does it hold something a person or a program waits for?
    pub(super) fn is_useful(&self) -> bool {
        let written = |raw: Option<&RawValue>| raw.is_some_and(|raw| !is_blank(raw));
        written(self.content)
            || self.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
            || self.reasoning().is_ok_and(|text| !text.is_empty())
            || written(self.refusal)
            || self.function_call.as_ref().is_some_and(|call| !call.is_blank())
            || written(self.annotations)
            || written(self.images)
            || self.audio.is_some_and(|raw| !transcript(raw).is_empty())
    }
}

/// A piece of a tool call, or a whole one.
#[derive(Debug, serde::Deserialize)]
pub(super) struct CallChunk<'a> {
    #[serde(default)]
    pub(super) index: Option<u32>,
    #[serde(borrow, default)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) function: Option<FunctionChunk<'a>>,
    #[serde(borrow, default)]
    pub(super) custom: Option<CustomChunk<'a>>,
}

/// A piece of a function call.
#[derive(Debug, serde::Deserialize)]
pub(super) struct FunctionChunk<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    /// A string; an object at some providers.
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

impl FunctionChunk<'_> {
    /// The name, where this piece has it.
    pub(super) fn name(&self) -> &str {
        self.name.as_ref().map_or("", |name| name.0.as_ref())
    }

    /// The arguments as JSON text.
    pub(super) fn arguments(&self) -> Result<Cow<'_, str>, Malformed> {
        self.arguments.map_or(Ok(Cow::Borrowed("")), text_or_json)
    }

    /// Some servers write an empty one into every message.
    pub(super) fn is_blank(&self) -> bool {
        self.name().is_empty() && self.arguments.is_none_or(is_blank)
    }
}

/// A piece of a call of a free-form tool.
#[derive(Debug, serde::Deserialize)]
pub(super) struct CustomChunk<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) input: Option<Text<'a>>,
}

impl<'a> Chunk<'a> {
    /// Reads one document.
    ///
    /// # Errors
    /// Not JSON, or not of this dialect.
    pub(super) fn parse(data: &'a [u8]) -> Result<Self, Malformed> {
        borrowed(data).map_err(|error| unreadable(&error))
    }

    /// The usage, wherever this provider puts it.
    pub(super) fn usage(&self) -> Option<ringmain_core::Usage> {
        #[derive(serde::Deserialize)]
        struct Corner<'a> {
            #[serde(borrow, default)]
            usage: Option<&'a RawValue>,
        }
        if let Some(usage) = self.usage.and_then(super::usage::read) {
            return Some(usage);
        }
        let corner: Corner<'_> = serde_json::from_str(self.x_groq?.get()).ok()?;
        corner.usage.and_then(super::usage::read)
    }
}

/// A parser's error, without what it quotes.
pub(super) fn unreadable(error: &serde_json::Error) -> Malformed {
    let what = if error.is_data() { "not of this dialect" } else { "not JSON" };
    Malformed::new("", format!("{what} at line {} column {}", error.line(), error.column()))
}

/// Nothing said: an empty string, array or object.
fn is_blank(raw: &RawValue) -> bool {
    matches!(raw.get(), "\"\"" | "[]" | "{}" | "null")
}

/// A string's text; any other JSON as it is.
///
/// # Errors
/// The string has an escape that means nothing.
pub(super) fn text_or_json(raw: &RawValue) -> Result<Cow<'_, str>, Malformed> {
    if raw.get().starts_with('"') {
        let text: Text<'_> = serde_json::from_str(raw.get()).map_err(|error| unreadable(&error))?;
        return Ok(text.0);
    }
    Ok(Cow::Borrowed(if raw.get() == "null" { "" } else { raw.get() }))
}

/// The words of an audio answer.
pub(super) fn transcript(raw: &RawValue) -> String {
    #[derive(serde::Deserialize)]
    struct Audio {
        #[serde(default)]
        transcript: Option<String>,
    }
    serde_json::from_str::<Audio>(raw.get()).ok().and_then(|audio| audio.transcript).unwrap_or_default()
}

/// How likely the tokens of the text were, and what of it has no place: those of a refusal, or of thinking, and the lists
/// of older servers. Some write an object that names no token into every chunk.
pub(super) fn logprobs(raw: &RawValue) -> (Vec<TokenLogprob>, Option<Loss>) {
    if !raw.get().contains("\"token") {
        return (Vec::new(), None);
    }
    let mut lists: BTreeMap<&str, &RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    let tokens = lists.get("content").and_then(|list| logprobs::read(list.get())).unwrap_or_default();
    let unread = lists.is_empty();
    if !tokens.is_empty() {
        lists.remove("content");
    }
    let lost = unread || lists.values().any(|list| !is_blank(list));
    (tokens, lost.then(|| Loss::dropped("choices[0].logprobs")))
}

/// Does an audio answer hold its sound?
fn has_sound(raw: &RawValue) -> bool {
    value(raw).get("data").and_then(Value::as_str).is_some_and(|data| !data.is_empty())
}

/// The readable part of `reasoning_details`.
pub(super) fn details(value: Value) -> String {
    let items = if let Value::Array(items) = value { items } else { Vec::new() };
    items
        .iter()
        .filter_map(|item| ["text", "summary"].into_iter().find_map(|field| item.get(field)?.as_str()))
        .collect()
}

/// The tree of a value.
pub(super) fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_of_log_probabilities_has_no_place_is_told() {
        let token = r#"{"token":"a","logprob":-1}"#;
        let said = |json: &str| {
            let (tokens, lost) = logprobs(&RawValue::from_string(json.to_owned()).unwrap());
            (tokens.len(), lost.is_some())
        };
        for nothing in ["null", "{}", r#"{"content":[],"refusal":null}"#] {
            assert_eq!(said(nothing), (0, false), "{nothing}");
        }
        assert_eq!(said(&format!(r#"{{"content":[{token}],"refusal":null}}"#)), (1, false));
        assert_eq!(said(&format!(r#"{{"content":[{token}],"reasoning_content":[{token}]}}"#)), (1, true));
        assert_eq!(said(&format!(r#"{{"content":null,"refusal":[{token}]}}"#)), (0, true));
        let older = r#"{"tokens":["a"],"token_logprobs":[-1.0]}"#;
        for odd in [older, r#"{"content":[{"token":"a"}]}"#, r#"[{"token":"a"}]"#] {
            assert_eq!(said(odd), (0, true), "{odd}");
        }
    }
}

//! What the events of a stream must be beyond what a reader needs: one identity, one end, nothing after it.

use ringmain_core::Dialect;
use serde_json::Value;

use crate::frames::Frame;

/// What an event is to the end of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Of the answer.
    Within,
    /// It says why the answer stopped; only usage and the last marker may follow.
    Finish,
    /// Of what may follow a finish.
    After,
    /// The last marker.
    Last,
    /// An error: the end.
    Error,
}

/// Checks a stream that was read as `whole`, or as broken by an error.
///
/// # Errors
/// What is wrong.
pub(crate) fn check(dialect: Dialect, frames: &[Frame], whole: bool) -> Result<(), String> {
    let mut before = Part::Within;
    let (mut finishes, mut lasts, mut errors) = (0, 0, 0);
    for (at, (name, data)) in frames.iter().enumerate() {
        let part = part(dialect, name.as_deref(), data)?;
        match part {
            Part::Finish => finishes += 1,
            Part::Last => lasts += 1,
            Part::Error => errors += 1,
            Part::Within | Part::After => {}
        }
        let may_follow = match before {
            Part::Within => true,
            Part::Finish | Part::After => matches!(part, Part::After | Part::Last | Part::Error),
            // A stream that has it ends with `[DONE]` whatever came before.
            Part::Error => part == Part::Last && !matches!(dialect, Dialect::AnthropicMessages),
            Part::Last => false,
        };
        if !may_follow {
            return Err(format!("event {at} is {part:?} after {before:?}"));
        }
        before = part;
    }
    identity(dialect, frames)?;
    match (whole, finishes, lasts, errors) {
        (true, 1, last, 0) if last == usize::from(has_marker(dialect)) => Ok(()),
        // Cohere's own API sends `[DONE]`; its SDKs do not ask for it.
        (true, 1, 1, 0) if dialect == Dialect::CohereV2 => Ok(()),
        (true, ..) => Err(format!("a whole stream with {finishes} finishes, {lasts} last markers, {errors} errors")),
        (false, 0, 0 | 1, 1) | (false, _, _, 0) => Ok(()),
        // The reason to stop came, the end of the message did not: with the error its SDKs raise all the same.
        (false, 1, 0, 1) if dialect == Dialect::AnthropicMessages => Ok(()),
        (false, ..) => Err(format!("a broken stream with {finishes} finishes and {errors} errors")),
    }
}

/// Whether a last marker stands behind the reason to stop.
const fn has_marker(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::OpenAiChat | Dialect::AnthropicMessages)
}

fn part(dialect: Dialect, name: Option<&str>, data: &[u8]) -> Result<Part, String> {
    if data == b"[DONE]" {
        let has_it = matches!(dialect, Dialect::OpenAiChat | Dialect::CohereV2);
        return if has_it { Ok(Part::Last) } else { Err("[DONE] in this dialect".to_owned()) };
    }
    let value: Value = serde_json::from_slice(data).map_err(|_| format!("an event {name:?} is not JSON"))?;
    let kind = value["type"].as_str();
    if name.is_some() && kind.is_some() && name != kind && dialect != Dialect::BedrockConverse {
        return Err(format!("event {name:?} says it is {kind:?}"));
    }
    Ok(match dialect {
        Dialect::OpenAiChat if !value["error"].is_null() => Part::Error,
        Dialect::OpenAiChat => match value["choices"].as_array() {
            Some(choices) if choices.is_empty() => Part::After,
            Some(choices) if choices.iter().any(|choice| !choice["finish_reason"].is_null()) => Part::Finish,
            Some(_) => Part::Within,
            None => return Err("a chunk without choices".to_owned()),
        },
        Dialect::AnthropicMessages => match kind {
            Some("message_delta") => Part::Finish,
            Some("message_stop") => Part::Last,
            Some("error") => Part::Error,
            Some(_) => Part::Within,
            None => return Err("an event without a type".to_owned()),
        },
        Dialect::OpenAiResponses => match kind {
            Some("response.completed" | "response.incomplete") => Part::Finish,
            Some("response.failed") => Part::Error,
            // It announces the failure; some clients read the one, some the other.
            Some(_) => Part::Within,
            None => return Err("an event without a type".to_owned()),
        },
        Dialect::Gemini if !value["error"].is_null() => Part::Error,
        Dialect::Gemini if value["promptFeedback"]["blockReason"].is_string() => Part::Finish,
        Dialect::Gemini if value["candidates"][0]["finishReason"].is_string() => Part::Finish,
        Dialect::Gemini => Part::Within,
        Dialect::BedrockConverse => match name {
            Some("messageStop") => Part::Finish,
            Some("metadata") => Part::After,
            Some(name) if name.ends_with("xception") || name.ends_with("rror") => Part::Error,
            Some(_) => Part::Within,
            None => return Err("a message without a type".to_owned()),
        },
        Dialect::CohereV2 => match kind {
            Some("message-end") if value["delta"]["finish_reason"] == "ERROR" => Part::Error,
            Some("message-end") => Part::Finish,
            Some(_) => Part::Within,
            None => return Err("an event without a type".to_owned()),
        },
    })
}

/// One id for all events, numbers that rise one by one, one beginning.
fn identity(dialect: Dialect, frames: &[Frame]) -> Result<(), String> {
    let values = frames.iter().filter_map(|(_, data)| serde_json::from_slice::<Value>(data).ok());
    let (mut id, mut starts) = (None, 0);
    for (at, value) in values.enumerate() {
        let field = match dialect {
            Dialect::OpenAiChat => &value["id"],
            Dialect::Gemini => &value["responseId"],
            Dialect::OpenAiResponses => &value["response"]["id"],
            Dialect::AnthropicMessages | Dialect::BedrockConverse | Dialect::CohereV2 => &Value::Null,
        };
        if let Some(now) = field.as_str() {
            match &id {
                None => id = Some(now.to_owned()),
                Some(first) if first == now => {}
                Some(first) => return Err(format!("id {now} after {first}")),
            }
        }
        if dialect == Dialect::OpenAiResponses && value["sequence_number"].as_u64() != Some(at as u64) {
            return Err(format!("sequence_number {} of event {at}", value["sequence_number"]));
        }
        let kind = value["type"].as_str();
        starts += usize::from(matches!(kind, Some("message_start" | "message-start" | "response.created")));
    }
    if starts > 1 { Err(format!("{starts} beginnings")) } else { Ok(()) }
}

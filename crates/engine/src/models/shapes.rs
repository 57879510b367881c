//! A model as each vendor's SDK reads it.

use ringmain_catalog::ModelKind;
use ringmain_core::{Capabilities, Dialect};
use serde_json::{Map, Value, json};

use super::Entry;

/// Where no date is known Anthropic says the beginning of time.
const UNKNOWN_DATE: &str = "1970-01-01";

/// Is it a model that callers of this dialect can use?
pub(super) fn shows(dialect: Dialect, entry: &Entry) -> bool {
    match dialect {
        Dialect::AnthropicMessages | Dialect::Gemini | Dialect::BedrockConverse => entry.converses(),
        Dialect::CohereV2 => endpoint(entry).is_some(),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => true,
    }
}

/// The word of Cohere's API for what it does.
pub(super) fn endpoint(entry: &Entry) -> Option<&'static str> {
    match entry.kind {
        None | Some(ModelKind::Chat) => Some("chat"),
        Some(ModelKind::Embedding) => Some("embed"),
        Some(ModelKind::Rerank) => Some("rerank"),
        Some(ModelKind::Image | ModelKind::Speech | ModelKind::Transcription | ModelKind::Moderation) => None,
    }
}

/// One model.
pub(super) fn one(dialect: Dialect, id: &str, entry: &Entry) -> Value {
    let mut value = match dialect {
        Dialect::AnthropicMessages => anthropic(id, entry),
        Dialect::Gemini => gemini(id, entry),
        Dialect::CohereV2 => cohere(id, entry),
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::BedrockConverse => openai(id, entry),
    };
    value.retain(|_, value| !value.is_null());
    Value::Object(value)
}

fn openai(id: &str, entry: &Entry) -> Map<String, Value> {
    fields(json!({
        "id": id,
        "object": "model",
        "created": dated(id).map_or(0, seconds),
        "owned_by": entry.owner,
        "context_window": entry.context,
        "max_output_tokens": entry.output,
        "shutdown_date": entry.retires,
    }))
}

fn anthropic(id: &str, entry: &Entry) -> Map<String, Value> {
    let day = |day: &str| format!("{day}T00:00:00Z");
    fields(json!({
        "type": "model",
        "id": id,
        "display_name": id,
        "created_at": day(&dated(id).unwrap_or_else(|| UNKNOWN_DATE.to_owned())),
        "max_input_tokens": entry.context,
        "max_tokens": entry.output,
        "lifecycle": if entry.retires.is_some() { "deprecated" } else { "active" },
        "retires_at": entry.retires.as_deref().map(day),
    }))
}

fn gemini(id: &str, entry: &Entry) -> Map<String, Value> {
    let methods: &[&str] =
        if entry.converses() { &["generateContent", "streamGenerateContent", "countTokens"] } else { &[] };
    fields(json!({
        "name": format!("models/{id}"),
        "displayName": id,
        "inputTokenLimit": entry.context,
        "outputTokenLimit": entry.output,
        "supportedGenerationMethods": methods,
        "thinking": entry.can.contains(Capabilities::REASONING),
    }))
}

fn cohere(id: &str, entry: &Entry) -> Map<String, Value> {
    let features: Vec<&str> = entry.can.names().collect();
    fields(json!({
        "name": id,
        "is_deprecated": entry.retires.is_some(),
        "endpoints": endpoint(entry).into_iter().collect::<Vec<_>>(),
        "finetuned": false,
        "context_length": entry.context,
        "features": features,
    }))
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The day a model's name says it is from: `gpt-4o-2024-08-06`, `claude-sonnet-4-5-20250929`.
fn dated(id: &str) -> Option<String> {
    let digits = |text: &str| text.len() == 8 && text.starts_with("20") && text.bytes().all(|b| b.is_ascii_digit());
    let pieces = |text: &str| Some(format!("{}-{}-{}", text.get(..4)?, text.get(4..6)?, text.get(6..)?));
    // Bedrock has a version behind it: `…-20250929-v1:0`.
    let id = id
        .rsplit_once("-v")
        .filter(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
        .map_or(id, |(id, _)| id);
    let end = id.rsplit(['-', '@']).next().unwrap_or_default();
    let day = if digits(end) {
        pieces(end)?
    } else {
        let long = id.get(id.len().checked_sub(10)?..)?;
        if !digits(&long.replace('-', "")) || long.as_bytes().get(4) != Some(&b'-') {
            return None;
        }
        long.to_owned()
    };
    let part = |range: std::ops::Range<usize>| day.get(range)?.parse::<u64>().ok();
    let is_day = (1..=12).contains(&part(5..7)?) && (1..=31).contains(&part(8..10)?);
    is_day.then_some(day)
}

/// Seconds from 1970 to a day, `YYYY-MM-DD` (Howard Hinnant's `days_from_civil`).
#[expect(clippy::needless_pass_by_value, reason = "the form `Option::map_or` wants")]
fn seconds(day: String) -> u64 {
    let part = |range: std::ops::Range<usize>| day.get(range).and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
    let (year, month, day) = (part(0..4), part(5..7), part(8..10));
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    days * 86_400
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_say_its_day() {
        let table = [
            ("gpt-4o-2024-08-06", Some("2024-08-06")),
            ("anthropic/claude-sonnet-4-5-20250929", Some("2025-09-29")),
            ("bedrock/anthropic.claude-haiku-4-5-20251001-v1:0", Some("2025-10-01")),
            ("claude-sonnet-4-5@20250929", Some("2025-09-29")),
            ("gpt-4o", None),
            ("smart", None),
            ("x-20259901", None),
            ("größer-20-2024", None),
        ];
        for (id, day) in table {
            assert_eq!(dated(id).as_deref(), day, "{id}");
        }
        for (day, expected) in [("1970-01-01", 0), ("2024-02-29", 1_709_164_800), ("2025-09-29", 1_759_104_000)] {
            assert_eq!(seconds(day.to_owned()), expected, "{day}");
        }
    }
}

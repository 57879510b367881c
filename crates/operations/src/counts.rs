//! What an answer of another operation than chat says it used, in whichever words its provider has for it.

use ringmain_core::{Billed, Units, Usage};
use ringmain_dialects::shared::billed;
use ringmain_wire::json::Object;
use serde_json::Value;

/// What an answer says it used: tokens, seconds of audio, searches, or money. `None` where it says nothing of it.
#[must_use]
pub fn of(answer: &Object<'_>) -> Option<Usage> {
    let value = |key| serde_json::from_str::<Value>(answer.get(key)?.get()).ok();
    let usage = value("usage").and_then(|usage| openai(&usage));
    let usage = usage.or_else(|| value("meta").and_then(|meta| cohere(&meta["billed_units"])));
    usage.or_else(|| value("usageMetadata").and_then(|metadata| gemini(&metadata)))
}

/// A `usage` object in OpenAI's words, of its images, embeddings, transcriptions or chat, and what others added to them.
#[must_use]
pub fn openai(counts: &Value) -> Option<Usage> {
    let count = |names: &[&str]| names.iter().find_map(|name| counts[*name].as_u64());
    let detail = |of: &[&str], what: &str| of.iter().find_map(|of| counts[*of][what].as_u64()).unwrap_or_default();
    let inputs = ["input_tokens_details", "input_token_details", "prompt_tokens_details"];
    let outputs = ["output_tokens_details", "output_token_details", "completion_tokens_details"];
    let output = count(&["output_tokens", "completion_tokens"]).unwrap_or_default();
    // Voyage and Jina tell the sum alone; nothing is answered in tokens there.
    let input = count(&["input_tokens", "prompt_tokens", "total_tokens"]).unwrap_or_default();
    let seconds = ["seconds", "prompt_audio_seconds"].iter().find_map(|name| counts[*name].as_f64());
    let told = |key| counts.get(key).filter(|value: &&Value| !value.is_null());
    let usage = Usage {
        input,
        cache_read: detail(&inputs, "cached_tokens").min(input),
        audio_input: detail(&inputs, "audio_tokens"),
        image_input: detail(&inputs, "image_tokens"),
        output,
        reasoning: detail(&outputs, "reasoning_tokens").min(output),
        audio_output: detail(&outputs, "audio_tokens"),
        image_output: detail(&outputs, "image_tokens"),
        billed: billed::told(told("cost"), told("cost_in_usd_ticks")).map(Billed::Money),
        units: Units { audio_ms: seconds.map_or(0, millis), ..Units::default() },
        ..Usage::default()
    };
    (usage != Usage::default()).then_some(usage)
}

/// Cohere's `billed_units`, written as fractions.
fn cohere(units: &Value) -> Option<Usage> {
    let count = |name: &str| units[name].as_f64().map_or(0, whole);
    let usage = Usage {
        input: count("input_tokens") + count("image_tokens"),
        image_input: count("image_tokens"),
        output: count("output_tokens"),
        units: Units { searches: count("search_units"), ..Units::default() },
        ..Usage::default()
    };
    (usage != Usage::default()).then_some(usage)
}

/// `usageMetadata` of Gemini's embeddings.
fn gemini(metadata: &Value) -> Option<Usage> {
    let of = |modality: &str| {
        let lists =
            ["promptTokenDetails", "promptTokensDetails"].into_iter().filter_map(|name| metadata[name].as_array());
        let details = lists.flatten().filter(|detail| detail["modality"] == modality);
        details.filter_map(|detail| detail["tokenCount"].as_u64()).sum()
    };
    let input = metadata["promptTokenCount"].as_u64()?;
    Some(Usage { input, audio_input: of("AUDIO"), image_input: of("IMAGE"), ..Usage::default() })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; a negative count is none")]
fn whole(count: f64) -> u64 {
    count as u64
}

fn millis(seconds: f64) -> u64 {
    whole((seconds * 1000.0).round())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_core::Money;

    #[test]
    fn every_providers_words() {
        let tokens = |input| Usage { input, ..Usage::default() };
        let units = |units| Usage::of_units(units);
        let table = [
            (r#"{"data":[1],"usage":{"prompt_tokens":8,"total_tokens":8}}"#, Some(tokens(8))),
            (r#"{"usage":{"total_tokens":26}}"#, Some(tokens(26))),
            (r#"{"meta":{"billed_units":{"input_tokens":4.0}}}"#, Some(tokens(4))),
            (r#"{"meta":{"billed_units":{"search_units":2}}}"#, Some(units(Units { searches: 2, ..Units::default() }))),
            (
                r#"{"usageMetadata":{"promptTokenCount":261,"promptTokenDetails":[{"modality":"IMAGE","tokenCount":258}]}}"#,
                Some(Usage { image_input: 258, ..tokens(261) }),
            ),
            (
                r#"{"text":"hm","usage":{"type":"duration","seconds":9.5}}"#,
                Some(units(Units { audio_ms: 9_500, ..Units::default() })),
            ),
            (
                r#"{"usage":{"cost_in_usd_ticks":700000000}}"#,
                Some(Usage { billed: Some(Billed::Money(Money::from_dollars(0.07))), ..Usage::default() }),
            ),
            (r#"{"usage":{"total_tokens":"many"}}"#, None),
            (r#"{"usage":null,"meta":{}}"#, None),
        ];
        for (json, expected) in table {
            assert_eq!(of(&Object::parse(json.as_bytes()).unwrap()), expected, "{json}");
        }
    }
}

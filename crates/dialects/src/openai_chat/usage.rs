//! Token counts, as the many providers of this dialect write them.

use ringmain_core::{Billed, Usage};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::shared::billed;

/// The counts under every name they are known by.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Counts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek.
    prompt_cache_hit_tokens: Option<u64>,
    /// Moonshot, Zai.
    cached_tokens: Option<u64>,
    /// vLLM-based servers.
    num_cached_tokens: Option<u64>,
    /// Servers in front of Anthropic models.
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    /// Perplexity's research models.
    reasoning_tokens: Option<u64>,
    /// OpenRouter, Perplexity.
    cost: Option<Value>,
    /// xAI.
    cost_in_usd_ticks: Option<Value>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

/// Reads a `usage` object. `None` where it has no counts, or unreadable ones: usage never costs an answer.
pub(super) fn read(raw: &RawValue) -> Option<Usage> {
    let counts: Counts = serde_json::from_str(raw.get()).ok()?;
    normalise(&counts)
}

/// The same from a tree.
pub(super) fn of_value(value: Value) -> Option<Usage> {
    let counts: Counts = serde_json::from_value(value).ok()?;
    normalise(&counts)
}

/// Totals that include their parts. What a provider leaves out of them is known by its own sum.
fn normalise(counts: &Counts) -> Option<Usage> {
    if counts.prompt_tokens.is_none() && counts.completion_tokens.is_none() {
        return None;
    }
    let prompt = counts.prompt_tokens_details.as_ref();
    let completion = counts.completion_tokens_details.as_ref();
    let mut usage = Usage {
        input: counts.prompt_tokens.unwrap_or(0),
        output: counts.completion_tokens.unwrap_or(0),
        cache_read: prompt
            .and_then(|details| details.cached_tokens)
            .filter(|tokens| *tokens > 0)
            .or(counts.cache_read_input_tokens)
            .or(counts.prompt_cache_hit_tokens)
            .or(counts.cached_tokens)
            .or(counts.num_cached_tokens)
            .unwrap_or(0),
        cache_write: prompt
            .and_then(|details| details.cache_write_tokens)
            .or(counts.cache_creation_input_tokens)
            .unwrap_or(0),
        reasoning: completion.and_then(|details| details.reasoning_tokens).or(counts.reasoning_tokens).unwrap_or(0),
        audio_input: prompt.and_then(|details| details.audio_tokens).unwrap_or(0),
        audio_output: completion.and_then(|details| details.audio_tokens).unwrap_or(0),
        image_output: completion.and_then(|details| details.image_tokens).unwrap_or(0),
        billed: billed::told(counts.cost.as_ref(), counts.cost_in_usd_ticks.as_ref()).map(Billed::Money),
        ..Usage::default()
    };
    let excess = counts.total_tokens.unwrap_or(0).saturating_sub(usage.input.saturating_add(usage.output));
    let cached = usage.cache_read.saturating_add(usage.cache_write);
    if cached > usage.input {
        // A part cannot be larger than its whole: this provider counts the cache beside the prompt.
        usage.input = usage.input.saturating_add(cached);
        return Some(usage);
    }
    if excess > 0 {
        if excess == usage.reasoning {
            // xAI: reasoning stands beside the completion.
            usage.output += excess;
        } else if excess == cached {
            usage.input += excess;
        } else if usage.reasoning == 0 {
            // Gemini's compatible endpoint: thinking is in the sum alone.
            usage.output += excess;
            usage.reasoning = excess;
        }
    }
    Some(usage)
}

/// A `usage` object for a caller.
pub(super) fn write(usage: &Usage) -> Value {
    let mut prompt = json!({ "cached_tokens": usage.cache_read, "audio_tokens": usage.audio_input });
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    if written > 0 {
        prompt["cache_write_tokens"] = written.into();
    }
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.saturating_add(usage.output),
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_output,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_counts_alike_in_the_end() {
        let table = [
            (r#"{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}"#, (9, 0, 5, 0)),
            (
                r#"{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}"#,
                (9, 4, 5, 2),
            ),
            // Reasoning beside the completion.
            (
                r#"{"prompt_tokens":9,"completion_tokens":5,"total_tokens":21,"completion_tokens_details":{"reasoning_tokens":7}}"#,
                (9, 0, 12, 7),
            ),
            // Reasoning in the sum alone.
            (r#"{"prompt_tokens":66,"completion_tokens":6,"total_tokens":100}"#, (66, 0, 34, 28)),
            // Cached input beside the prompt.
            (
                r#"{"prompt_tokens":9,"completion_tokens":5,"total_tokens":114,"cache_read_input_tokens":100}"#,
                (109, 100, 5, 0),
            ),
            (r#"{"prompt_tokens":9,"completion_tokens":5,"prompt_cache_hit_tokens":8}"#, (9, 8, 5, 0)),
            (r#"{"prompt_tokens":9,"completion_tokens":null,"total_tokens":null}"#, (9, 0, 0, 0)),
        ];
        for (json, (input, cache_read, output, reasoning)) in table {
            let usage = of_value(serde_json::from_str(json).unwrap()).unwrap();
            let found = (usage.input, usage.cache_read, usage.output, usage.reasoning);
            assert_eq!(found, (input, cache_read, output, reasoning), "{json}");
            assert_eq!(of_value(write(&usage)), Some(usage), "{json}");
        }
        assert_eq!(of_value(json!({ "total_time": 1.5 })), None);
    }
}

//! Token counts. The totals include their parts.

use ringmain_core::{Billed, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::shared::billed;

/// The counts as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    input_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
    /// OpenRouter.
    cost: Option<Value>,
    /// xAI.
    cost_in_usd_ticks: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

/// The counts in our words; `None` where there are none.
pub(super) fn read(json: &str) -> Option<Usage> {
    let counts: Counts = serde_json::from_str(json).ok()?;
    if counts.input_tokens.is_none() && counts.output_tokens.is_none() {
        return None;
    }
    let input = counts.input_tokens_details.unwrap_or_default();
    let output = counts.output_tokens_details.unwrap_or_default();
    Some(Usage {
        input: counts.input_tokens.unwrap_or(0),
        cache_read: input.cached_tokens.unwrap_or(0),
        cache_write: input.cache_write_tokens.unwrap_or(0),
        output: counts.output_tokens.unwrap_or(0),
        reasoning: output.reasoning_tokens.unwrap_or(0),
        audio_input: input.audio_tokens.unwrap_or(0),
        audio_output: output.audio_tokens.unwrap_or(0),
        billed: billed::told(counts.cost.as_ref(), counts.cost_in_usd_ticks.as_ref()).map(Billed::Money),
        ..Usage::default()
    })
}

/// A `usage` object for a caller.
pub(super) fn write(usage: &Usage) -> Value {
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    let mut input = json!({ "cached_tokens": usage.cache_read, "cache_write_tokens": written });
    let mut output = json!({ "reasoning_tokens": usage.reasoning });
    for (details, tokens) in [(&mut input, usage.audio_input), (&mut output, usage.audio_output)] {
        if tokens > 0 {
            details["audio_tokens"] = tokens.into();
        }
    }
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": input,
        "output_tokens": usage.output,
        "output_tokens_details": output,
        "total_tokens": usage.input.saturating_add(usage.output),
    })
}

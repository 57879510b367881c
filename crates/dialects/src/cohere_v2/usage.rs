//! Token counts.

use ringmain_core::{Billed, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

/// Counts as they are written. The API declares them as fractions.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    tokens: Option<Counts>,
    billed_units: Option<Counts>,
    cached_tokens: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Counts {
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
    reasoning_tokens: Option<f64>,
}

impl Counts {
    const fn any(&self) -> bool {
        self.input_tokens.is_some() || self.output_tokens.is_some()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; a negative count is none")]
fn count(number: Option<f64>) -> u64 {
    number.unwrap_or_default() as u64
}

impl WireUsage {
    /// In our words; `None` where nothing was counted. What is cached is a part of `tokens`, not of what is billed.
    pub(super) fn usage(&self) -> Option<Usage> {
        let counts = [self.tokens, self.billed_units].into_iter().flatten().find(Counts::any)?;
        let (input, output) = (count(counts.input_tokens), count(counts.output_tokens));
        // The provider's own additions to the prompt go through the model and are not billed.
        let billed = self
            .billed_units
            .filter(Counts::any)
            .map(|billed| (count(billed.input_tokens), count(billed.output_tokens)));
        Some(Usage {
            input,
            cache_read: count(self.cached_tokens).min(input),
            output,
            reasoning: count(counts.reasoning_tokens).min(output),
            billed: billed
                .filter(|billed| *billed != (input, output))
                .map(|(input, output)| Billed::Tokens { input, output }),
            ..Usage::default()
        })
    }
}

/// Usage for a caller. Nobody adds to a translated prompt: what went through the model is what is billed, unless told.
pub(super) fn write(usage: &Usage) -> Value {
    let counts = json!({ "input_tokens": usage.input, "output_tokens": usage.output });
    let mut tokens = counts.clone();
    if usage.reasoning > 0 {
        tokens["reasoning_tokens"] = usage.reasoning.into();
    }
    let billed = match usage.billed {
        Some(Billed::Tokens { input, output }) => json!({ "input_tokens": input, "output_tokens": output }),
        Some(Billed::Money(_)) | None => counts,
    };
    json!({ "billed_units": billed, "tokens": tokens, "cached_tokens": usage.cache_read })
}

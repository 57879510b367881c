//! Usage, whose input count leaves the cached tokens out.

use ringmain_core::Usage;
use serde::Deserialize;
use serde_json::{Value, json};

/// Usage as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
    cache_details: Option<Vec<CacheDetail>>,
}

/// What was written to the cache, by how long it stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CacheDetail {
    #[serde(default)]
    ttl: String,
    input_tokens: Option<u64>,
}

impl WireUsage {
    /// In our words; `None` where nothing was counted, which is what an encoder writes that was told nothing.
    pub(super) fn usage(&self) -> Option<Usage> {
        let cache_read = self.cache_read_input_tokens.unwrap_or_default();
        let written = self.cache_write_input_tokens.unwrap_or_default();
        let hours = self.cache_details.iter().flatten().filter(|detail| detail.ttl == "1h");
        let cache_write_1h = hours.filter_map(|detail| detail.input_tokens).fold(0, u64::saturating_add).min(written);
        let usage = Usage {
            input: self.input_tokens.unwrap_or_default().saturating_add(cache_read).saturating_add(written),
            cache_read,
            cache_write: written - cache_write_1h,
            cache_write_1h,
            output: self.output_tokens.unwrap_or_default(),
            ..Usage::default()
        };
        (usage.input > 0 || usage.output > 0).then_some(usage)
    }
}

/// Writes usage.
pub(super) fn encode(usage: &Usage) -> Value {
    let mut value = json!({
        "inputTokens": usage.fresh_input(),
        "outputTokens": usage.output,
        "totalTokens": usage.total(),
        "cacheReadInputTokens": usage.cache_read,
        "cacheWriteInputTokens": usage.cache_written(),
    });
    let details: Vec<Value> = [("5m", usage.cache_write), ("1h", usage.cache_write_1h)]
        .into_iter()
        .filter(|(_, tokens)| *tokens > 0)
        .map(|(ttl, tokens)| json!({ "ttl": ttl, "inputTokens": tokens }))
        .collect();
    if !details.is_empty() {
        value["cacheDetails"] = details.into();
    }
    value
}

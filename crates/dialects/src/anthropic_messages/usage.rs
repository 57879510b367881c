//! Usage, whose input count leaves the cached tokens out.

use ringmain_core::{Units, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

/// Usage as it is written. A stream gives it twice; the counts of the second are cumulative and may be fewer.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct WireUsage {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
    output_tokens_details: Option<OutputDetails>,
    server_tool_use: Option<ServerTools>,
}

/// What its server did while it answered.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct ServerTools {
    web_search_requests: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct CacheCreation {
    ephemeral_1h_input_tokens: Option<u64>,
    ephemeral_5m_input_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

impl WireUsage {
    /// Takes over what a later one says.
    pub(super) fn update(&mut self, later: &Self) {
        let newer = |old: &mut Option<u64>, new: Option<u64>| *old = new.or(*old);
        newer(&mut self.input_tokens, later.input_tokens);
        newer(&mut self.cache_creation_input_tokens, later.cache_creation_input_tokens);
        newer(&mut self.cache_read_input_tokens, later.cache_read_input_tokens);
        newer(&mut self.output_tokens, later.output_tokens);
        self.cache_creation = later.cache_creation.or(self.cache_creation);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
        self.server_tool_use = later.server_tool_use.or(self.server_tool_use);
    }

    fn searches(&self) -> u64 {
        self.server_tool_use.unwrap_or_default().web_search_requests.unwrap_or_default()
    }

    /// In our words; `None` where nothing was counted, which is what an encoder writes that was told nothing.
    pub(super) fn usage(&self) -> Option<Usage> {
        let split = self.cache_creation.unwrap_or_default();
        let hour = split.ephemeral_1h_input_tokens.unwrap_or_default();
        let five = split.ephemeral_5m_input_tokens.unwrap_or_default();
        let written = self.cache_creation_input_tokens.unwrap_or(hour.saturating_add(five));
        let cache_write_1h = hour.min(written);
        let cache_read = self.cache_read_input_tokens.unwrap_or_default();
        let output = self.output_tokens.unwrap_or_default();
        let thinking = self.output_tokens_details.unwrap_or_default().thinking_tokens.unwrap_or_default();
        let usage = Usage {
            input: self.input_tokens.unwrap_or_default().saturating_add(cache_read).saturating_add(written),
            cache_read,
            cache_write: written - cache_write_1h,
            cache_write_1h,
            output,
            reasoning: thinking.min(output),
            units: Units { searches: self.searches(), ..Units::default() },
            ..Usage::default()
        };
        (usage.input > 0 || usage.output > 0).then_some(usage)
    }
}

/// Writes usage, in an answer and at the end of a stream alike: translated counts are often known only there.
pub(super) fn encode(usage: &Usage) -> Value {
    let mut value = json!({
        "input_tokens": usage.fresh_input(),
        "cache_creation_input_tokens": usage.cache_written(),
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "server_tool_use": null,
        "service_tier": null,
    });
    if usage.units.searches > 0 {
        value["server_tool_use"] = json!({ "web_search_requests": usage.units.searches });
    }
    if usage.reasoning > 0 {
        value["output_tokens_details"] = json!({ "thinking_tokens": usage.reasoning });
    }
    value
}

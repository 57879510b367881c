//! One provider of each dialect, as the configuration names it, played by the simulator.

use ringmain_core::Dialect;
use ringmain_provider_sim::Sim;
use serde_json::{Value, json};

/// A model the catalog knows, of a provider that speaks this dialect, and its context window in tokens.
#[must_use]
pub(crate) const fn model(dialect: Dialect) -> (&'static str, u64) {
    match dialect {
        Dialect::OpenAiChat => ("gpt-4o", 128_000),
        Dialect::OpenAiResponses => ("gpt-4.1", 1_047_576),
        Dialect::AnthropicMessages => ("claude-opus-4-5", 200_000),
        Dialect::Gemini => ("gemini-2.5-flash-lite", 1_048_576),
        Dialect::BedrockConverse => ("anthropic.claude-sonnet-4-5-20250929-v1:0", 200_000),
        Dialect::CohereV2 => ("command-a-03-2025", 256_000),
    }
}

/// The configuration of a provider of this dialect, which the simulator plays under this label.
#[must_use]
pub(crate) fn provider(sim: &Sim, dialect: Dialect, label: &str) -> Value {
    let keys = json!(["sk-simulated"]);
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => json!({
            "kind": "openai", "dialect": dialect.as_str(), "base_url": sim.openai_base_url(label), "keys": keys
        }),
        Dialect::AnthropicMessages => json!({"kind": "anthropic", "base_url": sim.base_url(label), "keys": keys}),
        Dialect::Gemini => json!({"kind": "gemini", "base_url": sim.base_url(label), "keys": keys}),
        Dialect::BedrockConverse => {
            json!({"kind": "bedrock", "region": "us-east-1", "base_url": sim.base_url(label), "keys": keys})
        }
        Dialect::CohereV2 => json!({"kind": "cohere", "base_url": sim.base_url(label), "keys": keys}),
    }
}

/// The dialect `steps` after this one, in the order of the documentation and round again.
#[must_use]
pub(crate) fn after(dialect: Dialect, steps: usize) -> Dialect {
    let at = Dialect::ALL.iter().position(|it| *it == dialect).unwrap_or(0);
    Dialect::ALL[(at + steps) % Dialect::ALL.len()]
}

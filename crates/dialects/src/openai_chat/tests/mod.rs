//! What the codec does with recorded traffic, and with what no recording holds.

mod faults;
mod recorded;
mod requests;
mod streams;

use crate::tests::{Recording, recordings};

/// Every recorded API of this dialect.
const APIS: [&str; 23] = [
    "anthropic.openai_chat",
    "azure.chat",
    "bedrock_openai.chat",
    "cerebras.chat",
    "cloudflare.chat",
    "crusoe.chat",
    "databricks.chat",
    "deepseek.chat",
    "gemini_openai.chat",
    "gpustack.chat",
    "groq.chat",
    "heroku.chat",
    "huggingface.chat",
    "mistral.chat",
    "ollama.chat",
    "openai.chat",
    "openrouter.chat",
    "perplexity.chat",
    "snowflake.chat",
    "together.chat",
    "writer.chat",
    "xai.chat",
    "zai.chat",
];

/// Streams that end in an error.
const BROKEN: [&str; 2] = ["groq-chat-c6bef8c8ad-00", "openrouter-chat-a71964f76a-00"];

fn all() -> Vec<Recording> {
    APIS.iter().flat_map(|api| recordings(api)).collect()
}

//! Which recorded APIs are chat in one of the six dialects, and what the others are.

use ringmain_core::Dialect::{self, AnthropicMessages, BedrockConverse, CohereV2, Gemini, OpenAiChat, OpenAiResponses};

/// The recorded APIs that are chat in a dialect, by the dialect.
pub const CHAT: [(Dialect, &[&str]); 6] = [
    (
        OpenAiChat,
        &[
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
        ],
    ),
    (
        OpenAiResponses,
        &[
            "azure.responses",
            "bedrock_openai.responses",
            "deepseek.responses",
            "openai.responses",
            "openrouter.responses",
            "xai.responses",
        ],
    ),
    (AnthropicMessages, &["anthropic.messages"]),
    (Gemini, &["gemini.generate", "gemini.stream", "vertex.generate", "vertex.stream"]),
    (BedrockConverse, &["bedrock.converse", "bedrock.converse_stream"]),
    (CohereV2, &["cohere.chat"]),
];

/// The endings of the other APIs' names, with what they are. The first that fits counts.
const OTHER: [(&str, &str); 27] = [
    ("bedrock.invoke", "the model's own body under InvokeModel; Bedrock is spoken to in Converse"),
    ("bedrock.invoke_stream", "the model's own body under InvokeModel; Bedrock is spoken to in Converse"),
    ("cohere.chat_v1", "Cohere's older dialect"),
    ("cohere.generate", "Cohere's older dialect"),
    ("ollama.native_chat", "Ollama's own dialect; it is spoken to in OpenAI's"),
    ("ollama.native_generate", "Ollama's own dialect; it is spoken to in OpenAI's"),
    ("gemini.interactions", "Gemini's dialect for agents"),
    ("openai.completions", "text completion, before chat"),
    ("anthropic.complete", "text completion, before chat"),
    ("replicate.predictions", "Replicate's own dialect"),
    (".responses_compact", "conversations kept at the provider"),
    (".responses_retrieve", "conversations kept at the provider"),
    (".responses_input_tokens", "counting tokens"),
    (".count_tokens", "counting tokens"),
    (".batches", "batches"),
    (".cached_contents", "caches kept at the provider"),
    (".apply_guardrail", "moderation"),
    (".moderations", "moderation"),
    (".models", "lists of models"),
    (".embeddings", "embeddings"),
    (".native_embeddings", "embeddings"),
    (".embed", "embeddings"),
    (".predict", "embeddings"),
    (".rerank", "rerank"),
    (".images", "images"),
    (".ocr", "reading documents"),
    (".audio_speech", "speech"),
];

/// The dialect of a recorded API, or what else it is.
///
/// # Errors
/// What it is; `None` where nobody has said.
pub fn of(api: &str) -> Result<Dialect, Option<&'static str>> {
    if let Some((dialect, _)) = CHAT.iter().find(|(_, apis)| apis.contains(&api)) {
        return Ok(*dialect);
    }
    if api.ends_with(".audio_transcriptions") {
        return Err(Some("transcription"));
    }
    Err(OTHER.iter().find(|(ending, _)| api.ends_with(ending)).map(|(_, what)| *what))
}

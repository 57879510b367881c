//! The only list of codecs.

use ringmain_core::Dialect;

use crate::codec::Codec;
use crate::counting::Counting;

/// The codec of a dialect; `None` while there is none yet.
#[must_use]
pub fn codec(dialect: Dialect) -> Option<&'static dyn Codec> {
    match dialect {
        Dialect::OpenAiChat => Some(&crate::openai_chat::OpenAiChat),
        Dialect::AnthropicMessages => Some(&crate::anthropic_messages::AnthropicMessages),
        Dialect::Gemini => Some(&crate::gemini::Gemini),
        Dialect::OpenAiResponses => Some(&crate::openai_responses::OpenAiResponses),
        Dialect::BedrockConverse => Some(&crate::bedrock_converse::BedrockConverse),
        Dialect::CohereV2 => Some(&crate::cohere_v2::CohereV2),
    }
}

/// The header in which the vendor of a dialect names a request, and its SDK looks for the name.
#[must_use]
pub const fn request_id_header(dialect: Dialect) -> Option<&'static str> {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => Some("x-request-id"),
        Dialect::AnthropicMessages => Some("request-id"),
        Dialect::BedrockConverse => Some("x-amzn-requestid"),
        Dialect::CohereV2 => Some("x-debug-trace-id"),
        Dialect::Gemini => None,
    }
}

/// Counting in a dialect; `None` where it has no way to ask.
#[must_use]
pub fn counting(dialect: Dialect) -> Option<&'static dyn Counting> {
    match dialect {
        Dialect::AnthropicMessages => Some(&crate::anthropic_messages::COUNTING),
        Dialect::Gemini => Some(&crate::gemini::Gemini),
        Dialect::OpenAiResponses => Some(&crate::openai_responses::COUNTING),
        Dialect::BedrockConverse => Some(&crate::bedrock_converse::BedrockConverse),
        Dialect::OpenAiChat | Dialect::CohereV2 => None,
    }
}

/// Does a request of this dialect hold what an answer of a model elsewhere left in it, and what a provider of this
/// dialect would refuse that serves this model? It is to be encoded anew even for a target of its own dialect.
#[must_use]
pub fn holds_foreign(dialect: Dialect, model: &str, body: &[u8]) -> bool {
    let of_its_own = match dialect {
        Dialect::OpenAiResponses => crate::openai_responses::holds_foreign(body),
        Dialect::AnthropicMessages => crate::anthropic_messages::holds_foreign(model, body),
        Dialect::OpenAiChat | Dialect::Gemini | Dialect::BedrockConverse | Dialect::CohereV2 => false,
    };
    of_its_own || crate::provenance::is_marked(body)
}

/// The code of a refusal because a field points to what only another provider remembers: by it the vendor's SDK knows that
/// the whole conversation is to be sent. `None` where there is none.
#[must_use]
pub fn forgotten(dialect: Dialect, field: &str) -> Option<&'static str> {
    match dialect {
        Dialect::AnthropicMessages => crate::anthropic_messages::forgotten(field),
        Dialect::OpenAiChat
        | Dialect::OpenAiResponses
        | Dialect::Gemini
        | Dialect::BedrockConverse
        | Dialect::CohereV2 => None,
    }
}

/// Is an error answer one that callers of this dialect can read as it is? A cloud that serves somebody else's dialect, or
/// something in front of a provider, has errors of its own shape.
#[must_use]
pub fn is_own_fault(dialect: Dialect, body: &[u8]) -> bool {
    match dialect {
        Dialect::AnthropicMessages => crate::anthropic_messages::is_own_fault(body),
        // Google's come as the one element of an array, here as for Gemini.
        Dialect::OpenAiChat | Dialect::OpenAiResponses => !body.trim_ascii_start().starts_with(b"["),
        Dialect::Gemini | Dialect::BedrockConverse | Dialect::CohereV2 => true,
    }
}

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

/// Counting in a dialect; `None` where it has no way to ask.
#[must_use]
pub fn counting(dialect: Dialect) -> Option<&'static dyn Counting> {
    match dialect {
        Dialect::AnthropicMessages => Some(&crate::anthropic_messages::AnthropicMessages),
        Dialect::Gemini => Some(&crate::gemini::Gemini),
        Dialect::OpenAiResponses => Some(&crate::openai_responses::OpenAiResponses),
        Dialect::BedrockConverse => Some(&crate::bedrock_converse::BedrockConverse),
        Dialect::OpenAiChat | Dialect::CohereV2 => None,
    }
}

/// Does a request of this dialect hold what an answer of a model elsewhere left in it, and what a provider of this
/// dialect would refuse? It is to be encoded anew even for a target of its own dialect.
#[must_use]
pub fn holds_foreign(dialect: Dialect, body: &[u8]) -> bool {
    let of_its_own = match dialect {
        Dialect::OpenAiResponses => crate::openai_responses::holds_foreign(body),
        Dialect::AnthropicMessages => crate::anthropic_messages::holds_foreign(body),
        Dialect::OpenAiChat | Dialect::Gemini | Dialect::BedrockConverse | Dialect::CohereV2 => false,
    };
    of_its_own || crate::provenance::is_marked(body)
}

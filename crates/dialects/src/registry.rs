//! The only list of codecs.

use ringmain_core::Dialect;

use crate::codec::Codec;

/// The codec of a dialect; `None` while there is none yet.
#[must_use]
pub fn codec(dialect: Dialect) -> Option<&'static dyn Codec> {
    match dialect {
        Dialect::OpenAiChat => Some(&crate::openai_chat::OpenAiChat),
        Dialect::AnthropicMessages => Some(&crate::anthropic_messages::AnthropicMessages),
        Dialect::Gemini => Some(&crate::gemini::Gemini),
        Dialect::BedrockConverse => Some(&crate::bedrock_converse::BedrockConverse),
        Dialect::OpenAiResponses | Dialect::CohereV2 => None,
    }
}

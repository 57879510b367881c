//! Wire formats and the operations they carry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A chat wire format: how a request is written and how its answer is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// OpenAI Chat Completions, spoken by most providers.
    #[serde(rename = "openai-chat")]
    OpenAiChat,
    /// OpenAI Responses.
    #[serde(rename = "openai-responses")]
    OpenAiResponses,
    /// Anthropic Messages.
    AnthropicMessages,
    /// Google Gemini `generateContent`.
    Gemini,
    /// Amazon Bedrock Converse.
    BedrockConverse,
    /// Cohere v2 chat.
    CohereV2,
}

impl Dialect {
    /// Every dialect, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::OpenAiChat,
        Self::OpenAiResponses,
        Self::AnthropicMessages,
        Self::Gemini,
        Self::BedrockConverse,
        Self::CohereV2,
    ];

    /// The name used in configuration, catalog files, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
            Self::OpenAiResponses => "openai-responses",
            Self::AnthropicMessages => "anthropic-messages",
            Self::Gemini => "gemini",
            Self::BedrockConverse => "bedrock-converse",
            Self::CohereV2 => "cohere-v2",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is none of the known ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName(pub String);

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown name `{}`", self.0)
    }
}

impl std::error::Error for UnknownName {}

impl FromStr for Dialect {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == name).ok_or_else(|| UnknownName(name.to_owned()))
    }
}

/// What a caller asks for, whatever the dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// A conversation turn, plain or streamed.
    Chat,
    /// How many input tokens a conversation would use.
    CountTokens,
    /// Text to vectors.
    Embeddings,
    /// Text to images.
    Images,
    /// Images and text to images.
    ImageEdits,
    /// Text to speech.
    Speech,
    /// Speech to text, in its language or translated.
    Transcription,
    /// Is this text acceptable?
    Moderation,
    /// Order documents by relevance.
    Rerank,
    /// List the models a caller may use.
    Models,
    /// Anything else of a provider, forwarded as it is.
    Passthrough,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 11] = [
        Self::Chat,
        Self::CountTokens,
        Self::Embeddings,
        Self::Images,
        Self::ImageEdits,
        Self::Speech,
        Self::Transcription,
        Self::Moderation,
        Self::Rerank,
        Self::Models,
        Self::Passthrough,
    ];

    /// Does it make images?
    #[must_use]
    pub const fn is_of_images(self) -> bool {
        matches!(self, Self::Images | Self::ImageEdits)
    }

    /// Is it about speech?
    #[must_use]
    pub const fn is_of_audio(self) -> bool {
        matches!(self, Self::Speech | Self::Transcription)
    }

    /// May it be asked for with a form, which holds files?
    #[must_use]
    pub const fn takes_forms(self) -> bool {
        matches!(self, Self::ImageEdits | Self::Transcription)
    }

    /// The name used in configuration (`match: { operation: … }`), catalog files, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::CountTokens => "count-tokens",
            Self::Embeddings => "embeddings",
            Self::Images => "images",
            Self::ImageEdits => "image-edits",
            Self::Speech => "speech",
            Self::Transcription => "transcription",
            Self::Moderation => "moderation",
            Self::Rerank => "rerank",
            Self::Models => "models",
            Self::Passthrough => "passthrough",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Operation {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|op| op.as_str() == name).ok_or_else(|| UnknownName(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.as_str().parse(), Ok(dialect));
            assert_eq!(serde_json::to_value(dialect).unwrap(), dialect.as_str());
        }
        for operation in Operation::ALL {
            assert_eq!(operation.as_str().parse(), Ok(operation));
            assert_eq!(serde_json::to_value(operation).unwrap(), operation.as_str());
        }
        assert!("openai".parse::<Dialect>().is_err());
    }
}

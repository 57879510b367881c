//! Wire formats of operations other than chat.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose wire format an operation other than chat is asked in.
///
/// Each operation has one codec for each shape that a provider of it speaks; most providers speak OpenAI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// OpenAI's.
    #[default]
    #[serde(rename = "openai")]
    OpenAi,
    /// Stability AI, v2beta: forms.
    Stability,
    /// Amazon Bedrock's `InvokeModel`: a body of its own for each family of models.
    Bedrock,
    /// Google's `generateContent`, `predict` and `embedContent`.
    Gemini,
    /// Black Forest Labs: submit, poll, fetch.
    BlackForestLabs,
    /// Replicate: predictions.
    Replicate,
    /// The HTTP interface of AUTOMATIC1111's Stable Diffusion WebUI and those who follow it.
    SdWebui,
    /// Mistral, where its words are not OpenAI's.
    Mistral,
    /// Cohere.
    Cohere,
    /// Voyage AI.
    Voyage,
    /// Jina AI.
    Jina,
    /// Deepgram.
    Deepgram,
    /// ElevenLabs.
    ElevenLabs,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 13] = [
        Self::OpenAi,
        Self::Stability,
        Self::Bedrock,
        Self::Gemini,
        Self::BlackForestLabs,
        Self::Replicate,
        Self::SdWebui,
        Self::Mistral,
        Self::Cohere,
        Self::Voyage,
        Self::Jina,
        Self::Deepgram,
        Self::ElevenLabs,
    ];

    /// The name in catalog files and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Stability => "stability",
            Self::Bedrock => "bedrock",
            Self::Gemini => "gemini",
            Self::BlackForestLabs => "black-forest-labs",
            Self::Replicate => "replicate",
            Self::SdWebui => "sd-webui",
            Self::Mistral => "mistral",
            Self::Cohere => "cohere",
            Self::Voyage => "voyage",
            Self::Jina => "jina",
            Self::Deepgram => "deepgram",
            Self::ElevenLabs => "elevenlabs",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

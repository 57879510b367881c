//! One model at one provider.

use ringmain_core::{Capabilities, Efforts, Operation};

use crate::{Price, Quirks};

/// A model as its provider serves and sells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The catalog id of the provider.
    pub provider: String,
    /// The provider's name of the model.
    pub name: String,
    /// Other names of the same model at this provider.
    pub aliases: Vec<String>,
    /// What it does.
    pub kind: ModelKind,
    /// What it costs. `None`: not known.
    pub price: Option<Price>,
    /// The most tokens of input and output together. `None`: not known.
    pub context_window: Option<u64>,
    /// The most output tokens. `None`: not known.
    pub max_output: Option<u64>,
    /// The most tokens it can be told to think, where it is told in tokens. `None`: not known.
    pub max_thinking: Option<u64>,
    /// How much it can be told to think, in words; empty where that is not known.
    pub efforts: Efforts,
    /// What it can do beyond plain text.
    pub capabilities: Capabilities,
    /// Does it think before it answers although nothing in the request asks it to? Such a model's first token is late.
    pub reasons_by_default: bool,
    /// Its departures from the provider's dialect, on top of the provider's.
    pub quirks: Quirks,
    /// The day (`YYYY-MM-DD`) its provider said it stops serving it.
    pub retires: Option<String>,
    /// The day (`YYYY-MM-DD`) the entry was true.
    pub as_of: String,
    /// Where the entry is from.
    pub source: String,
}

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ModelKind {
    /// Converses.
    Chat,
    /// Turns text into vectors.
    Embedding,
    /// Makes images.
    Image,
    /// Speaks.
    Speech,
    /// Listens.
    Transcription,
    /// Judges whether text is acceptable.
    Moderation,
    /// Orders documents by relevance.
    Rerank,
}

impl ModelKind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Chat, Self::Embedding, Self::Image, Self::Speech, Self::Transcription, Self::Moderation, Self::Rerank];

    /// The name in catalog files and listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embedding => "embedding",
            Self::Image => "image",
            Self::Speech => "speech",
            Self::Transcription => "transcription",
            Self::Moderation => "moderation",
            Self::Rerank => "rerank",
        }
    }

    /// Does a model of this kind serve this operation? Listings and pass-through concern no model.
    #[must_use]
    pub const fn serves(self, operation: Operation) -> bool {
        match operation {
            Operation::Chat | Operation::CountTokens => matches!(self, Self::Chat),
            Operation::Embeddings => matches!(self, Self::Embedding),
            Operation::Images | Operation::ImageEdits => matches!(self, Self::Image),
            Operation::Speech => matches!(self, Self::Speech),
            Operation::Transcription => matches!(self, Self::Transcription),
            Operation::Moderation => matches!(self, Self::Moderation),
            Operation::Rerank => matches!(self, Self::Rerank),
            Operation::Models | Operation::Passthrough => true,
        }
    }
}

/// The name without the suffix that dates a snapshot: `-2024-08-06`, `-20250929`, `@20250929`. `None`: no such suffix.
///
/// Shorter numbers are no dates here: `-0613` and `-2411` often name models with prices of their own.
pub(crate) fn undated(name: &str) -> Option<&str> {
    let parse = |digits: &str| digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((base, date)) = name.rsplit_once(['-', '@'])
        && parse(date)
        && date.starts_with("20")
    {
        return (!base.is_empty()).then_some(base);
    }
    let (base, date) = name.split_at_checked(name.len().checked_sub(11)?)?;
    let date = date.strip_prefix('-')?;
    let dashes = date.as_bytes().get(4) == Some(&b'-') && date.as_bytes().get(7) == Some(&b'-');
    (dashes && parse(&date.replace('-', "")) && date.starts_with("20") && !base.is_empty()).then_some(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dated_snapshots() {
        let table = [
            ("gpt-4o-2024-08-06", Some("gpt-4o")),
            ("claude-sonnet-4-5-20250929", Some("claude-sonnet-4-5")),
            ("claude-sonnet-4-5@20250929", Some("claude-sonnet-4-5")),
            ("gpt-4-0613", None),
            ("mistral-large-2411", None),
            ("claude-sonnet-4-5", None),
            ("model-12345678", None),
            ("-2024-08-06", None),
            ("-20240806", None),
            ("größer-2024-08-06", Some("größer")),
            ("ü", None),
            ("", None),
        ];
        for (name, base) in table {
            assert_eq!(undated(name), base, "{name}");
        }
    }
}

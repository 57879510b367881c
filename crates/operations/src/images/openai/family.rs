//! The families of models behind OpenAI's endpoint, and what each takes.

use crate::images::size::Size;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    DallE2,
    DallE3,
    GptImage,
    /// A model of somebody who follows OpenAI.
    Other,
}

const DALL_E_2: [Size; 3] = [Size::new(256, 256), Size::new(512, 512), Size::new(1024, 1024)];
const DALL_E_3: [Size; 3] = [Size::new(1024, 1024), Size::new(1792, 1024), Size::new(1024, 1792)];
const GPT_IMAGE: [Size; 3] = [Size::new(1024, 1024), Size::new(1536, 1024), Size::new(1024, 1536)];

impl Family {
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        match name {
            _ if name.starts_with("dall-e-2") => Self::DallE2,
            _ if name.starts_with("dall-e-3") => Self::DallE3,
            _ if name.starts_with("gpt-image") || name.starts_with("chatgpt-image") => Self::GptImage,
            _ => Self::Other,
        }
    }

    /// The most images of one request.
    pub(super) const fn per_request(self) -> u32 {
        match self {
            Self::DallE3 => 1,
            Self::DallE2 | Self::GptImage | Self::Other => 10,
        }
    }

    /// Does it take `response_format`?
    pub(super) fn names_delivery(self) -> bool {
        self != Self::GptImage
    }

    /// Does it show images while they are made?
    pub(super) const fn streams(self) -> bool {
        match self {
            Self::GptImage | Self::Other => true,
            Self::DallE2 | Self::DallE3 => false,
        }
    }

    /// The size nearest to this one.
    pub(super) fn size(self, wanted: Size) -> Option<Size> {
        match self {
            Self::DallE2 => wanted.nearest(&DALL_E_2),
            Self::DallE3 => wanted.nearest(&DALL_E_3),
            // From the second generation on any size will do, in steps.
            Self::GptImage => wanted.nearest(&GPT_IMAGE),
            Self::Other if wanted.width < 64 => Some(wanted.fitted(64, 256, 2048, Some(1 << 20))),
            Self::Other => Some(wanted),
        }
    }

    /// Its word for this quality.
    pub(super) fn quality(self, word: &str) -> Option<&str> {
        match self {
            Self::DallE2 => None,
            Self::DallE3 => Some(match word {
                "hd" | "high" | "premium" => "hd",
                _ => "standard",
            }),
            Self::GptImage => Some(match word {
                "low" => "low",
                "hd" | "high" | "premium" => "high",
                _ => "medium",
            }),
            Self::Other => Some(word),
        }
    }

    pub(super) fn has_style(self, style: &str) -> bool {
        match self {
            Self::DallE3 => matches!(style, "vivid" | "natural"),
            Self::Other => true,
            Self::DallE2 | Self::GptImage => false,
        }
    }
}

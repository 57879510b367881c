//! What a request used: tokens in the provider's own count, and what else is billed.

use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Tokens by kind. The totals include their parts: `input` counts cached tokens too, `output` counts reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct Usage {
    /// All input tokens, cached ones included.
    pub input: u64,
    /// Of the input: read from the provider's prompt cache.
    pub cache_read: u64,
    /// Of the input: written to the prompt cache (Anthropic's 5-minute kind, or unspecified).
    pub cache_write: u64,
    /// Of the input: written to the 1-hour prompt cache (Anthropic).
    pub cache_write_1h: u64,
    /// All output tokens, reasoning included.
    pub output: u64,
    /// Of the output: reasoning.
    pub reasoning: u64,
    /// Of the input: audio.
    pub audio_input: u64,
    /// Of the output: audio.
    pub audio_output: u64,
    /// What is billed otherwise than by the token.
    #[serde(default, skip_serializing_if = "Units::is_none")]
    pub units: Units,
}

/// What is billed otherwise than by the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Units {
    /// Images made.
    pub images: u32,
    /// Their width, in pixels; 0 where it is not known.
    pub width: u32,
    /// Their height, in pixels; 0 where it is not known.
    pub height: u32,
    /// Their quality.
    pub quality: Quality,
    /// Audio heard or spoken, in milliseconds.
    pub audio_ms: u64,
    /// Characters of text that were spoken.
    pub characters: u64,
    /// Searches and rankings, in the provider's unit.
    pub searches: u64,
}

/// How carefully an image is made, as far as it is billed by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quality {
    /// As the provider does it unasked: `auto`.
    #[default]
    Usual,
    /// `low`.
    Low,
    /// `medium`, `standard`.
    Medium,
    /// `high`, `hd`, `premium`.
    High,
}

impl Quality {
    /// What a word of any of the APIs means.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        match word {
            "low" => Self::Low,
            "medium" | "standard" => Self::Medium,
            "high" | "hd" | "premium" => Self::High,
            _ => Self::Usual,
        }
    }
}

impl Units {
    /// Nothing is counted?
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Both together; sizes and qualities that differ are no longer known.
    #[must_use]
    const fn plus(self, other: Self) -> Self {
        let (one, two) = (self.images > 0, other.images > 0);
        let same =
            self.width == other.width && self.height == other.height && self.quality as u8 == other.quality as u8;
        let (width, height, quality) = match (one, two) {
            (true, false) => (self.width, self.height, self.quality),
            (false, true) => (other.width, other.height, other.quality),
            _ if same => (self.width, self.height, self.quality),
            _ => (0, 0, Quality::Usual),
        };
        Self {
            images: self.images + other.images,
            width,
            height,
            quality,
            audio_ms: self.audio_ms + other.audio_ms,
            characters: self.characters + other.characters,
            searches: self.searches + other.searches,
        }
    }
}

impl Usage {
    /// No tokens, but these.
    #[must_use]
    pub fn of_units(units: Units) -> Self {
        Self { units, ..Self::default() }
    }

    /// Input and output together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.input + self.output
    }

    /// The input that was neither read from nor written to a cache.
    #[must_use]
    pub const fn fresh_input(&self) -> u64 {
        self.input.saturating_sub(self.cache_read + self.cache_write + self.cache_write_1h)
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input: self.input + other.input,
            cache_read: self.cache_read + other.cache_read,
            cache_write: self.cache_write + other.cache_write,
            cache_write_1h: self.cache_write_1h + other.cache_write_1h,
            output: self.output + other.output,
            reasoning: self.reasoning + other.reasoning,
            audio_input: self.audio_input + other.audio_input,
            audio_output: self.audio_output + other.audio_output,
            units: self.units.plus(other.units),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

//! What a request used: tokens in the provider's own count, and what else is billed.

use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

use crate::{Money, sparse};

/// Tokens by kind. The totals include their parts: `input` counts cached tokens too, `output` counts reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct Usage {
    /// All input tokens, cached ones included.
    pub input: u64,
    /// Of the input: read from the provider's prompt cache.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub cache_read: u64,
    /// Of the input: written to the prompt cache (Anthropic's 5-minute kind, or unspecified).
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub cache_write: u64,
    /// Of the input: written to the 1-hour prompt cache (Anthropic).
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub cache_write_1h: u64,
    /// All output tokens, reasoning included.
    pub output: u64,
    /// Of the output: reasoning.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub reasoning: u64,
    /// Of the input: audio.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub audio_input: u64,
    /// Of the output: audio.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub audio_output: u64,
    /// Of the input: audio that was read from the cache, where the provider counts it apart.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub cache_read_audio: u64,
    /// Of the input: images, where the provider counts them apart.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub image_input: u64,
    /// Of the output: images, where the provider counts them apart.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub image_output: u64,
    /// What the provider says it bills, where that is not these counts at its list price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed: Option<Billed>,
    /// What is billed otherwise than by the token.
    #[serde(default, skip_serializing_if = "Units::is_none")]
    pub units: Units,
}

/// What a provider says it bills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Billed {
    /// So much: tokens, tools, fees and all.
    Money(Money),
    /// Fewer tokens than went through the model (Cohere).
    Tokens {
        /// Of the input.
        input: u64,
        /// Of the output.
        output: u64,
    },
}

impl Billed {
    /// Both together. `None` where they cannot be added up.
    fn plus(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Money(one), Self::Money(two)) => Some(Self::Money(one + two)),
            (Self::Tokens { input, output }, Self::Tokens { input: more, output: also }) => {
                Some(Self::Tokens { input: input.saturating_add(more), output: output.saturating_add(also) })
            }
            (Self::Money(_), Self::Tokens { .. }) | (Self::Tokens { .. }, Self::Money(_)) => None,
        }
    }
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

/// The kinds of units that can be added up, by the names they have in sums.
pub const UNIT_KINDS: [&str; 4] = ["images", "audio_ms", "characters", "searches"];

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

    /// The counts, in the order of [`UNIT_KINDS`].
    #[must_use]
    pub fn counts(&self) -> [u64; 4] {
        [self.images.into(), self.audio_ms, self.characters, self.searches]
    }

    /// Units of these counts, in the order of [`UNIT_KINDS`]; sizes and qualities are not known.
    #[must_use]
    pub fn of_counts([images, audio_ms, characters, searches]: [u64; 4]) -> Self {
        let images = u32::try_from(images).unwrap_or(u32::MAX);
        Self { images, audio_ms, characters, searches, ..Self::default() }
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
            images: self.images.saturating_add(other.images),
            width,
            height,
            quality,
            audio_ms: self.audio_ms.saturating_add(other.audio_ms),
            characters: self.characters.saturating_add(other.characters),
            searches: self.searches.saturating_add(other.searches),
        }
    }
}

/// More of anything than one answer can have, and a bill that is none: a provider that says so is mistaken, and its word
/// would spoil every sum it is part of.
const INCREDIBLE: u64 = 1 << 32;
const INCREDIBLE_MONEY: Money = Money::from_nanos(1_000_000 * 1_000_000_000);

impl Usage {
    /// No tokens, but these.
    #[must_use]
    pub fn of_units(units: Units) -> Self {
        Self { units, ..Self::default() }
    }

    /// Input and output together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// The input that was written to a cache, for however long.
    #[must_use]
    pub const fn cache_written(&self) -> u64 {
        self.cache_write.saturating_add(self.cache_write_1h)
    }

    /// The input that was neither read from nor written to a cache.
    #[must_use]
    pub const fn fresh_input(&self) -> u64 {
        self.input.saturating_sub(self.cache_read.saturating_add(self.cache_written()))
    }

    /// Can an answer have used this? What comes from outside is asked before it is summed and billed.
    #[must_use]
    pub fn is_credible(&self) -> bool {
        let Self { input, cache_read, cache_write, cache_write_1h, output, reasoning, .. } = *self;
        let Self { audio_input, audio_output, cache_read_audio, image_input, image_output, .. } = *self;
        let text = [input, cache_read, cache_write, cache_write_1h, output, reasoning];
        let other = [audio_input, audio_output, cache_read_audio, image_input, image_output];
        let mut counts = text.into_iter().chain(other).chain(self.units.counts());
        let billed = match self.billed {
            None => true,
            Some(Billed::Money(money)) => money >= Money::ZERO && money < INCREDIBLE_MONEY,
            Some(Billed::Tokens { input, output }) => input.max(output) < INCREDIBLE,
        };
        billed && counts.all(|count| count < INCREDIBLE)
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let sum = |of: fn(&Self) -> u64| of(&self).saturating_add(of(&other));
        Self {
            input: sum(|usage| usage.input),
            cache_read: sum(|usage| usage.cache_read),
            cache_write: sum(|usage| usage.cache_write),
            cache_write_1h: sum(|usage| usage.cache_write_1h),
            output: sum(|usage| usage.output),
            reasoning: sum(|usage| usage.reasoning),
            audio_input: sum(|usage| usage.audio_input),
            audio_output: sum(|usage| usage.audio_output),
            cache_read_audio: sum(|usage| usage.cache_read_audio),
            image_input: sum(|usage| usage.image_input),
            image_output: sum(|usage| usage.image_output),
            billed: self.billed.zip(other.billed).and_then(|(one, two)| one.plus(two)),
            units: self.units.plus(other.units),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_answer_can_have_is_neither_believed_nor_summed_into_less() {
        let usage = |input: u64| Usage { input, output: 1, cache_write: input, cache_write_1h: 1, ..Usage::default() };
        assert!(usage(2_000_000).is_credible());
        let wild = usage(u64::MAX);
        assert!(!wild.is_credible());
        assert_eq!((wild.total(), wild.cache_written(), (wild + wild).input), (u64::MAX, u64::MAX, u64::MAX));
        for billed in [
            Billed::Money(Money::from_dollars(1e30)),
            Billed::Money(Money::from_dollars(-0.01)),
            Billed::Tokens { input: u64::MAX, output: 0 },
        ] {
            assert!(!Usage { billed: Some(billed), ..usage(1) }.is_credible(), "{billed:?}");
        }
        assert!(Usage { billed: Some(Billed::Money(Money::from_dollars(12.5))), ..usage(1) }.is_credible());
        let units = Units { audio_ms: u64::MAX, ..Units::default() };
        assert!(!Usage::of_units(units).is_credible());
        assert_eq!((Usage::of_units(units) + Usage::of_units(units)).units, units);
    }
}

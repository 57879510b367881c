//! What a request used, in the provider's own count.

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
}

impl Usage {
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
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

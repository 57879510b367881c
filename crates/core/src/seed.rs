//! Chance as an argument: a labelled tree of draws.
//!
//! A decision takes a [`Seed`] and asks for named sub-draws, so that adding a draw in one place does not move the
//! others (the idea of omicron's `typed-rng`). The mixing function is SplitMix64 (Steele, Lea, Flood 2014).

use serde::{Deserialize, Serialize};

/// A source of chance for one decision. Equal seeds and labels give equal draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed of one request: the process seed mixed with the request's id.
    #[must_use]
    pub const fn of_request(process: u64, request: u128) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "both halves are mixed in")]
        let (high, low) = ((request >> 64) as u64, request as u64);
        Self(mix(mix(process ^ low) ^ high))
    }

    /// The sub-draw of this name.
    #[must_use]
    pub const fn draw(self, label: &str) -> Self {
        let bytes = label.as_bytes();
        // FNV-1a
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut at = 0;
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
            at += 1;
        }
        Self(mix(self.0 ^ hash))
    }

    /// The `n`th sub-draw of this name.
    #[must_use]
    pub const fn nth(self, label: &str, n: u64) -> Self {
        Self(mix(self.draw(label).0 ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// A number in `[0, 1)`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
    pub const fn unit(self) -> f64 {
        (mix(self.0) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in `[0, bound)`; 0 for a bound of 0.
    #[must_use]
    pub const fn below(self, bound: u64) -> u64 {
        ((mix(self.0) as u128 * bound as u128) >> 64) as u64
    }
}

const fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_named_stable_and_even() {
        let seed = Seed::of_request(7, 42);
        assert_eq!(seed.draw("backoff"), seed.draw("backoff"));
        assert_ne!(seed.draw("backoff"), seed.draw("weight"));
        assert_ne!(seed.nth("try", 0), seed.nth("try", 1));
        let mean = (0..10_000).map(|n| Seed(n).draw("x").unit()).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert!((0..1000).all(|n| Seed(n).below(10) < 10));
    }
}

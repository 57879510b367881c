//! Money, exactly.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Billionths of a dollar in a dollar: the unit of stored sums. A 64-bit whole number of them holds nine billion dollars.
pub const NANO: u64 = 1_000_000_000;

/// An amount in picodollars (1e-12 US dollar): the smallest published price, a fraction of a cent per million tokens,
/// stays a whole number per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
pub struct Money(pub i128);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Whole dollars and a fraction, as a price list writes them. Rounded to the nearest picodollar.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a price is far below 1e26 dollars")]
    pub fn from_dollars(dollars: f64) -> Self {
        Self((dollars * 1e12).round() as i128)
    }

    /// As dollars, for display and for scores.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for display and ranking, not for accounts")]
    pub fn as_dollars(self) -> f64 {
        self.0 as f64 / 1e12
    }

    /// In billionths of a dollar, to the nearest: the unit of the ledger and of budgets.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the range")]
    pub fn nanos(self) -> i64 {
        ((self.0 + 500).div_euclid(1000)).clamp(i64::MIN as i128, i64::MAX as i128) as i64
    }

    /// This many billionths of a dollar.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos as i128 * 1000)
    }

    /// This price per million, for `count` of them.
    #[must_use]
    pub const fn per_million(self, count: u64) -> Self {
        Self(self.0 * count as i128 / 1_000_000)
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${:.6}", self.as_dollars())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_list_is_exact() {
        let input = Money::from_dollars(0.15);
        assert_eq!(input.per_million(1_000_000), Money::from_dollars(0.15));
        assert_eq!(input.per_million(1), Money(150_000));
        assert_eq!(Money::from_dollars(2.5).per_million(1_234).to_string(), "$0.003085");
    }
}

//! Many lengths of time, of which quantiles are asked.

use std::time::Duration;

/// Bits of a value that are kept below its highest: one part in 128.
const KEPT: u32 = 7;

/// Counts of milliseconds in buckets that are 1 % wide (log-linear, as in HdrHistogram).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times {
    counts: Vec<u32>,
    all: u64,
}

impl Times {
    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        let bucket = bucket(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
        self.all += 1;
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.all
    }

    /// Are there none?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.all == 0
    }

    /// Adds the others.
    pub fn merge(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.all += other.all;
    }

    /// The time that this share of all does not exceed; `None` where there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        if self.all == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a count")]
        let wanted = (self.all as f64 * share).max(1.0);
        let mut below = 0.0;
        for (bucket, count) in self.counts.iter().enumerate() {
            below += f64::from(*count);
            if below >= wanted {
                return Some(Duration::from_millis(lowest(bucket)));
            }
        }
        None
    }
}

/// The bucket of a value: the values below 2^(KEPT + 1) have their own, then each doubling has 2^KEPT.
fn bucket(value: u64) -> usize {
    let doublings = (u64::BITS - value.leading_zeros()).saturating_sub(KEPT + 1);
    // The kept bits hold the highest one from the second doubling on.
    usize::try_from((u64::from(doublings) << KEPT) + (value >> doublings)).unwrap_or(usize::MAX)
}

/// The least value in a bucket.
fn lowest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let doublings = (bucket >> KEPT).saturating_sub(1);
    (bucket - (doublings << KEPT)) << doublings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_narrow_and_in_order() {
        let mut last = 0;
        for value in (0..5_000_u64).chain((5_000..4_000_000).step_by(997)) {
            let (at, low) = (bucket(value), lowest(bucket(value)));
            assert!(at >= last && low <= value && (value - low) * 128 <= value, "{value} {at} {low}");
            last = at;
        }
    }

    #[test]
    fn quantiles() {
        let mut times = Times::default();
        assert_eq!(times.quantile(0.5), None);
        for ms in 1..=1000 {
            times.add(Duration::from_millis(ms));
        }
        for (share, ms) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0), (0.0, 1.0)] {
            let got = times.quantile(share).unwrap().as_secs_f64() * 1e3;
            assert!((got - ms).abs() <= ms / 100.0, "{share} {got}");
        }
    }
}

//! The values of a sliding window, as counts in buckets of equal ratio.
//!
//! A quantile over the last minute needs the values of the last minute, and a busy target has thousands. Counting them
//! in buckets whose edges are a fixed ratio apart (as HdrHistogram and DDSketch do) keeps the relative error fixed and
//! the size too. Here the ratio is the cube root of 1.25, so that no answer is off by more than 4 %, and the edges are
//! laid so that one of them is the bound a rule compares with and another is 0.8 of it: at the two places where a rule
//! decides, counts are exact. Ten slices of a tenth of the window each slide; 6.5 KB, taken with the first value.

use std::time::Duration;

use ringmain_core::Tick;

/// Slices of a window; a rule steps once for each.
pub(crate) const SLICES: u64 = 10;
const BUCKETS: usize = 160;
/// The bucket that ends at the reference: from its 1/800 to its 180-fold, values are told apart.
const AT_REFERENCE: usize = 89;
/// `ln(1.25) / 3`.
const RATIO_LN: f64 = 0.074_381_183_771_403_24;

/// The length of one slice.
pub(crate) fn slice_of(over: Duration) -> Duration {
    (over / u32::try_from(SLICES).unwrap_or(1)).max(Duration::from_nanos(1))
}

/// The number of the slice that `now` is in.
pub(crate) fn number_of(over: Duration, now: Tick) -> u64 {
    now.0 / u64::try_from(slice_of(over).as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[derive(Debug, Clone, PartialEq)]
struct Slice {
    number: u64,
    sum: f64,
    counts: [u32; BUCKETS],
}

/// Values over a sliding window.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Histogram {
    slices: Vec<Slice>,
}

impl Histogram {
    /// Adds a value in the slice of this number. `reference` is always the same for one histogram.
    pub(crate) fn add(&mut self, value: f64, reference: f64, number: u64) {
        if self.slices.is_empty() {
            let empty = Slice { number: 0, sum: 0.0, counts: [0; BUCKETS] };
            self.slices = vec![empty; usize::try_from(SLICES).unwrap_or_default()];
        }
        let at = usize::try_from(number % SLICES).unwrap_or_default();
        let Some(slice) = self.slices.get_mut(at) else { return };
        if slice.number != number {
            *slice = Slice { number, sum: 0.0, counts: [0; BUCKETS] };
        }
        slice.sum += if value.is_finite() { value.max(0.0) } else { 0.0 };
        if let Some(count) = slice.counts.get_mut(bucket(value, reference)) {
            *count = count.saturating_add(1);
        }
    }

    /// What is in the window that ends with the slice of this number.
    pub(crate) fn counts(&self, number: u64) -> Counts {
        let mut counts = Counts::default();
        for slice in &self.slices {
            if slice.number <= number && number - slice.number < SLICES {
                counts.sum += slice.sum;
                for (all, count) in counts.buckets.iter_mut().zip(&slice.counts) {
                    *all += u64::from(*count);
                }
            }
        }
        counts
    }
}

/// Where a value lies: a bucket holds what is above its lower edge, its upper edge included.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "kept within the buckets before")]
fn bucket(value: f64, reference: f64) -> usize {
    if value.is_nan() || value <= 0.0 {
        return 0;
    }
    // What is equal to an edge may come out on either side of it by rounding: a billionth decides for below.
    let above = ((value / reference).ln() / RATIO_LN - 1e-9).ceil();
    (above + AT_REFERENCE as f64).clamp(0.0, (BUCKETS - 1) as f64) as usize
}

/// The upper edge of a bucket, as a multiple of the reference.
#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn edge(bucket: usize) -> f64 {
    ((bucket as f64 - AT_REFERENCE as f64) * RATIO_LN).exp()
}

/// The values of one window.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Counts {
    sum: f64,
    buckets: [u64; BUCKETS],
}

impl Default for Counts {
    fn default() -> Self {
        Self { sum: 0.0, buckets: [0; BUCKETS] }
    }
}

impl Counts {
    /// How many there are.
    pub(crate) fn total(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How many are above the reference.
    pub(crate) fn above(&self) -> u64 {
        self.buckets.iter().skip(AT_REFERENCE + 1).sum()
    }

    /// How many are at the reference or below.
    pub(crate) fn not_above(&self) -> u64 {
        self.buckets.iter().take(AT_REFERENCE + 1).sum()
    }

    /// Adds values that are known only to be on the bad side of theirs. Those of which even that is inside the reference
    /// count as the reference itself if they are `failures`, and else not at all.
    pub(crate) fn add_bounds(&mut self, bounds: &Self, reference: f64, bad_is_above: bool, failures: bool) {
        for (at, count) in bounds.buckets.iter().enumerate() {
            let is_beyond = if bad_is_above { at > AT_REFERENCE } else { at <= AT_REFERENCE };
            let at = if is_beyond {
                at
            } else if failures {
                // The bucket on the good side of the reference.
                if bad_is_above { AT_REFERENCE } else { AT_REFERENCE + 1 }
            } else {
                continue;
            };
            if let Some(all) = self.buckets.get_mut(at) {
                *all += count;
            }
            let value = if is_beyond { middle(at) * reference } else { reference };
            self.sum += value * as_float(*count);
        }
    }

    /// Adds the values of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        for (all, count) in self.buckets.iter_mut().zip(&other.buckets) {
            *all += count;
        }
    }

    /// Adds those values of `bounds` that lie in a higher bucket than the quantile `q` of what is here.
    pub(crate) fn add_beyond_quantile(&mut self, bounds: &Self, q: f64) {
        let Some(at) = self.rank(q) else { return };
        for (all, count) in self.buckets.iter_mut().zip(&bounds.buckets).skip(at + 1) {
            *all += count;
        }
    }

    /// The mean; `None` of nothing.
    pub(crate) fn mean(&self) -> Option<f64> {
        let total = self.total();
        (total > 0).then(|| self.sum / as_float(total))
    }

    /// The quantile `q` by nearest rank, as the middle of its bucket; `None` of nothing.
    pub(crate) fn quantile(&self, q: f64, reference: f64) -> Option<f64> {
        self.rank(q).map(|at| reference * middle(at))
    }

    /// The bucket of a quantile.
    fn rank(&self, q: f64) -> Option<usize> {
        let total = self.total();
        let rank = (q.clamp(0.0, 1.0) * as_float(total)).ceil().max(1.0);
        let mut before = 0;
        self.buckets.iter().position(|count| {
            before += count;
            *count > 0 && as_float(before) >= rank
        })
    }
}

fn middle(bucket: usize) -> f64 {
    edge(bucket) * (-0.5 * RATIO_LN).exp()
}

#[expect(clippy::cast_precision_loss, reason = "counts of one window")]
pub(crate) fn as_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(values: impl Iterator<Item = f64>, reference: f64) -> Counts {
        let mut histogram = Histogram::default();
        for value in values {
            histogram.add(value, reference, 7);
        }
        histogram.counts(7)
    }

    #[test]
    fn quantiles_are_within_four_percent() {
        for (least, most, reference) in [(0.2, 9.0, 2.0), (0.01, 0.02, 0.015), (3.0, 300.0, 2.0), (1e-4, 1e-2, 1e-3)] {
            let value = |n: u64| least + (most - least) * ((n * 7919) % 1000) as f64 / 1000.0;
            let counts = filled((0..1000).map(value), reference);
            let mut sorted: Vec<_> = (0..1000).map(value).collect();
            sorted.sort_by(f64::total_cmp);
            for q in [0.5, 0.9, 0.95, 0.99] {
                let (exact, told) =
                    (sorted[(q * 1000.0_f64).ceil() as usize - 1], counts.quantile(q, reference).unwrap());
                assert!((told / exact - 1.0).abs() < 0.04, "{least}..{most} p{q}: {told}, exactly {exact}");
            }
            assert!((counts.mean().unwrap() / (sorted.iter().sum::<f64>() / 1000.0) - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn counts_are_exact_at_the_bound_and_at_its_return() {
        for reference in [2.0, 0.1, 0.7, 30.0, 0.013] {
            for (value, is_above) in [(0.5, false), (0.999, false), (1.0, false), (1.001, true), (1.5, true)] {
                let counts = filled(std::iter::repeat_n(value * reference, 20), reference);
                assert_eq!((counts.above(), counts.not_above()), if is_above { (20, 0) } else { (0, 20) }, "{value}");
                assert_eq!(counts.quantile(0.95, reference).unwrap() > reference * 1.000_001, is_above, "{value}");
            }
            let quantile = |value: f64| {
                filled(std::iter::repeat_n(value * reference, 20), reference).quantile(0.95, reference).unwrap()
            };
            assert!(quantile(0.799) <= 0.800_001 * reference && quantile(0.801) > 0.8 * reference);
        }
    }

    #[test]
    fn old_slices_leave_and_odd_values_stay_within() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.counts(5).quantile(0.5, 1.0), None);
        for (number, value) in [(5, 1.0), (9, 2.0), (14, 3.0)] {
            histogram.add(value, 1.0, number);
        }
        for (number, total) in [(4, 0), (5, 1), (9, 2), (14, 3), (15, 2), (18, 2), (19, 1), (23, 1), (24, 0)] {
            assert_eq!(histogram.counts(number).total(), total, "{number}");
        }
        let odd = [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE];
        assert_eq!(filled(odd.into_iter(), 2.0).total(), 6);
    }

    #[test]
    fn a_failure_is_never_better_than_the_bound() {
        let failures = filled([0.1, 0.2, 9.0].into_iter(), 2.0);
        for (above, beyond, p50) in [(true, 1, 2.0), (false, 2, 2.0)] {
            let mut counts = Counts::default();
            counts.add_bounds(&failures, 2.0, above, true);
            assert_eq!(counts.total(), 3);
            assert_eq!(if above { counts.above() } else { counts.not_above() }, beyond);
            if above {
                assert!((counts.quantile(0.5, 2.0).unwrap() / p50 - 1.0).abs() < 0.04);
            }
            let mut counts = Counts::default();
            counts.add_bounds(&failures, 2.0, above, false);
            assert_eq!(counts.total(), beyond, "what was merely cut short says nothing inside the bound");
        }
    }
}

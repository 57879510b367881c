//! Times in buckets that grow by a fifth, so that quantiles of any window can be told to within a tenth.

use std::time::Duration;

/// Buckets to a doubling.
const PER_DOUBLING: f64 = 4.0;
/// Where the first bucket ends, in microseconds.
const FIRST: f64 = 100.0;
/// More than an hour is an hour.
const LAST: u8 = 104;

/// How many times fell into each bucket. Written as six bytes for each bucket that has any: its number, and the count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram(Vec<u64>);

impl Histogram {
    /// Adds a time.
    pub fn add(&mut self, time: Duration) {
        self.bump(bucket(time), 1);
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: &Self) {
        for (at, count) in other.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.bump(u8::try_from(at).unwrap_or(LAST), *count);
        }
    }

    /// Adds all of a stored one; what is no histogram counts nothing.
    pub fn merge_bytes(&mut self, bytes: &[u8]) {
        for entry in bytes.chunks_exact(6) {
            let mut count = [0; 8];
            count[..5].copy_from_slice(&entry[1..]);
            self.bump(entry[0], u64::from_le_bytes(count));
        }
    }

    fn bump(&mut self, bucket: u8, by: u64) {
        let at = usize::from(bucket.min(LAST));
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        if let Some(count) = self.0.get_mut(at) {
            *count += by;
        }
    }

    /// How many times there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The time that this share of 1 of them did not exceed. `None` without any.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of requests"
    )]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        let rank = ((count as f64 * share).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        for (at, in_bucket) in self.0.iter().enumerate() {
            seen += in_bucket;
            if seen >= rank {
                return Some(middle(u8::try_from(at).unwrap_or(LAST)));
            }
        }
        None
    }

    /// How many times there are in each bucket, up to the last that has any.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.0
    }

    /// Of counts by bucket; those beyond an hour are an hour.
    #[must_use]
    pub fn of_counts(counts: Vec<u64>) -> Self {
        let mut read = Self::default();
        for (at, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            read.bump(u8::try_from(at).unwrap_or(LAST), count);
        }
        read
    }

    /// For a database.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (at, count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            bytes.push(u8::try_from(at).unwrap_or(LAST));
            bytes.extend_from_slice(&count.to_le_bytes()[..5]);
        }
        bytes
    }

    /// From a database; what is no histogram counts nothing.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut read = Self::default();
        read.merge_bytes(bytes);
        read
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range that is clamped to")]
fn bucket(time: Duration) -> u8 {
    let micros = time.as_secs_f64() * 1e6;
    ((micros / FIRST).max(1.0).log2() * PER_DOUBLING).ceil().clamp(0.0, f64::from(LAST)) as u8
}

/// The geometric middle of a bucket.
fn middle(bucket: u8) -> Duration {
    let micros = FIRST * ((f64::from(bucket) - 0.5) / PER_DOUBLING).exp2();
    Duration::from_secs_f64(micros / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_a_tenth() {
        let mut times = Histogram::default();
        for millis in 1..=1000 {
            times.add(Duration::from_millis(millis));
        }
        for (share, exact) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (0.01, 10.0)] {
            let told = times.quantile(share).unwrap().as_secs_f64() * 1000.0;
            assert!((told / exact - 1.0).abs() < 0.1, "{share}: {told} for {exact}");
        }
        assert_eq!(Histogram::default().quantile(0.5), None);
        let mut far = Histogram::default();
        far.add(Duration::from_secs(1_000_000));
        far.add(Duration::ZERO);
        assert_eq!(far.count(), 2);
    }

    #[test]
    fn it_comes_back_from_bytes_and_adds_up() {
        let (mut one, mut two) = (Histogram::default(), Histogram::default());
        one.add(Duration::from_millis(3));
        two.add(Duration::from_millis(3));
        two.add(Duration::from_secs(9));
        one.merge(&two);
        assert_eq!(one.count(), 3);
        assert_eq!(Histogram::from_bytes(&one.to_bytes()), one);
        assert!(Histogram::from_bytes(b"nonsense").count() > 0, "and does no harm");
    }
}

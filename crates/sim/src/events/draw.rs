//! Numbers by chance.

use std::time::Duration;

use ringmain_core::Seed;

/// How many standard deviations the 95th percentile of a normal distribution is from its middle.
const P95: f64 = 1.644_853_6;

/// A log-normal distribution, as latencies and lengths are distributed: by its median and its 95th percentile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Half are below.
    pub median: f64,
    /// Five of a hundred are above.
    pub p95: f64,
}

impl Spread {
    /// Always this.
    #[must_use]
    pub const fn always(value: f64) -> Self {
        Self { median: value, p95: value }
    }

    /// One number.
    #[must_use]
    pub fn draw(self, seed: Seed) -> f64 {
        if self.median <= 0.0 || self.p95 <= self.median {
            return self.median.max(0.0);
        }
        self.median * ((self.p95 / self.median).ln() / P95 * normal(seed)).exp()
    }
}

/// The standard normal distribution, by Box and Muller.
fn normal(seed: Seed) -> f64 {
    let radius = (-2.0 * (1.0 - seed.draw("radius").unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * seed.draw("angle").unit()).cos()
}

/// The time to the next of events that come by chance, `rate` a second.
pub(super) fn gap(rate: f64, seed: Seed) -> Duration {
    seconds(-(1.0 - seed.unit()).ln() / rate)
}

/// Whole microseconds: finer is noise, and a rounded time does not depend on the last bit of a logarithm.
pub(super) fn seconds(seconds: f64) -> Duration {
    /// Longer than any run.
    const LONGEST: f64 = 1e9;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 and LONGEST")]
    let micros = (seconds.clamp(0.0, LONGEST) * 1e6).round() as u64;
    Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_quantiles() {
        let spread = Spread { median: 0.4, p95: 1.5 };
        let mut drawn: Vec<f64> = (0..20_000).map(|n| spread.draw(Seed(n).draw("x"))).collect();
        drawn.sort_by(f64::total_cmp);
        assert!((drawn[10_000] - 0.4).abs() < 0.02, "{}", drawn[10_000]);
        assert!((drawn[19_000] - 1.5).abs() < 0.08, "{}", drawn[19_000]);
        assert!((Spread::always(3.0).draw(Seed(1)) - 3.0).abs() < f64::EPSILON);
    }
}

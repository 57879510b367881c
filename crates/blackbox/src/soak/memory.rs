//! Resident memory over time.

use std::fmt;

use crate::gateway::resident_mib;

/// The first part of the looks is warm-up.
const WARM_UP: f64 = 0.3;
/// What the last part may have more than the first after warm-up, in MiB and as a share.
const GROWTH_MIB: f64 = 6.0;
const GROWTH: f64 = 0.08;

/// Memory, as it was seen.
#[derive(Debug, Default)]
pub(super) struct Memory {
    mib: Vec<f64>,
}

impl Memory {
    pub(super) fn look(&mut self, pid: u32) {
        self.mib.extend(resident_mib(pid));
    }

    /// The medians of the first and of the last quarter after warm-up.
    fn ends(&self) -> Option<(f64, f64)> {
        let warm = &self.mib[(self.mib.len() as f64 * WARM_UP) as usize..];
        let quarter = warm.len() / 4;
        (quarter > 0).then(|| (median(&warm[..quarter]), median(&warm[warm.len() - quarter..])))
    }

    /// Whether it stayed; a run that is too short to tell counts as flat.
    pub(super) fn is_flat(&self) -> bool {
        self.ends().is_none_or(|(before, after)| after - before <= GROWTH_MIB.max(before * GROWTH))
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ends() {
            Some((before, after)) => write!(f, "memory: {before:.1} MiB after warm-up, {after:.1} MiB at the end"),
            None => f.write_str("memory: too short a run to tell"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_after_warm_up_is_seen_and_warm_up_is_not() {
        let flat = Memory { mib: (0..100).map(|at| if at < 30 { f64::from(at) } else { 60.0 }).collect() };
        assert!(flat.is_flat());
        let grows = Memory { mib: (0..100).map(f64::from).collect() };
        assert!(!grows.is_flat());
        assert!(Memory { mib: vec![1.0, 90.0] }.is_flat());
    }
}

//! Two counts over the last ten slices of time. Old slices are found by their number, so nothing has to be cleaned up.

use std::time::Duration;

use ringmain_core::Tick;

const SLICES: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Slice {
    number: u64,
    counts: [u32; 2],
}

/// A sliding window of ten slices. Routes that share a target may want different windows: the first wins until the
/// window has run empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct SlidingWindow {
    width: u64,
    slices: [Slice; SLICES],
}

impl SlidingWindow {
    /// Adds one to the count at `which`.
    pub(crate) fn add(&mut self, which: usize, window: Duration, now: Tick) {
        let width = (u64::try_from(window.as_nanos()).unwrap_or(u64::MAX) / SLICES as u64).max(1);
        if self.width != width && self.sums(now) == [0, 0] {
            *self = Self { width, slices: [Slice::default(); SLICES] };
        }
        let number = now.0 / self.width.max(1);
        let at = usize::try_from(number % SLICES as u64).unwrap_or_default();
        if let Some(slice) = self.slices.get_mut(at) {
            if slice.number != number {
                *slice = Slice { number, counts: [0, 0] };
            }
            if let Some(count) = slice.counts.get_mut(which) {
                *count = count.saturating_add(1);
            }
        }
    }

    /// Both counts over the window that ends now.
    pub(crate) fn sums(&self, now: Tick) -> [u64; 2] {
        let number = now.0 / self.width.max(1);
        let mut sums = [0, 0];
        for slice in &self.slices {
            if slice.number <= number && number - slice.number < SLICES as u64 {
                sums[0] += u64::from(slice.counts[0]);
                sums[1] += u64::from(slice.counts[1]);
            }
        }
        sums
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.slices = [Slice::default(); SLICES];
    }
}

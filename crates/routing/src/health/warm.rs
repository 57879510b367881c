//! Where conversations are warm: which target answered last, by the mark its prompt left.
//!
//! Two generations of a bounded map: entries are put into the young one; when that is full it becomes the old one, and
//! what was old is forgotten. So what is used stays, with no list to keep in order.

use std::collections::BTreeMap;
use std::time::Duration;

use ringmain_core::Tick;

use crate::{Affinity, TargetIx};

/// Entries of one generation; two of them are about 3 MB.
const GENERATION: usize = 32_768;
/// A prompt cache is kept for 5 to 10 minutes after its last use (OpenAI and Anthropic, prompt caching guides).
const PREFIX_KEPT: Duration = Duration::from_secs(600);
const SESSION_KEPT: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Warm {
    young: BTreeMap<u64, Place>,
    old: BTreeMap<u64, Place>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    target: TargetIx,
    until: Tick,
}

impl Warm {
    /// Where the first of these marks is warm.
    pub(crate) fn find(&self, marks: &[u64], now: Tick) -> Option<TargetIx> {
        let place = |mark| self.young.get(mark).or_else(|| self.old.get(mark)).filter(|place| now < place.until);
        marks.iter().find_map(place).map(|place| place.target)
    }

    /// This target has answered the prompt of this mark.
    pub(crate) fn keep(&mut self, mark: u64, target: TargetIx, affinity: Affinity, now: Tick) {
        let kept = match affinity {
            Affinity::Off => return,
            Affinity::Prefix => PREFIX_KEPT,
            Affinity::Session => SESSION_KEPT,
        };
        if self.young.len() >= GENERATION && !self.young.contains_key(&mark) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(mark, Place { target, until: now + kept });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_is_bounded() {
        let mut warm = Warm::default();
        let now = Tick::ZERO;
        for mark in 0..(3 * GENERATION as u64) {
            warm.keep(7_000_000, TargetIx(7), Affinity::Prefix, now);
            warm.keep(mark, TargetIx(1), Affinity::Prefix, now);
        }
        assert!(warm.young.len() + warm.old.len() <= 2 * GENERATION);
        assert_eq!(warm.find(&[7_000_000], now), Some(TargetIx(7)));
        assert_eq!(warm.find(&[0], now), None);
        assert_eq!(warm.find(&[0, 7_000_000], now), Some(TargetIx(7)), "the next mark is looked for");
        assert_eq!(warm.find(&[7_000_000], now + PREFIX_KEPT), None, "a cold cache is no reason");
    }
}

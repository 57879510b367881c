//! Which values of tags are summed apart. What callers write in a tag is theirs to choose: a value that is another in each
//! request would make rows of sums for each.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use ringmain_core::WallTime;

use crate::sums::Grain;

/// Values of one name that are summed apart, in a day.
pub const VALUES_MAX: usize = 1000;
/// Names that are, in a day.
pub const NAMES_MAX: usize = 100;
/// What the others are summed as.
pub const OTHER: &str = "other";

/// The names and values that a process has summed apart on one day, by their hashes: the first that came.
#[derive(Debug, Default)]
pub struct Distinct {
    day: WallTime,
    values: HashMap<u64, HashSet<u64>>,
}

impl Distinct {
    /// The slice of a tag of a request that began then: `team=search`, or `team=other` where there are too many of it.
    pub fn slice(&mut self, at: WallTime, name: &str, value: &str) -> String {
        let day = Grain::Day.begin(at);
        if day > self.day {
            (self.day, self.values) = (day, HashMap::new());
        }
        let hash = |text: &str| FixedState::default().hash_one(text);
        let is_full = self.values.len() >= NAMES_MAX;
        let values = match self.values.entry(hash(name)) {
            std::collections::hash_map::Entry::Vacant(_) if is_full => return format!("{OTHER}={OTHER}"),
            entry => entry.or_default(),
        };
        let value_hash = hash(value);
        if values.len() < VALUES_MAX || values.contains(&value_hash) {
            values.insert(value_hash);
            return format!("{name}={value}");
        }
        format!("{name}={OTHER}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_is_other_until_the_next_day() {
        let mut distinct = Distinct::default();
        let day = |nth: u64| WallTime(nth * Grain::Day.millis());
        for nth in 0..VALUES_MAX {
            assert_eq!(distinct.slice(day(1), "id", &nth.to_string()), format!("id={nth}"));
        }
        assert_eq!(distinct.slice(day(1), "id", "new"), "id=other");
        assert_eq!(distinct.slice(day(1), "id", "7"), "id=7", "what was summed apart still is");
        assert_eq!(distinct.slice(day(1), "team", "search"), "team=search", "each name has its own");
        assert_eq!(distinct.slice(day(0), "id", "late"), "id=other", "what comes late is not a day of its own");
        assert_eq!(distinct.slice(day(2), "id", "new"), "id=new");
        for nth in 1..NAMES_MAX {
            distinct.slice(day(2), &format!("n{nth}"), "x");
        }
        assert_eq!(distinct.slice(day(2), "one-more", "x"), "other=other");
    }
}

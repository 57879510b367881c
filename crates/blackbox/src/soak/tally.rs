//! What came of all requests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringmain_caller::Ask;

use super::load::Came;

/// Wrong answers kept to be shown.
const SHOWN: usize = 20;

#[derive(Default)]
struct Counts {
    whole: u64,
    left: u64,
    /// Honest errors, by class and whether the answer had begun.
    errors: BTreeMap<String, u64>,
    wrong: u64,
    shown: Vec<String>,
}

/// Counts, shared by all callers.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Counts>);

impl Tally {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, ask: &Ask, came: Came) {
        let mut counts = self.counts();
        match came {
            Came::Whole => counts.whole += 1,
            Came::Left => counts.left += 1,
            Came::Error { class, broken } => {
                let how = if broken { "inside the answer" } else { "instead of an answer" };
                *counts.errors.entry(format!("{class}, {how}")).or_default() += 1;
            }
            Came::Wrong(why) => {
                counts.wrong += 1;
                if counts.shown.len() < SHOWN {
                    counts.shown.push(format!("{ask:?}: {why}"));
                }
            }
        }
    }

    /// One line on the way, each half minute.
    pub(super) fn progress(&self, at: Duration) {
        if at.as_secs() % 30 < 5 {
            let counts = self.counts();
            let errors: u64 = counts.errors.values().sum();
            println!("{:>5.0} s: {} whole, {errors} errors, {} wrong", at.as_secs_f64(), counts.whole, counts.wrong);
        }
    }

    pub(super) fn asked(&self) -> u64 {
        let counts = self.counts();
        counts.whole + counts.left + counts.wrong + counts.errors.values().sum::<u64>()
    }

    pub(super) fn wrong_count(&self) -> u64 {
        self.counts().wrong
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.counts().shown.clone()
    }

    /// The success rate of those who stayed, and what the others got.
    pub(super) fn table(&self) -> String {
        let counts = self.counts();
        let errors: u64 = counts.errors.values().sum();
        let stayed = counts.whole + errors + counts.wrong;
        let share = |count: u64| 100.0 * count as f64 / stayed.max(1) as f64;
        let mut out = format!("{stayed} answers, {} callers hung up\n", counts.left);
        let mut row = |what: &str, count: u64| {
            let _ = writeln!(out, "{what:<40} {count:>8} {:>7.3} %", share(count));
        };
        row("whole", counts.whole);
        for (cause, count) in &counts.errors {
            row(cause, *count);
        }
        row("WRONG", counts.wrong);
        out
    }
}

//! The numbers of a run that are worth telling.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::events::{Move, Tally};

/// Columns of time.
pub(super) const COLUMNS: usize = 12;

/// A run under some rules.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Under which rules.
    pub rules: String,
    /// Requests that arrived.
    pub requests: u64,
    /// Of those that were not left by their callers, the share that was served.
    pub success: f64,
    /// Errors by what the caller was told.
    pub failures: BTreeMap<String, u64>,
    /// Callers who left before the answer's end.
    pub left: u64,
    /// Seconds from arrival to the first useful token: the 50th, 90th and 99th percentile.
    pub first_token: [Option<f64>; 3],
    /// Seconds from arrival to the end of the answer: the same percentiles.
    pub whole: [Option<f64>; 3],
    /// Dollars.
    pub cost: f64,
    /// Answers of models without a known price.
    pub unpriced: u64,
    /// Upstream attempts for each request.
    pub attempts: f64,
    /// The same in the worst minute.
    pub attempts_worst_minute: f64,
    /// Answers 429 from providers.
    pub limited: u64,
    /// The targets.
    pub targets: Vec<TargetSummary>,
    /// Share of requests that were not served, in twelve columns of time; `None` where there was no request.
    pub failed_over_time: Vec<Option<f64>>,
}

/// One target in a run.
#[derive(Debug, Clone, Serialize)]
pub struct TargetSummary {
    /// `provider/model`.
    pub name: String,
    /// Upstream attempts.
    pub attempts: u64,
    /// Share of the served requests that it served.
    pub share: f64,
    /// The same in twelve columns of time; `None` where nothing was served.
    pub over_time: Vec<Option<f64>>,
    /// Dollars.
    pub cost: f64,
    /// Attempts while something was wrong with it.
    pub attempts_while_hurt: u64,
    /// Something was wrong with it at some time, and it had traffic before.
    pub hurt: bool,
    /// Seconds from the beginning of its trouble until it had lost three quarters of its share; `None`: it did not.
    pub left_after: Option<f64>,
    /// Seconds from the end of its trouble until it had three quarters of its share; `None`: not in the time there was.
    pub back_after: Option<f64>,
}

/// The rules in question, and others for comparison.
#[derive(Debug)]
pub struct Comparison {
    /// What happens.
    pub title: String,
    /// How long.
    pub length: Duration,
    /// All that was counted under the rules.
    pub tally: Tally,
    /// The rules, and those they are compared with.
    pub runs: Vec<Summary>,
}

impl Summary {
    /// Of what was counted under the rules of this name.
    #[must_use]
    pub fn of(rules: &str, tally: &Tally) -> Self {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let quantiles = [0.5, 0.9, 0.99];
        let stayed = tally.arrived.saturating_sub(tally.left);
        Self {
            rules: rules.to_owned(),
            requests: tally.arrived,
            success: if stayed == 0 { 1.0 } else { ratio(tally.served, stayed) },
            failures: tally.failures.iter().map(|(class, count)| ((*class).to_owned(), *count)).collect(),
            left: tally.left,
            first_token: quantiles.map(|share| seconds(tally.first_token.quantile(share))),
            whole: quantiles.map(|share| seconds(tally.whole.quantile(share))),
            cost: tally.cost.as_dollars(),
            unpriced: tally.unpriced,
            attempts: ratio(tally.attempts, tally.arrived),
            attempts_worst_minute: tally.worst_minute(),
            limited: tally.targets.iter().map(|target| target.limited).sum(),
            targets: targets(tally),
            failed_over_time: columns(tally, |slice| slice.failed, |slice| slice.arrived),
        }
    }

    /// Attempts on targets while something was wrong with them.
    #[must_use]
    pub fn attempts_while_hurt(&self) -> u64 {
        self.targets.iter().map(|target| target.attempts_while_hurt).sum()
    }

    /// The longest time any hurt target took to leave; `None` where none was hurt, `Some(None)` where one never left.
    #[must_use]
    pub fn leave(&self) -> Option<Option<f64>> {
        let hurt = self.targets.iter().filter(|target| target.hurt);
        hurt.map(|target| target.left_after).reduce(|a, b| Some(a?.max(b?)))
    }

    /// The longest time any target that left took to return, in the same way.
    #[must_use]
    pub fn back(&self) -> Option<Option<f64>> {
        let left = self.targets.iter().filter(|target| target.left_after.is_some());
        left.map(|target| target.back_after).reduce(|a, b| Some(a?.max(b?)))
    }
}

fn targets(tally: &Tally) -> Vec<TargetSummary> {
    let of = |(at, target): (usize, &crate::events::TargetTally)| {
        let moved = |of: fn(Move) -> Option<Duration>| target.moved.and_then(of).map(|time| time.as_secs_f64());
        let part = |slice: &crate::events::Slice| slice.by_target.get(at).copied().unwrap_or(0);
        TargetSummary {
            name: target.name.clone(),
            attempts: target.attempts,
            share: ratio(target.served, tally.served),
            over_time: columns(tally, part, |slice| slice.served),
            cost: target.cost.as_dollars(),
            attempts_while_hurt: target.attempts_hurt,
            hurt: target.moved.is_some(),
            left_after: moved(|moved| moved.left),
            back_after: moved(|moved| moved.back),
        }
    };
    tally.targets.iter().enumerate().map(of).collect()
}

/// A share for each column of time.
fn columns(
    tally: &Tally,
    part: impl Fn(&crate::events::Slice) -> u64,
    whole: impl Fn(&crate::events::Slice) -> u64,
) -> Vec<Option<f64>> {
    let each = tally.slices.len().div_ceil(COLUMNS).max(1);
    let sum = |slices: &[crate::events::Slice], of: &dyn Fn(&crate::events::Slice) -> u64| slices.iter().map(of).sum();
    let share = |slices: &[crate::events::Slice]| {
        let (part, whole): (u64, u64) = (sum(slices, &part), sum(slices, &whole));
        (whole > 0).then(|| ratio(part, whole))
    };
    tally.slices.chunks(each).map(share).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts")]
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

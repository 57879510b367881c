//! The numbers for people, the runs side by side.

use std::fmt::Write as _;
use std::time::Duration;

use super::summary::COLUMNS;
use super::{Comparison, Summary};

/// Width of the first column, and of one for each run.
const LABEL: usize = 34;
const VALUE: usize = 24;

/// The table, for a terminal of 100 columns.
#[must_use]
pub fn table(comparison: &Comparison) -> String {
    let mut out = String::new();
    let requests = comparison.runs.first().map_or(0, |run| run.requests);
    let _ = writeln!(out, "{}: {requests} requests in {}\n", comparison.title, span(comparison.length));
    let mut row = |label: &str, cells: Vec<String>| {
        if cells.iter().any(|cell| !cell.is_empty()) {
            let cells: String = cells.iter().map(|cell| format!("{cell:>VALUE$}")).collect();
            let _ = writeln!(out, "{}", format!("{label:<LABEL$}{cells}").trim_end());
        }
    };
    let runs = &comparison.runs;
    let each = |of: &dyn Fn(&Summary) -> String| runs.iter().map(of).collect::<Vec<String>>();
    row("", each(&|run| run.rules.clone()));
    row("served", each(&|run| percent(run.success)));
    let mut classes: Vec<&String> = runs.iter().flat_map(|run| run.failures.keys()).collect();
    classes.sort_unstable();
    classes.dedup();
    for class in classes {
        let count = |run: &Summary| run.failures.get(class).copied().unwrap_or(0).to_string();
        row(&format!("  failed: {class}"), each(&count));
    }
    if runs.iter().any(|run| run.left > 0) {
        row("  left by the caller", each(&|run| run.left.to_string()));
    }
    row("first token p50 / p90 / p99", each(&|run| run.first_token.map(seconds).join(" / ")));
    row("whole answer p50 / p90 / p99", each(&|run| run.whole.map(seconds).join(" / ")));
    row("cost", each(&|run| format!("${:.2}", run.cost)));
    if runs.iter().any(|run| run.unpriced > 0) {
        row("  answers without a known price", each(&|run| run.unpriced.to_string()));
    }
    row("attempts for each request", each(&|run| format!("{:.3}", run.attempts)));
    row("  in the worst minute", each(&|run| format!("{:.3}", run.attempts_worst_minute)));
    row("429 from providers", each(&|run| run.limited.to_string()));
    if runs.iter().any(|run| run.leave().is_some()) {
        row("attempts on what is not well", each(&|run| run.attempts_while_hurt().to_string()));
        row("time to leave", each(&|run| moved(run.leave())));
        row("time to return", each(&|run| if run.back().is_none() { "-".to_owned() } else { moved(run.back()) }));
    }
    for run in runs {
        shares(run, comparison.length, &mut out);
    }
    out
}

/// Who served, over time.
fn shares(run: &Summary, length: Duration, out: &mut String) {
    let names = run.targets.iter().map(|target| target.name.chars().count());
    let label = names.chain(["not served".len()]).max().unwrap_or(0) + 2;
    let _ = writeln!(
        out,
        "\nserved by, under {}, from left to right {} each (%)",
        run.rules,
        span(length / COLUMNS as u32)
    );
    let line = |values: &[Option<f64>]| {
        let cell =
            |value: &Option<f64>| value.map_or_else(|| "    -".to_owned(), |share| format!("{:>5.0}", share * 100.0));
        values.iter().map(cell).collect::<String>()
    };
    for target in &run.targets {
        let _ = writeln!(out, "  {:<label$}{}", target.name, line(&target.over_time));
    }
    let _ = writeln!(out, "  {:<label$}{}", "not served", line(&run.failed_over_time));
}

/// A share that never looks better than it is.
#[must_use]
pub fn percent(share: f64) -> String {
    let cut = (share * 10_000.0).floor() / 100.0;
    if cut >= 100.0 { "100 %".to_owned() } else { format!("{cut:.2} %") }
}

/// Seconds, in as few characters as tell them.
#[must_use]
pub fn seconds(time: Option<f64>) -> String {
    match time {
        None => "-".to_owned(),
        Some(time) if time < 1.0 => format!("{:.0}ms", time * 1e3),
        Some(time) if time < 9.95 => format!("{time:.1}s"),
        Some(time) => format!("{time:.0}s"),
    }
}

/// A time to leave or to return, in seconds; empty where there was nothing to leave.
#[must_use]
pub fn moved(time: Option<Option<f64>>) -> String {
    match time {
        None => String::new(),
        Some(None) => "never".to_owned(),
        Some(time) => seconds(time),
    }
}

/// A length of time as a person would say it.
#[must_use]
pub fn span(time: Duration) -> String {
    match time.as_secs_f64() {
        hours if hours >= 7200.0 => {
            format!("{:.4}", hours / 3600.0).trim_end_matches('0').trim_end_matches('.').to_owned() + " h"
        }
        minutes if minutes >= 120.0 => {
            format!("{:.2}", minutes / 60.0).trim_end_matches('0').trim_end_matches('.').to_owned() + " min"
        }
        seconds => format!("{seconds:.1}").trim_end_matches('0').trim_end_matches('.').to_owned() + " s",
    }
}

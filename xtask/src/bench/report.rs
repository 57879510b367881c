//! What was measured, round by round, and the table made of it.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::machine;
use super::stats::median;
use super::system::{BOOKED, REFERENCE, RELAYING, System, TRANSLATING};

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Metric {
    RequestCpu,
    RequestRate,
    LatencyMedian,
    LatencyTail,
    StreamCpu,
    StreamFirstMedian,
    StreamFirstTail,
    ConcurrentFailures,
    ConcurrentWhole,
    ConcurrentFirstTail,
    PeakMemory,
    AddedMemory,
    IdleMemory,
    StartTime,
}

impl Metric {
    const ALL: [Self; 14] = [
        Self::RequestCpu,
        Self::RequestRate,
        Self::LatencyMedian,
        Self::LatencyTail,
        Self::StreamCpu,
        Self::StreamFirstMedian,
        Self::StreamFirstTail,
        Self::ConcurrentFailures,
        Self::ConcurrentWhole,
        Self::ConcurrentFirstTail,
        Self::PeakMemory,
        Self::AddedMemory,
        Self::IdleMemory,
        Self::StartTime,
    ];

    const fn title(self) -> &'static str {
        match self {
            Self::RequestCpu => "CPU per request, 64 connections (µs)",
            Self::RequestRate => "requests a second, same load",
            Self::LatencyMedian => "latency p50 at 200 requests/s (µs)",
            Self::LatencyTail => "latency p99 at 200 requests/s (µs)",
            Self::StreamCpu => "CPU per 64-chunk stream, 16 connections (µs)",
            Self::StreamFirstMedian => "first byte p50, same load (µs)",
            Self::StreamFirstTail => "first byte p99, same load (µs)",
            Self::ConcurrentFailures => "1,000 streams at once: failures",
            Self::ConcurrentWhole => "1,000 streams at once: whole stream p50 (ms)",
            Self::ConcurrentFirstTail => "1,000 streams at once: first byte p99 (ms)",
            Self::PeakMemory => "1,000 streams at once: peak memory (MiB)",
            Self::AddedMemory => "peak memory over idle (MiB)",
            Self::IdleMemory => "idle memory (MiB)",
            Self::StartTime => "start to first answer (ms)",
        }
    }

    /// The row that says how much a system adds to having none, where that means something.
    const fn added(self) -> Option<&'static str> {
        match self {
            Self::LatencyMedian => Some("— added to direct, p50 (µs)"),
            Self::LatencyTail => Some("— added to direct, p99 (µs)"),
            _ => None,
        }
    }

    /// Whether a ratio to the reference says anything.
    const fn has_ratio(self) -> bool {
        !matches!(self, Self::ConcurrentFailures)
    }
}

/// Values by metric, system and round.
#[derive(Default)]
pub(super) struct Results {
    values: BTreeMap<(Metric, &'static str, u32), f64>,
    notes: Vec<String>,
    out: Vec<&'static str>,
    /// Body bytes of a plain answer.
    pub(super) answer_bytes: usize,
    /// Body bytes of a streamed answer.
    pub(super) stream_bytes: usize,
}

impl Results {
    pub(super) fn add(&mut self, round: u32, system: &'static str, metric: Metric, value: f64) {
        self.values.insert((metric, system, round), value);
    }

    pub(super) fn add_maybe(&mut self, round: u32, system: &'static str, metric: Metric, value: Option<f64>) {
        if let Some(value) = value {
            self.add(round, system, metric, value);
        }
    }

    /// Failures under a load that should have none.
    pub(super) fn fail(&mut self, system: &str, load: &str, failures: u64) {
        if failures > 0 {
            self.notes.push(format!("{system}: {failures} {load} failed"));
        }
    }

    /// A system that could not be measured takes no further part; the report says why.
    pub(super) fn put_out(&mut self, system: &'static str, error: &anyhow::Error) {
        if !self.is_out(system) {
            self.out.push(system);
            self.notes.push(format!("{system} was left out: {error:#}"));
        }
    }

    pub(super) fn is_out(&self, system: &str) -> bool {
        self.out.contains(&system)
    }

    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The median over the rounds of a value made from each.
    fn over_rounds(&self, rounds: u32, value: impl Fn(&Self, u32) -> Option<f64>) -> Option<f64> {
        median(&(0..rounds).filter_map(|round| value(self, round)).collect::<Vec<f64>>())
    }

    fn get(&self, metric: Metric, system: &'static str, round: u32) -> Option<f64> {
        self.values.get(&(metric, system, round)).copied()
    }

    fn combined(
        &self,
        metric: Metric,
        systems: [&'static str; 2],
        rounds: u32,
        combine: fn(f64, f64) -> f64,
    ) -> Option<f64> {
        let [system, base] = systems;
        self.over_rounds(rounds, |all, round| {
            Some(combine(all.get(metric, system, round)?, all.get(metric, base, round)?))
        })
    }
}

/// The report: machine, method, table, notes.
pub(super) fn write(systems: &[Box<dyn System>], results: &Results, rounds: u32, seconds: u64) -> String {
    let names: Vec<&'static str> = systems.iter().map(|system| system.name()).collect();
    let compared: Vec<&'static str> =
        names.iter().copied().filter(|name| !matches!(*name, "direct" | REFERENCE)).collect();
    let mut text = String::from("# What the gateway costs\n\n");
    text.push_str(&machine::facts());
    for system in systems.iter().filter(|system| !results.is_out(system.name())) {
        let _ = writeln!(text, "- {}: {}", system.name(), system.version());
    }
    let _ = writeln!(
        text,
        "\nMade by `cargo xtask bench`: medians of {rounds} interleaved rounds of {seconds} s each; ratios to {REFERENCE} are taken\n\
         within a round. Requests of 900 bytes, answers of {} bytes, streams of {} bytes. CPU is user and system time\n\
         of all processes of the system, memory their resident sets added up; load generator and provider run on the\n\
         same machine and are not counted.\n",
        results.answer_bytes, results.stream_bytes
    );
    let ratios: Vec<String> = compared.iter().map(|name| format!("{name} / {REFERENCE}")).collect();
    let head: Vec<String> = names.iter().map(|name| (*name).to_owned()).chain(ratios).collect();
    let _ = writeln!(text, "| | {} |\n|---|{}", head.join(" | "), "---:|".repeat(head.len()));
    for metric in Metric::ALL {
        write_row(&mut text, metric.title(), &row(metric, &names, &compared, results, rounds));
        if let Some(title) = metric.added() {
            let cells: Vec<String> = names
                .iter()
                .map(|name| {
                    let added = results.combined(metric, [name, "direct"], rounds, |value, base| value - base);
                    cell(added.filter(|_| *name != "direct"))
                })
                .chain(compared.iter().map(|_| cell(None)))
                .collect();
            write_row(&mut text, title, &cells);
        }
    }
    for (metric, what) in [(Metric::RequestCpu, "request"), (Metric::StreamCpu, "stream")] {
        let times = results.combined(metric, [BOOKED, RELAYING], rounds, |value, base| value / base);
        if let Some(times) = times {
            let _ = writeln!(
                text,
                "\nWith a key, limits at two levels and the ledger on, a {what} costs {times:.2} times the CPU."
            );
        }
    }
    let times = results.combined(Metric::StreamCpu, [TRANSLATING, RELAYING], rounds, |value, base| value / base);
    if let Some(times) = times {
        let _ = writeln!(
            text,
            "\nA translated stream (Chat from Messages) costs {times:.2} times the CPU of a relayed one."
        );
    }
    if !results.notes.is_empty() {
        let _ = writeln!(text, "\nNotes: {}.", results.notes.join("; "));
    }
    text
}

fn row(
    metric: Metric,
    names: &[&'static str],
    compared: &[&'static str],
    results: &Results,
    rounds: u32,
) -> Vec<String> {
    let values = names.iter().map(|name| cell(results.over_rounds(rounds, |all, round| all.get(metric, name, round))));
    let ratios = compared.iter().map(|name| {
        let ratio = results.combined(metric, [name, REFERENCE], rounds, |value, base| value / base);
        ratio
            .filter(|ratio| metric.has_ratio() && ratio.is_finite())
            .map_or_else(|| "—".to_owned(), |ratio| format!("{ratio:.2}"))
    });
    values.chain(ratios).collect()
}

/// A row, unless nothing of it was measured.
fn write_row(text: &mut String, title: &str, cells: &[String]) {
    if cells.iter().any(|cell| cell != "—") {
        let _ = writeln!(text, "| {title} | {} |", cells.join(" | "));
    }
}

/// Three significant digits are more than the spread of a run bears out.
fn cell(value: Option<f64>) -> String {
    match value {
        None => "—".to_owned(),
        Some(value) if value == 0.0 || value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut results = Results::default();
        // The machine was twice as slow in the second round and three times in the third, for both.
        for (round, slow) in [(0, 1.0), (1, 2.0), (2, 3.0)] {
            results.add(round, "nginx", Metric::RequestCpu, 10.0 * slow);
            results.add(round, "ringmain", Metric::RequestCpu, 15.0 * slow);
        }
        let cells = row(Metric::RequestCpu, &["nginx", "ringmain"], &["ringmain"], &results, 3);
        assert_eq!(cells, ["20.0", "30.0", "1.50"]);
        let missing = row(Metric::StreamCpu, &["nginx", "ringmain"], &["ringmain"], &results, 3);
        assert_eq!(missing, ["—", "—", "—"]);
    }
}

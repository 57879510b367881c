//! The scorecard.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ringmain_core::Dialect;

use super::catalogue::Case;
use super::cell::Cell;
use super::judge::Verdict;

/// What the published scorecard of 2026-09-12 gives others, in the order pass, partial, safe, fail.
const PUBLISHED: &[(&str, [u32; 4])] = &[
    ("reference client", [16, 0, 0, 0]),
    ("Portkey OSS", [11, 2, 0, 3]),
    ("LiteLLM proxy", [9, 3, 4, 0]),
    ("LangChain", [9, 3, 4, 0]),
    ("Bifrost v2.1.1", [9, 3, 3, 1]),
    ("openai-python", [6, 0, 10, 0]),
];

/// Results, counted.
pub(crate) struct Card {
    /// For each case and caller's dialect: pass, partial, fail.
    counts: BTreeMap<(Case, Dialect), [u32; 3]>,
}

fn place(verdict: &Verdict) -> usize {
    match verdict {
        Verdict::Pass => 0,
        Verdict::Partial(_) => 1,
        Verdict::Fail(_) => 2,
    }
}

impl Card {
    pub(crate) fn of(results: &BTreeMap<Cell, Verdict>) -> Self {
        let mut counts: BTreeMap<(Case, Dialect), [u32; 3]> = BTreeMap::new();
        for (cell, verdict) in results {
            counts.entry((cell.case, cell.caller)).or_default()[place(verdict)] += 1;
        }
        Self { counts }
    }

    fn of_case(&self, case: Case) -> [u32; 3] {
        let mut sum = [0; 3];
        for (_, counts) in self.counts.iter().filter(|((of, _), _)| *of == case) {
            for (sum, count) in sum.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        sum
    }

    /// A case counts as its worst cell.
    fn word(counts: [u32; 3]) -> &'static str {
        match counts {
            [0, 0, 0] => "-",
            [_, 0, 0] => "pass",
            [_, _, 0] => "partial",
            _ => "FAIL",
        }
    }

    /// Cases that pass in every cell, those that do not but mislead nobody, and the rest.
    fn summary(&self) -> [usize; 3] {
        let words: Vec<_> = Case::ALL.into_iter().map(|case| Self::word(self.of_case(case))).collect();
        ["pass", "partial", "FAIL"].map(|word| words.iter().filter(|it| **it == word).count())
    }

    /// The table as Markdown: a row for each fault, a column for each caller's dialect.
    pub(crate) fn text(&self) -> String {
        let mut out = String::from("| fault | |");
        for dialect in Dialect::ALL {
            let _ = write!(out, " {dialect} |");
        }
        out.push_str("\n|---|---|---|---|---|---|---|---|\n");
        for case in Case::ALL {
            let all = self.of_case(case);
            if all == [0; 3] {
                continue;
            }
            let _ = write!(out, "| {} {} | {} |", case.id(), case.title(), Self::word(all));
            for dialect in Dialect::ALL {
                let [pass, partial, fail] = self.counts.get(&(case, dialect)).copied().unwrap_or_default();
                let _ = match (partial, fail) {
                    (0, 0) => write!(out, " {pass} |"),
                    _ => write!(out, " {pass} / {partial} / {fail} |"),
                };
            }
            out.push('\n');
        }
        let [pass, partial, fail] = self.summary();
        let _ =
            write!(out, "\nOf {} faults {pass} pass everywhere, {partial} are partial, {fail} fail.", Case::ALL.len());
        out
    }

    /// `docs/faults.md`.
    pub(crate) fn document(&self, results: &BTreeMap<Cell, Verdict>) -> String {
        let [pass, partial, fail] = self.summary();
        let mut out = format!("{HEAD}\n{}\n\n{AGAINST}\n", self.text());
        out.push_str("| | pass | partial | safe | fail |\n|---|---:|---:|---:|---:|\n");
        let _ = writeln!(out, "| Ringmain, {} cells | {pass} | {partial} | | {fail} |", results.len());
        for (name, [pass, partial, safe, fail]) in PUBLISHED {
            let _ = writeln!(out, "| {name} | {pass} | {partial} | {safe} | {fail} |");
        }
        let open: Vec<_> = results.iter().filter(|(_, verdict)| **verdict != Verdict::Pass).collect();
        if !open.is_empty() {
            out.push_str("\n## What does not pass\n\n");
            for (cell, verdict) in open {
                let _ = writeln!(out, "- {cell}: {}", verdict.word());
            }
        }
        out
    }
}

const HEAD: &str = "# Faults

Sixteen ways a provider fails, by the numbers of the public Failover Bench catalogue, in front of the built binary: for
each of the six dialects a caller may speak, each of the six a primary may speak (its fallback speaks another one),
streamed and, where that can happen, plain. Judged from both ends: the caller's answer must be whole and of its dialect
to the letter, in time; and each provider must have been asked no oftener and no later than it should, and be left
within a second. A cell is *pass*, *partial* (honest, but an error where a rescue was possible, or late, or too many
attempts) or *fail* (somebody was misled or left hanging).

Made by `cargo xtask faults`, with the default clocks divided by ten; `--full` takes them as they are. A number is a
count of cells that pass; where some do not: pass / partial / fail.
";

const AGAINST: &str =
    "Published results of others, one dialect in and out (scorecard of 2026-09-12). *Safe* there is an
honest error where a rescue was possible, which here counts as partial.
";

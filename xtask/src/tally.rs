//! How many test cases passed and failed, read from the summaries that test runners print.

use std::ops::AddAssign;

/// Counts of test cases.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Tally {
    /// The counts of a line, when it is a summary of `cargo nextest`, `cargo test`, `pytest` or `node --test` (which gives
    /// each count a line).
    ///
    /// Cases that timed out, could not be started or broke in their set-up count as failed.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let plain = without_colour(line);
        // nextest repeats a failed test's own output indented, with a summary in it that would be counted twice.
        if let Some(count) = plain.strip_prefix("ℹ ") {
            return Self::of_node(count.trim_end());
        }
        let line = plain.trim_end().trim_matches('=');
        let line = line.strip_prefix(' ').filter(|line| !line.starts_with(' ')).unwrap_or(line).trim_end();
        let counts = if line.trim_start().starts_with("Summary [") {
            line.split_once("run:")?.1
        } else if let Some(counts) = line.strip_prefix("test result:") {
            counts
        } else {
            let (counts, took) = line.rsplit_once(" in ")?;
            let is_pytest = counts.starts_with(|c: char| c.is_ascii_digit())
                && took.starts_with(|c: char| c.is_ascii_digit())
                && took.contains('s');
            is_pytest.then_some(counts)?
        };
        let words: Vec<&str> =
            counts.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let mut tally = Self::default();
        let mut seen = false;
        for pair in words.windows(2) {
            let Ok(count) = pair[0].parse::<u64>() else { continue };
            match pair[1] {
                "passed" => tally.passed += count,
                "failed" | "error" | "errors" | "timed" | "exec" => tally.failed += count,
                "skipped" | "ignored" | "xfailed" => {}
                _ => continue,
            }
            seen = true;
        }
        seen.then_some(tally)
    }

    /// One count of Node's test runner. What was cancelled did not run, though it should have.
    fn of_node(count: &str) -> Option<Self> {
        let (word, number) = count.split_once(' ')?;
        let number = number.parse().ok()?;
        match word {
            "pass" => Some(Self { passed: number, failed: 0 }),
            "fail" | "cancelled" => Some(Self { passed: 0, failed: number }),
            _ => None,
        }
    }
}

/// The text without terminal colour sequences.
fn without_colour(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_read() {
        for (line, expected) in [
            (
                "     Summary [   0.010s] 12 tests run: 10 passed (1 slow), 1 failed, 1 timed out, 2 skipped",
                Some((10, 2)),
            ),
            (
                "\u{1b}[32;1m     Summary\u{1b}[0m [   0.0s] \u{1b}[1m3\u{1b}[0m tests run: \u{1b}[1m3\u{1b}[0m passed, 0 skipped",
                Some((3, 0)),
            ),
            (
                "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s",
                Some((3, 1)),
            ),
            ("===== 1 failed, 2 passed, 1 skipped, 1 error in 0.12s =====", Some((2, 2))),
            ("2 passed in 61.02s (0:01:01)", Some((2, 0))),
            ("ℹ pass 12", Some((12, 0))),
            ("ℹ fail 2", Some((0, 2))),
            ("ℹ cancelled 1", Some((0, 1))),
            ("ℹ tests 14", None),
            ("ℹ duration_ms 12.5", None),
            ("    test result: FAILED. 0 passed; 1 failed; 0 ignored; finished in 0.15s", None),
            ("PASS [ 0.1s] xtask tally", None),
            ("3 connections opened in 4s", None),
            ("", None),
        ] {
            let tally = expected.map(|(passed, failed)| Tally { passed, failed });
            assert_eq!(Tally::of_line(line), tally, "{line}");
        }
    }
}

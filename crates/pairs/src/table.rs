//! The table: passed and total of each pair, and why the rest did not pass.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ringmain_core::Dialect;

use crate::check::{Crossing, Outcome, Part};
use crate::recordings::Recordings;

const PARTS: [(Part, &str, &str); 4] = [
    (
        Part::Plain,
        "Plain answers",
        "same text, tool calls, finish reason and usage, also when the answer is made a stream",
    ),
    (
        Part::Stream,
        "Streamed answers",
        "the same, however the bytes are cut, also when the stream is gathered to a plain answer",
    ),
    (Part::Request, "Requests", "every character the model reads and every tool arrives"),
    (Part::Error, "Errors", "same words, and the class that decides what a client does"),
];

/// Passed and total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    passed: usize,
    total: usize,
}

/// The page, in Markdown.
#[must_use]
pub fn page(recordings: &Recordings, crossings: &[Crossing]) -> String {
    let other: usize = recordings.other.iter().map(|(_, count, _)| count).sum();
    let all = recordings.chat.len() + other;
    let mut page = format!(
        "# Every pair of dialects, on recorded traffic\n\nMade by `cargo xtask pairs`. Of {all} recorded exchanges \
         {} are chat in one of the six dialects. Each is read, written in each dialect, and read again; a cell is \
         passed / total, rows are what was recorded, columns what it became. Where both are the same the gateway \
         relays the bytes; here they go through the codec all the same.\n",
        recordings.chat.len()
    );
    for (part, name, what) in PARTS {
        let of: Vec<&Crossing> = crossings.iter().filter(|crossing| crossing.part == part).collect();
        // Writing to memory cannot fail.
        let _ = write!(page, "\n## {name}\n\n{}: {what}.\n\n", total(&of));
        matrix(&mut page, &of);
        reasons(&mut page, &of);
    }
    page.push_str("\n## Not chat, or another dialect\n\n| API | exchanges | what it is |\n|---|---:|---|\n");
    for (api, count, what) in &recordings.other {
        let _ = writeln!(page, "| `{api}` | {count} | {what} |");
    }
    page
}

fn total(of: &[&Crossing]) -> String {
    let passed = of.iter().filter(|crossing| crossing.outcome == Outcome::Passed).count();
    format!("{passed} / {}", of.len())
}

fn matrix(page: &mut String, of: &[&Crossing]) {
    let mut counts: BTreeMap<(Dialect, Dialect), Count> = BTreeMap::new();
    for crossing in of {
        let count = counts.entry((crossing.from, crossing.to)).or_default();
        count.total += 1;
        count.passed += usize::from(crossing.outcome == Outcome::Passed);
    }
    let heads: Vec<String> = Dialect::ALL.iter().map(ToString::to_string).collect();
    let _ = writeln!(page, "| from | {} |\n|---{}|", heads.join(" | "), "|---:".repeat(heads.len()));
    for from in Dialect::ALL {
        let cells = Dialect::ALL.iter().map(|to| match counts.get(&(from, *to)) {
            Some(Count { passed, total }) => format!("{passed} / {total}"),
            None => "—".to_owned(),
        });
        let _ = writeln!(page, "| {from} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}

fn reasons(page: &mut String, of: &[&Crossing]) {
    let mut reasons: BTreeMap<(bool, String), (usize, Vec<Dialect>)> = BTreeMap::new();
    for crossing in of {
        let key = match &crossing.outcome {
            Outcome::Passed => continue,
            Outcome::Refused(why) => (false, why.clone()),
            Outcome::Failed(why) => (true, format!("{}: {why}", crossing.id)),
        };
        let (count, to) = reasons.entry(key).or_default();
        *count += 1;
        if !to.contains(&crossing.to) {
            to.push(crossing.to);
        }
    }
    if reasons.is_empty() {
        return;
    }
    page.push_str("\nNot passed:\n\n");
    for ((failed, why), (count, mut to)) in reasons {
        to.sort_unstable();
        let to = to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let word = if failed { "failed" } else { "refused by name" };
        let _ = writeln!(page, "- {count} {word}, to {to}: {why}");
    }
}

//! Decisions are one-page records, numbered without gaps, all of one shape.

use super::Finding;
use super::tree::Tree;

const HOME: &str = "docs/adr/";
const HEADINGS: &[&str] = &["Status", "Context", "Decision", "Consequences"];
/// A page.
const LINES: usize = 80;

/// Checks `docs/adr/NNNN-title.md`.
pub(super) fn check(tree: &Tree, found: &mut Vec<Finding>) {
    let mut records = Vec::new();
    for document in tree.docs.iter().filter(|document| document.path.starts_with(HOME)) {
        let name = &document.path[HOME.len()..];
        if name == "README.md" {
            continue;
        }
        let number =
            name.split_once('-').filter(|(digits, _)| digits.len() == 4).and_then(|(digits, _)| digits.parse().ok());
        let Some(number) = number else {
            found.push(Finding::new(&document.path, 1, "not named NNNN-title.md", "give it the next free number"));
            continue;
        };
        records.push((number, document));
    }
    records.sort_by_key(|(number, _): &(u32, _)| *number);
    for ((before, _), (number, document)) in records.iter().zip(records.iter().skip(1)) {
        if *number != before + 1 {
            let what = format!("number {number:04} follows {before:04}");
            found.push(Finding::new(&document.path, 1, what, "number records one by one, each number once"));
        }
    }
    if let Some((number, document)) = records.first()
        && *number > 1
    {
        found.push(Finding::new(&document.path, 1, "the first record is not 0000 or 0001", "number records from 0001"));
    }
    for (_, document) in records {
        let lines: Vec<&str> = document.text.lines().collect();
        for heading in HEADINGS {
            let is_there = |line: &&str| line.starts_with('#') && line.trim_start_matches('#').trim() == *heading;
            if !lines.iter().any(is_there) {
                let hint = format!("add `## {heading}`; every record has {}", HEADINGS.join(", "));
                found.push(Finding::new(&document.path, 1, format!("no heading `{heading}`"), hint));
            }
        }
        if lines.len() > LINES {
            let what = format!("{} lines, {LINES} at most", lines.len());
            found.push(Finding::new(&document.path, LINES + 1, what, "a record is one page; link to the evidence"));
        }
    }
}

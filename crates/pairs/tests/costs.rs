//! What recorded exchanges cost, against figures that were worked out apart from this program.
#![expect(clippy::print_stderr, reason = "a skipped test must say so")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use ringmain_core::Money;
use ringmain_pairs::costs::{Bill, Outcome, bills};
use ringmain_pairs::{costs_file, costs_page, folder};

/// Name, target, dollars, how that was worked out: from the recorded counts and the public price tables, by hand or by
/// what the provider's answer says.
const EXPECTED: &str = include_str!("costs.tsv");

fn recorded() -> Option<Vec<Bill>> {
    let folder = folder();
    if !folder.is_dir() {
        eprintln!("skipped: no recordings at {}", folder.display());
        return None;
    }
    Some(bills(&folder).unwrap())
}

/// A decimal number of dollars, exactly.
fn picodollars(text: &str) -> i128 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{part:0<12}");
    whole.parse::<i128>().unwrap() * 1_000_000_000_000 + part[..12].parse::<i128>().unwrap()
}

#[test]
fn every_priced_recording_costs_what_it_should() {
    let Some(bills) = recorded() else { return };
    let mut expected: BTreeMap<&str, (&str, i128)> = BTreeMap::new();
    for line in EXPECTED.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap();
        let (id, target, dollars, how) = (next(), next(), next(), next());
        assert!(!how.is_empty(), "{id}");
        assert!(expected.insert(id, (target, picodollars(dollars))).is_none(), "{id} twice");
    }
    let mut wrong = Vec::new();
    for bill in &bills {
        let found = match bill.outcome {
            Outcome::Priced(Money(cost)) | Outcome::Told(Money(cost)) => Some((bill.target.as_str(), cost)),
            Outcome::Unpriced(_) => None,
        };
        let wanted = expected.remove(bill.id.as_str());
        let same = match (found, wanted) {
            // What is less than a picodollar is rounded down, or by whoever wrote the figure.
            (Some((target, cost)), Some((name, dollars))) => target == name && (cost - dollars).abs() <= 1,
            (None, None) => true,
            _ => false,
        };
        if !same {
            wrong.push(format!("{}: {found:?}, not {wanted:?}", bill.id));
        }
    }
    wrong.extend(expected.keys().map(|id| format!("{id} is not recorded")));
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), bills.len(), wrong.join("\n"));
}

#[test]
fn the_page_is_fresh() {
    let Some(bills) = recorded() else { return };
    let text = std::fs::read_to_string(costs_file()).unwrap_or_default();
    assert!(text == costs_page::page(&bills), "stale: run `cargo xtask costs --write`");
}

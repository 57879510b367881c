//! Everything that was recorded crosses every pair, and the page says so.
#![expect(clippy::print_stderr, reason = "a skipped test must say so")]

use ringmain_pairs::{Outcome, Splits, cross, folder, page, table};

#[test]
fn recorded_traffic_crosses_every_pair_and_the_page_is_fresh() {
    let folder = folder();
    if !folder.is_dir() {
        eprintln!("skipped: no recordings at {}", folder.display());
        return;
    }
    let (recordings, crossings) = cross(&folder, Splits::Some).unwrap();
    let failed: Vec<String> = crossings
        .iter()
        .filter_map(|crossing| match &crossing.outcome {
            Outcome::Failed(why) => Some(format!("{} to {}: {why}", crossing.id, crossing.to)),
            Outcome::Passed | Outcome::Refused(_) => None,
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let text = std::fs::read_to_string(page()).unwrap_or_default();
    assert!(text == table::page(&recordings, &crossings), "stale: run `cargo xtask pairs --write`");
}

//! The scenario library: each file does what its `expect` says, and the page about them says what they do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use ringmain_catalog::Catalog;
use ringmain_sim::events::{Memory, run};
use ringmain_sim::report::{self, Comparison, Summary};
use ringmain_sim::scenario::{Expect, PlaceholderKeys, Scenario, plain_retry, world};

const PAGE: &str = "docs/scenarios.md";

/// The order of the page: the way the library is listed where it was asked for.
const ORDER: [&str; 9] = [
    "provider-outage",
    "regional-brownout",
    "slow-first-tokens",
    "one-key-exhausted",
    "all-keys-exhausted",
    "flapping-primary",
    "empty-answers",
    "price-rise",
    "surge",
];

struct Played {
    name: String,
    scenario: Scenario,
    config: String,
    comparison: Comparison,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("scenarios")).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    let mut names: Vec<String> = files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let place = |name: &String| ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len());
    names.sort_by_key(|name| (place(name), name.clone()));
    names
}

fn play(name: &str, catalog: &Arc<Catalog>) -> Played {
    let folder = root().join("scenarios");
    let text = std::fs::read_to_string(folder.join(format!("{name}.yaml"))).unwrap();
    let scenario = Scenario::read(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let config = scenario.config.clone().unwrap_or_else(|| panic!("{name}: `config` says on which rules it runs"));
    let rules = std::fs::read_to_string(folder.join(&config)).unwrap();
    let loaded = ringmain_config::load(&rules, &PlaceholderKeys::of(&rules, catalog), catalog);
    let problems = loaded.diagnostics.render(&config, &rules, false);
    let config_read = loaded.config.unwrap_or_else(|| panic!("{problems}"));
    let world = world(&config_read, &scenario, 1).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    let ours = run(&world, Memory::Keeps);
    assert_eq!(ours.broken, None, "{name}");
    let plain = run(&plain_retry(&world), Memory::Forgets);
    let runs = vec![Summary::of("these rules", &ours.tally), Summary::of("plain ordered retry", &plain.tally)];
    let comparison = Comparison { title: scenario.title.clone(), length: scenario.length.0, tally: ours.tally, runs };
    Played { name: name.to_owned(), scenario, config, comparison }
}

#[test]
fn every_scenario_does_what_it_says_and_the_page_says_so() {
    let catalog = Catalog::embedded().unwrap();
    let names = names();
    assert!(ORDER.iter().all(|name| names.iter().any(|known| known == name)), "{names:?}");
    let played: Vec<Played> = std::thread::scope(|scope| {
        let threads: Vec<_> = names.iter().map(|name| scope.spawn(|| play(name, &catalog))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut wrong = String::new();
    for played in &played {
        for what in misses(&played.scenario.expect, &played.comparison.runs) {
            let _ = writeln!(wrong, "{}: {what}", played.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}\n{}", played.iter().map(|it| report::table(&it.comparison)).collect::<String>());
    let fresh = page(&played);
    let path = root().join(PAGE);
    if std::env::var_os("RINGMAIN_REWRITE").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == fresh, "{PAGE} is stale: run this test with RINGMAIN_REWRITE=1");
}

/// What is expected and is not so.
fn misses(expect: &Expect, runs: &[Summary]) -> Vec<String> {
    let (ours, plain) = (&runs[0], &runs[1]);
    let mut misses = Vec::new();
    let mut at_most = |what: &str, value: Option<f64>, bound: Option<f64>| {
        if let Some(bound) = bound
            && value.is_none_or(|value| value > bound + 1e-9)
        {
            misses.push(format!("{what} is {value:?}, at most {bound} was expected"));
        }
    };
    at_most("share of requests not served", Some(1.0 - ours.success), expect.success.map(|part| 1.0 - part.0));
    at_most("attempts for each request", Some(ours.attempts), expect.attempts);
    let seconds = |span: ringmain_sim::scenario::Span| span.0.as_secs_f64();
    at_most("first token p99", ours.first_token[2], expect.first_token_p99.map(seconds));
    at_most("time to leave", ours.leave().flatten(), expect.leave.map(seconds));
    at_most("time to return", ours.back().flatten(), expect.back.map(seconds));
    let to_hurt = ours.attempts_while_hurt() as f64;
    at_most("attempts on what fails", Some(to_hurt), expect.to_hurt.map(|count| count.0 as f64));
    at_most("cost beside plain retry", Some(ours.cost / plain.cost), expect.cost.map(|part| part.0));
    misses
}

/// The page, from what was played.
fn page(all: &[Played]) -> String {
    let mut page = String::from(
        "# What the rules do in trouble\n\n\
         Made by the test `every_scenario_does_what_it_says_and_the_page_says_so` (`crates/sim/tests/library.rs`) from the \
         files in `scenarios/`;\nwritten anew with `RINGMAIN_REWRITE=1`. Each is the real decision code under virtual time, \
         seed 1, beside *plain ordered retry*:\nthe same targets in file order, the same number of attempts, the same \
         waits, and no memory of how earlier requests went.\n\n\
         ```console\n\
         $ ringmain simulate scenarios/configs/three-weighted.yaml --scenario scenarios/provider-outage.yaml --chart out.svg\n\
         ```\n\n\
         *Extra attempts* are upstream attempts beyond one for each request. *Leave* is the time from the beginning of the \
         trouble until\nthe hurt target has lost three quarters of its share of first attempts, *return* the time from its \
         end until it has three\nquarters of it again; a target that had no share, or no trouble of its own, has neither.\n\n",
    );
    let heads =
        ["served", "extra attempts", "leave", "return", "attempts on what is not well", "first token p99", "cost"];
    for Played { name, scenario, config, comparison } in all {
        let _ = writeln!(page, "## {}\n", scenario.title);
        let _ = writeln!(page, "{}\n", scenario.shows.trim());
        let _ = writeln!(
            page,
            "`scenarios/{name}.yaml` on `scenarios/{config}`: {} requests in {}.\n",
            comparison.runs[0].requests,
            report::span(comparison.length)
        );
        let _ = writeln!(page, "| | {} |\n|---|{}", heads.join(" | "), "---|".repeat(heads.len()));
        for run in &comparison.runs {
            let cells = [
                report::percent(run.success),
                format!("{:.3}", (run.attempts - 1.0).max(0.0)),
                or_dash(report::moved(run.leave())),
                or_dash(report::moved(run.back())),
                run.leave().map_or("–".to_owned(), |_| run.attempts_while_hurt().to_string()),
                report::seconds(run.first_token[2]),
                format!("${:.2}", run.cost),
            ];
            let _ = writeln!(page, "| {} | {} |", run.rules, cells.join(" | "));
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "–".to_owned() } else { text }
}

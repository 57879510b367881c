//! The fault suite: sixteen faults, each for every pair of a caller's dialect and a provider's, judged from both ends.
//!
//! ```text
//! Cell { case, caller's dialect, provider's dialect, streamed? }  -> run -> Evidence -> judge -> Verdict
//! ```
//! All cells of a kind run at once against one gateway; each has two providers of its own, so that no cell sees another's health.

mod canary;
mod card;
mod catalogue;
mod cell;
mod clocks;
mod judge;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use ringmain_core::Dialect;
use ringmain_provider_sim::{Behavior, Sim, SimConfig};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::gateway::Gateway;
use canary::Canary;
use catalogue::{Case, WORDS};
use cell::Cell;
use clocks::Clocks;
use judge::Verdict;

/// Cells that run at once; fewer in each round.
const AT_ONCE: usize = 32;
/// How often a cell is run at most: again where it did not pass, with fewer beside it. A busy machine stands still now and
/// then for longer than the divided clocks allow; what is wrong is wrong again. Each run that did not pass is printed.
const ROUNDS: usize = 3;

#[derive(Args)]
pub(crate) struct Options {
    /// The built gateway
    #[arg(long, value_name = "PATH")]
    ringmain: PathBuf,
    /// The default clocks as they are, not divided by ten
    #[arg(long)]
    full: bool,
    /// Only these faults, by number (S08); `service` is drain and reload under load
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only callers of this dialect
    #[arg(long)]
    caller: Option<Dialect>,
    /// Only primaries of this dialect
    #[arg(long)]
    provider: Option<Dialect>,
    /// Where to write the scorecard
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Runs the cells and prints the scorecard; true when all pass.
///
/// # Errors
/// The gateway or the simulator does not start.
pub(crate) fn command(options: &Options) -> Result<bool> {
    let clocks = Arc::new(Clocks::new(options.full));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let start = Instant::now();
    let mut results = BTreeMap::new();
    for stream in [true, false] {
        let mut cells = cells(options, stream);
        if cells.is_empty() {
            continue;
        }
        for round in 0..ROUNDS {
            let done = runtime.block_on(run(&options.ringmain, &clocks, &cells, AT_ONCE >> (2 * round)))?;
            cells.clear();
            for (cell, verdict) in done {
                if let Verdict::Partial(why) | Verdict::Fail(why) = &verdict {
                    println!("run {}: {} {cell}: {why}", round + 1, verdict.word());
                    cells.push(cell);
                }
                results.insert(cell, verdict);
            }
            if cells.is_empty() {
                break;
            }
        }
    }
    let took = start.elapsed();
    let card = card::Card::of(&results);
    println!("{}", card.text());
    for (cell, verdict) in &results {
        if let Verdict::Partial(why) | Verdict::Fail(why) = verdict {
            println!("{} {cell}: {why}", verdict.word());
        }
    }
    if let Some(path) = &options.write {
        fs::write(path, card.document(&results)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut passed = results.values().filter(|verdict| **verdict == Verdict::Pass).count();
    let mut failed = results.len() - passed;
    // It asks all dialects at once.
    let is_whole = options.only.is_empty() && options.caller.is_none() && options.provider.is_none();
    if is_whole || options.only.iter().any(|id| id == "service") {
        let held = runtime.block_on(service::check(&options.ringmain));
        passed += held.iter().filter(|held| **held).count();
        failed += held.iter().filter(|held| !**held).count();
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {word}. {passed} passed; {failed} failed; finished in {:.1} s", took.as_secs_f64());
    Ok(failed == 0 && passed > 0)
}

/// The cells that were asked for, those with long waits first.
fn cells(options: &Options, stream: bool) -> Vec<Cell> {
    let wanted = |case: &Case| options.only.is_empty() || options.only.iter().any(|id| case.id() == *id);
    let clocks = Clocks::new(options.full);
    let mut cases: Vec<Case> =
        Case::ALL.into_iter().filter(wanted).filter(|case| stream || case.is_plain_too()).collect();
    cases.sort_by_key(|case| std::cmp::Reverse(case.within(&clocks)));
    let mut cells = Vec::new();
    for case in cases {
        for caller in Dialect::ALL.into_iter().filter(|it| options.caller.is_none_or(|only| only == *it)) {
            for provider in Dialect::ALL.into_iter().filter(|it| options.provider.is_none_or(|only| only == *it)) {
                cells.push(Cell { case, caller, provider, stream });
            }
        }
    }
    cells
}

/// Runs cells once.
async fn run(program: &Path, clocks: &Arc<Clocks>, cells: &[Cell], at_once: usize) -> Result<Vec<(Cell, Verdict)>> {
    let config = SimConfig {
        default: Behavior { words: WORDS, ..Behavior::default() },
        log_capacity: 1 << 16,
        ..SimConfig::default()
    };
    let sim = Arc::new(Sim::start(config).await?);
    let folder = tempfile::tempdir()?;
    let mut rules = json!({"defaults": clocks.settings(), "providers": {}, "routes": []});
    cell::add_route(&mut rules, canary::NAME, &[(Dialect::OpenAiChat, canary::NAME)], &sim);
    for cell in cells {
        cell.configure(&sim, clocks, &mut rules);
    }
    let gateway = Arc::new(Gateway::start(program, &rules, folder.path()).await?);
    let canary = Arc::new(Canary::start(&gateway, clocks));
    let (permits, mut running) = (Arc::new(Semaphore::new(at_once.max(1))), JoinSet::new());
    for cell in cells.iter().copied() {
        let (permits, canary) = (Arc::clone(&permits), Arc::clone(&canary));
        let (sim, gateway, clocks) = (Arc::clone(&sim), Arc::clone(&gateway), Arc::clone(clocks));
        running.spawn(async move {
            let _permit = permits.acquire().await;
            let begun = Instant::now();
            let evidence = cell.run(&sim, &gateway, &clocks).await;
            (cell, judge::judge(&cell, &evidence, &clocks, canary.worst(begun)))
        });
    }
    let mut results = Vec::new();
    while let Some(done) = running.join_next().await {
        results.push(done?);
    }
    Ok(results)
}

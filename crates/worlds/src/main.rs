//! `worlds`: runs seeded worlds and says which invariant broke in which.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;
use clap::Parser;
use ringmain_catalog::Catalog;
use ringmain_worlds::{Broken, check, make, run};

/// Runs the real engine in seeded worlds and checks its invariants
#[derive(Debug, Parser)]
struct Arguments {
    /// How many worlds
    #[arg(long, default_value_t = 2000)]
    worlds: u64,
    /// The first world's seed; each next one has the next seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run one world, and print it whole
    #[arg(long, value_name = "SEED", conflicts_with_all = ["worlds", "seed"])]
    world: Option<u64>,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// How many broken worlds are told.
const TOLD: usize = 10;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let catalog = Catalog::embedded().map_err(|problems| anyhow!("{problems}"))?;
    if let Some(seed) = arguments.world {
        return one(seed, &catalog);
    }
    let next = AtomicU64::new(arguments.seed);
    let end = arguments.seed + arguments.worlds;
    let (requests, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let (count, broken) = world(seed, &catalog);
                    requests.fetch_add(count, Ordering::Relaxed);
                    if !broken.is_empty() {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push((seed, broken));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let requests = requests.into_inner();
    say(&format!("{} worlds, {requests} requests, {} worlds with a broken invariant", arguments.worlds, failed.len()));
    for (seed, broken) in failed.iter().take(TOLD) {
        for Broken { invariant, what } in broken.iter().take(3) {
            say(&format!("  world {seed}: {invariant}: {what}"));
        }
        say(&format!("    again: cargo run --release -p ringmain-worlds -- --world {seed}"));
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn world(seed: u64, catalog: &Arc<Catalog>) -> (u64, Vec<Broken>) {
    let made = make(seed);
    match run(&made, catalog) {
        Ok(seen) => (seen.callers.len() as u64, check(&made, &seen)),
        Err(error) => (0, vec![Broken { invariant: "runs", what: format!("{error:#}") }]),
    }
}

/// Tells a world: its rules, its providers, what every caller got.
fn one(seed: u64, catalog: &Arc<Catalog>) -> anyhow::Result<ExitCode> {
    let made = make(seed);
    say(&made.yaml);
    for (name, provider) in &made.script.providers {
        for step in &provider.steps {
            say(&format!("{name} from {:?}: {}", step.at.unwrap_or_default(), step.behavior.name()));
        }
    }
    let seen = run(&made, catalog)?;
    for got in &seen.callers {
        say(&format!("\n{:?}\n  {:?} at {:?}: {:?}", got.caller, got.status, got.ended, got.heard));
        if let Some(record) = got.record(&seen.gateway) {
            for line in ringmain_routing::explain::story(&record) {
                say(&format!("  {line}"));
            }
        }
    }
    let broken = check(&made, &seen);
    for Broken { invariant, what } in &broken {
        say(&format!("\nBROKEN {invariant}: {what}"));
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

//! `cargo xtask bench`: what the gateway costs, beside nginx as a plain reverse proxy and beside no proxy at all, in
//! one run on one machine. The systems take turns within each round, in another order each time, so that ratios are
//! between neighbours in time; the report gives medians over the rounds.

mod http;
mod load;
mod machine;
mod measure;
mod report;
mod stats;
mod system;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::workspace;
use measure::{Bench, Live};
use report::Results;
use system::System;

#[derive(Args)]
pub(crate) struct Options {
    /// Short runs: a first impression, not a result
    #[arg(long)]
    quick: bool,
    /// How often each system has its turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long each measure takes for each system and round; 8, or 2 with --quick
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: Option<u64>,
    /// Only these measures
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Measure>,
    /// Only these systems, of direct, nginx, ringmain, translating, booked
    #[arg(long, value_delimiter = ',')]
    systems: Vec<String>,
    /// A built gateway to measure instead of building one
    #[arg(long, value_name = "PATH", requires = "provider_sim")]
    ringmain: Option<PathBuf>,
    /// Built simulated providers to use instead of building them
    #[arg(long, value_name = "PATH", requires = "ringmain")]
    provider_sim: Option<PathBuf>,
}

/// One kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// CPU for each small request, 64 connections kept busy
    Cpu,
    /// Latency at 200 requests a second
    Latency,
    /// CPU for each stream of 64 chunks, 16 connections kept busy
    Streams,
    /// 1,000 streams at once, 20 ms between chunks
    Concurrent,
    /// Time from start to the first answer, and memory then
    Start,
    /// Bytes a second and allocations an event of each codec, without a network
    Codecs,
}

/// Runs the measures, prints the report and writes `bench/results.md`; true when every system could be measured.
///
/// # Errors
/// The programs do not build, the provider does not start, or the report cannot be written.
pub(crate) fn command(options: &Options) -> Result<bool> {
    let (ringmain, provider_sim) = programs(options)?;
    let systems = chosen(system::all(&ringmain), &options.systems)?;
    let measures = if options.only.is_empty() { Measure::value_variants() } else { &options.only };
    let seconds = options.seconds.unwrap_or(if options.quick { 2 } else { 8 });
    let home = workspace::target_dir()?.join("bench");
    let bench = Bench::start(&provider_sim, home, Duration::from_secs(seconds))?;
    let mut results = Results::default();
    for round in 0..options.rounds {
        println!("round {} of {}", round + 1, options.rounds);
        run_round(&bench, &systems, measures, round, &mut results);
    }
    drop(bench);
    let mut text = report::write(&systems, &results, options.rounds, seconds);
    if measures.contains(&Measure::Codecs) {
        text.push_str(&codecs()?);
    }
    println!("\n{text}");
    // A short or partial run is not what the file should hold.
    if options.quick || !options.only.is_empty() || !options.systems.is_empty() {
        println!("bench/results.md is left as it was: this run was short or partial");
    } else {
        fs::write(workspace::root().join("bench/results.md"), text).context("cannot write bench/results.md")?;
    }
    for note in results.notes() {
        println!("note: {note}");
    }
    Ok(results.notes().is_empty())
}

fn programs(options: &Options) -> Result<(PathBuf, PathBuf)> {
    if let (Some(ringmain), Some(provider_sim)) = (&options.ringmain, &options.provider_sim) {
        let real = |path: &PathBuf| fs::canonicalize(path).with_context(|| format!("no program {}", path.display()));
        return Ok((real(ringmain)?, real(provider_sim)?));
    }
    println!("building (release)");
    let programs = workspace::build_programs(true)?;
    Ok((programs["ringmain"].clone(), programs["provider-sim"].clone()))
}

/// The table of the codecs' own bench.
fn codecs() -> Result<String> {
    println!("codecs (building)");
    let arguments = ["bench", "--quiet", "-p", "ringmain-dialects", "--bench", "codecs"];
    let output = workspace::cargo().args(arguments).output().context("cannot run cargo bench")?;
    ensure!(output.status.success(), "the codecs' bench failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(format!("\n## Codecs\n\n{}", String::from_utf8_lossy(&output.stdout)))
}

fn chosen(systems: Vec<Box<dyn System>>, names: &[String]) -> Result<Vec<Box<dyn System>>> {
    for name in names {
        ensure!(systems.iter().any(|system| system.name() == name), "no system `{name}`");
    }
    Ok(systems
        .into_iter()
        .filter(|system| names.is_empty() || names.iter().any(|name| name == system.name()))
        .collect())
}

/// Starts every system, gives each its turn at every measure, and stops them.
fn run_round(bench: &Bench, systems: &[Box<dyn System>], measures: &[Measure], round: u32, results: &mut Results) {
    let mut live: Vec<Live> = Vec::new();
    for system in systems {
        if results.is_out(system.name()) {
            continue;
        }
        match bench.bring_up(system.as_ref(), round, measures.contains(&Measure::Start), results) {
            Ok(system) => live.push(system),
            Err(error) => results.put_out(system.name(), &error),
        }
    }
    let turn = round as usize % live.len().max(1);
    live.rotate_left(turn);
    for measure in measures {
        for system in &live {
            let done = match measure {
                Measure::Cpu => bench.cpu(system, round, results),
                Measure::Latency => bench.latency(system, round, results),
                Measure::Streams => bench.streams(system, round, results),
                Measure::Concurrent => bench.concurrent(system, round, results),
                Measure::Start | Measure::Codecs => Ok(()),
            };
            if let Err(error) = done {
                results.put_out(system.name, &error);
            }
        }
    }
}

//! Random worlds, run until enough requests have arrived: the routing half of `cargo xtask sim`.
#![expect(clippy::print_stdout, reason = "a command line tool speaks on its standard streams")]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use ringmain_sim::events::{Memory, run};
use ringmain_sim::swarm::{Done, swarm, world};

/// Random worlds under virtual time, with what must hold checked at every step.
#[derive(Debug, Parser)]
#[command(name = "sim")]
struct Options {
    /// All chance comes from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run this world alone, and say what came of it
    #[arg(long)]
    world: Option<u64>,
    /// Run worlds until so many requests have arrived
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    /// Threads; one for each core by default
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let start = Instant::now();
    let done = match options.world {
        Some(number) => {
            let world = world(options.seed, number);
            let outcome = run(&world, Memory::Keeps);
            println!("{world:#?}");
            let tally = &outcome.tally;
            println!("served {} of {}, failures {:?}", tally.served, tally.arrived, tally.failures);
            Done {
                worlds: 1,
                requests: tally.arrived,
                attempts: tally.attempts,
                broken: outcome.broken.map(|broken| (number, broken)),
            }
        }
        None => {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            swarm(options.seed, 0, options.requests, options.threads.unwrap_or(cores))
        }
    };
    println!(
        "routing: {} worlds, {} requests, {} attempts in {:.1} s",
        done.worlds,
        done.requests,
        done.attempts,
        start.elapsed().as_secs_f64()
    );
    let Some((number, broken)) = done.broken else { return ExitCode::SUCCESS };
    println!("BROKEN in world {number}: {broken}");
    println!("again: cargo xtask sim --seed {} --world {number}", options.seed);
    ExitCode::FAILURE
}

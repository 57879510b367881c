//! Repository tasks, run as `cargo xtask NAME`. `tidy` keeps the house rules, `test` runs everything that must
//! hold before a change is shared, `bench` weighs the gateway beside nginx, `sim` runs random worlds, `faults`
//! breaks simulated providers in front of the built gateway, `fuzz` looks for bytes that break something, `pairs` sends
//! recorded traffic through every pair of dialects, `costs` prices it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks on its standard streams")]

mod bench;
mod blackbox;
mod fidelity;
mod fuzz;
mod node;
mod pairs;
mod process;
mod sdk;
mod sim;
mod stage;
mod tally;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Repository tasks")]
pub(crate) struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check the house rules; print every finding at once
    Tidy,
    /// Formatting, clippy, tidy, all Rust tests, then the vendors' own SDKs against the built binary
    Test(test::Options),
    /// CPU, latency and memory beside nginx, in one run on this machine
    Bench(bench::Options),
    /// Random worlds under virtual time; what must hold is checked at every step
    Sim(sim::Options),
    /// Sixteen ways a provider fails, for every pair of dialects, judged from both ends; writes docs/faults.md
    Faults(blackbox::Faults),
    /// Mixed traffic, ill providers, reloads and a restart for a while: every answer checked, nothing leaked
    Soak(blackbox::Soak),
    /// Ten thousand streams at once, and what five hundred stalled ones do to them
    Crowd(blackbox::Crowd),
    /// Two hundred kills under load, and a full disk: every answer is in the ledger once, budgets are its sums
    Crash(blackbox::Crash),
    /// Three gateways that share a real Redis and PostgreSQL, while each of these is frozen, killed, slow or full
    Fleet(blackbox::Fleet),
    /// Framers, codecs and rules under libFuzzer
    Fuzz(fuzz::Options),
    /// Recorded traffic through every pair of dialects, as a table
    Pairs(pairs::Options),
    /// What recorded traffic costs, priced and unpriced, as a table
    Costs(pairs::Costs),
    /// Write docs/fidelity.md: what of a request arrives in which dialect, from real translations
    Fidelity,
    /// Write docs/operations.md: every operation at every provider of the catalog, and how it is tested
    Operations,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Tidy => tidy::command(),
        Task::Test(options) => test::command(&options),
        Task::Bench(options) => bench::command(&options),
        Task::Sim(options) => sim::command(&options),
        Task::Faults(options) => blackbox::faults(&options),
        Task::Soak(options) => blackbox::soak(&options),
        Task::Crowd(options) => blackbox::crowd(&options),
        Task::Crash(options) => blackbox::crash(&options),
        Task::Fleet(options) => blackbox::fleet(&options),
        Task::Fuzz(options) => fuzz::command(&options),
        Task::Pairs(options) => pairs::command(&options),
        Task::Costs(options) => pairs::costs(&options),
        Task::Fidelity => fidelity::command(),
        Task::Operations => fidelity::operations(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

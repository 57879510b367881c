//! The built gateway from outside. `cargo xtask faults` and `cargo xtask soak` build it and run this.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks on its standard streams")]

mod client;
mod crash;
mod crowd;
mod fleet;
mod gateway;
mod soak;
mod suite;
mod targets;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "blackbox", about = "The built gateway from outside")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Sixteen ways a provider fails, for every pair of dialects, judged from both ends
    Faults(suite::Options),
    /// Mixed traffic, ill providers, reloads and a restart: every answer checked, nothing leaked
    Soak(soak::Options),
    /// Ten thousand streams at once, and what five hundred stalled ones do to them
    Crowd(crowd::Options),
    /// Kills in the middle of traffic and a full disk: every answer is in the ledger once, budgets are its sums
    Crash(crash::Options),
    /// Three gateways that share Redis and PostgreSQL, while each of these is frozen, killed, slow or full
    Fleet(fleet::Options),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Faults(options) => suite::command(&options),
        Task::Soak(options) => soak::command(&options),
        Task::Crowd(options) => crowd::command(&options),
        Task::Crash(options) => crash::command(&options),
        Task::Fleet(options) => fleet::command(&options),
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

//! The built gateway from outside. `cargo xtask faults` and `cargo xtask soak` build it and run this.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks on its standard streams")]

mod client;
mod gateway;
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
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Faults(options) => suite::command(&options),
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

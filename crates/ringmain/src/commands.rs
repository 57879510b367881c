//! One file for each command.

mod check;
mod demo;
mod explain;
mod keys;
mod models;
mod replay;
mod serve;
mod simulate;
mod tokens;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use crate::cli::{Cli, Command};

/// Runs the command that was asked for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Models(arguments) => models::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Keys(command) => keys::run(&command),
        Command::Tokens(command) => tokens::run(&command),
    }
}

/// Says something to the person at the terminal. A closed pipe is no reason to fail.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Says what went wrong, on standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "ringmain: {text}");
}

/// Are colours wanted? On a terminal, unless NO_COLOR says otherwise (no-color.org).
pub(crate) fn colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

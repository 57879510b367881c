//! The Ringmain binary: command line, listeners, wiring.

mod admin;
mod base;
mod cli;
mod commands;
mod fetch;
mod otlp;
mod rules_file;
mod server;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // One TLS provider in the process, chosen before anything can ask for it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match commands::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            commands::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

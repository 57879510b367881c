//! `cargo xtask sim`: random worlds, in halves. The first drives the routing crate alone, the only half so far; a second,
//! of the whole engine, is a line in [`HALVES`].

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use crate::workspace::{cargo, root};

/// What is run, in this order: the name of a half, and the program of `crates/sim` that is it. A program takes `--seed`
/// and `--world`, prints what it did, and when something does not hold, what, and the command that repeats it.
const HALVES: &[(&str, &str)] = &[("routing", "sim")];

#[derive(Args)]
pub(crate) struct Options {
    /// All chance comes from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run this world alone, and print it
    #[arg(long)]
    world: Option<u64>,
    /// Requests through routing
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
}

/// Runs the halves; true when everything held.
///
/// # Errors
/// A program cannot be built or started.
pub(crate) fn command(options: &Options) -> Result<bool> {
    let mut held = true;
    for (name, program) in HALVES {
        println!("=== {name}");
        let start = Instant::now();
        let mut command = cargo();
        // Nearly as fast as a release, and built in a fraction of its time.
        command.args(["run", "--quiet", "--profile", "profiling", "-p", "ringmain-sim", "--bin", program, "--"]);
        command.args(["--seed", &options.seed.to_string(), "--requests", &options.requests.to_string()]);
        if let Some(world) = options.world {
            command.args(["--world", &world.to_string()]);
        }
        let success = command.status().with_context(|| format!("cannot run {program}"))?.success();
        println!("=== {name}: {} in {:.1} s", if success { "ok" } else { "FAILED" }, start.elapsed().as_secs_f64());
        held &= success;
    }
    if !held {
        println!("at commit {}", commit());
    }
    Ok(held)
}

/// The commit the tree stands at, and whether it has been changed since.
fn commit() -> String {
    let describe =
        Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).current_dir(root()).output();
    match describe {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown (no git)".to_owned(),
    }
}

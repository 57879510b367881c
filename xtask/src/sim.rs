//! `cargo xtask sim`: random worlds, in two halves. The first drives the routing crate alone, a million requests through
//! the real decisions; the second the whole engine, with simulated providers behind it.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use crate::workspace::{cargo, root};

#[derive(Args)]
pub(crate) struct Options {
    /// All chance comes from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Requests through routing
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    /// Worlds of the engine
    #[arg(long, default_value_t = 2000)]
    worlds: u64,
    /// Run this world of routing alone, and print it
    #[arg(long)]
    world: Option<u64>,
    /// Run this world of the engine alone, and print it
    #[arg(long, value_name = "SEED", conflicts_with = "world")]
    engine_world: Option<u64>,
}

/// One program, and what it is told.
struct Half {
    name: &'static str,
    package: &'static str,
    arguments: Vec<String>,
}

/// Runs the halves; true when everything held.
///
/// # Errors
/// A program cannot be built or started.
pub(crate) fn command(options: &Options) -> Result<bool> {
    let mut held = true;
    for Half { name, package, arguments } in halves(options) {
        println!("=== {name}");
        let start = Instant::now();
        let mut command = cargo();
        // Nearly as fast as a release, and built in a fraction of its time.
        command.args(["run", "--quiet", "--profile", "profiling", "-p", package, "--"]).args(arguments);
        let success = command.status().with_context(|| format!("cannot run {package}"))?.success();
        let word = if success { "ok" } else { "FAILED" };
        println!("=== {name}: {word} in {:.1} s", start.elapsed().as_secs_f64());
        held &= success;
    }
    if !held {
        println!("at commit {}", commit());
    }
    Ok(held)
}

fn halves(options: &Options) -> Vec<Half> {
    let Options { seed, requests, worlds, world, engine_world } = options;
    let mut halves = Vec::new();
    if engine_world.is_none() {
        let mut arguments = vec![format!("--seed={seed}"), format!("--requests={requests}")];
        arguments.extend(world.map(|world| format!("--world={world}")));
        halves.push(Half { name: "routing", package: "ringmain-sim", arguments });
    }
    if world.is_none() {
        let arguments = match engine_world {
            Some(world) => vec![format!("--world={world}")],
            None => vec![format!("--seed={seed}"), format!("--worlds={worlds}")],
        };
        halves.push(Half { name: "engine", package: "ringmain-worlds", arguments });
    }
    halves
}

/// The commit the tree stands at, and whether it has been changed since.
fn commit() -> String {
    let describe = ["describe", "--always", "--dirty", "--abbrev=12"];
    match Command::new("git").args(describe).current_dir(root()).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown (no git)".to_owned(),
    }
}

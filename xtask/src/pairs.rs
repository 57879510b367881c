//! `cargo xtask pairs` and `costs`: recorded traffic through every pair of dialects, and what it costs, as tables.

use anyhow::{Context, Result};
use clap::Args;

use crate::workspace::cargo;

#[derive(Args)]
pub(crate) struct Options {
    /// Cut every stream at every byte, however long that takes
    #[arg(long)]
    every_split: bool,
    /// Write docs/pairs.md
    #[arg(long)]
    write: bool,
}

#[derive(Args)]
pub(crate) struct Costs {
    /// Each exchange on a line of its own
    #[arg(long)]
    each: bool,
    /// Write docs/costs.md
    #[arg(long)]
    write: bool,
}

/// Prints what recorded traffic costs.
///
/// # Errors
/// The program cannot be built or started.
pub(crate) fn costs(options: &Costs) -> Result<bool> {
    let mut command = cargo();
    command.args(["run", "--quiet", "-p", "ringmain-pairs", "--bin", "costs", "--"]);
    command.args(options.each.then_some("--each"));
    command.args(options.write.then_some("--write"));
    Ok(command.status().context("cannot run costs")?.success())
}

/// Prints the table; true when nothing failed.
///
/// # Errors
/// The program cannot be built or started.
pub(crate) fn command(options: &Options) -> Result<bool> {
    let mut command = cargo();
    command.args(["run", "--quiet"]);
    if options.every_split {
        // Nearly as fast as a release, and built in a fraction of its time.
        command.args(["--profile", "profiling"]);
    }
    command.args(["-p", "ringmain-pairs", "--"]);
    command.args(options.every_split.then_some("--every-split"));
    command.args(options.write.then_some("--write"));
    Ok(command.status().context("cannot run ringmain-pairs")?.success())
}

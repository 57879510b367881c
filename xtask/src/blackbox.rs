//! `cargo xtask faults`: the built gateway from outside. Builds it and the crate that looks at it, and runs that.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::workspace;

/// Where a whole run leaves its scorecard.
const SCORECARD: &str = "docs/faults.md";

#[derive(Args)]
pub(crate) struct Faults {
    /// Leave docs/faults.md as it is
    #[arg(long)]
    no_write: bool,
    /// What follows goes to the suite: --full, --only S08,S09, --caller DIALECT, --provider DIALECT
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Runs the fault suite; true when every cell passes.
///
/// # Errors
/// The programs do not build.
pub(crate) fn faults(options: &Faults) -> Result<bool> {
    let mut command = program("faults", false)?;
    // A part of the suite is not what the file should hold.
    if !options.no_write && options.rest.is_empty() {
        command.arg("--write").arg(workspace::root().join(SCORECARD));
    }
    Ok(command.args(&options.rest).status().context("cannot run the fault suite")?.success())
}

/// One task of the crate `blackbox`, with the gateway it is to look at.
fn program(task: &str, release: bool) -> Result<Command> {
    let programs = workspace::build_programs(release)?;
    let mut command = Command::new(&programs["blackbox"]);
    command.arg(task).arg("--ringmain").arg(&programs["ringmain"]);
    Ok(command)
}

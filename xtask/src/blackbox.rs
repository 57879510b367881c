//! `cargo xtask faults`, `soak`, `crowd`, `crash` and `fleet`: the built gateway from outside. Builds it and the crate that looks at it, and
//! runs that.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::stage::{self, Ran};
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

#[derive(Args)]
pub(crate) struct Soak {
    /// A release build, for figures; without, what the tests use
    #[arg(long)]
    release: bool,
    /// What follows goes to the soak: --for 10m, --seed N, --callers N
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct Crowd {
    /// What follows goes to it: --http2, --streams N, --stalled N, --pace-ms N, --words N
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct Crash {
    /// What follows goes to it: --kills N, --database URL, --callers N, --seed N, --no-disk
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct Fleet {
    /// A release build, for figures; without, what the tests use
    #[arg(long)]
    release: bool,
    /// What follows goes to it: --seconds N, --rate N, --rows N, --kills N, --only TEXT
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
    run(command, &options.rest)
}

/// The same as a stage of `cargo xtask test`: the file is left alone.
///
/// # Errors
/// As [`faults`].
pub(crate) fn faults_stage() -> Result<Ran> {
    stage::run(&mut program("faults", false)?)
}

/// Runs the soak; true when nothing of what must not be was seen.
///
/// # Errors
/// As [`faults`].
pub(crate) fn soak(options: &Soak) -> Result<bool> {
    run(program("soak", options.release)?, &options.rest)
}

/// Ten thousand streams at once; true when each was whole and stalled ones changed nothing.
///
/// # Errors
/// As [`faults`].
pub(crate) fn crowd(options: &Crowd) -> Result<bool> {
    run(program("crowd", true)?, &options.rest)
}

/// Two hundred kills under load; true when the books were right after them.
///
/// # Errors
/// As [`faults`].
pub(crate) fn crash(options: &Crash) -> Result<bool> {
    run(program("crash", false)?, &options.rest)
}

/// The same as a stage of `cargo xtask test`, in short.
///
/// # Errors
/// As [`faults`].
pub(crate) fn crash_stage() -> Result<Ran> {
    stage::run(program("crash", false)?.args(["--kills", "10"]))
}

/// Three gateways on a real Redis and PostgreSQL while things befall these; true when every case passed.
///
/// # Errors
/// As [`faults`].
pub(crate) fn fleet(options: &Fleet) -> Result<bool> {
    let mut command = program("fleet", options.release)?;
    if options.release {
        command.arg("--release");
    }
    run(command, &options.rest)
}

/// The same as a stage of `cargo xtask test`, in a short form.
///
/// # Errors
/// As [`faults`].
pub(crate) fn fleet_stage() -> Result<Ran> {
    stage::run(program("fleet", false)?.args(["--seconds", "1", "--kills", "5"]))
}

fn run(mut command: Command, rest: &[OsString]) -> Result<bool> {
    Ok(command.args(rest).status().context("cannot run the crate `blackbox`")?.success())
}

/// One task of the crate `blackbox`, with the programs it is to look at.
fn program(task: &str, release: bool) -> Result<Command> {
    let programs = workspace::build_programs(release)?;
    let mut command = Command::new(&programs["blackbox"]);
    command.arg(task).arg("--ringmain").arg(&programs["ringmain"]);
    if task == "crowd" {
        command.arg("--provider-sim").arg(&programs["provider-sim"]);
    }
    Ok(command)
}

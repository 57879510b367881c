//! `ringmain demo`.

use std::process::ExitCode;

use crate::cli::Demo;

/// Runs the demo.
pub(crate) fn run(_arguments: &Demo) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not yet")
}

//! `cargo xtask fidelity`: writes `docs/fidelity.md` from real translations.

use std::process::Command;

use anyhow::Context as _;

/// Has the test that makes the table write it down.
///
/// # Errors
/// Cargo cannot be started.
pub(crate) fn command() -> anyhow::Result<bool> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let made = Command::new(cargo)
        .args(["test", "--quiet", "--package", "ringmain-dialects", "--test", "fidelity", "the_table_is_fresh"])
        .env("RINGMAIN_WRITE_FIDELITY", "1")
        .status()
        .context("cargo cannot be started")?;
    Ok(made.success())
}

//! `cargo xtask fidelity` writes `docs/fidelity.md` from real translations, `cargo xtask operations` writes
//! `docs/operations.md` from the catalog and what is tested.

use std::process::Command;

use anyhow::Context as _;

/// `docs/fidelity.md`.
///
/// # Errors
/// Cargo cannot be started.
pub(crate) fn command() -> anyhow::Result<bool> {
    write("ringmain-dialects", "fidelity", "RINGMAIN_WRITE_FIDELITY")
}

/// `docs/operations.md`.
///
/// # Errors
/// Cargo cannot be started.
pub(crate) fn operations() -> anyhow::Result<bool> {
    write("ringmain-engine", "operations", "RINGMAIN_WRITE_OPERATIONS")
}

/// Has the test that makes a table write it down.
fn write(package: &str, test: &str, asked: &str) -> anyhow::Result<bool> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let made = Command::new(cargo)
        .args(["test", "--quiet", "--package", package, "--test", test, "the_table_is_fresh"])
        .env(asked, "1")
        .status()
        .context("cargo cannot be started")?;
    Ok(made.success())
}

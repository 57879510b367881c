//! Where the repository is and what Cargo says about it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The repository root: the parent of the folder this crate was built from.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A `cargo` command of the toolchain that started this task, run from the repository root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Whether `cargo NAME` is an installed subcommand.
pub(crate) fn has_cargo_tool(name: &str) -> bool {
    cargo().args([name, "--version"]).output().is_ok_and(|output| output.status.success())
}

/// What `cargo metadata` says, dependency resolution included.
///
/// # Errors
/// Cargo cannot be run, refuses the manifests, or prints something that is not JSON.
pub(crate) fn metadata() -> Result<Value> {
    let output = cargo().args(["metadata", "--format-version", "1"]).output().context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed:\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("cargo metadata did not print JSON")
}

/// Names of the packages that some target of this workspace builds on some platform, with the features that are on.
///
/// # Errors
/// Cargo cannot be run or refuses the manifests.
pub(crate) fn built_packages() -> Result<BTreeSet<String>> {
    let tree = ["tree", "--workspace", "--target", "all", "--edges", "all", "--prefix", "none", "--format", "{p}"];
    let output = cargo().args(tree).output().context("cannot run cargo tree")?;
    ensure!(output.status.success(), "cargo tree failed:\n{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

/// The folder Cargo builds into, whichever way it was configured.
///
/// # Errors
/// As [`metadata`].
pub(crate) fn target_dir() -> Result<PathBuf> {
    let metadata = metadata()?;
    let dir = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(PathBuf::from(dir))
}

/// Builds the gateway, the simulated providers and what looks at the gateway from outside; their paths by name
/// (`ringmain`, `provider-sim`, `blackbox`).
///
/// # Errors
/// The build fails (its diagnostics have been printed) or makes no such program.
pub(crate) fn build_programs(release: bool) -> Result<BTreeMap<String, PathBuf>> {
    let mut command = cargo();
    command.args([
        "build",
        "--quiet",
        "-p",
        "ringmain",
        "-p",
        "ringmain-provider-sim",
        "-p",
        "ringmain-blackbox",
        "--bins",
    ]);
    command.arg("--message-format=json-render-diagnostics");
    if release {
        command.arg("--release");
    }
    let output = command.stderr(Stdio::inherit()).output().context("cannot run cargo build")?;
    ensure!(output.status.success(), "cargo build failed");
    let mut programs = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        if let (Some(name), Some(path)) = (message["target"]["name"].as_str(), message["executable"].as_str()) {
            programs.insert(name.to_owned(), PathBuf::from(path));
        }
    }
    for name in ["ringmain", "provider-sim", "blackbox"] {
        ensure!(programs.contains_key(name), "the build made no program `{name}`");
    }
    Ok(programs)
}

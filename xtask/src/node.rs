//! What comes from npm: the vendors' own Node SDKs against the built binary, and the coding agents that the SDK tests
//! drive where they are installed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::stage::{self, Ran};
use crate::{sdk, workspace};

/// The oldest Node that the packages run on.
const OLDEST: u32 = 22;
/// Names the lockfile that packages were installed from. Written last, so that a broken install is made again.
const STAMP: &str = "made-from.txt";

/// Node and npm: the search path that leads to them.
pub(crate) struct Node {
    path: OsString,
}

impl Node {
    /// The system's Node where it is new enough, else one that pip installs into the target folder.
    ///
    /// # Errors
    /// Neither is there.
    pub(crate) fn find() -> Result<Self> {
        let system = env::var_os("PATH").unwrap_or_default();
        let node = Self { path: system.clone() };
        if node.major().is_some_and(|major| major >= OLDEST) && node.runs("npm") {
            return Ok(node);
        }
        let requirements = workspace::root().join("tests/node/requirements.txt");
        let python = sdk::environment("node-venv", &requirements)?;
        let bin = python.parent().context("a virtual environment has no folder")?.to_path_buf();
        let path = env::join_paths(std::iter::once(bin).chain(env::split_paths(&system)))?;
        let node = Self { path };
        ensure!(node.major().is_some(), "the Node that pip installed does not run here");
        Ok(node)
    }

    fn command(&self, program: &str) -> Command {
        // The program is looked up in our own path, not in that of the command.
        let places = env::split_paths(&self.path).map(|place| place.join(program));
        let found = places.into_iter().find(|place| place.exists()).unwrap_or_else(|| program.into());
        let mut command = Command::new(found);
        command.env("PATH", &self.path);
        command
    }

    fn runs(&self, program: &str) -> bool {
        self.command(program).arg("--version").output().is_ok_and(|output| output.status.success())
    }

    fn major(&self) -> Option<u32> {
        let output = self.command("node").arg("--version").output().ok()?;
        major(&String::from_utf8_lossy(&output.stdout))
    }

    /// Installs a folder's packages as its lockfile says; once for each state of that file.
    fn install(&self, folder: &Path) -> Result<()> {
        let lock = folder.join("package-lock.json");
        let wanted = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
        let stamp = folder.join("node_modules").join(STAMP);
        if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
            return Ok(());
        }
        println!("installing the packages of {}", folder.display());
        let status = self.command("npm").args(["ci", "--loglevel=error"]).current_dir(folder).status()?;
        ensure!(status.success(), "npm could not install the packages of {}", folder.display());
        fs::write(stamp, wanted)?;
        Ok(())
    }
}

/// The major version of `v24.19.0`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Installs what is missing and runs `tests/node`.
///
/// # Errors
/// The packages cannot be installed, or the programs do not build.
pub(crate) fn run(node: &Node) -> Result<Ran> {
    let tests = workspace::root().join("tests/node");
    node.install(&tests)?;
    let programs = workspace::build_programs(false)?;
    let mut command = node.command("node");
    command.args(["--test", "--test-reporter=spec"]).current_dir(&tests);
    command.env("RINGMAIN_BIN", &programs["ringmain"]).env("PROVIDER_SIM_BIN", &programs["provider-sim"]);
    stage::run(&mut command)
}

fn agents_folder() -> Result<PathBuf> {
    Ok(workspace::target_dir()?.join("agents"))
}

/// Installs the coding agents into the target folder.
///
/// # Errors
/// The packages cannot be installed.
pub(crate) fn install_agents(node: &Node) -> Result<()> {
    let (from, to) = (workspace::root().join("tests/agents"), agents_folder()?);
    fs::create_dir_all(&to)?;
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(from.join(name), to.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    node.install(&to)
}

/// The folder of the agents' packages, where they are installed.
///
/// # Errors
/// Cargo does not say where the target folder is.
pub(crate) fn installed_agents() -> Result<Option<PathBuf>> {
    let packages = agents_folder()?.join("node_modules");
    Ok(Some(packages).filter(|packages| packages.join(STAMP).exists()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (text, expected) in [("v24.19.0\n", Some(24)), ("v18.20.4", Some(18)), ("", None), ("24", None)] {
            assert_eq!(major(text), expected, "{text}");
        }
    }
}

//! The vendors' own Python SDKs against the built binary: a virtual environment, the programs, and pytest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::stage::{self, Ran};
use crate::{node, workspace};

/// Names the requirements the environment was made from. Written last, so that a broken one is made again.
const STAMP: &str = "made-from.txt";

/// Makes what is missing and runs `tests/sdk`.
///
/// # Errors
/// Python is missing, the environment cannot be made, or the programs do not build.
pub(crate) fn run() -> Result<Ran> {
    let tests = workspace::root().join("tests/sdk");
    let python = environment("sdk-venv", &tests.join("requirements.txt"))?;
    let programs = workspace::build_programs(false)?;
    let mut pytest = Command::new(python);
    pytest.args(["-m", "pytest", "--color=no", "-p", "no:cacheprovider"]).arg(&tests).current_dir(&tests);
    pytest.env("PYTHONDONTWRITEBYTECODE", "1");
    pytest.env("RINGMAIN_BIN", &programs["ringmain"]).env("PROVIDER_SIM_BIN", &programs["provider-sim"]);
    if let Some(agents) = node::installed_agents()? {
        pytest.env("RINGMAIN_AGENTS", agents);
    }
    stage::run(&mut pytest)
}

/// The Python of an environment in the target folder that holds the requirements; made once for each state of the file
/// and of Python.
///
/// # Errors
/// Python is missing, or the requirements cannot be installed.
pub(crate) fn environment(name: &str, requirements: &Path) -> Result<PathBuf> {
    let target = workspace::target_dir()?;
    let home = target.join(name);
    let python = home.join("bin/python");
    let version = Command::new("python3").arg("--version").output().ok().filter(|output| output.status.success());
    let version = version.context("python3 is missing; on Debian: apt-get install python3 python3-venv")?;
    let wanted = fs::read_to_string(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let wanted = format!("# {}\n{wanted}", String::from_utf8_lossy(&version.stdout).trim());
    if python.exists() && fs::read_to_string(home.join(STAMP)).is_ok_and(|made| made == wanted) {
        return Ok(python);
    }
    println!("making {}", home.display());
    if home.exists() {
        fs::remove_dir_all(&home).with_context(|| format!("cannot remove {}", home.display()))?;
    }
    create(&target, &home)?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(requirements);
    ensure!(install.status()?.success(), "pip could not install {}", requirements.display());
    fs::write(home.join(STAMP), wanted)?;
    Ok(python)
}

/// `python3 -m venv`; where Debian left its `ensurepip` out, `virtualenv` from the target folder, so that nothing
/// is installed into the system's Python.
fn create(target: &Path, home: &Path) -> Result<()> {
    let venv =
        Command::new("python3").args(["-m", "venv"]).arg(home).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if venv.success() {
        return Ok(());
    }
    println!("python3 -m venv does not work here (apt-get install python3-venv); trying virtualenv");
    if home.exists() {
        fs::remove_dir_all(home)?;
    }
    let tool = target.join("sdk-virtualenv");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--target"]).arg(&tool).arg("virtualenv");
    let made = pip.status()?.success()
        && Command::new("python3")
            .args(["-m", "virtualenv", "--quiet"])
            .arg(home)
            .env("PYTHONPATH", &tool)
            .status()?
            .success();
    ensure!(made, "no way to make a virtual environment; on Debian: apt-get install python3-venv");
    Ok(())
}

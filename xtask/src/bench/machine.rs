//! On what the numbers were made.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::system::version_of;
use crate::workspace;

/// The machine and the commit, as a list.
pub(super) fn facts() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown CPU", |(_, name)| name);
    let load = read("/proc/loadavg").split(' ').next().unwrap_or("unknown").to_owned();
    let mut text = String::new();
    let _ = writeln!(text, "- {cores} cores, {model}; load average at the end {load}");
    let _ = writeln!(
        text,
        "- Linux {}, {}",
        read("/proc/sys/kernel/osrelease").trim(),
        version_of(Path::new("rustc"), "--version")
    );
    let _ = writeln!(text, "- commit {}", commit());
    text
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(workspace::root()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".to_owned() };
    let is_clean = git(&["status", "--porcelain"]).is_some_and(|changes| changes.is_empty());
    if is_clean { commit } else { format!("{commit} with changes") }
}

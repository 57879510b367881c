//! `cargo xtask fuzz`: libFuzzer over the targets of `crates/fuzz`, each for a while. Stable Rust is enough: the code is
//! free of `unsafe`, so there is coverage to follow and no sanitiser to want.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::workspace::{root, target_dir};

#[derive(Args)]
pub(crate) struct Options {
    /// Only these targets; all without any
    targets: Vec<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    each: u64,
    /// Run this input alone and show what breaks
    #[arg(long, value_name = "FILE", requires = "targets")]
    input: Option<PathBuf>,
}

/// As `ringmain_fuzz::TARGETS`; a name that is not there ends the run at once.
const TARGETS: [&str; 11] = [
    "sse",
    "event-stream",
    "json-array",
    "json",
    "openai-chat",
    "openai-responses",
    "anthropic-messages",
    "gemini",
    "bedrock-converse",
    "cohere-v2",
    "rules",
];

/// What has the compiler count edges and comparisons for libFuzzer.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Runs the targets one after the other; true when nothing was found.
///
/// # Errors
/// The fuzzer cannot be built or started.
pub(crate) fn command(options: &Options) -> Result<bool> {
    let home = target_dir()?.join("fuzz");
    let program = build(&home)?;
    let names: Vec<&str> = if options.targets.is_empty() {
        TARGETS.to_vec()
    } else {
        options.targets.iter().map(String::as_str).collect()
    };
    let mut found = Vec::new();
    for name in names {
        ensure!(TARGETS.contains(&name), "no target `{name}`; there are {}", TARGETS.join(", "));
        if !run(&program, &home, name, options)? {
            found.push(name);
        }
    }
    if found.is_empty() {
        println!("nothing found");
    } else {
        println!("found something in {}; the inputs are in {}", found.join(", "), home.join("found").display());
        println!("put each into crates/fuzz/found/TARGET/, where the tests run it, before its fix");
    }
    Ok(found.is_empty())
}

fn build(home: &Path) -> Result<PathBuf> {
    println!("building the fuzzer");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root().join("fuzz")).args(["build", "--release", "--quiet"]);
    command.env("CARGO_TARGET_DIR", home.join("build")).env("RUSTFLAGS", COVERAGE);
    // A name for the host keeps the flags away from build scripts.
    let host = host()?;
    command.args(["--target", &host]);
    ensure!(command.status().context("cannot run cargo build")?.success(), "the fuzzer does not build");
    Ok(home.join("build").join(host).join("release/fuzz"))
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot run rustc")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say which host this is")
}

fn run(program: &Path, home: &Path, name: &str, options: &Options) -> Result<bool> {
    let folder = |kind: &str| -> Result<PathBuf> {
        let folder = home.join(kind).join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    };
    let (corpus, seeds, found) = (folder("corpus")?, folder("seeds")?, folder("found")?);
    println!("=== {name}");
    let mut command = Command::new(program);
    command.env("RINGMAIN_FUZZ", name).env("RINGMAIN_FUZZ_SEEDS", &seeds);
    command.arg(format!("-artifact_prefix={}/", found.display()));
    if let Some(input) = &options.input {
        return Ok(command.arg(input).status().context("cannot run the fuzzer")?.success());
    }
    let time = Duration::from_secs(options.each).as_secs();
    command.args([&format!("-max_total_time={time}"), "-max_len=16384", "-timeout=10", "-rss_limit_mb=2048"]);
    command.args(["-verbosity=0", "-print_final_stats=1"]).arg(corpus).arg(seeds);
    let kept = root().join("crates/fuzz/found").join(name);
    if kept.is_dir() {
        command.arg(kept);
    }
    Ok(command.status().context("cannot run the fuzzer")?.success())
}

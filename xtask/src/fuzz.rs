//! `cargo xtask fuzz`: libFuzzer over the targets of `crates/fuzz`, each for a while. Stable Rust is enough: the code is
//! free of `unsafe`, so there is coverage to follow and no sanitiser to want.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::process::{ProcessTree, ticks_per_second};
use crate::workspace::{root, target_dir};

#[derive(Args)]
pub(crate) struct Options {
    /// Only these targets; all without any
    targets: Vec<String>,
    /// Seconds for each target, by the clock
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    each: u64,
    /// All at the same time, what each says in a file of its own
    #[arg(long, conflicts_with = "input")]
    at_once: bool,
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

/// Runs the targets, one after the other unless told otherwise; true when nothing was found.
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
    for name in &names {
        ensure!(TARGETS.contains(name), "no target `{name}`; there are {}", TARGETS.join(", "));
    }
    let bad = if options.at_once {
        beside_each_other(&program, &home, &names, options)?
    } else {
        one_by_one(&program, &home, &names, options)?
    };
    if bad.is_empty() {
        println!("nothing found");
    } else {
        println!("not clean: {}; the inputs are in {}", bad.join(", "), home.join("found").display());
        println!("put each into crates/fuzz/found/TARGET/, where the tests run it, before its fix");
    }
    Ok(bad.is_empty())
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

fn one_by_one<'a>(program: &Path, home: &Path, names: &[&'a str], options: &Options) -> Result<Vec<&'a str>> {
    let mut bad = Vec::new();
    for &name in names {
        println!("=== {name}");
        let began = SystemTime::now();
        let ended = fuzzer(program, home, name, options)?.status().context("cannot run the fuzzer")?;
        let came = came_of(ended, &home.join("found").join(name), began)?;
        println!("{name}: {}", came.as_deref().unwrap_or("clean"));
        bad.extend(came.map(|_| name));
    }
    Ok(bad)
}

fn beside_each_other<'a>(program: &Path, home: &Path, names: &[&'a str], options: &Options) -> Result<Vec<&'a str>> {
    let logs = folder(home, "said")?;
    println!("{} targets for {} s; what they say is in {}", names.len(), options.each, logs.display());
    let began = SystemTime::now();
    let mut running = Vec::new();
    for &name in names {
        let path = logs.join(name);
        let log = fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut command = fuzzer(program, home, name, options)?;
        command.stdout(log.try_clone()?).stderr(log);
        running.push((name, path, command.spawn().context("cannot run the fuzzer")?));
    }
    let mut bad = Vec::new();
    for (name, path, mut child) in running {
        let (ended, processor) = waited(&mut child)?;
        let said = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let runs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        let (kept, newest) = kept(&home.join("corpus").join(name))?;
        let came = came_of(ended, &home.join("found").join(name), began)?;
        println!(
            "{name}: {} inputs in {:.0} s of a processor; {kept} kept, the newest {:.0} min ago; {}",
            runs.map_or("?", str::trim),
            processor.as_secs_f64(),
            newest.as_secs_f64() / 60.0,
            came.as_deref().unwrap_or("clean")
        );
        bad.extend(came.map(|_| name));
    }
    Ok(bad)
}

/// What a fuzzer that has ended found, or why it ended before its time; `None` if it is clean. Inputs that are only slow
/// are kept too, but are no finding.
fn came_of(ended: ExitStatus, found: &Path, since: SystemTime) -> Result<Option<String>> {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(found)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.metadata()?.modified()? >= since && !name.starts_with("slow-unit-") {
            inputs.push(name);
        }
    }
    let early = || (!ended.success()).then(|| format!("ENDED EARLY, {ended}"));
    Ok(if inputs.is_empty() { early() } else { Some(format!("FOUND {}", inputs.join(", "))) })
}

/// Waits for its end; and what it had of a processor, which beside others is less than the time that has passed.
fn waited(child: &mut Child) -> Result<(ExitStatus, Duration)> {
    let (ticks_per_second, tree) = (ticks_per_second(), ProcessTree::of(child.id()));
    loop {
        // One that has ended can be looked at until it is waited for.
        let processor = tree.cpu(ticks_per_second);
        if let Some(ended) = child.try_wait()? {
            return Ok((ended, processor));
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// How many inputs of a corpus led somewhere new, and how long ago the last one did.
fn kept(corpus: &Path) -> Result<(usize, Duration)> {
    let (mut count, mut newest) = (0, Duration::MAX);
    for entry in fs::read_dir(corpus)? {
        count += 1;
        newest = newest.min(entry?.metadata()?.modified()?.elapsed().unwrap_or_default());
    }
    Ok((count, if count == 0 { Duration::ZERO } else { newest }))
}

fn folder(home: &Path, name: &str) -> Result<PathBuf> {
    let folder = home.join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// The fuzzer of one target, ready to run.
fn fuzzer(program: &Path, home: &Path, name: &str, options: &Options) -> Result<Command> {
    let of_target = |kind: &str| folder(&home.join(kind), name);
    let (corpus, seeds, found) = (of_target("corpus")?, of_target("seeds")?, of_target("found")?);
    let mut command = Command::new(program);
    command.env("RINGMAIN_FUZZ", name).env("RINGMAIN_FUZZ_SEEDS", &seeds);
    command.arg(format!("-artifact_prefix={}/", found.display()));
    if let Some(input) = &options.input {
        command.arg(input);
        return Ok(command);
    }
    command.args([&format!("-max_total_time={}", options.each), "-max_len=16384", "-timeout=10", "-rss_limit_mb=2048"]);
    command.args(["-verbosity=0", "-print_final_stats=1"]).arg(corpus).arg(seeds);
    let kept = root().join("crates/fuzz/found").join(name);
    if kept.is_dir() {
        command.arg(kept);
    }
    Ok(command)
}

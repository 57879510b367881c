//! `cargo xtask test`: everything that must hold before a change is shared.

use std::time::Instant;

use anyhow::Result;
use clap::Args;

use crate::node::{self, Node};
use crate::stage::{self, Ran};
use crate::tally::Tally;
use crate::workspace::{cargo, has_cargo_tool};
use crate::{blackbox, sdk, tidy};

#[derive(Args)]
pub(crate) struct Options {
    /// Leave out the SDK tests and the fault suite
    #[arg(long)]
    fast: bool,
    /// Install Claude Code and Codex (about 700 MB) into the target folder first, for the tests that drive them; once
    /// there, they are used without being asked for
    #[arg(long, conflicts_with = "fast")]
    agents: bool,
    /// The SDK tests alone
    #[arg(long, conflicts_with = "fast")]
    sdk: bool,
}

/// The stages so far.
#[derive(Default)]
struct Report {
    tally: Tally,
    failed: Vec<&'static str>,
}

impl Report {
    /// Runs a stage, prints its closing line, and keeps what came of it.
    fn stage(&mut self, name: &'static str, run: impl FnOnce() -> Result<Ran>) -> Ran {
        println!("=== {name}");
        let start = Instant::now();
        let mut ran = run().unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            Ran::default()
        });
        // A stage that failed without naming a failed case is one failure, so that the sum never looks clean.
        if !ran.success && ran.tally.failed == 0 {
            ran.tally.failed = 1;
        }
        let word = if ran.success { "ok" } else { "FAILED" };
        println!("=== {name}: {word} in {:.1} s", start.elapsed().as_secs_f64());
        self.tally += ran.tally;
        if !ran.success {
            self.failed.push(name);
        }
        ran
    }
}

/// The vendors' own SDKs and agents as callers of the built binary.
fn sdks(report: &mut Report, agents: bool) {
    let node = Node::find();
    if let (Ok(node), true) = (&node, agents) {
        report.stage("agents", || node::install_agents(node).map(|()| Ran { success: true, ..Ran::default() }));
    }
    match node {
        Ok(node) => drop(report.stage("node sdk", || node::run(&node))),
        // A machine of ours that lacks it would hide what the tests find.
        Err(error) if std::env::var_os("CI").is_some() => drop(report.stage("node sdk", || Err(error))),
        Err(error) => println!("=== node sdk: skipped, Node 22 or later with npm is not installed ({error:#})"),
    }
    report.stage("sdk", sdk::run);
}

/// Runs every stage that an earlier one has not made pointless; true when all succeeded.
///
/// # Errors
/// None of its own: a stage that cannot run is a failed stage.
pub(crate) fn command(options: &Options) -> Result<bool> {
    let mut report = Report::default();
    if options.sdk {
        sdks(&mut report, options.agents);
    } else {
        everything(&mut report, options);
    }
    let Report { tally, failed } = report;
    if !failed.is_empty() {
        println!("failed stages: {}", failed.join(", "));
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(failed.is_empty())
}

fn everything(report: &mut Report, options: &Options) {
    report.stage("formatting", || stage::run(cargo().args(["fmt", "--all", "--check"])));
    report.stage("clippy", || {
        stage::run(cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
    });
    report.stage("tidy", || Ok(Ran { success: tidy::command()?, ..Ran::default() }));
    if has_cargo_tool("deny") {
        report.stage("dependencies", || stage::run(cargo().args(["deny", "check", "bans", "licenses", "sources"])));
    } else {
        println!("=== dependencies: skipped, cargo-deny is not installed (cargo install cargo-deny)");
    }
    let with_nextest = has_cargo_tool("nextest");
    let tests = report.stage("tests", || {
        if with_nextest {
            stage::run(cargo().args(["nextest", "run", "--workspace", "--no-fail-fast", "--no-tests=pass"]))
        } else {
            stage::run(cargo().args(["test", "--workspace", "--no-fail-fast"]))
        }
    });
    // Without a summary the tests were never run: the build is broken and what follows could only say so again.
    let is_built = tests.success || tests.summarised;
    // `cargo test` has run these already.
    if with_nextest && is_built {
        report.stage("doc tests", || stage::run(cargo().args(["test", "--workspace", "--doc", "--quiet"])));
    }
    if is_built {
        report.stage("crash", blackbox::crash_stage);
    }
    if options.fast {
        println!("=== faults, sdk: skipped by --fast");
    } else if is_built {
        report.stage("faults", blackbox::faults_stage);
        sdks(report, options.agents);
        report.stage("fleet", blackbox::fleet_stage);
    } else {
        println!("=== faults, sdk: skipped, the build is broken");
    }
}

//! The soak: callers of every dialect, providers of every dialect that are ill a fifth of the time, callers who hang up,
//! rules that are reloaded, and one restart by drain. Every answer is checked against what a healthy provider says; what
//! must never be is a wrong or silently short one, a slot that is not given back, or memory that grows.

mod chaos;
mod load;
mod memory;
mod rules;
mod tally;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use ringmain_core::Seed;
use ringmain_provider_sim::{Behavior, Ended, Sim, SimConfig};

use crate::client;
use crate::gateway::Gateway;
use load::Caller;
use memory::Memory;
use tally::Tally;

/// How long slots may take to come back once the last caller is gone.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);
/// The part of the run after which the gateway is replaced by another, which then runs to the end.
const RESTART_AT: f64 = 0.25;
/// How often the rules change.
const RELOAD_EVERY: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct Options {
    /// The built gateway
    #[arg(long, value_name = "PATH")]
    ringmain: PathBuf,
    /// How long: 90s, 10m
    #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = span)]
    time: Duration,
    /// All chance comes from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Callers at once
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=1000))]
    callers: u64,
}

fn span(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| "write a number and s, m or h".to_owned())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("write a number and s, m or h".to_owned()),
    };
    Ok(Duration::from_secs(number * seconds))
}

/// What everybody shares.
pub(crate) struct Shared {
    pub(crate) seed: Seed,
    /// The gateway that new requests go to: what a load balancer knows.
    pub(crate) front: RwLock<Arc<Gateway>>,
    pub(crate) stop: AtomicBool,
    pub(crate) tally: Tally,
}

impl Shared {
    pub(crate) fn front(&self) -> Arc<Gateway> {
        Arc::clone(&self.front.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// Runs the soak; true when nothing of what must not be was seen.
///
/// # Errors
/// The gateway or the simulator does not start.
pub(crate) fn command(options: &Options) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(options))
}

async fn run(options: &Options) -> Result<bool> {
    println!("seed {}, {:?}, {} callers", options.seed, options.time, options.callers);
    let seed = Seed(options.seed);
    let healthy = Behavior { words: load::WORDS, ..Behavior::default() };
    let config = SimConfig { default: healthy, log_capacity: 4096, ..SimConfig::default() };
    let sim = Arc::new(Sim::start(config).await?);
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let mut first = Gateway::start(&options.ringmain, &rules::rules(&sim, 0), folders[0].path()).await?;
    let front = RwLock::new(Arc::new(first.twin()));
    let shared = Arc::new(Shared { seed, front, stop: AtomicBool::new(false), tally: Tally::default() });
    let start = Instant::now();
    let chaos = tokio::spawn(chaos::run(Arc::clone(&sim), seed));
    let callers: Vec<_> =
        (0..options.callers).map(|number| tokio::spawn(Caller { number, shared: Arc::clone(&shared) }.run())).collect();
    let mut version = 0;
    let restart_at = options.time.mul_f64(RESTART_AT);
    while start.elapsed() < restart_at {
        reload(&mut first, &sim, &mut version).await?;
    }
    let mut second = Gateway::start(&options.ringmain, &rules::rules(&sim, version), folders[1].path()).await?;
    *shared.front.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(second.twin());
    let drained = first.drain().await.context("the restart by drain")?;
    println!("restart by drain after {:.0} s: {drained}", start.elapsed().as_secs_f64());
    let mut memory = Memory::default();
    while start.elapsed() < options.time {
        reload(&mut second, &sim, &mut version).await?;
        memory.look(second.id());
        shared.tally.progress(start.elapsed());
    }
    shared.stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await?;
    }
    chaos.abort();
    let leaks = leaks(&second, &sim).await?;
    report(&shared.tally, &memory, &leaks, drained.starts_with("exit status: 0"))
}

/// Waits its time, then changes the rules.
async fn reload(gateway: &mut Gateway, sim: &Sim, version: &mut u64) -> Result<()> {
    tokio::time::sleep(RELOAD_EVERY).await;
    *version += 1;
    gateway.reload(&rules::rules(sim, *version))
}

/// What is still held although nobody asks any more.
async fn leaks(gateway: &Gateway, sim: &Sim) -> Result<Vec<String>> {
    let deadline = Instant::now() + SETTLED_WITHIN;
    loop {
        let metrics = client::get(gateway.admin, "/metrics").await?;
        let text = String::from_utf8_lossy(&metrics.body).into_owned();
        if !text.contains("ringmain_attempts_in_flight") {
            bail!("the gateway has no gauge of attempts in flight");
        }
        let is_gauge = |line: &&str| line.starts_with("ringmain_") && line.contains("_in_flight");
        let mut held: Vec<String> =
            text.lines().filter(is_gauge).filter(|line| !line.ends_with(" 0")).map(str::to_owned).collect();
        let open = sim.log().iter().filter(|entry| entry.ended == Ended::Open).count();
        if open > 0 {
            held.push(format!("{open} requests are still open at providers"));
        }
        if held.is_empty() || Instant::now() > deadline {
            return Ok(held);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn report(tally: &Tally, memory: &Memory, leaks: &[String], drained: bool) -> Result<bool> {
    println!("\n{}", tally.table());
    for wrong in tally.wrong() {
        println!("WRONG {wrong}");
    }
    for leak in leaks {
        println!("LEAK {leak}");
    }
    println!("{memory}");
    let wrong = tally.wrong_count();
    let is_flat = memory.is_flat();
    let verdict = |holds: bool| if holds { "ok" } else { "FAILED" };
    println!("wrong or silently short answers: {wrong}: {}", verdict(wrong == 0));
    println!("leaked slots: {}: {}", leaks.len(), verdict(leaks.is_empty()));
    println!("memory after warm-up: {}", verdict(is_flat));
    println!("restart by drain: {}", verdict(drained));
    Ok(wrong == 0 && leaks.is_empty() && is_flat && drained && tally.asked() > 0)
}

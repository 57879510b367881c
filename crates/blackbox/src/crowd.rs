//! Ten thousand streams at once through one gateway, and the same again with five hundred more that stall at their
//! provider: no stream stops, none of the others gets its words later, and what each costs in memory.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use ringmain_caller::{Ask, Heard, heard};
use ringmain_core::Dialect;
use ringmain_provider_sim::expected_text;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{self, Line, Timed, Way};
use crate::gateway::{Gateway, Program, free_address, resident_mib};
use crate::targets::model;

/// Files of a gateway beside its streams' sockets.
const OTHER_FILES: u64 = 100;
/// Streams that share a connection.
const TOGETHER: u64 = 100;

#[derive(Args)]
pub(crate) struct Options {
    /// The built gateway
    #[arg(long, value_name = "PATH")]
    ringmain: PathBuf,
    /// The built simulated providers
    #[arg(long, value_name = "PATH")]
    provider_sim: PathBuf,
    /// Callers share connections, a hundred streams each, as behind a proxy that speaks HTTP/2
    #[arg(long)]
    http2: bool,
    /// Streams at once; fewer where the limit of open files is lower: two for each, one with --http2
    #[arg(long, default_value_t = 10_000)]
    streams: u64,
    /// Streams of these that stall at their provider in the second half
    #[arg(long, default_value_t = 500)]
    stalled: u64,
    /// Between two words of a stream, in milliseconds
    #[arg(long, default_value_t = 4000)]
    pace_ms: u64,
    /// Words of a stream
    #[arg(long, default_value_t = 10)]
    words: usize,
    /// How long the streams take to begin, in seconds
    #[arg(long, default_value_t = 20)]
    ramp_s: u64,
}

/// One half of the run.
struct Half {
    /// Milliseconds between two words beyond the pace, sorted.
    late: Vec<f64>,
    whole: u64,
    other: BTreeMap<String, u64>,
    /// MiB while idle, and at the most.
    memory: (f64, f64),
    /// The most that were under way at once when it was looked.
    at_once: u64,
}

impl Half {
    fn quantile(&self, q: f64) -> f64 {
        let at = (self.late.len() as f64 * q) as usize;
        self.late.get(at.min(self.late.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Runs both halves; true when every stream was whole and the stalled ones changed nothing.
///
/// # Errors
/// A program does not start.
pub(crate) fn command(options: &Options) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(options))
}

async fn run(options: &Options) -> Result<bool> {
    let files = open_files()?;
    let free = files.saturating_sub(OTHER_FILES);
    let most = if options.http2 { free / (TOGETHER + 1) * TOGETHER } else { free / 2 };
    let streams = options.streams.min(most);
    if streams < options.streams {
        println!("{streams} streams: this machine allows a process no more than {files} open files");
    }
    if options.stalled >= streams {
        bail!("more stalled streams than streams");
    }
    let folder = tempfile::tempdir()?;
    let sim = free_address()?;
    let mut command = Command::new(&options.provider_sim);
    command.args(["--log", "0", "--listen", &sim.to_string()]);
    let mut provider = Program::start(&mut command, folder.path(), "provider-sim.log")?;
    provider.ready(async || client::get(sim, "/_sim/faults").await.is_ok()).await.context("provider-sim")?;
    let pace = format!("{}ms", options.pace_ms);
    behave(sim, "steady", json!({"words": options.words, "token_delay": pace})).await?;
    behave(sim, "stalled", json!({"words": options.words, "token_delay": pace, "fault": "stall=2"})).await?;
    let gateway = Gateway::start(&options.ringmain, &rules(sim), folder.path()).await?;
    let mut halves = Vec::new();
    let idle = resident_mib(gateway.id()).context("no such process")?;
    for stalled in [0, options.stalled] {
        let half = half(options, &gateway, streams - stalled, stalled, idle).await?;
        say(options, &half, streams - stalled, stalled);
        halves.push(half);
    }
    verdict(options, &halves, streams)
}

async fn behave(sim: SocketAddr, label: &str, behavior: Value) -> Result<()> {
    let got = client::put(sim, &format!("/_sim/behavior/{label}"), behavior.to_string()).await?;
    if got.status.is_success() { Ok(()) } else { bail!("provider-sim: {}", String::from_utf8_lossy(&got.body)) }
}

fn rules(sim: SocketAddr) -> Value {
    let name = model(Dialect::OpenAiChat).0;
    let provider = |label: &str| {
        json!({"kind": "openai", "dialect": "openai-chat", "base_url": format!("http://{sim}/p/{label}/v1"),
            "keys": ["sk-simulated"]})
    };
    let route = |label: &str| json!({"name": label, "match": {"model": label}, "targets": [format!("{label}/{name}")]});
    json!({
        "defaults": {"timeouts": {"idle": "10m", "race_after": "10m", "first_token": "10m", "total": "1h"}, "affinity": "off"},
        "providers": {"steady": provider("steady"), "stalled": provider("stalled")},
        "routes": [route("steady"), route("stalled")]
    })
}

async fn half(options: &Options, gateway: &Gateway, steady: u64, stalled: u64, idle: f64) -> Result<Half> {
    let ways = ways(options, gateway, steady + stalled).await?;
    let way = |number: u64| ways[(number % ways.len() as u64) as usize].clone();
    let begin = Duration::from_secs(options.ramp_s);
    let mut silent = JoinSet::new();
    for number in 0..stalled {
        let (ask, way) = (ask("stalled", number), way(number));
        // Dropped at the end, and with it the connection.
        silent.spawn(async move { way.ask_timed(&ask, Duration::from_secs(3600)).await });
    }
    let mut talking = JoinSet::new();
    let start = Instant::now();
    let patience = begin + Duration::from_millis(options.pace_ms) * (options.words as u32 + 4) * 2;
    for number in 0..steady {
        let (ask, way) = (ask("steady", number), way(number));
        let wait = begin.mul_f64(number as f64 / steady as f64);
        talking.spawn(async move {
            tokio::time::sleep(wait).await;
            (way.ask_timed(&ask, patience).await, ask)
        });
    }
    let pace = options.pace_ms as f64;
    let mut half = Half { late: Vec::new(), whole: 0, other: BTreeMap::new(), memory: (idle, idle), at_once: 0 };
    loop {
        let joined = tokio::time::timeout(Duration::from_secs(1), talking.join_next()).await;
        half.memory.1 = half.memory.1.max(resident_mib(gateway.id()).unwrap_or_default());
        half.at_once = half.at_once.max(under_way(gateway).await);
        let Ok(joined) = joined else { continue };
        let Some(joined) = joined else { break };
        let (timed, ask) = joined?;
        match timed {
            Ok(timed) => half.keep(&timed, &ask, options.words, pace),
            Err(error) => *half.other.entry(format!("{error:#}")).or_default() += 1,
        }
        // Looking at memory once for each answer would be most of the work.
        while let Some(joined) = talking.try_join_next() {
            let (timed, ask) = joined?;
            match timed {
                Ok(timed) => half.keep(&timed, &ask, options.words, pace),
                Err(error) => *half.other.entry(format!("{error:#}")).or_default() += 1,
            }
        }
    }
    if silent.len() as u64 != stalled || silent.try_join_next().is_some() {
        *half.other.entry("a stalled stream ended".to_owned()).or_default() += 1;
    }
    half.late.sort_by(f64::total_cmp);
    println!("{:.0} s", start.elapsed().as_secs_f64());
    Ok(half)
}

/// How each stream's caller reaches the gateway, in turns.
async fn ways(options: &Options, gateway: &Gateway, streams: u64) -> Result<Vec<Way>> {
    if !options.http2 {
        return Ok(vec![Way::Apart(gateway.address)]);
    }
    let mut ways = Vec::new();
    for _ in 0..streams.div_ceil(TOGETHER) {
        ways.push(Way::Together(Arc::new(Line::open(gateway.address).await?)));
    }
    Ok(ways)
}

/// Attempts under way, one for each stream, as the gateway counts them; 0 where it does not say in time.
async fn under_way(gateway: &Gateway) -> u64 {
    let Ok(metrics) = client::get(gateway.admin, "/metrics").await else { return 0 };
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    let gauges = text.lines().filter(|line| line.starts_with("ringmain_attempts_in_flight{"));
    gauges.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

fn ask(model: &str, number: u64) -> Ask {
    let text = format!("stream {number}");
    Ask { dialect: Dialect::OpenAiChat, model: model.to_owned(), text, stream: true }
}

impl Half {
    fn keep(&mut self, timed: &Timed, ask: &Ask, words: usize, pace: f64) {
        let got = &timed.got;
        let heard = heard(ask.dialect, true, got.status, &got.headers, &got.body);
        if matches!(&heard, Heard::Whole { text, done: true, .. } if *text == expected_text(&ask.text, words)) {
            self.whole += 1;
        } else {
            *self.other.entry(format!("{heard:?}").chars().take(120).collect()).or_default() += 1;
        }
        // Each word is an event of its own; those that follow without a pause are the end.
        let gaps = timed.arrivals.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1e3);
        self.late.extend(gaps.filter(|gap| *gap > pace / 2.0).map(|gap| (gap - pace).max(0.0)));
    }
}

fn say(options: &Options, half: &Half, steady: u64, stalled: u64) {
    println!(
        "{steady} streams of {} words, {} ms between them, and {stalled} stalled ones: {} whole",
        options.words, options.pace_ms, half.whole
    );
    println!(
        "  later than the pace, in ms: p50 {:.1}, p99 {:.1}, p99.9 {:.1}, most {:.1}",
        half.quantile(0.5),
        half.quantile(0.99),
        half.quantile(0.999),
        half.quantile(1.0)
    );
    let (idle, most) = half.memory;
    let (each, at_once) = ((most - idle) * 1024.0 / half.at_once.max(1) as f64, half.at_once);
    println!("  memory: {idle:.1} MiB idle, {most:.1} MiB at the most, {each:.1} KiB for each of {at_once} at once");
    for (what, count) in &half.other {
        println!("  {count}: {what}");
    }
}

/// The others' p99 may move by noise, not by what 500 stalled streams would do if they were in the way.
fn verdict(options: &Options, halves: &[Half], streams: u64) -> Result<bool> {
    let [without, with] = halves else { bail!("two halves are needed") };
    let whole = without.whole == streams && with.whole == streams - options.stalled;
    let (before, after) = (without.quantile(0.99), with.quantile(0.99));
    let moved = after > before * 1.5 + 20.0;
    let stuck = halves.iter().any(|half| half.quantile(1.0) > options.pace_ms as f64);
    println!("every stream whole: {}", if whole { "ok" } else { "FAILED" });
    println!("none stood still for twice its pace: {}", if stuck { "FAILED" } else { "ok" });
    println!("p99 {before:.1} ms without, {after:.1} ms with stalled streams: {}", if moved { "FAILED" } else { "ok" });
    Ok(whole && !stuck && !moved)
}

/// The most files that this process, and so its children, may have open.
fn open_files() -> Result<u64> {
    let limits = fs::read_to_string(Path::new("/proc/self/limits")).context("/proc is not there")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("no limit of open files")?;
    Ok(line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(u64::MAX))
}

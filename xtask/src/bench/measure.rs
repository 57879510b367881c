//! The measures: a provider behaviour, a load, and what is read while it runs.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::runtime::{Builder, Runtime};

use super::http::Connection;
use super::load::{self, Outcome, Target};
use super::report::{Metric, Results};
use super::stats::percentile;
use super::system::{OwnChild, Running, System, free_address};
use crate::process::{self, ProcessTree};

/// Bytes of a small request's body.
const REQUEST_BYTES: usize = 900;
/// Words that make the simulated provider's plain answer about 1.1 KB.
const ANSWER_WORDS: u32 = 85;
/// Words of a streamed answer, each its own event and its own write.
const STREAM_WORDS: u32 = 64;
/// More than any event has: it splits none, but has the provider flush each by itself, as a model's tokens come.
/// Without it, a stream that does not pause leaves in one write.
const CHUNK_BYTES: u32 = 4096;
const CPU_CONNECTIONS: usize = 64;
const LATENCY_RATE: u32 = 200;
const STREAM_CONNECTIONS: usize = 16;
const CONCURRENT_STREAMS: usize = 1000;
/// Over how long the concurrent streams begin, so that the burst of connections is not what is measured.
const CONCURRENT_RAMP: Duration = Duration::from_secs(1);
/// Load before each measurement that is not counted.
const WARM_UP: Duration = Duration::from_millis(300);
/// How long a program may take to answer for the first time.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Before memory at rest is read.
const SETTLE: Duration = Duration::from_millis(500);
const MEMORY_INTERVAL: Duration = Duration::from_millis(100);
/// Open files this process and its children need for the concurrent streams.
const OPEN_FILES: &str = "16384";

/// The provider, and what every measure needs.
pub(super) struct Bench {
    runtime: Runtime,
    home: PathBuf,
    provider: SocketAddr,
    time: Duration,
    ticks: u64,
    /// Ends the provider with the bench.
    _sim: OwnChild,
}

/// A system that has answered once.
pub(super) struct Live {
    pub(super) name: &'static str,
    model: &'static str,
    running: Running,
    tree: ProcessTree,
    idle_mib: f64,
}

impl Live {
    fn has_process(&self) -> bool {
        self.running.child.is_some()
    }

    fn target(&self, is_stream: bool) -> Target {
        let request = chat_request(self.running.address, self.model, is_stream);
        Target { address: self.running.address, request, is_stream }
    }
}

impl Bench {
    /// Starts the simulated provider.
    pub(super) fn start(provider_sim: &Path, home: PathBuf, time: Duration) -> Result<Self> {
        raise_open_files();
        let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
        let provider = free_address()?;
        let folder = fresh_folder(&home, "provider-sim")?;
        let mut command = Command::new(provider_sim);
        // Without its log of requests, which a load would only fill.
        command.args(["--listen", &provider.to_string(), "--workers", "2", "--log", "0"]);
        let mut sim = OwnChild::start(&mut command, &folder)?;
        let target =
            Target { address: provider, request: chat_request(provider, "bench-model", false), is_stream: false };
        runtime.block_on(first_answer(&target, || sim.has_ended())).with_context(|| said(&folder))?;
        Ok(Self { runtime, home, provider, time, ticks: process::ticks_per_second(), _sim: sim })
    }

    /// Starts a system and waits for its first answer from the provider.
    pub(super) fn bring_up(
        &self,
        system: &dyn System,
        round: u32,
        measured: bool,
        results: &mut Results,
    ) -> Result<Live> {
        self.behave(ANSWER_WORDS, "0ms")?;
        let folder = fresh_folder(&self.home, system.name())?;
        system.prepare()?;
        let start = Instant::now();
        let mut running = system.start(self.provider, &folder)?;
        let model = system.model();
        let target =
            Target { address: running.address, request: chat_request(running.address, model, false), is_stream: false };
        let child = &mut running.child;
        let has_ended = || child.as_mut().is_some_and(OwnChild::has_ended);
        self.runtime.block_on(first_answer(&target, has_ended)).with_context(|| said(&folder))?;
        let took = start.elapsed();
        let tree = running.child.as_ref().map(|child| ProcessTree::of(child.id())).unwrap_or_default();
        std::thread::sleep(SETTLE);
        let live = Live { name: system.name(), model, idle_mib: tree.resident_mib(), tree, running };
        if measured && live.has_process() {
            results.add(round, live.name, Metric::StartTime, took.as_secs_f64() * 1e3);
            results.add(round, live.name, Metric::IdleMemory, live.idle_mib);
        }
        Ok(live)
    }

    /// Small requests, 64 connections kept busy.
    pub(super) fn cpu(&self, live: &Live, round: u32, results: &mut Results) -> Result<()> {
        self.behave(ANSWER_WORDS, "0ms")?;
        let (outcome, cpu) = self.busy(live, false, CPU_CONNECTIONS)?;
        if live.has_process() {
            results.add(round, live.name, Metric::RequestCpu, cpu / outcome.answered() as f64);
        }
        results.add(round, live.name, Metric::RequestRate, outcome.answered() as f64 / outcome.took.as_secs_f64());
        results.answer_bytes = outcome.bytes;
        results.fail(live.name, "small requests", outcome.failures);
        Ok(())
    }

    /// Small requests at a steady rate.
    pub(super) fn latency(&self, live: &Live, round: u32, results: &mut Results) -> Result<()> {
        self.behave(ANSWER_WORDS, "0ms")?;
        let target = live.target(false);
        let outcome = self.runtime.block_on(async {
            load::open(&target, LATENCY_RATE, WARM_UP).await;
            load::open(&target, LATENCY_RATE, self.time).await
        });
        ensure!(outcome.answered() > 0, "no answer at {LATENCY_RATE} requests a second");
        results.add_maybe(round, live.name, Metric::LatencyMedian, percentile(&outcome.whole, 50));
        results.add_maybe(round, live.name, Metric::LatencyTail, percentile(&outcome.whole, 99));
        results.fail(live.name, "steady requests", outcome.failures);
        Ok(())
    }

    /// Streams without a pause between chunks, 16 connections kept busy.
    pub(super) fn streams(&self, live: &Live, round: u32, results: &mut Results) -> Result<()> {
        self.behave(STREAM_WORDS, "0ms")?;
        let (outcome, cpu) = self.busy(live, true, STREAM_CONNECTIONS)?;
        if live.has_process() {
            results.add(round, live.name, Metric::StreamCpu, cpu / outcome.answered() as f64);
        }
        results.add_maybe(round, live.name, Metric::StreamFirstMedian, percentile(&outcome.first_byte, 50));
        results.add_maybe(round, live.name, Metric::StreamFirstTail, percentile(&outcome.first_byte, 99));
        results.stream_bytes = outcome.bytes;
        results.fail(live.name, "streams", outcome.failures);
        Ok(())
    }

    /// A thousand streams at a model's pace.
    pub(super) fn concurrent(&self, live: &Live, round: u32, results: &mut Results) -> Result<()> {
        self.behave(STREAM_WORDS, "20ms")?;
        let target = live.target(true);
        let peak = Rc::new(Cell::new(live.tree.resident_mib()));
        let outcome = self.runtime.block_on(async {
            tokio::select! {
                outcome = load::closed(&target, CONCURRENT_STREAMS, self.time, CONCURRENT_RAMP) => Ok(outcome),
                () = watch_memory(&live.tree, &peak) => bail!("the watch over memory ended"),
            }
        })?;
        results.add(round, live.name, Metric::ConcurrentFailures, outcome.failures as f64);
        results.add_maybe(round, live.name, Metric::ConcurrentWhole, percentile(&outcome.whole, 50).map(|us| us / 1e3));
        results.add_maybe(
            round,
            live.name,
            Metric::ConcurrentFirstTail,
            percentile(&outcome.first_byte, 99).map(|us| us / 1e3),
        );
        if live.has_process() {
            results.add(round, live.name, Metric::PeakMemory, peak.get());
            results.add(round, live.name, Metric::AddedMemory, peak.get() - live.idle_mib);
        }
        Ok(())
    }

    /// A closed loop after a warm-up; what it came to and the system's CPU time in microseconds.
    fn busy(&self, live: &Live, is_stream: bool, connections: usize) -> Result<(Outcome, f64)> {
        let target = live.target(is_stream);
        self.runtime.block_on(load::closed(&target, connections, WARM_UP, Duration::ZERO));
        let before = live.tree.cpu(self.ticks);
        let outcome = self.runtime.block_on(load::closed(&target, connections, self.time, Duration::ZERO));
        let cpu = live.tree.cpu(self.ticks).saturating_sub(before);
        ensure!(outcome.answered() > 0, "nothing was answered; {} failures", outcome.failures);
        Ok((outcome, cpu.as_secs_f64() * 1e6))
    }

    /// Tells the provider how to answer from now on.
    fn behave(&self, words: u32, token_delay: &str) -> Result<()> {
        let body = format!("{{\"words\":{words},\"token_delay\":\"{token_delay}\",\"chunk_bytes\":{CHUNK_BYTES}}}");
        // What is relayed comes from one, what is translated from the other.
        for label in ["openai", "anthropic"] {
            let request = request("PUT", &format!("/_sim/behavior/{label}"), self.provider, &body);
            let asked = async { Connection::open(self.provider).await?.exchange(&request).await };
            let status = self.runtime.block_on(asked).context("the provider did not take a behaviour")?.status;
            ensure!((200..300).contains(&status), "the provider refused a behaviour with {status}");
        }
        Ok(())
    }
}

async fn watch_memory(tree: &ProcessTree, peak: &Cell<f64>) {
    loop {
        peak.set(peak.get().max(tree.resident_mib()));
        tokio::time::sleep(MEMORY_INTERVAL).await;
    }
}

/// Asks every millisecond until a request is answered well.
async fn first_answer(target: &Target, mut has_ended: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    let mut last = String::from("no connection");
    while start.elapsed() < START_TIMEOUT {
        let attempt = async { Connection::open(target.address).await?.exchange(&target.request).await };
        match tokio::time::timeout(START_TIMEOUT, attempt).await {
            Ok(Ok(answer)) if answer.status == 200 => return Ok(()),
            Ok(Ok(answer)) => last = format!("status {}", answer.status),
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => break,
        }
        ensure!(!has_ended(), "it ended by itself");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bail!("no good answer within {} s: {last}", START_TIMEOUT.as_secs())
}

fn chat_request(address: SocketAddr, model: &str, is_stream: bool) -> Rc<[u8]> {
    let body = |fill: &str| {
        format!(
            "{{\"model\":\"{model}\",\"stream\":{is_stream},\"messages\":[{{\"role\":\"user\",\"content\":\"{fill}\"}}]}}"
        )
    };
    let fill: String =
        "Tell me about ring mains. ".chars().cycle().take(REQUEST_BYTES.saturating_sub(body("").len())).collect();
    Rc::from(request("POST", "/v1/chat/completions", address, &body(&fill)))
}

fn request(method: &str, path: &str, address: SocketAddr, body: &str) -> Vec<u8> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer sk-bench\r\n\
         content-type: application/json\r\naccept: */*\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// An empty folder of this name.
fn fresh_folder(home: &Path, name: &str) -> Result<PathBuf> {
    let folder = home.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// The end of what a program printed.
fn said(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let last: Vec<&str> = log.lines().rev().take(3).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    format!("it said `{}`", last.join(" / "))
}

/// The soft limit on open files of this process and those it starts; the hard limit stays, so this may not succeed.
fn raise_open_files() {
    let pid = std::process::id().to_string();
    let _ = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={OPEN_FILES}:")]).status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_stated_size() {
        let request = chat_request(SocketAddr::from(([127, 0, 0, 1], 1)), "openai/bench-model", true);
        let text = String::from_utf8(request.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len(), REQUEST_BYTES);
        assert!(head.contains("content-length: 900"));
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}

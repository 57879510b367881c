//! A world, run to its end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use ringmain_caller::{Heard, heard};
use ringmain_catalog::Catalog;
use ringmain_config::Sources;
use ringmain_core::{RequestId, WallTime};
use ringmain_engine::clock::Clock;
use ringmain_engine::{Gateway, serve};
use ringmain_provider_sim::{LogEntry, MemorySim};
use ringmain_routing::Record;
use ringmain_upstream::Upstream;
use tokio::time::Instant;

use crate::caller::Caller;
use crate::dial::Pipes;
use crate::make::World;

/// Requests a world's log holds; no world has as many attempts.
const LOG: usize = 4096;
/// The date on which every world begins: 2026-01-01.
const BEGAN: WallTime = WallTime(1_767_225_600_000);
/// After the last caller: what is to be closed is closed by then.
const AFTERMATH: Duration = Duration::from_secs(3);
/// No request of a world may take longer.
pub const LONGEST: Duration = Duration::from_secs(900);

/// What was seen in a world.
#[derive(Debug)]
pub struct Seen {
    /// What each caller got, in their order.
    pub callers: Vec<Got>,
    /// What the providers received.
    pub log: Vec<LogEntry>,
    /// Attempts still running at the end, by all accounts of health.
    pub in_flight: u32,
    /// The gateway, for its records.
    pub gateway: Arc<Gateway>,
}

/// What one caller got.
#[derive(Debug)]
pub struct Got {
    /// Who.
    pub caller: Caller,
    /// The status; `None` where it left before, or was never answered.
    pub status: Option<StatusCode>,
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// The answer as its SDK would read it; `None` where it left before the end.
    pub heard: Option<Heard>,
    /// Its bytes.
    pub body: Bytes,
    /// When the answer ended or the caller left, since the world began.
    pub ended: Duration,
    /// It left.
    pub left: bool,
    /// Nothing came within [`LONGEST`].
    pub hung: bool,
}

impl Got {
    /// Its record.
    #[must_use]
    pub fn record(&self, gateway: &Gateway) -> Option<Arc<Record>> {
        let id = self.headers.get("x-ringmain-request-id")?.to_str().ok()?;
        gateway.records.get(RequestId::parse(id)?).ok().flatten()
    }

    /// `x-ringmain-attempts`.
    #[must_use]
    pub fn attempts(&self) -> Option<usize> {
        self.headers.get("x-ringmain-attempts")?.to_str().ok()?.parse().ok()
    }
}

struct NoSources;

impl Sources for NoSources {
    fn var(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("there are no files in a world".to_owned())
    }
}

/// Runs a world on a thread of its own time.
///
/// # Errors
/// The world cannot be set up: a mistake in how worlds are made.
pub fn run(world: &World, catalog: &Arc<Catalog>) -> anyhow::Result<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(play(world, catalog))
}

async fn play(world: &World, catalog: &Arc<Catalog>) -> anyhow::Result<Seen> {
    let loaded = ringmain_config::load(&world.yaml, &NoSources, catalog);
    let problems = loaded.diagnostics.render("world", &world.yaml, false);
    let config = loaded.config.ok_or_else(|| anyhow!("{problems}")).context(world.yaml.clone())?;
    let sim = MemorySim::new(world.script.clone(), LOG);
    let mut gateway = Gateway::new(config, world.seed);
    gateway.clock = Clock::start_at(BEGAN);
    let gateway = Arc::new(gateway);
    let upstream = Upstream::new(Arc::new(Pipes(sim.clone())));
    let began = Instant::now();
    let mut tasks = Vec::with_capacity(world.callers.len());
    for caller in &world.callers {
        let (caller, gateway, upstream) = (caller.clone(), Arc::clone(&gateway), upstream.clone());
        tasks.push(tokio::spawn(ask(caller, gateway, upstream, began)));
    }
    let mut callers = Vec::with_capacity(tasks.len());
    for task in tasks {
        callers.push(task.await??);
    }
    tokio::time::sleep(AFTERMATH).await;
    let in_flight = running(&gateway);
    Ok(Seen { callers, log: sim.log(), in_flight, gateway })
}

fn running(gateway: &Gateway) -> u32 {
    let now = gateway.clock.now();
    let rules = gateway.rules();
    let route = rules.routes().find(|route| &*route.name == "r");
    let view = route.map(|route| ringmain_routing::view(&gateway.health(), &route.policy, None, now));
    view.map_or(0, |view| view.rows().iter().map(|row| row.in_flight).sum())
}

async fn ask(caller: Caller, gateway: Arc<Gateway>, upstream: Upstream, began: Instant) -> anyhow::Result<Got> {
    tokio::time::sleep_until(began + caller.at).await;
    let request = caller.request()?;
    let mut got = Got {
        status: None,
        headers: HeaderMap::new(),
        heard: None,
        body: Bytes::new(),
        ended: caller.at,
        left: false,
        hung: false,
        caller,
    };
    let patience = got.caller.leaves.unwrap_or(LONGEST);
    let whole = tokio::time::timeout(patience, async {
        let response = serve(&gateway, &upstream, request).await;
        let (head, body) = response.into_parts();
        (got.status, got.headers) = (Some(head.status), head.headers);
        // A body of ours never fails: what breaks off says so in the caller's dialect.
        body.collect().await.map(http_body_util::Collected::to_bytes)
    })
    .await;
    got.ended = began.elapsed();
    match whole {
        Ok(body) => {
            got.body = body.map_err(|error| anyhow!("the body failed: {error}"))?;
            let status = got.status.unwrap_or_default();
            got.heard = Some(heard(got.caller.dialect, got.caller.stream, status, &got.headers, &got.body));
        }
        Err(_) => (got.left, got.hung) = (got.caller.leaves.is_some(), got.caller.leaves.is_none()),
    }
    Ok(got)
}

//! Kills in the middle of traffic, and a disk that is full: what was answered is in the ledger once, and what a budget has
//! used is what the ledger's rows add up to.

mod books;
mod full;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use http::HeaderValue;
use ringmain_caller::Ask;
use ringmain_core::{Dialect, Seed};
use ringmain_provider_sim::{Behavior, Sim, SimConfig};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client;
use crate::gateway::Gateway;
use crate::targets::{model, provider};
use books::Books;

/// What a kill may cost: the answers of its last moments. Records go to the journal in batches of at most 10 ms.
const WINDOW: Duration = Duration::from_millis(100);
/// From the start of a gateway to its kill, in milliseconds.
const LIVES: std::ops::Range<u64> = 100..500;
/// Nothing by then is a hang.
const PATIENCE: Duration = Duration::from_secs(20);
const KEY: &str = "sk-of-the-crash-test";

#[derive(Args)]
pub(crate) struct Options {
    /// The built gateway
    #[arg(long, value_name = "PATH")]
    ringmain: PathBuf,
    /// How often it is killed
    #[arg(long, default_value_t = 200)]
    kills: u64,
    /// Where it keeps its ledger, as `state.database` says it; a file of its own if not said. It must be empty
    #[arg(long, value_name = "URL", default_value = "sqlite:ledger.db")]
    database: String,
    /// Callers at once
    #[arg(long, default_value_t = 8)]
    callers: u64,
    /// All chance comes from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave out the full disk, which wants the right to mount one
    #[arg(long)]
    no_disk: bool,
}

/// An answer a caller has got.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    /// The request's id.
    pub(crate) id: String,
    /// How long before the gateway's end.
    pub(crate) before_the_end: Duration,
}

/// Runs both; true when the books are right after each.
///
/// # Errors
/// The gateway or the simulator does not start.
pub(crate) fn command(options: &Options) -> Result<bool> {
    let start = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let sim = simulator().await?;
        let killed = kills(options, &sim).await?;
        let full = options.no_disk || full::run(&options.ringmain, &sim).await?;
        let passed = [killed, full].into_iter().filter(|right| *right).count();
        println!("{passed} passed, {} failed in {:.1}s", 2 - passed, start.elapsed().as_secs_f64());
        Ok(killed && full)
    })
}

async fn simulator() -> Result<Sim> {
    let sim = Sim::start(SimConfig::default()).await?;
    sim.set("sim", Behavior { words: 12, ..Behavior::default() });
    Ok(sim)
}

/// One route, one key with limits of each kind, and a ledger.
fn rules(sim: &Sim, database: &str) -> Value {
    let target = format!("sim/{}", model(Dialect::OpenAiChat).0);
    json!({
        "providers": {"sim": provider(sim, Dialect::OpenAiChat, "sim")},
        "routes": [{"name": "text", "match": {"model": "text"}, "targets": [target]}],
        "keys": [{
            "name": "app", "key": KEY,
            "limits": ["$1000000/month", "1000000000 requests/month", "1000000000000 tokens/month"]
        }],
        "state": {"database": database}
    })
}

async fn kills(options: &Options, sim: &Sim) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let rules = rules(sim, &options.database);
    let seed = Seed(options.seed);
    let mut answered = Vec::new();
    let start = Instant::now();
    for number in 0..options.kills {
        let gateway = start_gateway(options, &rules, folder.path()).await?;
        let callers = Callers::start(gateway.address, options.callers);
        let chance = seed.nth("life", number).draw("length").below(LIVES.end - LIVES.start);
        tokio::time::sleep(Duration::from_millis(LIVES.start + chance)).await;
        let killed = Instant::now();
        // Dropped, it is killed: SIGKILL, with whatever is on its way.
        drop(gateway);
        answered.extend(callers.heard(killed).await?);
        if (number + 1) % 25 == 0 {
            let seconds = start.elapsed().as_secs();
            println!("{} kills, {} answers, {seconds} s", number + 1, answered.len());
        }
    }
    let gateway = start_gateway(options, &rules, folder.path()).await?;
    let books = Books::read(&gateway).await?;
    println!("{} kills in {:.0} s, on {}", options.kills, start.elapsed().as_secs_f64(), options.database);
    Ok(books.audit(&answered, WINDOW))
}

/// Of hundreds of starts one finds its ports taken by somebody else: it is tried again.
async fn start_gateway(options: &Options, rules: &Value, folder: &Path) -> Result<Gateway> {
    for _ in 0..2 {
        if let Ok(gateway) = Gateway::start(&options.ringmain, rules, folder).await {
            return Ok(gateway);
        }
    }
    Gateway::start(&options.ringmain, rules, folder).await
}

/// Callers who ask until their gateway is gone.
struct Callers {
    tasks: JoinSet<()>,
    answers: Arc<Mutex<Vec<(String, Instant)>>>,
}

impl Callers {
    fn start(address: std::net::SocketAddr, count: u64) -> Self {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let answers = Arc::clone(&answers);
            tasks.spawn(async move {
                let mut asked = 0;
                while let Ok(id) = ask(address, &format!("question {asked} of {number}")).await {
                    answers.lock().unwrap_or_else(PoisonError::into_inner).push((id, Instant::now()));
                    asked += 1;
                }
            });
        }
        Self { tasks, answers }
    }

    /// What they had heard, once all have noticed.
    async fn heard(mut self, end: Instant) -> Result<Vec<Answered>> {
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a caller")?;
        }
        let answers = std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        let age = |at| end.saturating_duration_since(at);
        Ok(answers.into_iter().map(|(id, at)| Answered { id, before_the_end: age(at) }).collect())
    }
}

/// One request, answered whole; its id.
async fn ask(address: std::net::SocketAddr, text: &str) -> Result<String> {
    let ask = Ask { dialect: Dialect::OpenAiChat, model: "text".to_owned(), text: text.to_owned(), stream: false };
    let mut request = ask.request(&address.to_string())?;
    request.headers_mut().insert("authorization", HeaderValue::try_from(format!("Bearer {KEY}"))?);
    let got = client::send(address, request, PATIENCE).await?;
    if !got.complete || !got.status.is_success() {
        bail!("{}: {}", got.status, String::from_utf8_lossy(&got.body));
    }
    Ok(got.mine("request-id").context("an answer without an id")?.to_owned())
}

/// Is there something at this path?
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

//! Out of service and under new rules, while streams run: nobody's answer is cut by it. Judged for callers of all
//! dialects at once.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ringmain_caller::{Ask, Heard};
use ringmain_core::Dialect;
use ringmain_provider_sim::{Behavior, Ended, LogEntry, Sim, SimConfig, expected_text};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::cell::add_route;
use crate::client::{self, Got, Line, Way};
use crate::gateway::Gateway;
use crate::targets::after;

/// Words of a stream, and the time between them: each takes a second.
const WORDS: usize = 20;
const PACE: Duration = Duration::from_millis(50);
/// Streams of each dialect.
const STREAMS: usize = 8;
/// How long answers may go on after SIGTERM. Longer than a stream takes on a busy machine.
const GRACE: Duration = Duration::from_secs(10);
/// Reloads while the streams of the second check run.
const RELOADS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(60);
/// How soon a provider sees that its caller is gone.
const LEFT_WITHIN: Duration = Duration::from_secs(1);

/// Runs the checks, printing each; which of them hold.
pub(super) async fn check(program: &Path) -> [bool; 4] {
    [
        holds("drain under load", async || drain(program, false).await).await,
        holds("drain under load, HTTP/2", async || drain(program, true).await).await,
        holds("reload under load", async || reload(program).await).await,
        holds("one of many on an HTTP/2 connection leaves", async || leave(program).await).await,
    ]
}

/// As with a cell, a busy machine gets a second chance, and each failure is printed.
async fn holds(name: &str, check: impl AsyncFn() -> Result<()>) -> bool {
    for word in ["once failed", "FAIL"] {
        match check().await {
            Ok(()) => {
                println!("pass {name}");
                return true;
            }
            Err(why) => println!("{word} {name}: {why:#}"),
        }
    }
    false
}

/// A simulator whose `steady` providers talk for a second, and whose `endless` ones for a minute.
async fn sim() -> Result<Arc<Sim>> {
    let steady = Behavior { words: WORDS, token_delay: PACE, ..Behavior::default() };
    let sim = Sim::start(SimConfig { default: steady.clone(), ..SimConfig::default() }).await?;
    for dialect in Dialect::ALL {
        sim.set(&label("endless", dialect), Behavior { token_delay: Duration::from_secs(3), ..steady.clone() });
    }
    Ok(Arc::new(sim))
}

fn label(kind: &str, dialect: Dialect) -> String {
    format!("{kind}-{dialect}")
}

fn rules(sim: &Sim, balance: &str) -> Value {
    let mut rules = json!({
        "server": {"drain": format!("{}ms", GRACE.as_millis())},
        "defaults": {"balance": balance, "affinity": "off"}, "providers": {}, "routes": []
    });
    for kind in ["steady", "endless"] {
        for dialect in Dialect::ALL {
            let name = label(kind, dialect);
            add_route(&mut rules, &name, &[(dialect, &name)], sim);
        }
    }
    rules
}

type Asked = JoinSet<(Ask, Result<Got>)>;

/// Callers of every dialect, each asking a provider of the next.
fn ask(way: &Way, kind: &str, each: usize) -> Asked {
    let mut asked = JoinSet::new();
    for (caller, number) in Dialect::ALL.into_iter().flat_map(|caller| (0..each).map(move |number| (caller, number))) {
        let model = label(kind, after(caller, number));
        let text = format!("{kind} {number} of {caller}");
        let (ask, way) = (Ask { dialect: caller, model, text, stream: true }, way.clone());
        asked.spawn(async move {
            let got = way.ask_timed(&ask, PATIENCE).await.map(|timed| timed.got);
            (ask, got)
        });
    }
    asked
}

/// All of them were answered whole.
async fn all_whole(mut asked: Asked) -> Result<()> {
    while let Some(done) = asked.join_next().await {
        let (ask, got) = done?;
        let heard = got?.heard(&ask);
        let expected = expected_text(&ask.text, WORDS);
        let whole = matches!(&heard, Heard::Whole { text, done: true, .. } if *text == expected);
        ensure!(whole, "{} of {}: {heard:?}", ask.text, ask.model);
    }
    Ok(())
}

async fn under_way(sim: &Sim, count: usize) -> Result<()> {
    let arrived = sim.wait_for(Duration::from_secs(20), |log| log.len() >= count).await;
    ensure!(arrived, "only {} of {count} streams arrived", sim.log().len());
    // Past the commit, so that each caller holds a part of its answer.
    tokio::time::sleep(PACE * 4).await;
    Ok(())
}

/// SIGTERM: not ready at once, streams finish, what is left at the end of the grace gets an error of its dialect.
async fn drain(program: &Path, together: bool) -> Result<()> {
    let (sim, folder) = (sim().await?, tempfile::tempdir()?);
    let mut gateway = Gateway::start(program, &rules(&sim, "order"), folder.path()).await?;
    let way = if together {
        Way::Together(Arc::new(Line::open(gateway.address).await?))
    } else {
        Way::Apart(gateway.address)
    };
    let (steady, mut endless) = (ask(&way, "steady", STREAMS), ask(&way, "endless", 1));
    under_way(&sim, Dialect::ALL.len() * (STREAMS + 1)).await?;
    let twin = gateway.twin();
    let began = Instant::now();
    let ended = tokio::spawn(async move { gateway.drain().await });
    loop {
        let got = client::get(twin.address, "/readyz").await?;
        if got.status.as_u16() == 503 {
            break;
        }
        ensure!(began.elapsed() < Duration::from_secs(5), "/readyz says {} after SIGTERM", got.status);
    }
    all_whole(steady).await?;
    while let Some(done) = endless.join_next().await {
        let (ask, got) = done?;
        let heard = got?.heard(&ask);
        let expected = expected_text(&ask.text, WORDS);
        let told = matches!(&heard, Heard::Broken { text, .. } if expected.starts_with(text.as_str()));
        ensure!(told, "left at the end of the grace: {}: {heard:?}", ask.text);
    }
    ensure!(began.elapsed() >= GRACE, "what was left was ended before its grace");
    let status = ended.await??;
    ensure!(status == "exit status: 0", "it ended with {status}");
    let closed = sim.wait_for(Duration::from_secs(2), |log| log.iter().all(|it| it.ended != Ended::Open)).await;
    ensure!(closed, "a provider's connection is still open");
    Ok(())
}

/// New rules again and again: what runs goes on, what comes is served.
async fn reload(program: &Path) -> Result<()> {
    let (sim, folder) = (sim().await?, tempfile::tempdir()?);
    let mut gateway = Gateway::start(program, &rules(&sim, "order"), folder.path()).await?;
    let way = Way::Apart(gateway.address);
    let mut asked = vec![ask(&way, "steady", STREAMS)];
    under_way(&sim, Dialect::ALL.len() * STREAMS).await?;
    for number in 0..RELOADS {
        gateway.reload(&rules(&sim, ["weighted", "least-busy", "order"][number % 3]))?;
        asked.push(ask(&way, "steady", 1));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for asked in asked {
        all_whole(asked).await?;
    }
    let cut = sim.log().iter().filter(|entry| !matches!(entry.ended, Ended::Completed { .. })).count();
    ensure!(cut == 0, "{cut} streams were not read to their end");
    Ok(())
}

/// Requests of one connection do not end together: who leaves is seen to leave, and the others are served.
async fn leave(program: &Path) -> Result<()> {
    let (sim, folder) = (sim().await?, tempfile::tempdir()?);
    let gateway = Gateway::start(program, &rules(&sim, "order"), folder.path()).await?;
    let way = Way::Together(Arc::new(Line::open(gateway.address).await?));
    let (steady, mut endless) = (ask(&way, "steady", STREAMS), ask(&way, "endless", 1));
    under_way(&sim, Dialect::ALL.len() * (STREAMS + 1)).await?;
    endless.shutdown().await;
    let left = |log: &[LogEntry]| log.iter().filter(|it| matches!(it.ended, Ended::ClientClosed { .. })).count();
    let seen = sim.wait_for(LEFT_WITHIN, |log| left(log) == Dialect::ALL.len()).await;
    ensure!(seen, "{} of {} were seen to leave within {LEFT_WITHIN:?}", left(&sim.log()), Dialect::ALL.len());
    all_whole(steady).await
}

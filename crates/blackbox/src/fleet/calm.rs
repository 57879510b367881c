//! What goes on by the side of requests is not noticed by them: old rows that are taken out by the ten thousand, and heavy
//! questions that are asked back to back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use http::Request;
use serde_json::json;

use super::ledger::Ledger;
use super::rounds::judge;
use super::world::{KEY, rules, settled, sim};
use super::{Options, load};
use crate::client;
use crate::gateway::Gateway;

/// What reads the most: every sum of a year, told apart by all there is, and every row of the ledger.
const QUESTIONS: [&str; 5] = [
    "/api/analytics?from=365d&step=1d&by=key&target=a%2Fmodel-0",
    "/api/analytics?from=365d&step=1d&by=target&key=acme%2Fkey-0",
    "/api/analytics?from=365d&step=1d&by=key&route=text&format=csv",
    "/api/requests?from=365d&tag=team%3Dnobody",
    "/api/requests?from=365d&outcome=ok&limit=500",
];
/// People who ask at one time.
const ASKERS: usize = 2;
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take until old rows begin to go, and until they are gone.
const SWEPT_WITHIN: Duration = Duration::from_secs(180);

/// On a file of this machine.
pub(super) async fn on_sqlite(options: &Options) -> Result<String> {
    let folder = tempfile::tempdir()?;
    calm(options, &Ledger::sqlite(folder.path())).await
}

/// On PostgreSQL.
pub(super) async fn on_postgres(options: &Options) -> Result<String> {
    calm(options, &Ledger::postgres().await?).await
}

async fn calm(options: &Options, ledger: &Ledger) -> Result<String> {
    let (sim, folder) = (sim().await?, tempfile::tempdir()?);
    let mut rules = rules(&sim, &ledger.url(), None);
    let mut first = Gateway::start(&options.ringmain, &rules, folder.path()).await?;
    load::one(first.address, KEY).await?;
    settled(std::slice::from_ref(&first), "ringmain_ledger_behind_records", 0).await?;
    first.drain().await?;
    ledger.fill(options.rows()).await?;

    let gateway = Gateway::start(&options.ringmain, &rules, folder.path()).await?;
    let load = async |gateway: &Gateway| load::run(&[gateway.address], KEY, options.load()).await;
    load::run(&[gateway.address], KEY, options.load().short()).await;
    let before = load(&gateway).await;
    let askers = Askers::start(gateway.admin);
    let asked = load(&gateway).await;
    let answers = askers.stop().await?;
    let between = load(&gateway).await;
    drop(gateway);
    let questions = judge(&before, &asked, &between)?;

    rules["state"]["keep"] = json!("1h");
    let gateway = Gateway::start(&options.ringmain, &rules, folder.path()).await?;
    // What is old is told by the latest.
    load::run(&[gateway.address], KEY, options.load().short()).await;
    let all = ledger.old().await?;
    left(ledger, all - 1).await?;
    let begun = ledger.old().await?;
    ensure!(begun > 0, "all {all} old rows are gone already: it takes more of them");
    let swept = load(&gateway).await;
    let gone = begun - ledger.old().await?;
    left(ledger, 0).await?;
    let after = load(&gateway).await;
    let retention = judge(&between, &swept, &after)?;
    Ok(format!("{answers} heavy questions answered: {questions}; {gone} of {begun} old rows taken out: {retention}"))
}

/// Waits until no more than so many old rows are left.
async fn left(ledger: &Ledger, most: i64) -> Result<()> {
    let deadline = Instant::now() + SWEPT_WITHIN;
    loop {
        let old = ledger.old().await?;
        if old <= most {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{old} old rows are there after {SWEPT_WITHIN:?}, and not {most}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// People who ask one heavy question after the other.
struct Askers {
    stop: Arc<AtomicBool>,
    asking: Vec<tokio::task::JoinHandle<Result<usize>>>,
}

impl Askers {
    fn start(admin: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ask = |number: usize| {
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut answered = 0;
                for question in QUESTIONS.iter().cycle().skip(number) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let request = Request::get(*question).header("host", admin.to_string()).body(Bytes::new())?;
                    let got = client::send(admin, request, ANSWER_WITHIN).await?;
                    let said = String::from_utf8_lossy(&got.body);
                    ensure!(got.status.is_success() && got.complete, "{question}: {} {said}", got.status);
                    answered += 1;
                }
                Ok(answered)
            })
        };
        Self { asking: (0..ASKERS).map(ask).collect(), stop }
    }

    /// How many were answered.
    async fn stop(self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        let mut answered = 0;
        for asking in self.asking {
            answered += asking.await??;
        }
        ensure!(answered > 0, "no question was answered");
        Ok(answered)
    }
}

//! A gateway that is killed over and over under load: what it answered is in the ledger, once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ringmain_core::Seed;
use serde_json::Value;

use super::cases::{ROWS, SUMMED};
use super::servers::Server;
use super::world::{KEY, metric, rules, sim, used_of};
use super::{Options, load};
use crate::client;
use crate::gateway::Gateway;

/// What may be lost: what was answered so shortly before a kill.
const WINDOW: Duration = Duration::from_millis(100);
/// Callers at once.
const CALLERS: usize = 4;

/// Ids of what was answered, and when.
type Answered = Arc<Mutex<Vec<(Instant, String)>>>;

pub(super) async fn on_postgres(options: &Options) -> Result<String> {
    let postgres = Server::postgres().await?;
    let survived = survive(options, &postgres.url()).await?;
    let (rows, summed) = (postgres.count(ROWS).await?, postgres.count(SUMMED).await?);
    ensure!(rows == summed, "{rows} rows, {summed} in the sums");
    let spent = "SELECT coalesce(sum(cost_nano), 0)::bigint FROM ringmain";
    let of_rows = postgres.count(&format!("{spent}.requests")).await?;
    let of_sums = postgres.count(&format!("{spent}.sums WHERE grain = 2 AND slice = ''")).await?;
    ensure!(of_rows == of_sums, "the rows cost {of_rows}, the sums {of_sums}");
    Ok(format!("{survived}; {rows} rows, and as many summed"))
}

/// Kills a gateway on this database over and over, and asks the last one for every request that was answered.
///
/// # Errors
/// One of them is not there, or the limit has another standing than the ledger.
pub(super) async fn survive(options: &Options, database: &str) -> Result<String> {
    let (sim, folder) = (sim().await?, tempfile::tempdir()?);
    let rules = rules(&sim, database, None);
    let (mut must, mut answered_at_all) = (HashSet::new(), 0);
    for number in 0..options.kills {
        let gateway = Gateway::start(&options.ringmain, &rules, folder.path()).await?;
        let answered = Answered::default();
        let callers: Vec<_> =
            (0..CALLERS).map(|_| tokio::spawn(call(gateway.address, Arc::clone(&answered)))).collect();
        let time = 150 + Seed(number).draw("kill").below(250);
        tokio::time::sleep(Duration::from_millis(time)).await;
        let killed = Instant::now();
        // A program that is dropped is killed.
        drop(gateway);
        callers.iter().for_each(tokio::task::JoinHandle::abort);
        let answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered_at_all += answered.len();
        let sure = answered.iter().filter(|(at, _)| *at + WINDOW < killed);
        must.extend(sure.map(|(_, id)| id.clone()));
    }
    let last = Gateway::start(&options.ringmain, &rules, folder.path()).await?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while metric(last.admin, "ringmain_ledger_behind_records").await? > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for id in &must {
        // What the last one left in the journal may still be on its way.
        let mut found = client::get(last.admin, &format!("/api/requests/{id}")).await?;
        while !found.status.is_success() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(100)).await;
            found = client::get(last.admin, &format!("/api/requests/{id}")).await?;
        }
        ensure!(found.status.is_success(), "{id} was answered and is not in the ledger: {}", found.status);
    }
    let limits: Value = serde_json::from_slice(&client::get(last.admin, "/api/limits").await?.body)?;
    let used = u64::try_from(used_of(&limits)?)?;
    let (least, all) = (must.len() as u64, answered_at_all as u64 + options.kills * CALLERS as u64);
    ensure!((least..=all).contains(&used), "the limit says {used}, of {least} to {all}");
    Ok(format!("{} kills, {answered_at_all} answered, all {least} that must be are in the ledger", options.kills))
}

async fn call(address: std::net::SocketAddr, answered: Answered) {
    loop {
        let Ok(got) = load::one(address, KEY).await else { return };
        if let Some(id) = got.mine("request-id").filter(|_| got.status.is_success() && got.complete) {
            let id = id.to_owned();
            answered.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), id));
        }
    }
}

//! A disk that is full: a small one in memory, with the database and its journal on it. Callers notice nothing, an alarm
//! is raised, and when there is room again everything is kept as before, without a restart.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ringmain_provider_sim::Sim;

use super::books::{Books, get};
use super::{Answered, ask, exists, rules};
use crate::client;
use crate::gateway::Gateway;

/// The disk.
const SIZE: &str = "size=16m";
/// Requests before the disk is full, while it is, and after.
const EACH: usize = 60;
/// How long the alarm and the recovery may take.
const WITHIN: Duration = Duration::from_secs(20);

/// A file system in memory. Dropped, it is gone.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this machine does not let us.
    fn mount(at: &Path) -> Result<Option<Self>> {
        fs::create_dir_all(at)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(at).stderr(Stdio::null());
        Ok(mount.status().is_ok_and(|status| status.success()).then(|| Self(at.to_owned())))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Fills it to its last byte.
    fn fill(&self) -> Result<()> {
        let mut file = File::create(self.ballast())?;
        for block in [1 << 20, 1 << 12, 1] {
            let zeros = vec![0; block];
            while file.write_all(&zeros).is_ok() {}
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Runs it; true when nobody noticed and the books are right.
pub(super) async fn run(ringmain: &Path, sim: &Sim) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let Some(disk) = Disk::mount(&folder.path().join("disk"))? else {
        println!("full disk: skipped, this machine lets us mount none");
        return Ok(true);
    };
    let rules = rules(sim, "sqlite:disk/ledger.db");
    let gateway = Gateway::start(ringmain, &rules, folder.path()).await?;
    let before = requests(&gateway, "before").await?;
    settled(&gateway).await?;
    disk.fill()?;
    let during = requests(&gateway, "during").await?;
    let alarm = metric(&gateway, "ringmain_ledger_down", WITHIN, |value| value > 0.0).await;
    if !exists(&disk.ballast()) {
        bail!("the disk was not full");
    }
    fs::remove_file(disk.ballast()).context("making room")?;
    let calm = metric(&gateway, "ringmain_ledger_down", WITHIN, |value| value == 0.0).await;
    let after = requests(&gateway, "after").await?;
    let books = Books::read(&gateway).await?;
    let kept = |ids: &[String]| ids.iter().filter(|id| books.has(id)).count();
    println!(
        "full disk: {} rows; kept {} of {} from before, {} of {} while it was full, {} of {} after; said to be lost: {}",
        books.len(),
        kept(&before),
        before.len(),
        kept(&during),
        during.len(),
        kept(&after),
        after.len(),
        books.lost()
    );
    let all: Vec<Answered> = [before.clone(), during.clone(), after.clone()]
        .concat()
        .into_iter()
        .map(|id| Answered { id, before_the_end: Duration::MAX })
        .collect();
    let right = books.audit(&all, Duration::ZERO);
    let whole = books.lost() == 0;
    let verdict = |holds: bool| if holds { "ok" } else { "FAILED" };
    println!("no request failed: {}", verdict(during.len() == EACH));
    println!("an alarm while it is full: {}; none after: {}", verdict(alarm), verdict(calm));
    println!("nothing is lost: {}", verdict(whole));
    Ok(right && alarm && calm && whole)
}

/// So many requests, one after the other; each must be answered.
async fn requests(gateway: &Gateway, name: &str) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for number in 0..EACH {
        let id = ask(gateway.address, &format!("question {number} {name}")).await;
        ids.push(id.with_context(|| format!("request {number} {name} the disk was full"))?);
    }
    Ok(ids)
}

/// Waits until nothing is on its way to the database.
async fn settled(gateway: &Gateway) -> Result<()> {
    let deadline = Instant::now() + WITHIN;
    while get(gateway, "/api/store").await?["behind"] != 0 {
        if Instant::now() > deadline {
            bail!("the ledger does not catch up");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Does a metric become so in time?
async fn metric(gateway: &Gateway, name: &str, within: Duration, is: impl Fn(f64) -> bool) -> bool {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        if let Ok(got) = client::get(gateway.admin, "/metrics").await {
            let text = String::from_utf8_lossy(&got.body).into_owned();
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
            if value.is_some_and(&is) {
                return true;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

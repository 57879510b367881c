//! The ledger as the admin API tells it, three times over: row by row, summed, and as what budgets have used.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Answered;
use crate::client;
use crate::gateway::Gateway;

/// How many rows a question gets.
const PAGE: usize = 500;
/// How long what was left in the journal may take to be in the ledger.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(60);

/// What a ledger says.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// The cost of each request in billionths of a dollar, and its tokens, by its id.
    rows: BTreeMap<String, (i128, u64)>,
    /// Requests, cost and tokens, summed.
    sums: (u64, i128, u64),
    /// The same, as the limits have it.
    used: (u64, i128, u64),
    lost: u64,
}

impl Books {
    /// Reads everything, once nothing is on its way any more.
    pub(super) async fn read(gateway: &Gateway) -> Result<Self> {
        let deadline = Instant::now() + CAUGHT_UP_WITHIN;
        let lost = loop {
            let store = get(gateway, "/api/store").await?;
            if store["behind"] == 0 && store["down"] == false {
                break count(&store["lost"]);
            }
            if Instant::now() > deadline {
                bail!("the ledger did not catch up: {store}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let analytics = get(gateway, "/api/analytics?from=2d").await?;
        let whole = &analytics["rows"][0];
        let tokens = count(&whole["tokens"]["input"]) + count(&whole["tokens"]["output"]);
        let limits = get(gateway, "/api/limits").await?;
        let used = |of: &str| {
            let limits = limits["limits"].as_array();
            limits.and_then(|limits| limits.iter().find(|limit| limit["of"] == of)).map(|limit| limit["used"].clone())
        };
        let used = |of| used(of).with_context(|| format!("no limit of {of}: {limits}"));
        Ok(Self {
            rows: rows(gateway).await?,
            sums: (count(&whole["requests"]), nanos(&whole["cost_usd"]), tokens),
            used: (count(&used("requests")?), nanos(&used("money")?), count(&used("tokens")?)),
            lost,
        })
    }

    /// Compares them with each other, and with what callers have heard; true when all is as it should be.
    pub(super) fn audit(&self, answered: &[Answered], window: Duration) -> bool {
        let missing: Vec<&Answered> = answered.iter().filter(|heard| !self.rows.contains_key(&heard.id)).collect();
        let late: Vec<&&Answered> = missing.iter().filter(|heard| heard.before_the_end > window).collect();
        let rows = (
            self.rows.len() as u64,
            self.rows.values().map(|(cost, _)| cost).sum::<i128>(),
            self.rows.values().map(|(_, tokens)| tokens).sum::<u64>(),
        );
        println!("| | requests | cost (billionths of a dollar) | tokens |\n|---|---:|---:|---:|");
        for (name, told) in [("rows", rows), ("sums", self.sums), ("limits", self.used)] {
            println!("| {name} | {} | {} | {} |", told.0, told.1, told.2);
        }
        let oldest = missing.iter().map(|heard| heard.before_the_end).max().unwrap_or_default();
        println!(
            "answered {}; not in the ledger {}, the oldest {} ms before its kill; lost {}",
            answered.len(),
            missing.len(),
            oldest.as_millis(),
            self.lost
        );
        for heard in late.iter().take(5) {
            println!("MISSING {} answered {} ms before the kill", heard.id, heard.before_the_end.as_millis());
        }
        let agree = rows == self.sums && rows == self.used;
        let verdict = |holds: bool| if holds { "ok" } else { "FAILED" };
        println!("every answer older than {} ms is there: {}", window.as_millis(), verdict(late.is_empty()));
        println!("rows, sums and limits agree, so that none is there twice: {}", verdict(agree));
        late.is_empty() && agree && !answered.is_empty()
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Is this request among them?
    pub(super) fn has(&self, id: &str) -> bool {
        self.rows.contains_key(id)
    }

    /// Records the gateway says it has lost.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }
}

/// Every row, from the newest back.
async fn rows(gateway: &Gateway) -> Result<BTreeMap<String, (i128, u64)>> {
    let mut rows = BTreeMap::new();
    let mut before = String::new();
    loop {
        let page = get(gateway, &format!("/api/requests?from=2d&limit={PAGE}{before}")).await?;
        let page = page["requests"].as_array().context("no list of requests")?.clone();
        let known = rows.len();
        for row in &page {
            let id = row["id"].as_str().context("a row without an id")?.to_owned();
            rows.insert(id, (nanos(&row["cost_usd"]), count(&row["input_tokens"]) + count(&row["output_tokens"])));
        }
        // Those of one millisecond may be on both sides of the page's end: it is asked for again.
        let oldest = page.last().and_then(|row| row["at_ms"].as_u64());
        match oldest {
            Some(oldest) if rows.len() > known => before = format!("&to={}", oldest + 1),
            _ => return Ok(rows),
        }
    }
}

pub(super) async fn get(gateway: &Gateway, path: &str) -> Result<Value> {
    let got = client::get(gateway.admin, path).await?;
    if !got.status.is_success() {
        bail!("{path}: {} {}", got.status, String::from_utf8_lossy(&got.body));
    }
    Ok(serde_json::from_slice(&got.body)?)
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// Dollars as whole billionths.
#[expect(clippy::cast_possible_truncation, reason = "a few dollars")]
fn nanos(value: &Value) -> i128 {
    (value.as_f64().unwrap_or_default() * 1e9).round() as i128
}

//! Three gateways in front of one provider, and what they say of themselves.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ringmain_core::Dialect;
use ringmain_provider_sim::{Behavior, Sim, SimConfig};
use serde_json::{Value, json};

use super::Options;
use super::servers::Server;
use crate::client;
use crate::gateway::Gateway;
use crate::targets::{model, provider};

/// A key that may ask more than any case does.
pub(super) const KEY: &str = "sk-of-the-fleet";
/// And one that may ask thirty times.
pub(super) const FEW: &str = "sk-of-a-few";
/// How long anything may take to come right by itself.
const RIGHT_WITHIN: Duration = Duration::from_secs(40);

pub(super) struct World {
    pub(super) redis: Server,
    pub(super) postgres: Server,
    pub(super) gateways: Vec<Gateway>,
    pub(super) sim: Sim,
    _folders: Vec<tempfile::TempDir>,
}

impl World {
    /// Starts everything.
    pub(super) async fn start(options: &Options) -> Result<Self> {
        let (redis, postgres) = tokio::try_join!(Server::redis(), Server::postgres())?;
        let sim = sim().await?;
        let rules = rules(&sim, &postgres.url(), Some(&redis.url()));
        let folders = [tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?];
        let start = |at: usize| Gateway::start(&options.ringmain, &rules, folders[at].path());
        let (one, two, three) = tokio::try_join!(start(0), start(1), start(2))?;
        let (gateways, folders) = (vec![one, two, three], folders.into());
        let world = Self { redis, postgres, gateways, sim, _folders: folders };
        world.everywhere("ringmain_shared_down", 0).await?;
        world.everywhere("ringmain_shared_processes", 3).await?;
        Ok(world)
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.gateways.iter().map(|gateway| gateway.address).collect()
    }

    /// The admin address of the first gateway.
    pub(super) fn first(&self) -> Result<SocketAddr> {
        Ok(self.gateways.first().context("no gateway")?.admin)
    }

    /// Waits until a metric has this value at every gateway.
    pub(super) async fn everywhere(&self, name: &str, value: i64) -> Result<()> {
        settled(&self.gateways, name, value).await
    }

    /// What the first gateway says of the limit of [`KEY`]: what is used.
    pub(super) async fn used(&self) -> Result<i64> {
        let told: Value = serde_json::from_slice(&client::get(self.first()?, "/api/limits").await?.body)?;
        used_of(&told)
    }
}

/// Waits until a metric has this value at each of them.
pub(super) async fn settled(gateways: &[Gateway], name: &str, value: i64) -> Result<()> {
    let deadline = Instant::now() + RIGHT_WITHIN;
    loop {
        let mut values = Vec::new();
        for gateway in gateways {
            values.push(metric(gateway.admin, name).await?);
        }
        if values.iter().all(|told| *told == value) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{name} is {values:?}, and not {value} everywhere within {RIGHT_WITHIN:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What is used of the limit of [`KEY`], in an answer of `/api/limits`.
pub(super) fn used_of(told: &Value) -> Result<i64> {
    let mut limits = told["limits"].as_array().into_iter().flatten();
    let of_team = limits.find(|limit| limit["whose"].as_str().is_some_and(|whose| whose.contains("team")));
    of_team.and_then(|limit| limit["used"].as_i64()).with_context(|| format!("no use in {told}"))
}

pub(super) async fn sim() -> Result<Sim> {
    let default = Behavior { words: 4, ..Behavior::default() };
    Sim::start(SimConfig { default, log_capacity: 64, ..SimConfig::default() }).await.map_err(Into::into)
}

/// Two providers, the second for when the first is out; two keys; and where things are kept.
pub(super) fn rules(sim: &Sim, database: &str, shared: Option<&str>) -> Value {
    let dialect = Dialect::OpenAiChat;
    let targets = ["a", "b"].map(|name| format!("{name}/{}", model(dialect).0));
    let mut rules = json!({
        "defaults": {"breaker": {"open_for": "1m..5m"}},
        "providers": {"a": provider(sim, dialect, "a"), "b": provider(sim, dialect, "b")},
        "routes": [{"name": "text", "match": {"model": "text"}, "targets": targets}],
        "keys": [
            {"name": "team", "key": KEY, "limits": ["1000000 requests/month"]},
            {"name": "few", "key": FEW, "limits": ["30 requests/month"]}
        ],
        "state": {"database": database, "journal": "spill"}
    });
    if let Some(shared) = shared {
        rules["state"]["shared"] = json!(shared);
    }
    rules
}

/// A gauge or counter without labels.
pub(super) async fn metric(admin: SocketAddr, name: &str) -> Result<i64> {
    let body = client::get(admin, "/metrics").await?.body;
    let text = String::from_utf8_lossy(&body);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).with_context(|| format!("there is no metric {name}"))
}

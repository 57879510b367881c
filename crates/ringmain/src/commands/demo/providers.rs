//! The three simulated providers, what is done to them, and the configuration that puts the gateway in front of them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;
use http::StatusCode;
use ringmain_catalog::Catalog;
use ringmain_config::{Config, Sources};
use ringmain_provider_sim::{Behavior, Ended, Fault, KeyRule, Provider, Script, Sim, SimConfig};
use tokio::task::JoinSet;

use super::schedule::{Phase, Schedule};
use super::tally::PROVIDERS;
use super::traffic::{Client, MODEL, RATE};

/// Between two tokens of a stream.
const TOKEN_DELAY: Duration = Duration::from_millis(10);
/// To the first token, by provider; with [`RACE_AFTER`] and [`FIRST_TOKEN`] this leaves a busy machine room.
const FIRST_TOKEN_DELAYS: [Duration; 3] =
    [Duration::from_millis(80), Duration::from_millis(100), Duration::from_millis(150)];
/// To the first token of the provider that is slow.
pub(super) const SLOW: Duration = Duration::from_secs(5);
/// Without a token for so long, the gateway asks the next target beside the one that is silent…
const RACE_AFTER: Duration = Duration::from_millis(500);
/// …and this much later gives the silent one up. Before the other can have answered: so it counts as a failure, and
/// after a few of them nobody waits for the slow provider any more.
const FIRST_TOKEN: Duration = Duration::from_millis(600);
/// Requests kept in a simulator's log: only for knowing whether any is still running.
const LOG: usize = 512;
/// Streams that are running when the first provider goes down have this long to end.
const LAST_STREAMS: Duration = Duration::from_secs(2);
/// Connections that use up the quota.
const SPENDERS: usize = 16;
/// The models, by provider.
const MODELS: [&str; 3] = ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"];
/// The third provider's keys. The first has a quota.
const KEYS: [&str; 2] = ["demo-gemini-1", "demo-gemini-2"];

/// The simulated providers: each a server of its own, so that one can really be gone.
#[derive(Debug)]
pub(super) struct Providers {
    sims: [Sim; 3],
    quota: u32,
}

impl Providers {
    /// Starts them on free ports of the loopback interface. The quota's window ends when the story says that all is
    /// repaired, counted from now.
    ///
    /// # Errors
    /// Where no port can be opened.
    pub(super) async fn start(schedule: &Schedule) -> std::io::Result<Self> {
        let quota = quota(schedule);
        let limited = KeyRule {
            key: KEYS[0].to_owned(),
            behavior: None,
            limit: Some(quota),
            window: Some(schedule.begin(Phase::Healed)),
        };
        let free = KeyRule { key: KEYS[1].to_owned(), ..KeyRule::default() };
        let keys = Provider { keys: vec![limited, free], steps: Vec::new() };
        let script = Script { providers: [(PROVIDERS[2].to_owned(), keys)].into() };
        let sims = [
            start(FIRST_TOKEN_DELAYS[0], Script::default()).await?,
            start(FIRST_TOKEN_DELAYS[1], Script::default()).await?,
            start(FIRST_TOKEN_DELAYS[2], script).await?,
        ];
        Ok(Self { sims, quota })
    }

    /// The gateway's configuration: one route over all three, in order.
    ///
    /// # Errors
    /// Where it is not accepted, which would be a mistake in the demo.
    pub(super) fn config(&self, schedule: &Schedule) -> anyhow::Result<Config> {
        let catalog = Catalog::embedded().map_err(|problems| anyhow::anyhow!("the built-in catalog: {problems}"))?;
        let text = self.yaml(schedule);
        let loaded = ringmain_config::load(&text, &Nowhere, &catalog);
        match loaded.config {
            Some(config) => Ok(config),
            None => bail!("the demo's configuration:\n{}", loaded.diagnostics.render("demo", &text, false).trim_end()),
        }
    }

    fn yaml(&self, schedule: &Schedule) -> String {
        let [open_for, longest, ramp] = schedule.breaker();
        let [openai, anthropic, gemini] = &self.sims;
        format!(
            "providers:
  openai: {{ base_url: \"{}\", keys: [demo-openai] }}
  anthropic: {{ base_url: \"{}\", keys: [demo-anthropic] }}
  gemini: {{ base_url: \"{}\", keys: [{}, {}] }}
routes:
  - name: {MODEL}
    targets: [openai/{}, anthropic/{}, gemini/{}]
defaults:
  on_loss: allow
  timeouts: {{ connect: 1s, race_after: {}ms, first_token: {}ms, total: 15s }}
  retries: {{ attempts: 8, backoff: 20ms..200ms, budget: 50% }}
  breaker: {{ open_for: {}ms..{}ms, ramp: {}ms }}
",
            openai.openai_base_url(PROVIDERS[0]),
            anthropic.base_url(PROVIDERS[1]),
            gemini.base_url(PROVIDERS[2]),
            KEYS[0],
            KEYS[1],
            MODELS[0],
            MODELS[1],
            MODELS[2],
            RACE_AFTER.as_millis(),
            FIRST_TOKEN.as_millis(),
            open_for.as_millis(),
            longest.as_millis(),
            ramp.as_millis(),
        )
    }

    /// Does to them what the phase begins with.
    ///
    /// # Errors
    /// Where a simulator's port was taken meanwhile, or the quota cannot be used up.
    pub(super) async fn enter(&mut self, phase: Phase) -> anyhow::Result<()> {
        match phase {
            Phase::Calm => {}
            Phase::Down => self.take_down().await,
            Phase::Slow => self.sims[1].set(PROVIDERS[1], pace(SLOW)),
            Phase::Quota => self.use_up().await?,
            Phase::Healed => {
                self.sims[0].up().await?;
                self.sims[1].clear(PROVIDERS[1]);
                // The quota's window ends by itself.
            }
        }
        Ok(())
    }

    /// The first provider stops: new requests are reset at once; when the last stream has ended, its port is closed.
    async fn take_down(&mut self) {
        let sim = &mut self.sims[0];
        sim.set(PROVIDERS[0], Behavior::failing(Fault::Refuse));
        sim.wait_for(LAST_STREAMS, |log| log.iter().all(|entry| entry.ended != Ended::Open)).await;
        sim.down().await;
        sim.clear(PROVIDERS[0]);
    }

    /// Uses up what is left of the first key's quota, as another program with the same key might: several requests at
    /// a time, until each connection has been refused once.
    async fn use_up(&self) -> anyhow::Result<()> {
        let address = self.sims[2].address();
        let mut spenders = JoinSet::new();
        (0..SPENDERS).for_each(|_| {
            spenders.spawn(spend(address, self.quota));
        });
        let mut used_up = true;
        while let Some(spent) = spenders.join_next().await {
            used_up &= spent??;
        }
        if used_up { Ok(()) } else { bail!("the quota of {} was not used up in time", KEYS[0]) }
    }
}

/// Makes requests with the first key until one is refused: true. At most `most` and one more.
async fn spend(address: SocketAddr, most: u32) -> anyhow::Result<bool> {
    // The model's name asks the simulator to answer without its usual delay.
    let path = format!("/p/{}/v1beta/models/{}@slow=0ms:countTokens", PROVIDERS[2], MODELS[2]);
    let client = Client::new(address)?;
    for _ in 0..=most {
        let body = r#"{"contents":[{"role":"user","parts":[{"text":"x"}]}]}"#.to_owned();
        let mut answer = client.post(&path, &[("x-goog-api-key", KEYS[0])], body).await?;
        if answer.head.status == StatusCode::TOO_MANY_REQUESTS {
            return Ok(true);
        }
        // Read to its end, so that the connection can be used again.
        while answer.body.next().await.transpose()?.is_some() {}
    }
    Ok(false)
}

/// What the key may get in its window. All that comes while the others are down or slow, and of that it gets half.
fn quota(schedule: &Schedule) -> u32 {
    let millis = schedule.length(Phase::Slow).as_millis() * u128::from(RATE);
    u32::try_from(millis.div_ceil(1000)).unwrap_or(u32::MAX)
}

async fn start(first_token_delay: Duration, script: Script) -> std::io::Result<Sim> {
    let default = pace(first_token_delay);
    Sim::start(SimConfig { script, default, log_capacity: LOG, ..SimConfig::default() }).await
}

fn pace(first_token_delay: Duration) -> Behavior {
    Behavior { first_token_delay, token_delay: TOKEN_DELAY, ..Behavior::default() }
}

/// The demo's configuration refers to nothing outside it: no environment, no files.
struct Nowhere;

impl Sources for Nowhere {
    fn var(&self, _name: &str) -> Option<String> {
        None
    }

    fn file(&self, _path: &str) -> Result<String, String> {
        Err("no files in the demo".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_configuration_is_accepted_whatever_the_length() {
        for seconds in [5, 7, 60, 3600] {
            let schedule = Schedule::new(Duration::from_secs(seconds));
            let providers = Providers::start(&schedule).await.unwrap();
            let config = providers.config(&schedule).unwrap();
            let route = config.routes.iter().find(|route| &*route.name == MODEL).unwrap();
            assert_eq!((route.targets.len(), config.providers.len()), (3, 3), "{seconds} s");
        }
    }

    #[tokio::test]
    async fn the_first_key_runs_out_and_the_other_does_not() {
        let mut providers = Providers::start(&Schedule::new(Duration::from_secs(5))).await.unwrap();
        providers.enter(Phase::Quota).await.unwrap();
        let address = providers.sims[2].address();
        let path = format!("/p/gemini/v1beta/models/{}@slow=0ms:countTokens", MODELS[2]);
        for (key, status) in [(KEYS[0], StatusCode::TOO_MANY_REQUESTS), (KEYS[1], StatusCode::OK)] {
            let body = r#"{"contents":[{"parts":[{"text":"x"}]}]}"#.to_owned();
            let answer = Client::new(address).unwrap().post(&path, &[("x-goog-api-key", key)], body).await.unwrap();
            assert_eq!(answer.head.status, status, "{key}");
        }
    }

    #[tokio::test]
    async fn down_is_refused_and_healed_is_not() {
        let mut providers = Providers::start(&Schedule::new(Duration::from_secs(5))).await.unwrap();
        let address = providers.sims[0].address();
        for (phase, up) in [(Phase::Calm, true), (Phase::Down, false), (Phase::Healed, true)] {
            providers.enter(phase).await.unwrap();
            let answer = Client::new(address).unwrap().post("/", &[], String::new()).await;
            assert_eq!(answer.is_ok(), up, "{phase:?}");
        }
    }
}

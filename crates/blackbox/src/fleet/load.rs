//! Requests at a steady rate to several gateways in turn, whatever becomes of them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use ringmain_caller::Ask;
use ringmain_core::Dialect;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::{self, Got};

/// How much is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Requests a second, over all gateways.
    pub(super) rate: u64,
    pub(super) time: Duration,
}

impl Load {
    /// As much of it as makes connections and warms caches.
    pub(super) const fn short(self) -> Self {
        Self { rate: self.rate, time: Duration::from_secs(1) }
    }
}

/// Nothing by then is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of the requests of one part of a case.
#[derive(Default)]
pub(super) struct Part {
    /// How long each took that was answered, in order of length.
    times: Vec<Duration>,
    /// The others.
    pub(super) failed: Vec<String>,
}

impl Part {
    /// One whose requests were answered after these times.
    #[cfg(test)]
    pub(super) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { times, failed: Vec::new() }
    }

    pub(super) fn answered(&self) -> i64 {
        i64::try_from(self.times.len()).unwrap_or(i64::MAX)
    }

    /// The time that so many of a hundred did not exceed.
    pub(super) fn percentile(&self, of: usize) -> Duration {
        let at = (self.times.len() * of / 100).min(self.times.len().saturating_sub(1));
        self.times.get(at).copied().unwrap_or_default()
    }

    pub(super) fn none_failed(&self, when: &str) -> Result<()> {
        let shown = self.failed.first().map_or("", String::as_str);
        ensure!(self.failed.is_empty(), "{} requests failed {when}: {shown}", self.failed.len());
        ensure!(!self.times.is_empty(), "nothing was asked {when}");
        Ok(())
    }
}

/// One request with a key.
pub(super) async fn one(address: SocketAddr, key: &str) -> Result<Got> {
    let ask = Ask { dialect: Dialect::OpenAiChat, model: "text".to_owned(), text: "hello".to_owned(), stream: false };
    client::ask_with(address, &ask, key, PATIENCE).await
}

/// Asks for so long, whether answers come or not.
pub(super) async fn run(gateways: &[SocketAddr], key: &str, load: Load) -> Part {
    let (start, mut asked) = (Instant::now(), JoinSet::new());
    let rate = load.rate.max(1);
    let count = rate * u64::try_from(load.time.as_millis()).unwrap_or_default() / 1000;
    for (number, address) in (0..count).zip(gateways.iter().copied().cycle()) {
        tokio::time::sleep_until(start + Duration::from_micros(number * 1_000_000 / rate)).await;
        let key = key.to_owned();
        asked.spawn(async move { one(address, &key).await });
    }
    let mut part = Part::default();
    while let Some(done) = asked.join_next().await {
        match done {
            Ok(Ok(got)) if got.status.is_success() && got.complete => part.times.push(got.took),
            Ok(Ok(got)) => part.failed.push(format!("{}: {}", got.status, String::from_utf8_lossy(&got.body))),
            Ok(Err(error)) => part.failed.push(format!("{error:#}")),
            Err(error) => part.failed.push(error.to_string()),
        }
    }
    part.times.sort_unstable();
    part
}

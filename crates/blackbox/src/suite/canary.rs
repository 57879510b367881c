//! How busy the machine is, by a healthy request asked over and over: what it took longer than usual is no fault of the
//! gateway's clocks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ringmain_caller::Ask;
use ringmain_core::Dialect;
use tokio::task::JoinHandle;

use super::clocks::Clocks;
use crate::client;
use crate::gateway::Gateway;

/// The route it asks, and its provider.
pub(crate) const NAME: &str = "canary";
const EVERY: Duration = Duration::from_millis(50);

type Seen = Arc<Mutex<Vec<(Instant, Duration)>>>;

/// A running canary. Dropped, it stops.
pub(crate) struct Canary {
    seen: Seen,
    task: JoinHandle<()>,
}

impl Canary {
    /// Begins to ask.
    pub(crate) fn start(gateway: &Gateway, clocks: &Clocks) -> Self {
        let seen = Seen::default();
        let (into, address, patience) = (Arc::clone(&seen), gateway.address, clocks.patience);
        let ask = Ask {
            dialect: Dialect::OpenAiChat,
            model: NAME.to_owned(),
            text: "are you well?".to_owned(),
            stream: false,
        };
        let task = tokio::spawn(async move {
            loop {
                let start = Instant::now();
                let _ = client::ask(address, &ask, patience).await;
                into.lock().unwrap_or_else(PoisonError::into_inner).push((start, start.elapsed()));
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { seen, task }
    }

    /// The longest that a healthy request took of those that were under way since `since`.
    pub(crate) fn worst(&self, since: Instant) -> Duration {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let meanwhile = seen.iter().rev().take_while(|(start, took)| *start + *took >= since);
        // A request that is still under way has taken so long already.
        let last = seen.last().map(|(start, took)| *start + *took + EVERY);
        let running = last.map_or(Duration::ZERO, |since| since.elapsed());
        meanwhile.map(|(_, took)| *took).fold(running, Duration::max)
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.task.abort();
    }
}

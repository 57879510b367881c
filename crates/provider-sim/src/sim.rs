//! A simulator as a value: start it, steer it, read its log, drop it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::behavior::Behavior;
use crate::log::LogEntry;
use crate::recordings::Recordings;
use crate::script::Script;
use crate::server::{State, accept};

/// How a simulator starts.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Where it listens; only a loopback address is accepted. A free port of 127.0.0.1 by default.
    pub listen: SocketAddr,
    /// What each provider does when.
    pub script: Script,
    /// What a provider does that nothing else is said of.
    pub default: Behavior,
    /// A folder of recorded exchanges to answer from; one that is missing is as good as none.
    pub recordings: Option<PathBuf>,
    /// Requests kept in the log; 0 keeps only the counts, which a bench wants.
    pub log_capacity: usize,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            script: Script::default(),
            default: Behavior::default(),
            recordings: None,
            log_capacity: 4096,
        }
    }
}

/// A running simulator. Dropped, it stops listening and closes its connections.
#[derive(Debug)]
pub struct Sim {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

impl Sim {
    /// Starts one on the current tokio runtime.
    ///
    /// # Errors
    /// Where the address is not a loopback one or cannot be listened on, or the recordings cannot be read.
    pub async fn start(config: SimConfig) -> io::Result<Self> {
        if !config.listen.ip().is_loopback() {
            let why = format!("{} is not a loopback address: a simulator serves this machine only", config.listen);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let recordings = match &config.recordings {
            Some(folder) if folder.is_dir() => Some(Recordings::load(folder)?.0),
            _ => None,
        };
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(config.script, config.default, recordings, config.log_capacity));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { address, state, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The root URL under which it plays the provider of this label, without a version: what Anthropic's and Google's
    /// SDKs are given. For OpenAI-likes see [`Self::openai_base_url`].
    #[must_use]
    pub fn base_url(&self, label: &str) -> String {
        format!("http://{}/p/{label}", self.address)
    }

    /// [`Self::base_url`] with `/v1`: what `OpenAI`'s SDK is given.
    #[must_use]
    pub fn openai_base_url(&self, label: &str) -> String {
        format!("http://{}/p/{label}/v1", self.address)
    }

    /// From the next request on the provider behaves so, whatever its script says; counting faults start at 0.
    pub fn set(&self, label: &str, behavior: Behavior) {
        self.state.chooser.set(label, Some(behavior));
    }

    /// Gives the provider back to its script.
    pub fn clear(&self, label: &str) {
        self.state.chooser.set(label, None);
    }

    /// What it received, oldest first, as far as the log reaches back.
    #[must_use]
    pub fn log(&self) -> Vec<LogEntry> {
        self.state.log.entries()
    }

    /// Since it began: the clock of the log's times.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.state.log.elapsed()
    }

    /// Empties the log and the counts.
    pub fn clear_log(&self) {
        self.state.log.clear();
    }

    /// How many requests came for this label since the start (or since [`Self::clear_log`]), kept in the log or not.
    #[must_use]
    pub fn received(&self, label: &str) -> u64 {
        self.state.log.received(label)
    }

    /// How many recorded exchanges it answers from.
    #[must_use]
    pub fn recordings(&self) -> usize {
        self.state.recordings.as_ref().map_or(0, Recordings::len)
    }

    /// Waits until the log satisfies the predicate, at most this long. True where it does.
    pub async fn wait_for(&self, within: Duration, holds: impl Fn(&[LogEntry]) -> bool) -> bool {
        self.state.log.wait_for(within, holds).await
    }

    /// Stops listening and closes every connection: from now on all labels refuse connections, until [`Self::up`].
    pub async fn down(&mut self) {
        self.accepting.abort();
        self.finished().await;
    }

    /// Waits until the accepting task is gone, and its listener with it. A finished task may not be awaited again.
    async fn finished(&mut self) {
        if !self.accepting.is_finished() {
            let _ = (&mut self.accepting).await;
        }
    }

    /// Listens again, at the same address, after [`Self::down`]. Script, log and counts have gone on.
    ///
    /// # Errors
    /// Where another process has taken the port meanwhile.
    pub async fn up(&mut self) -> io::Result<()> {
        if self.accepting.is_finished() {
            let listener = TcpListener::bind(self.address).await?;
            self.accepting = tokio::spawn(accept(listener, Arc::clone(&self.state)));
        }
        Ok(())
    }

    /// Runs until the listener fails for good.
    pub async fn run(mut self) {
        self.finished().await;
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

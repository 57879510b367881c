//! A simulator without a network: each connection is a pipe in memory, so that paused time can drive both ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::DuplexStream;

use crate::behavior::Behavior;
use crate::log::LogEntry;
use crate::script::Script;
use crate::server::{State, serve};

/// Bytes a pipe holds before its writer waits: a socket's buffer.
const PIPE: usize = 64 << 10;

/// A simulator that is reached by [`Self::connect`]. Its time is tokio's.
#[derive(Debug, Clone)]
pub struct MemorySim {
    state: Arc<State>,
}

impl MemorySim {
    /// One that plays this script; `log` requests are kept in its log.
    #[must_use]
    pub fn new(script: Script, log: usize) -> Self {
        Self { state: Arc::new(State::new(script, Behavior::default(), None, log)) }
    }

    /// A new connection, served on the current runtime until either side closes.
    #[must_use]
    pub fn connect(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(PIPE);
        tokio::spawn(serve(far, Arc::clone(&self.state)));
        near
    }

    /// What it received, oldest first, as far as the log reaches back.
    #[must_use]
    pub fn log(&self) -> Vec<LogEntry> {
        self.state.log.entries()
    }

    /// Since it began; the times of its log count from there.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.state.log.elapsed()
    }
}

//! The only place that reads clocks. It follows tokio's paused time, so tests and simulation choose what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use ringmain_core::{Now, Tick, WallTime};
use tokio::time::Instant;

/// Turns the runtime's clock into [`Now`].
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
    began_wall: WallTime,
}

impl Clock {
    /// A clock that begins now.
    #[must_use]
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::start_at(WallTime(u64::try_from(wall.as_millis()).unwrap_or(0)))
    }

    /// A clock that begins now, and takes now for this date: in a world that is to end the same way each time.
    #[must_use]
    pub fn start_at(wall: WallTime) -> Self {
        Self { began: Instant::now(), began_wall: wall }
    }

    /// The time. The wall clock runs with the monotonic one from where it stood at the start.
    #[must_use]
    pub fn now(&self) -> Now {
        let passed = self.began.elapsed();
        let millis = u64::try_from(passed.as_millis()).unwrap_or(0);
        Now { mono: Tick::ZERO + passed, wall: WallTime(self.began_wall.0 + millis) }
    }

    /// The runtime's instant of a tick, for timers.
    #[must_use]
    pub fn instant(&self, tick: Tick) -> Instant {
        self.began + tick.since(Tick::ZERO)
    }
}

//! The clocks of a run: the defaults, or the defaults divided by one factor so that the whole takes a minute.

use std::time::Duration;

use serde_json::{Value, json};

/// What the default clocks are divided by in a short run.
const FACTOR: u32 = 10;

/// Times that matter to a fault.
#[derive(Debug, Clone)]
pub(crate) struct Clocks {
    factor: u32,
    pub(crate) race_after: Duration,
    pub(crate) idle: Duration,
    /// The longest wait between two attempts that a caller meets in this suite.
    pub(crate) backoff: Duration,
    /// How long the breaker stays open at first, at the shortest its jitter allows.
    pub(crate) open_for: Duration,
    pub(crate) retry_after_s: u32,
    /// What a busy machine may add to any time.
    pub(crate) slack: Duration,
    /// Nothing by then is a hang.
    pub(crate) patience: Duration,
}

impl Clocks {
    /// The default clocks as they are, or divided.
    pub(crate) fn new(full: bool) -> Self {
        let factor = if full { 1 } else { FACTOR };
        let divided = |seconds| Duration::from_secs(seconds) / factor;
        Self {
            factor,
            race_after: divided(10),
            idle: divided(30),
            backoff: divided(1),
            open_for: divided(5) / 2,
            // A header of whole seconds cannot be divided any further.
            retry_after_s: if full { 2 } else { 1 },
            slack: if full { Duration::from_secs(3) } else { Duration::from_millis(800) },
            patience: divided(90) + Duration::from_secs(5),
        }
    }

    /// The `defaults` of the configuration.
    pub(crate) fn settings(&self) -> Value {
        let ms = |milliseconds: u32| format!("{}ms", milliseconds / self.factor);
        json!({
            "timeouts": {
                "connect": ms(3_000), "race_after": ms(10_000), "first_token": ms(120_000), "idle": ms(30_000),
                "total": ms(600_000)
            },
            "retries": {"backoff": format!("{}..{}", ms(250), ms(8_000))},
            "breaker": {"open_for": format!("{}..{}", ms(5_000), ms(300_000)), "ramp": ms(20_000)},
            "affinity": "off"
        })
    }
}

//! What is simulated: the rules, the providers and the callers, all resolved to numbers.

use std::time::Duration;

use ringmain_core::{FaultClass, RequestFacts, Tick};
use ringmain_routing::{KeyIx, Policy};

use super::Spread;

/// Everything a run is made from.
#[derive(Debug, Clone)]
pub struct World {
    /// All chance comes from it.
    pub seed: u64,
    /// The rules, one policy for each route, with names of their own.
    pub routes: Vec<Policy>,
    /// How each target answers, by [`ringmain_routing::TargetIx`].
    pub targets: Vec<Target>,
    /// How many requests arrive, and when.
    pub traffic: Traffic,
    /// What they ask for. Never empty.
    pub kinds: Vec<Kind>,
    /// Requests arrive until then; the run goes on until the last has ended.
    pub length: Duration,
}

/// How one target answers.
#[derive(Debug, Clone)]
pub struct Target {
    /// `provider/model`.
    pub name: String,
    /// While it is well.
    pub pace: Pace,
    /// When it is not.
    pub episodes: Vec<Episode>,
    /// What each key may send to it.
    pub limits: Option<Limits>,
}

/// The speed of a target that is well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Seconds to the first useful token.
    pub first_token: Spread,
    /// Seconds for each output token.
    pub per_token: Spread,
    /// Answers at once from which on it slows down, in proportion.
    pub capacity: Option<u32>,
    /// Answers at once beyond which it refuses with 503.
    pub refuses_above: Option<u32>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_token: Spread { median: 0.4, p95: 1.2 },
            per_token: Spread { median: 0.012, p95: 0.02 },
            capacity: None,
            refuses_above: None,
        }
    }
}

/// A provider's limit of a key on a target: a bucket of a minute's worth that fills up evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute, input and output.
    pub tpm: Option<u64>,
}

/// A time in which a target is not as usual.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// From then on…
    pub from: Tick,
    /// …until before then.
    pub until: Tick,
    /// Of the attempts.
    pub share: f64,
    /// Only with this key.
    pub key: Option<KeyIx>,
    /// What happens.
    pub effect: Effect,
}

/// What happens to an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// It fails.
    Fails(Failure),
    /// Every time is this many times as long.
    Slow(f64),
    /// It costs this many times as much, and the catalog knows.
    Price(f64),
}

/// How an attempt fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// In which way.
    pub how: How,
    /// What the provider says.
    pub retry_after: Option<Duration>,
    /// Seconds until the failure shows; `None`: as is usual for it.
    pub after: Option<Spread>,
}

/// The ways to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// An error status, and its class.
    Status(u16, FaultClass),
    /// The connection is refused.
    Refused,
    /// The connection closes without an answer.
    Reset,
    /// Nothing ever comes.
    Silent,
    /// A success with nothing in it.
    Empty,
    /// The stream breaks in the middle; an answer that is no stream is a [`How::Reset`].
    Cut,
}

/// How many requests arrive.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// Requests a second.
    pub rate: f64,
    /// At random times, or evenly?
    pub random: bool,
    /// From a time on, another rate; by time.
    pub steps: Vec<(Tick, f64)>,
    /// Times in which there is a multiple.
    pub surges: Vec<Surge>,
    /// A wave over the day.
    pub wave: Option<Wave>,
}

/// A time with more requests, or fewer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Surge {
    /// From then on…
    pub from: Tick,
    /// …until before then.
    pub until: Tick,
    /// Times the rate.
    pub times: f64,
}

/// The rate swings between a share of itself and itself, beginning low.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wave {
    /// From low to low.
    pub period: Duration,
    /// The least, as a share of the rate.
    pub low: f64,
}

impl Traffic {
    /// Requests a second at this time.
    #[must_use]
    pub fn at(&self, now: Tick) -> f64 {
        let rate = self.steps.iter().rev().find(|(from, _)| *from <= now).map_or(self.rate, |(_, rate)| *rate);
        let surge: f64 = self
            .surges
            .iter()
            .filter(|surge| surge.from <= now && now < surge.until)
            .map(|surge| surge.times)
            .product();
        let wave = self.wave.map_or(1.0, |wave| {
            let phase = now.since(Tick::ZERO).as_secs_f64() / wave.period.as_secs_f64().max(1e-3);
            wave.low + (1.0 - wave.low) * (1.0 - (std::f64::consts::TAU * phase).cos()) / 2.0
        });
        rate * surge * wave
    }

    /// The highest rate at any time.
    #[must_use]
    pub fn peak(&self) -> f64 {
        let highest = self.steps.iter().map(|(_, rate)| *rate).fold(self.rate, f64::max);
        highest * self.surges.iter().map(|surge| surge.times.max(1.0)).product::<f64>()
    }
}

/// One kind of request.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Its share of the requests, relative to the others'.
    pub share: f64,
    /// What is known of it; the tokens are drawn.
    pub facts: RequestFacts,
    /// Share of streams.
    pub streams: f64,
    /// Input tokens.
    pub input: Spread,
    /// Output tokens, as the model would like.
    pub output: Spread,
    /// The caller leaves after this long without the answer's end.
    pub patience: Option<Duration>,
    /// Which route, from how many input tokens on. Never empty; begins at 0.
    pub routes: Vec<Way>,
}

/// Where a kind of request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Input tokens from which on it does.
    pub from: u64,
    /// Position in [`World::routes`].
    pub route: usize,
    /// Candidates that do not serve its operation.
    pub unserved: Vec<usize>,
}

impl Kind {
    /// The way of a request with this many input tokens.
    #[must_use]
    pub fn way(&self, tokens: u64) -> Option<&Way> {
        self.routes.iter().rev().find(|way| way.from <= tokens).or_else(|| self.routes.first())
    }
}

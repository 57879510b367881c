//! Sums over the ledger by minute, hour and day: what analytics and budgets are read from, so that a year is a few
//! thousand rows and not ten million.

use std::collections::HashMap;
use std::sync::Arc;

use ringmain_core::{Money, Usage, WallTime};
use ringmain_routing::Record;

use crate::histogram::Histogram;
use crate::ledger::Entry;

/// How long the time is that a sum is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grain {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day, in UTC.
    Day,
}

impl Grain {
    /// All of them, finest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// In milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// How long sums of it are kept, in milliseconds; `None`: for ever.
    #[must_use]
    pub const fn kept(self) -> Option<u64> {
        match self {
            Self::Minute => Some(2 * 86_400_000),
            Self::Hour => Some(92 * 86_400_000),
            Self::Day => None,
        }
    }

    /// Its number in stores.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Minute => 0,
            Self::Hour => 1,
            Self::Day => 2,
        }
    }

    /// The beginning of the one that holds `at`.
    #[must_use]
    pub const fn begin(self, at: WallTime) -> WallTime {
        WallTime(at.0 / self.millis() * self.millis())
    }
}

/// What a sum is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Of {
    /// How long.
    pub grain: Grain,
    /// From when on.
    pub at: WallTime,
    /// Empty for all requests; else those with this tag, `team=search`, over all that follows.
    pub slice: String,
    /// The route.
    pub route: String,
    /// `provider/model`; empty where none was tried.
    pub target: String,
    /// The id of the key; empty without one.
    pub key: String,
    /// Its path for people: `acme/search/prod`.
    pub key_path: String,
}

/// What is summed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sums {
    /// Requests.
    pub requests: u64,
    /// Those that got a whole answer.
    pub served: u64,
    /// Those refused for a limit of ours.
    pub limited: u64,
    /// Those whose caller went away.
    pub cancelled: u64,
    /// Those served after another target had failed.
    pub failovers: u64,
    /// Upstream attempts.
    pub attempts: u64,
    /// Attempts that failed.
    pub attempts_failed: u64,
    /// Tokens.
    pub usage: Usage,
    /// Billionths of a dollar that attempts cost, as far as that is known.
    pub nanos: i64,
    /// Attempts whose cost is not known.
    pub unpriced: u64,
    /// Billionths of a dollar that the providers' prompt caches saved; negative where writing them cost more.
    pub saved_nanos: i64,
    /// To the first useful token.
    pub first_token: Histogram,
    /// For each output token after it.
    pub per_token: Histogram,
    /// To the end.
    pub total: Histogram,
}

impl Sums {
    /// Adds another's.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.served += other.served;
        self.limited += other.limited;
        self.cancelled += other.cancelled;
        self.failovers += other.failovers;
        self.attempts += other.attempts;
        self.attempts_failed += other.attempts_failed;
        self.usage += other.usage;
        self.nanos += other.nanos;
        self.unpriced += other.unpriced;
        self.saved_nanos += other.saved_nanos;
        self.first_token.merge(&other.first_token);
        self.per_token.merge(&other.per_token);
        self.total.merge(&other.total);
    }

    /// The request as a whole: all but what its attempts used.
    fn of_request(record: &Record, entry: &Entry) -> Self {
        let is = |class: &str| u64::from(entry.fault == Some(class));
        let mut sums = Self {
            requests: 1,
            served: u64::from(entry.fault.is_none()),
            limited: if entry.attempts.is_empty() { is("rate-limit") } else { 0 },
            cancelled: is("cancelled"),
            failovers: u64::from(entry.failovers > 0),
            ..Self::default()
        };
        if entry.fault.is_none() {
            // Of a plain answer the first token comes with the last.
            entry.first_token.filter(|_| record.facts.stream).inspect(|time| sums.first_token.add(*time));
            entry.per_token.filter(|_| record.facts.stream).inspect(|time| sums.per_token.add(*time));
            entry.total.inspect(|time| sums.total.add(*time));
        }
        sums
    }
}

/// Sums of a batch, to be added to those that are stored.
#[derive(Debug, Default)]
pub struct Batch(HashMap<Of, Sums>);

impl Batch {
    /// Adds a request.
    pub fn add(&mut self, record: &Record, entry: &Entry) {
        let whole = Sums::of_request(record, entry);
        let target = entry.target.clone().unwrap_or_default();
        let mut parts = vec![(target, whole)];
        for row in &entry.attempts {
            let part = Sums {
                attempts: 1,
                attempts_failed: u64::from(row.fault.is_some()),
                usage: row.usage.unwrap_or_default(),
                nanos: row.cost.map_or(0, Money::nanos),
                unpriced: u64::from(row.is_unpriced()),
                saved_nanos: row.saved.map_or(0, Money::nanos),
                ..Sums::default()
            };
            parts.push((row.target.clone(), part));
        }
        let key = record.facts.key.as_ref();
        for grain in Grain::ALL {
            let of = |slice: String, route: &Arc<str>, target: &str| Of {
                grain,
                at: grain.begin(record.at),
                slice,
                route: route.to_string(),
                target: target.to_owned(),
                key: key.map(|key| key.id.to_string()).unwrap_or_default(),
                key_path: key.map(ToString::to_string).unwrap_or_default(),
            };
            for (target, part) in &parts {
                self.0.entry(of(String::new(), &record.route, target)).or_default().merge(part);
                for (name, value) in &record.facts.tags {
                    let slice = Of {
                        key: String::new(),
                        key_path: String::new(),
                        ..of(format!("{name}={value}"), &"".into(), "")
                    };
                    self.0.entry(slice).or_default().merge(part);
                }
            }
        }
    }

    /// Every sum, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Of, &Sums)> {
        self.0.iter()
    }
}

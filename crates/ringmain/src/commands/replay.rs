//! `ringmain replay`: what other rules would have done with the requests that were written down.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use http::{HeaderMap, HeaderName, HeaderValue};
use ringmain_core::{Fault, Money, WallTime};
use ringmain_engine::Gateway;
use ringmain_routing::Record;
use ringmain_routing::record::{dressed, reconsider, replay};

use crate::base::Base;
use crate::cli::Replay;
use crate::commands::say;
use crate::rules_file::{self, Rules};

/// How many differences are told one by one.
const TOLD: usize = 10;

/// Decides again and says what differs. Exit 0 also where much does: that is what was asked.
pub(crate) fn run(arguments: &Replay) -> anyhow::Result<ExitCode> {
    let catalog = rules_file::catalog(arguments.catalog.as_deref())?;
    let text = rules_file::text(&arguments.config)?;
    let sources = rules_file::Rehearsal::of(&text, &catalog);
    let Some(Rules { config, .. }) = rules_file::rehearsed(&arguments.config, &text, &sources, &catalog) else {
        return Ok(ExitCode::FAILURE);
    };
    let base = match &arguments.records {
        Some(named) => Some(Base::named(named)?),
        None => Base::of(&config.state)?,
    };
    let Some(base) = base else {
        bail!(
            "nothing is recorded: write `state: {{ database: sqlite:ringmain.db }}` into the file that `serve` runs with, \
             or name the database: --records ringmain.db"
        )
    };
    let records = base.read().with_context(|| format!("reading {}", base.name()))?;
    let gateway = Gateway::new(config, 0);
    let mut tally = Tally::default();
    records.since(WallTime(since(arguments.since)), &mut |record| {
        tally.add(&gateway, &record);
        true
    })?;
    say(tally.words(arguments.since).trim_end());
    Ok(ExitCode::SUCCESS)
}

/// Milliseconds since 1970, this long ago.
fn since(ago: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.saturating_sub(ago).as_millis()).unwrap_or(u64::MAX)
}

/// What the records come to.
#[derive(Default)]
struct Tally {
    requests: u64,
    /// Every step came out the same.
    same: u64,
    /// Begins elsewhere.
    moved: u64,
    /// No route for it any more, or no target fit.
    unserved: u64,
    /// First attempts by target: then and now.
    first: BTreeMap<String, [u64; 2]>,
    /// What the answers cost, and would have cost at the first target's price; requests whose price is not known twice.
    cost: [Money; 2],
    unpriced: u64,
    told: Vec<String>,
}

impl Tally {
    fn add(&mut self, gateway: &Gateway, record: &Arc<Record>) {
        self.requests += 1;
        let mut headers = HeaderMap::new();
        for (name, value) in &record.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()))
            {
                headers.append(name, value);
            }
        }
        let route = match gateway.route(&record.facts, &headers) {
            Ok(chosen) => chosen.route,
            Err(Fault { message, .. }) => {
                self.unserved += 1;
                self.tell(record, &format!("nothing serves it now: {message}"));
                return;
            }
        };
        if replay(record, &dressed(&route.policy, record)).is_ok() && *route.name == *record.route {
            self.same += 1;
        }
        let Some(now) = reconsider(record, &route.policy) else { return };
        if let Some(was) = &now.was {
            self.first.entry(was.clone()).or_default()[0] += 1;
        }
        match &now.first {
            Some(first) => self.first.entry(first.clone()).or_default()[1] += 1,
            None => self.unserved += 1,
        }
        if now.is_other() {
            self.moved += 1;
            let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "nobody".to_owned());
            self.tell(record, &format!("began at {}, would begin at {}", name(&now.was), name(&now.first)));
        }
        self.price(record, &route, now.first.as_deref());
    }

    /// What the answer cost, beside what the same tokens cost at the target that would be asked first.
    fn price(&mut self, record: &Record, route: &ringmain_engine::route::Route, first: Option<&str>) {
        let Some(served) = record.attempts.iter().find(|made| made.served) else { return };
        let Some(usage) = &served.usage else { return };
        let candidate = route.policy.candidates.iter().find(|candidate| Some(candidate.name.as_str()) == first);
        let now = candidate.and_then(|candidate| candidate.price.as_ref()?.cost(usage));
        match (served.cost, now) {
            (Some(then), Some(now)) => {
                self.cost[0] += then;
                self.cost[1] += now;
            }
            _ => self.unpriced += 1,
        }
    }

    fn tell(&mut self, record: &Record, what: &str) {
        if self.told.len() < TOLD {
            self.told.push(format!("{}  {} `{}`: {what}", record.id, record.facts.operation, record.facts.model));
        }
    }

    fn words(&self, since: Duration) -> String {
        let mut lines = vec![format!("{} requests were recorded in the last {}.", self.requests, span(since))];
        if self.requests == 0 {
            return lines.remove(0);
        }
        lines.push(format!("{} are decided the same at every step.", self.same));
        lines.push(format!("{} would begin at another target; {} would not be served.", self.moved, self.unserved));
        lines.push(String::new());
        lines.push(format!("{:40} {:>10} {:>10}", "first attempts", "then", "now"));
        for (target, [then, now]) in &self.first {
            lines.push(format!("{target:40} {then:>10} {now:>10}"));
        }
        if self.cost != [Money::ZERO; 2] || self.unpriced > 0 {
            let [then, now] = self.cost.map(Money::as_dollars);
            lines.push(String::new());
            lines.push(format!("The answers cost ${then:.4}; the same tokens at the first target's price: ${now:.4}."));
            lines.push(format!("{} answers have no known price in one of the two.", self.unpriced));
        }
        if !self.told.is_empty() {
            lines.push(String::new());
            lines.push("The first that differ:".to_owned());
            lines.extend(self.told.iter().map(|told| format!("  {told}")));
        }
        lines.join("\n")
    }
}

/// `7 days`, as it was asked.
fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds % 86_400 == 0 => format!("{} days", seconds / 86_400),
        seconds if seconds % 3600 == 0 => format!("{} hours", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}

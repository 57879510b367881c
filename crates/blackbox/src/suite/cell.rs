//! One cell: its two providers, its requests, and what was seen of them.

use std::fmt;
use std::time::Duration;

use ringmain_caller::{Ask, Heard};
use ringmain_core::Dialect;
use ringmain_provider_sim::{Ended, LogEntry, Sim, expected_text};
use serde_json::{Value, json};

use super::catalogue::{Case, WORDS};
use super::clocks::Clocks;
use crate::client::{self, Got};
use crate::gateway::Gateway;
use crate::targets::{after, model, provider};

/// One fault between one caller's dialect and one provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) case: Case,
    pub(crate) caller: Dialect,
    pub(crate) provider: Dialect,
    pub(crate) stream: bool,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.stream { "stream" } else { "plain" };
        write!(f, "{} {} -> {} ({how})", self.case.id(), self.caller, self.provider)
    }
}

/// One request and its answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) expected: String,
    /// What came; an error where nothing did.
    pub(crate) got: Result<Got, String>,
    /// The same, as its SDK reads it.
    pub(crate) heard: Option<Heard>,
    /// When its answer had ended, by the simulator's clock.
    pub(crate) ended: Duration,
}

/// All that was seen, by the caller and by both providers.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) answers: Vec<Answer>,
    pub(crate) primary: Vec<LogEntry>,
    pub(crate) fallback: Vec<LogEntry>,
    /// `GET /api/requests/{id}` of the last request.
    pub(crate) record: Value,
}

impl Cell {
    /// The name of its route, and what its providers' names begin with.
    pub(crate) fn name(&self) -> String {
        let how = if self.stream { "s" } else { "p" };
        format!("{}{how}-{}-{}", self.case.id().to_lowercase(), self.caller, self.provider)
    }

    /// The dialect of the second target: always another, and for a refused prefill one whose model the catalog says
    /// takes it.
    pub(crate) fn fallback_dialect(&self) -> Dialect {
        match self.case {
            Case::CutThenPrefillRefused if self.provider == Dialect::AnthropicMessages => Dialect::BedrockConverse,
            Case::CutThenPrefillRefused => Dialect::AnthropicMessages,
            _ => after(self.provider, 1),
        }
    }

    /// The names of its primary and its fallback.
    pub(crate) fn labels(&self) -> [String; 2] {
        ["a", "b"].map(|which| format!("{}-{which}", self.name()))
    }

    /// The two targets as a route names them.
    pub(crate) fn targets(&self) -> [String; 2] {
        let [a, b] = self.labels();
        [target(self.provider, &a), target(self.fallback_dialect(), &b)]
    }

    /// Adds its providers and its route, and tells the simulator how they behave.
    pub(crate) fn configure(&self, sim: &Sim, clocks: &Clocks, rules: &mut Value) {
        let ([a, b], name) = (self.labels(), self.name());
        sim.set(&a, self.case.primary(clocks));
        if let Some(behavior) = self.case.fallback() {
            sim.set(&b, behavior);
        }
        add_route(rules, &name, &[(self.provider, &a), (self.fallback_dialect(), &b)], sim);
    }

    /// Asks, and gathers what was seen.
    pub(crate) async fn run(&self, sim: &Sim, gateway: &Gateway, clocks: &Clocks) -> Evidence {
        let mut answers = Vec::new();
        for number in 0..self.case.requests() {
            tokio::time::sleep(self.case.pause(number, clocks)).await;
            answers.push(self.ask(number, sim, gateway, clocks).await);
        }
        let labels = self.labels();
        let [primary, fallback] = settled(sim, &labels).await;
        let id = answers.last().and_then(|answer| answer.got.as_ref().ok()?.mine("request-id").map(str::to_owned));
        let record = match id {
            Some(id) => client::get(gateway.admin, &format!("/api/requests/{id}")).await.ok(),
            None => None,
        };
        let record = record.and_then(|got| serde_json::from_slice(&got.body).ok()).unwrap_or(Value::Null);
        Evidence { answers, primary, fallback, record }
    }

    async fn ask(&self, number: usize, sim: &Sim, gateway: &Gateway, clocks: &Clocks) -> Answer {
        let text = format!("question {number} of {}", self.name());
        let expected = expected_text(&text, WORDS);
        let ask = Ask { dialect: self.caller, model: self.name(), text, stream: self.stream };
        let got = client::ask(gateway.address, &ask, clocks.patience).await.map_err(|error| format!("{error:#}"));
        let ended = sim.elapsed();
        let heard = got.as_ref().ok().map(|got| got.heard(&ask));
        Answer { expected, got, heard, ended }
    }
}

fn target(dialect: Dialect, label: &str) -> String {
    format!("{label}/{}", model(dialect).0)
}

/// Adds a route to targets in this order, each of a provider of its own.
pub(crate) fn add_route(rules: &mut Value, name: &str, targets: &[(Dialect, &str)], sim: &Sim) {
    for (dialect, label) in targets {
        rules["providers"][label] = provider(sim, *dialect, label);
    }
    let targets: Vec<_> = targets.iter().map(|(dialect, label)| target(*dialect, label)).collect();
    if let Some(routes) = rules["routes"].as_array_mut() {
        routes.push(json!({"name": name, "match": {"model": name}, "targets": targets}));
    }
}

/// What both providers saw, once nothing is open any more, or after the second that a cancelled attempt may take.
async fn settled(sim: &Sim, labels: &[String; 2]) -> [Vec<LogEntry>; 2] {
    let open = |log: &[LogEntry]| log.iter().any(|it| labels.contains(&it.label) && it.ended == Ended::Open);
    sim.wait_for(Duration::from_millis(1500), |log| !open(log)).await;
    let log = sim.log();
    labels.each_ref().map(|label| log.iter().filter(|entry| entry.label == *label).cloned().collect())
}

//! What each provider does when: a schedule by time and by count, and the keys it accepts.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::behavior::Behavior;
use crate::span;

/// A whole script: one entry for each provider label.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// By label.
    #[serde(default)]
    pub providers: BTreeMap<String, Provider>,
}

/// One provider's schedule and keys.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Provider {
    /// The keys it accepts; with none listed, any key and no key are accepted.
    pub keys: Vec<KeyRule>,
    /// In order. Before the first and where none is in force, it is healthy.
    pub steps: Vec<Step>,
}

/// One accepted key.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRule {
    /// The key as the client sends it.
    pub key: String,
    /// How requests with it are answered, whatever the schedule says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<Behavior>,
    /// Requests it may make in one window; over that a 429 until the window ends, and headers that count down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The window of `limit`; a minute by default.
    #[serde(default, with = "span::optional", skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
}

/// One step of a schedule. It begins `at` its time or, without one, when the step before has had its `requests`. It
/// lasts for its `requests`, or until the next step's time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Since the simulator began.
    #[serde(default, with = "span::optional", skip_serializing_if = "Option::is_none")]
    pub at: Option<Duration>,
    /// How many requests it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// How it answers them.
    #[serde(default)]
    pub behavior: Behavior,
}

/// Why a script cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError(String);

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScriptError {}

impl Script {
    /// Reads a script from YAML (or JSON).
    ///
    /// # Errors
    /// Where the text is not YAML, has an unknown key or fault, or a step can never begin.
    pub fn parse(yaml: &str) -> Result<Self, ScriptError> {
        let script: Self = serde_saphyr::from_str(yaml).map_err(|error| ScriptError(error.to_string()))?;
        for (label, provider) in &script.providers {
            check(label, &provider.steps)?;
        }
        Ok(script)
    }
}

fn check(label: &str, steps: &[Step]) -> Result<(), ScriptError> {
    let mut latest = Duration::ZERO;
    for (index, step) in steps.iter().enumerate() {
        let place = || format!("provider `{label}`, step {}", index + 1);
        match step.at {
            Some(at) if at < latest => {
                return Err(ScriptError(format!("{}: `at` is earlier than that of a step before it", place())));
            }
            Some(at) => latest = at,
            None if index > 0 && steps[index - 1].requests.is_none() => {
                let why = "it has no `at`, and the step before has no `requests`, so it would never begin";
                return Err(ScriptError(format!("{}: {why}", place())));
            }
            None => {}
        }
    }
    Ok(())
}

/// Where one provider is in its schedule.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    steps: Vec<Step>,
    /// The step in force, counted from 1; 0 is before the first.
    place: usize,
    /// Requests the step in force has had.
    served: u64,
}

impl Progress {
    pub(crate) const fn new(steps: Vec<Step>) -> Self {
        Self { steps, place: 0, served: 0 }
    }

    /// The step for a request that arrives `elapsed` after the start, and how many it had before this one.
    pub(crate) fn take(&mut self, elapsed: Duration) -> Option<(&Behavior, usize, u64)> {
        while self.next_begins(elapsed) {
            self.place += 1;
            self.served = 0;
        }
        let step = self.steps.get(self.place.checked_sub(1)?)?;
        if step.requests.is_some_and(|requests| self.served >= requests) {
            return None;
        }
        let before = self.served;
        self.served += 1;
        Some((&step.behavior, self.place, before))
    }

    /// The behaviour in force, without counting a request: what the request's head is judged by.
    pub(crate) fn peek(&self, elapsed: Duration) -> Option<(Behavior, u64)> {
        let mut copy = self.clone();
        copy.take(elapsed).map(|(behavior, _, before)| (behavior.clone(), before))
    }

    fn next_begins(&self, elapsed: Duration) -> bool {
        let Some(next) = self.steps.get(self.place) else { return false };
        let used_up = match self.place.checked_sub(1) {
            None => true,
            Some(current) => self.steps[current].requests.is_some_and(|requests| self.served >= requests),
        };
        next.at.map_or(used_up, |at| elapsed >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(yaml: &str, times: &[u64]) -> String {
        let script = Script::parse(yaml).unwrap();
        let mut progress = Progress::new(script.providers["a"].steps.clone());
        let mut out = Vec::new();
        for at in times {
            let step = progress.take(Duration::from_secs(*at));
            out.push(step.map_or_else(|| "-".to_owned(), |(behavior, ..)| behavior.words.to_string()));
        }
        out.join(" ")
    }

    #[test]
    fn steps_by_time_and_by_count() {
        let cases: &[(&str, &[u64], &str)] = &[
            ("{at: 2s, behavior: {words: 1}}, {at: 4s, behavior: {words: 2}}", &[0, 1, 2, 3, 4, 9], "- - 1 1 2 2"),
            ("{requests: 2, behavior: {words: 1}}, {requests: 1, behavior: {words: 2}}", &[0, 0, 0, 0, 9], "1 1 2 - -"),
            ("{requests: 1, behavior: {words: 1}}, {at: 5s, behavior: {words: 2}}", &[0, 0, 5], "1 - 2"),
            ("{at: 1s, requests: 1, behavior: {words: 1}}, {behavior: {words: 2}}", &[0, 1, 1, 1], "- 1 2 2"),
            ("{at: 1s, behavior: {words: 1}}, {at: 2s, behavior: {words: 2}}", &[5], "2"),
        ];
        for (steps, times, want) in cases {
            assert_eq!(run(&format!("providers: {{a: {{steps: [{steps}]}}}}"), times), *want, "{steps}");
        }
    }

    #[test]
    fn the_example_in_the_readme_is_a_script() {
        let readme = include_str!("../README.md");
        let yaml = readme.split("```yaml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let script = Script::parse(yaml).unwrap();
        assert_eq!(script.providers["openai"].steps.len(), 4);
    }

    #[test]
    fn a_script_that_cannot_work_is_refused() {
        for (steps, part) in [
            ("{at: 2s}, {at: 1s}", "step 2: `at` is earlier"),
            ("{at: 2s}, {requests: 1}", "would never begin"),
            ("{at: 2}", "not a time"),
            ("{after: 2s}", "after"),
        ] {
            let error = Script::parse(&format!("providers: {{a: {{steps: [{steps}]}}}}")).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}

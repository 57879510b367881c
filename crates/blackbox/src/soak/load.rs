//! One caller: asks, listens or leaves, and says what came.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringmain_caller::{Ask, Heard};
use ringmain_core::{Dialect, FaultClass, Seed};
use ringmain_provider_sim::expected_text;

use super::Shared;
use crate::client;

/// Words of an answer.
pub(super) const WORDS: usize = 24;
/// The part of the callers who hang up.
const LEAVES: f64 = 0.08;
/// Nothing by then is a hang: longer than the rules' total.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Caller {
    pub(super) number: u64,
    pub(super) shared: Arc<Shared>,
}

/// What came of one request.
pub(super) enum Came {
    Whole,
    /// It hung up.
    Left,
    /// An error that says so.
    Error {
        class: FaultClass,
        broken: bool,
    },
    /// What must never be.
    Wrong(String),
}

impl Caller {
    /// Asks until told to stop.
    pub(super) async fn run(self) {
        let seed = self.shared.seed.nth("caller", self.number);
        for number in 0.. {
            if self.shared.stop.load(Ordering::Relaxed) {
                return;
            }
            let chance = seed.nth("request", number);
            tokio::time::sleep(Duration::from_millis(chance.draw("think").below(200))).await;
            let ask = self.ask(number, chance);
            let came = self.one(&ask, chance).await;
            self.shared.tally.note(&ask, came);
        }
    }

    fn ask(&self, number: u64, chance: Seed) -> Ask {
        let dialect = |label: &str| Dialect::ALL[chance.draw(label).below(Dialect::ALL.len() as u64) as usize];
        let model = match chance.draw("route").below(3) {
            0 => "all".to_owned(),
            _ => format!("via-{}", dialect("target")),
        };
        Ask {
            dialect: dialect("dialect"),
            model,
            text: format!("question {number} of caller {}", self.number),
            stream: chance.draw("stream").unit() < 0.7,
        }
    }

    async fn one(&self, ask: &Ask, chance: Seed) -> Came {
        let address = self.shared.front().address;
        if chance.draw("leaves").unit() < LEAVES {
            let patience = Duration::from_millis(chance.draw("patience").below(300));
            // Dropping the request closes its connection.
            let _ = client::ask(address, ask, patience).await;
            return Came::Left;
        }
        let expected = expected_text(&ask.text, WORDS);
        match client::ask(address, ask, PATIENCE).await {
            Ok(got) => judge(got.heard(ask), &expected),
            Err(error) => Came::Wrong(format!("no answer: {error:#}")),
        }
    }
}

fn judge(heard: Heard, expected: &str) -> Came {
    match heard {
        Heard::Whole { text, done: true, .. } if text == expected => Came::Whole,
        Heard::Whole { text, done, .. } => Came::Wrong(format!("a clean end (done: {done}) after {text:?}")),
        Heard::Refused(fault) => Came::Error { class: fault.class, broken: false },
        Heard::Broken { text, fault } if expected.starts_with(&text) => {
            Came::Error { class: fault.class, broken: true }
        }
        Heard::Broken { text, .. } => Came::Wrong(format!("broken after {text:?}, which is no beginning")),
        Heard::Unfinished { text } => Came::Wrong(format!("neither an end nor an error after {text:?}")),
        Heard::Unreadable(why) => Came::Wrong(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_answers_are_wrong_whatever_they_call_themselves() {
        let whole = |text: &str, done| Heard::Whole { text: text.to_owned(), done, response: Box::default() };
        assert!(matches!(judge(whole("a b", true), "a b"), Came::Whole));
        for heard in [whole("a", true), whole("a b", false), Heard::Unfinished { text: "a b".to_owned() }] {
            assert!(matches!(judge(heard, "a b"), Came::Wrong(_)));
        }
    }
}

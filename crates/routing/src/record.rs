//! What was seen and decided for one request, so that it can be asked why, and decided again.
//!
//! A record holds every view a decision was made from. Deciding again with the same policy must give the same steps:
//! [`replay()`]; with another policy it says whom that would have asked: [`reconsider()`]. Numbers of targets, hosts and
//! keys are those of the process that wrote the record; [`Dressed`] gives a policy made elsewhere the same ones.

mod dressed;
mod replay;

use std::sync::Arc;

use ringmain_core::{Fault, Loss, Money, Now, RequestFacts, RequestId, Seed, Tick, Usage, WallTime, sparse};
use serde::{Deserialize, Serialize};

use crate::{Candidate, HostIx, KeyIx, Plan, Step, TargetIx, Tried, View};

pub use self::dressed::dressed;
pub use self::replay::{Difference, Reconsidered, reconsider, replay};

/// The version that is written. Older ones stay readable: what they lack has a default.
pub const VERSION: u32 = 1;

/// One request. Times are nanoseconds of the process's clock, except [`Record::at`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The version it was written in: [`VERSION`].
    pub version: u32,
    /// Which request.
    pub id: RequestId,
    /// When it began, in milliseconds since 1970.
    pub at: WallTime,
    /// When it began.
    pub started: Tick,
    /// The route it took.
    pub route: Arc<str>,
    /// Why that one.
    pub why: Arc<str>,
    /// What was known of the request.
    pub facts: RequestFacts,
    /// The caller's headers that rules ask for, in lower case; no others are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Who could have served it, in the order of the route.
    pub candidates: Arc<[Known]>,
    /// The chance it had.
    pub seed: Seed,
    /// The end of its time.
    pub deadline: Tick,
    /// Every decision, in order.
    pub decisions: Vec<Decision>,
    /// Every attempt, in order.
    pub attempts: Vec<Attempt>,
    /// What translations could not carry.
    #[serde(default, skip_serializing_if = "Lost::is_empty")]
    pub lost: Lost,
    /// When it ended; `None` where the process ended first.
    pub ended: Option<Tick>,
    /// How it failed; `None` for a whole answer.
    pub fault: Option<Fault>,
}

/// What translations could not carry, for one request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lost {
    /// Of the request, on its way to the target that answered; in the caller's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request: Vec<Loss>,
    /// Of the answer, on its way to the caller.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer: Vec<Loss>,
    /// Who was not asked, because the request could not be told it without a loss the route refuses, or not at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfit: Vec<Unfit>,
}

/// A candidate that could not be told the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfit {
    /// Its position among the record's candidates.
    pub candidate: usize,
    /// Which fields, and why.
    pub why: String,
}

impl Lost {
    /// Was everything carried?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.request.is_empty() && self.answer.is_empty() && self.unfit.is_empty()
    }
}

/// A candidate, by name and number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// `provider/model`.
    pub name: String,
    /// Its number.
    pub target: TargetIx,
    /// Its tier.
    #[serde(default)]
    pub tier: u8,
    /// Its host's number.
    pub host: HostIx,
    /// Its keys: number and label, such as `openai#2`.
    pub keys: Vec<(KeyIx, String)>,
}

/// One decision: what was seen, and what was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// When.
    pub now: Now,
    /// What was known then.
    pub view: View,
    /// The plan, where one was made here; else the one before holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// How many attempts had begun.
    pub begun: usize,
    /// What was done.
    pub step: Step,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// As decisions see it: candidate, key, times, failure.
    pub tried: Tried,
    /// The first decision that saw how it ended, as a position in [`Record::decisions`]; `None`: none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_by: Option<usize>,
    /// To its first useful token.
    #[serde(with = "ringmain_core::time::nanos", default, skip_serializing_if = "Option::is_none")]
    pub first_token: Option<std::time::Duration>,
    /// What it used, as the provider says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What that cost; `None` where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// Nobody said what it used: it is an estimate.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub estimated: bool,
    /// The price that was used, in words; `None` where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Arc<str>>,
    /// What the provider's prompt cache saved; negative where writing it cost more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<Money>,
    /// It brought the answer, or the last part of it.
    #[serde(default)]
    pub served: bool,
    /// It went on with an answer that had broken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<Resumes>,
}

/// Where and how an attempt went on with an answer that had broken off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumes {
    /// After so many bytes of its text.
    pub after: u64,
    /// How it was asked to: `prefill`, `instruction`, or `anew` where nothing had been said.
    pub form: String,
}

impl Attempt {
    /// One that begins.
    #[must_use]
    pub const fn begun(tried: Tried) -> Self {
        Self {
            tried,
            seen_by: None,
            first_token: None,
            usage: None,
            cost: None,
            price: None,
            saved: None,
            estimated: false,
            served: false,
            resumes: None,
        }
    }
}

impl Known {
    /// A candidate of a policy; `labels` are those of its keys, in their order.
    pub fn new<'l>(candidate: &Candidate, labels: impl IntoIterator<Item = &'l str>) -> Self {
        let keys = candidate.keys.iter().zip(labels).map(|(key, label)| (key.key, label.to_owned()));
        let (target, host, tier) = (candidate.target, candidate.host, candidate.tier);
        Self { name: candidate.name.clone(), target, tier, host, keys: keys.collect() }
    }
}

impl Record {
    /// The plan that held last.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.decisions.iter().rev().find_map(|decision| decision.plan.as_ref())
    }

    /// What all attempts used, as far as that is known or thought: halves of an answer, and who lost a race.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.attempts.iter().filter_map(|made| made.usage).reduce(|all, usage| all + usage)
    }

    /// What all attempts cost, as far as that is known.
    #[must_use]
    pub fn cost(&self) -> Option<Money> {
        self.attempts.iter().filter_map(|made| made.cost).reduce(|all, cost| all + cost)
    }

    /// The attempts as the decision at `position` saw them.
    #[must_use]
    pub fn tried(&self, position: usize) -> Vec<Tried> {
        let begun = self.decisions.get(position).map_or(0, |decision| decision.begun);
        let as_seen = |attempt: &Attempt| match attempt.seen_by {
            Some(seen_by) if seen_by <= position => attempt.tried.clone(),
            _ => Tried { result: None, ended: None, ..attempt.tried.clone() },
        };
        self.attempts.iter().take(begun).map(as_seen).collect()
    }
}

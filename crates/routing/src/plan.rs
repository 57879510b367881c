//! Which candidates may serve a request, and in which order.

use ringmain_core::{Capabilities, Now, RequestFacts, Seed};
use serde::{Deserialize, Serialize};

use crate::{Candidate, Policy, Reason, Score, Standing, Verdict, View, affinity, balance};

/// Every candidate with its verdict, and the order to try them in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// One for each of [`Policy::candidates`], in file order.
    pub verdicts: Vec<Verdict>,
    /// Positions of the eligible candidates, the first to be asked first.
    pub order: Vec<usize>,
    /// The route's turn this plan was made for.
    pub turn: u64,
    /// The position of the candidate that is asked first because the conversation is warm there.
    pub warm: Option<usize>,
    /// Tokens the answer may use, input and output, as far as that can be said beforehand.
    pub tokens: u64,
}

impl Plan {
    /// Position of the candidate to ask first; `None` if all are excluded.
    #[must_use]
    pub fn chosen(&self) -> Option<usize> {
        self.order.first().copied()
    }
}

/// Judges and orders the candidates of `policy`.
#[must_use]
pub fn plan(policy: &Policy, facts: &RequestFacts, view: &View, _now: Now, seed: Seed) -> Plan {
    let largest = largest_window(policy, facts, view);
    let mut verdicts = Vec::with_capacity(policy.candidates.len());
    let mut order = Vec::with_capacity(policy.candidates.len());
    for (at, candidate) in policy.candidates.iter().enumerate() {
        match excluded(candidate, facts, standing(view, at), largest) {
            Some(reason) => verdicts.push(Verdict::Excluded(reason)),
            None => {
                verdicts.push(Verdict::Eligible { rank: 0, share: 0.0, score: Score::Place });
                order.push(at);
            }
        }
    }
    let tier = |at: usize| policy.candidates.get(at).map_or(0, |candidate| candidate.tier);
    order.sort_by_key(|at| tier(*at));
    let mut is_first_tier = true;
    for run in order.chunk_by_mut(|a, b| tier(*a) == tier(*b)) {
        if is_first_tier {
            balance::shares(policy, view, run, |at, share| set_share(&mut verdicts, at, share));
        }
        balance::arrange(policy, view, run, seed.nth("tier", u64::from(run.first().map_or(0, |at| tier(*at)))));
        is_first_tier = false;
    }
    let warm = affinity::warm(policy, view, &order, seed);
    if let Some(front) = warm.and_then(|at| order.iter().position(|it| *it == at)).and_then(|at| order.get_mut(..=at)) {
        front.rotate_right(1);
    }
    for (place, at) in order.iter().enumerate() {
        if let Some(verdict) = verdicts.get_mut(*at)
            && let Verdict::Eligible { share, score, .. } = *verdict
        {
            *verdict = if place == 0 {
                Verdict::Chosen { share, score }
            } else {
                Verdict::Eligible { rank: place, share, score }
            };
        }
    }
    Plan { verdicts, order, turn: view.turn, warm, tokens: facts.input_tokens + facts.max_output_tokens.unwrap_or(0) }
}

fn set_share(verdicts: &mut [Verdict], at: usize, value: f64) {
    if let Some(Verdict::Eligible { share, .. }) = verdicts.get_mut(at) {
        *share = value;
    }
}

fn standing(view: &View, at: usize) -> Standing {
    view.rows.get(at).map_or(Standing::Ready, |row| row.standing)
}

/// Lasting reasons first: they tell more of the request.
fn excluded(candidate: &Candidate, facts: &RequestFacts, standing: Standing, largest: Option<u64>) -> Option<Reason> {
    if let Standing::Out(reason) = standing
        && reason.is_lasting()
    {
        return Some(reason);
    }
    let lacks = lacks(candidate, facts);
    if !lacks.is_empty() {
        return Some(Reason::MissingCapability(lacks));
    }
    if let Some(window) = candidate.context_window
        && window < facts.input_tokens
        && largest.is_none_or(|largest| window < largest)
    {
        return Some(Reason::ContextTooSmall { window, needed: facts.input_tokens });
    }
    match standing {
        Standing::Out(reason) => Some(reason),
        Standing::Ready | Standing::Probe => None,
    }
}

/// A model that does not continue a last assistant turn still answers it: no reason to leave it out.
fn lacks(candidate: &Candidate, facts: &RequestFacts) -> Capabilities {
    candidate.capabilities.map_or(Capabilities::NONE, |has| has.missing(facts.needs.without(Capabilities::PREFILL)))
}

/// The largest window, if the prompt seems too long for every candidate that could otherwise serve it. The count is an
/// estimate: it may choose between targets, but to refuse a request is the provider's word.
fn largest_window(policy: &Policy, facts: &RequestFacts, view: &View) -> Option<u64> {
    let mut largest = None;
    for (at, candidate) in policy.candidates.iter().enumerate() {
        let unserved = matches!(standing(view, at), Standing::Out(reason) if reason.is_lasting());
        if unserved || !lacks(candidate, facts).is_empty() {
            continue;
        }
        match candidate.context_window {
            Some(window) if window < facts.input_tokens => largest = largest.max(Some(window)),
            _ => return None,
        }
    }
    largest
}

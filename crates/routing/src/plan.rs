//! Which candidates may serve a request, and in which order.

use ringmain_core::{Now, RequestFacts, Seed, Tick, sparse};
use serde::{Deserialize, Serialize};

use crate::balance::{self, Scene};
use crate::{Policy, Score, Standing, Verdict, View, affinity, fit};

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
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub warm: Option<usize>,
    /// Tokens that asking the chosen candidate is expected to use, input and output; see `fit.rs`.
    pub tokens: u64,
    /// When it was made: how long its request has waited is counted from here.
    #[serde(default)]
    pub made: Tick,
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
pub fn plan(policy: &Policy, facts: &RequestFacts, view: &View, now: Now, seed: Seed) -> Plan {
    let largest = fit::largest(policy, facts, view);
    let mut verdicts = Vec::with_capacity(policy.candidates.len());
    let mut order = Vec::with_capacity(policy.candidates.len());
    for (at, candidate) in policy.candidates.iter().enumerate() {
        let standing = view.rows.get(at).map_or(Standing::Ready, |row| row.standing);
        match fit::excluded(candidate, facts, standing, &largest) {
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
        let seed = seed.nth("tier", u64::from(run.first().map_or(0, |at| tier(*at))));
        let field = balance::arrange(&Scene { policy, facts, view, seed }, run);
        for (slot, entrant) in run.iter_mut().zip(field) {
            *slot = entrant.at;
            if let Some(Verdict::Eligible { share, score, .. }) = verdicts.get_mut(entrant.at) {
                *score = entrant.score;
                *share = if is_first_tier { entrant.share } else { 0.0 };
            }
        }
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
    let tokens = order.first().and_then(|at| view.rows.get(*at)).map_or(0, |row| row.need.tokens());
    Plan { verdicts, order, turn: view.turn, warm, tokens, made: now.mono }
}

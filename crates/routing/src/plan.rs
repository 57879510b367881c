//! Which candidates may serve a request, and in which order.

use ringmain_core::{Now, RequestFacts, Seed};

use crate::{Policy, Verdict, View};

/// Every candidate with its verdict, and the order to try them in.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// One for each of [`Policy::candidates`], in file order.
    pub verdicts: Vec<Verdict>,
    /// Positions of the eligible candidates, the first to be asked first.
    pub order: Vec<usize>,
    /// The route's turn this plan was made for.
    pub turn: u64,
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
#[expect(clippy::todo, unused_variables, reason = "the body follows")]
pub fn plan(policy: &Policy, facts: &RequestFacts, view: &View, now: Now, seed: Seed) -> Plan {
    todo!()
}

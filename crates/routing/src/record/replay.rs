//! Recorded requests, decided again.

use std::fmt;

use super::{Decision, Record, dressed};
use crate::{KeyRow, Plan, Policy, Reason, Row, Step, View, next, plan};

/// A decision that came out otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Its position in [`Record::decisions`].
    pub decision: usize,
    /// What was done then.
    pub then: Box<Step>,
    /// What is done now; `None` where already the plan is another.
    pub now: Option<Box<Step>>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.now {
            Some(now) => write!(f, "decision {}: then {:?}, now {now:?}", self.decision, self.then),
            None => write!(f, "decision {}: the plan is another", self.decision),
        }
    }
}

/// Makes every decision of `record` again. `policy` is in the record's numbers: see [`dressed`].
///
/// # Errors
/// The first decision that is not the same.
pub fn replay(record: &Record, policy: &Policy) -> Result<(), Difference> {
    let mut held: Option<&Plan> = None;
    for (position, decision) in record.decisions.iter().enumerate() {
        let Decision { now, view, step, .. } = decision;
        let other = |now| Difference { decision: position, then: Box::new(step.clone()), now };
        if let Some(recorded) = &decision.plan {
            if plan(policy, &record.facts, view, *now, record.seed) != *recorded {
                return Err(other(None));
            }
            held = Some(recorded);
        }
        let Some(held) = held else { continue };
        let again = next(policy, held, &record.tried(position), view, *now, record.deadline, record.seed);
        if again != *step {
            return Err(other(Some(Box::new(again))));
        }
    }
    Ok(())
}

/// Whom other rules would have asked first.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconsidered {
    /// The plan under the other rules.
    pub plan: Plan,
    /// The name of the candidate it asks first; `None`: none could be asked.
    pub first: Option<String>,
    /// The name of the one that was asked first.
    pub was: Option<String>,
}

impl Reconsidered {
    /// Would it have begun elsewhere?
    #[must_use]
    pub fn is_other(&self) -> bool {
        self.first != self.was
    }
}

/// What `policy`, in its own numbers, would have done first with what was known then. Of a target the record does not
/// know, nothing is known: it counts as ready.
#[must_use]
pub fn reconsider(record: &Record, policy: &Policy) -> Option<Reconsidered> {
    let first = record.decisions.first()?;
    let policy = dressed(policy, record);
    let view = view_for(&policy, record, &first.view);
    let plan = plan(&policy, &record.facts, &view, first.now, record.seed);
    let name = plan.chosen().and_then(|at| policy.candidates.get(at)).map(|candidate| candidate.name.clone());
    let was = record.attempts.first().and_then(|attempt| record.candidates.get(attempt.tried.candidate));
    Some(Reconsidered { plan, first: name, was: was.map(|known| known.name.clone()) })
}

/// The recorded view in the order of another policy, without the candidates that could not be told the request.
fn view_for(policy: &Policy, record: &Record, seen: &View) -> View {
    let mut view = View { rows: Vec::new(), keys: Vec::new(), ..seen.clone() };
    for candidate in &policy.candidates {
        let known = record.candidates.iter().position(|known| known.target == candidate.target);
        let first_key = view.keys.len();
        let row = known.and_then(|at| Some((at, seen.rows.get(at)?)));
        for key in &candidate.keys {
            let same = row.and_then(|(at, _)| seen.keys(at).iter().find(|known| known.key == key.key));
            let ready = KeyRow::unknown(key);
            view.keys.push(same.map_or(ready, |same| KeyRow { weight: key.weight, ..*same }));
        }
        let mut row = row.map_or_else(Row::unknown, |(_, row)| *row);
        (row.first_key, row.end_key) = (first_key, view.keys.len());
        view.rows.push(row);
        if known.is_some_and(|at| record.lost.unfit.iter().any(|unfit| unfit.candidate == at)) {
            view.exclude(view.rows.len() - 1, Reason::CannotCarry);
        }
    }
    view
}

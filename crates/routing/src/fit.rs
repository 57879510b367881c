//! Which candidates can serve a request at all, and how large it will be.
//!
//! **What counts for certain, and what is an estimate.** A region, an operation or a capability is known, and leaves a
//! candidate out. The length of a prompt is estimated: it chooses between candidates, but to refuse a request for its
//! length is the provider's word. So where no candidate seems large enough, those with the largest window are asked.
//! Where the prompt fits but the answer the caller allows does not fit beside it, many providers refuse, while others just
//! answer less: such a candidate is asked last, after all that hold both. A cap that would fill the window by itself is
//! not an expectation but a caller's "as much as you like", and is left out of the sum.
//!
//! After a provider has said that a prompt is too long, only larger windows are asked; see `step/choose.rs`.

use ringmain_core::{Capabilities, Operation, RequestFacts, embedding_space};

use crate::health::quota::Need;
use crate::{Candidate, Pace, Policy, Reason, Standing, View};

/// Output tokens expected where neither the caller nor the target's past says: a paragraph or two. Low on purpose: what is
/// set aside too much keeps others waiting, and what is used too much is charged at the end.
pub(crate) const OUTPUT: u64 = 500;

/// Tokens an attempt is expected to use: the estimated prompt, and the answers this target usually gives, where that is
/// known, but not more than the caller allows. Not the caller's cap itself, which is often the largest there is: set aside
/// for each attempt, it would leave a key idle that has room.
pub(crate) fn need(facts: &RequestFacts, pace: &Pace) -> Need {
    let output = match facts.operation {
        Operation::Chat => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
            let usual = pace.output.filter(|tokens| *tokens >= 0.0).map_or(OUTPUT, |tokens| tokens.ceil() as u64);
            facts.max_output_tokens.map_or(usual, |most| usual.min(most))
        }
        _ => 0,
    };
    Need { input: facts.input_tokens, output }
}

/// What the candidates of a policy could hold of a request, at the most.
#[derive(Debug, Clone)]
pub(crate) struct Largest {
    /// The one space vectors may be in, where that matters.
    space: Option<String>,
    /// The largest window, if the prompt seems too long for every candidate.
    prompt: Option<u64>,
    /// One of them holds prompt and answer.
    holds_both: bool,
}

/// Looks at those that could otherwise serve the request.
pub(crate) fn largest(policy: &Policy, facts: &RequestFacts, view: &View) -> Largest {
    let space = space(policy, facts);
    let (mut window, mut holds_prompt, mut holds_both) = (None, false, false);
    for (at, candidate) in policy.candidates.iter().enumerate() {
        if never(candidate, facts, standing(view, at), space.as_deref()).is_some() {
            continue;
        }
        match candidate.context_window {
            Some(this) if this < facts.input_tokens => window = window.max(Some(this)),
            this => {
                holds_prompt = true;
                holds_both |= this.is_none_or(|this| both(facts, this) <= this);
            }
        }
    }
    Largest { space, prompt: if holds_prompt { None } else { window }, holds_both }
}

/// The space in which this request's vectors are to be: of the model it names where that is one of the candidates', else of
/// the first candidate. Never of whoever happens to be well: vectors of an outage would not be found again after it.
fn space(policy: &Policy, facts: &RequestFacts) -> Option<String> {
    if facts.operation != Operation::Embeddings || policy.mixes_vectors {
        return None;
    }
    let named = embedding_space(&facts.model);
    let spaces = || policy.candidates.iter().map(|candidate| embedding_space(&candidate.name));
    spaces().find(|space| *space == named).or_else(|| spaces().next())
}

/// Why a candidate is not asked, if it is not. Lasting reasons first: they tell more of the request.
pub(crate) fn excluded(
    candidate: &Candidate,
    facts: &RequestFacts,
    standing: Standing,
    largest: &Largest,
) -> Option<Reason> {
    if let Some(reason) = never(candidate, facts, standing, largest.space.as_deref()) {
        return Some(reason);
    }
    let window = candidate.context_window;
    if let Some(window) = window
        && window < facts.input_tokens
        && largest.prompt.is_none_or(|largest| window < largest)
    {
        return Some(Reason::ContextTooSmall { window, needed: facts.input_tokens });
    }
    if let Standing::Out(reason) = standing {
        return Some(reason);
    }
    let tight = window.filter(|window| largest.holds_both && both(facts, *window) > *window);
    tight.map(|window| Reason::ContextTight { window, needed: both(facts, window) })
}

/// Why it cannot serve this request, now or later.
fn never(candidate: &Candidate, facts: &RequestFacts, standing: Standing, space: Option<&str>) -> Option<Reason> {
    if let Standing::Out(reason) = standing
        && reason.is_lasting()
    {
        return Some(reason);
    }
    if candidate.out_of_region {
        return Some(Reason::OutOfRegion);
    }
    if space.is_some_and(|space| embedding_space(&candidate.name) != space) {
        return Some(Reason::OtherVectors);
    }
    let lacks = lacks(candidate, facts);
    (!lacks.is_empty()).then_some(Reason::MissingCapability(lacks))
}

/// A model that does not continue a last assistant turn still answers it: no reason to leave it out.
fn lacks(candidate: &Candidate, facts: &RequestFacts) -> Capabilities {
    candidate.capabilities.map_or(Capabilities::NONE, |has| has.missing(facts.needs.without(Capabilities::PREFILL)))
}

/// Prompt and allowed answer, for a model with this window.
fn both(facts: &RequestFacts, window: u64) -> u64 {
    facts.input_tokens.saturating_add(facts.max_output_tokens.filter(|most| *most < window).unwrap_or(0))
}

fn standing(view: &View, at: usize) -> Standing {
    view.rows.get(at).map_or(Standing::Ready, |row| row.standing)
}

//! Which candidates can serve a request at all, and how large it will be.
//!
//! **What counts for certain, and what is an estimate.** A region, an operation or a capability is known, and leaves a
//! candidate out. The length of a prompt is estimated: it chooses between candidates, but to refuse a request for its
//! length is the provider's word. So where no candidate seems large enough, those with the largest window are asked.
//! Where the prompt fits but the answer the caller allows does not fit beside it, many providers refuse, while others just
//! answer less: such a candidate is asked last, after all that hold both. A cap that would fill the window by itself is
//! not an expectation but a caller's "as much as you like", and is left out of the sum.
//!
//! **What is a need, and what a wish.** Thinking is a wish: where some candidate thinks, those that do not are left out;
//! where none does, they answer without it, and the translation reports the loss. Clients that always ask for it, as
//! coding agents do, are served by plain models too.
//!
//! **Vectors of two models never stand for each other.** They look alike and compare to nothing, so a request for
//! embeddings is for one model alone: the one it names where a candidate is that, else the first candidate that makes
//! vectors. Never whoever happens to be well: what is embedded during an outage would not be found again after it.
//!
//! After a provider has said that a prompt is too long, only larger windows are asked; see `step/choose.rs`.

use ringmain_core::{Capabilities, Operation, RequestFacts, Space};

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
    /// What a candidate must be able to do.
    needs: Needs,
    /// The largest window, if the prompt seems too long for every candidate.
    prompt: Option<u64>,
    /// One of them holds prompt and answer.
    holds_both: bool,
}

/// What a request needs of whoever serves it.
#[derive(Debug, Clone)]
struct Needs {
    capabilities: Capabilities,
    /// The vectors are to be in one space.
    vectors: Vectors,
}

/// What matters of the vectors that are asked for.
#[derive(Debug, Clone)]
enum Vectors {
    /// None are, or the route mixes them.
    Any,
    /// Those of this model.
    Of(Space),
    /// No candidate makes any.
    None,
}

/// Looks at those that could otherwise serve the request.
pub(crate) fn largest(policy: &Policy, facts: &RequestFacts, view: &View) -> Largest {
    let needs = needs(policy, facts, view);
    let (mut window, mut holds_prompt, mut holds_both) = (None, false, false);
    for (at, candidate) in policy.candidates.iter().enumerate() {
        if never(candidate, &needs, standing(view, at)).is_some() {
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
    Largest { needs, prompt: if holds_prompt { None } else { window }, holds_both }
}

/// Why a candidate is not asked, if it is not. Lasting reasons first: they tell more of the request.
pub(crate) fn excluded(
    candidate: &Candidate,
    facts: &RequestFacts,
    standing: Standing,
    largest: &Largest,
) -> Option<Reason> {
    if let Some(reason) = never(candidate, &largest.needs, standing) {
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

/// What a request needs of those who are here. A model that does not continue a last assistant turn still answers it.
fn needs(policy: &Policy, facts: &RequestFacts, view: &View) -> Needs {
    let capabilities = facts.needs.without(Capabilities::PREFILL);
    let mut needs = Needs { capabilities, vectors: vectors(policy, facts, view) };
    if capabilities.contains(Capabilities::REASONING) {
        let mut candidates = policy.candidates.iter().enumerate();
        if !candidates.any(|(at, candidate)| never(candidate, &needs, standing(view, at)).is_none()) {
            needs.capabilities = capabilities.without(Capabilities::REASONING);
        }
    }
    needs
}

/// The space in which this request's vectors are to be. Only what lasts as long as the rules do may change it: a candidate
/// that is ill, or that cannot be told this one request, still says where its route's vectors are.
fn vectors(policy: &Policy, facts: &RequestFacts, view: &View) -> Vectors {
    if facts.operation != Operation::Embeddings || policy.mixes_vectors {
        return Vectors::Any;
    }
    let named = Space::of(&facts.model);
    let candidates = policy.candidates.iter().enumerate();
    let here = candidates.filter(|(at, candidate)| {
        !candidate.out_of_region && !matches!(standing(view, *at), Standing::Out(Reason::Unserved))
    });
    let mut spaces = here.filter_map(|(_, candidate)| candidate.space.as_ref());
    let first = spaces.clone().next();
    spaces.find(|space| space.is(&named)).or(first).map_or(Vectors::None, |space| Vectors::Of(space.clone()))
}

/// Why it cannot serve what needs this, now or later.
fn never(candidate: &Candidate, needs: &Needs, standing: Standing) -> Option<Reason> {
    if let Standing::Out(reason) = standing
        && reason.is_lasting()
    {
        return Some(reason);
    }
    if candidate.out_of_region {
        return Some(Reason::OutOfRegion);
    }
    match (&needs.vectors, &candidate.space) {
        (Vectors::Any, _) => {}
        (Vectors::Of(wanted), Some(space)) if space.is(wanted) => {}
        (Vectors::Of(_), Some(_)) => return Some(Reason::OtherVectors),
        (Vectors::Of(_) | Vectors::None, _) => return Some(Reason::Unserved),
    }
    let lacks = candidate.capabilities.map_or(Capabilities::NONE, |has| has.missing(needs.capabilities));
    (!lacks.is_empty()).then_some(Reason::MissingCapability(lacks))
}

/// Prompt and allowed answer, for a model with this window.
fn both(facts: &RequestFacts, window: u64) -> u64 {
    facts.input_tokens.saturating_add(facts.max_output_tokens.filter(|most| *most < window).unwrap_or(0))
}

fn standing(view: &View, at: usize) -> Standing {
    view.rows.get(at).map_or(Standing::Ready, |row| row.standing)
}

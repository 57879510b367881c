//! A batch of inputs as the requests a provider takes.

use ringmain_core::Fault;
use ringmain_dialects::{Loss, Unsupported};
use serde_json::Value;

use super::{Input, Made, Request};
use crate::talk::{Call, Once, Reply, Talk};

/// What one request of a provider may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Inputs.
    pub(super) inputs: usize,
    /// Tokens of all of them.
    pub(super) tokens: usize,
}

/// About so many tokens, and rather more: to split once too often costs a request, once too seldom an error.
fn weight(input: &Input) -> usize {
    match input {
        Input::Text(text) => text.len().div_ceil(3),
        Input::Tokens(tokens) => tokens.len(),
    }
}

/// The inputs in their order, as many at a time as fit. One that is too large by itself is the provider's to refuse.
pub(super) fn batches(inputs: &[Input], limits: Limits) -> Vec<&[Input]> {
    let (mut all, mut start, mut tokens) = (Vec::new(), 0, 0);
    for (at, input) in inputs.iter().enumerate() {
        let weight = weight(input);
        if at > start && (at - start >= limits.inputs || tokens + weight > limits.tokens) {
            all.extend(inputs.get(start..at));
            (start, tokens) = (at, 0);
        }
        tokens += weight;
    }
    all.extend(inputs.get(start..).filter(|rest| !rest.is_empty()));
    all
}

/// The texts; tokens are nothing to a model they were not made for.
pub(super) fn texts(inputs: &[Input]) -> Result<Vec<&str>, Unsupported> {
    let tokens = || Unsupported {
        field: "input".to_owned(),
        reason: "tokens are of one model, and this provider takes text".to_owned(),
    };
    inputs
        .iter()
        .map(|input| match input {
            Input::Text(text) => Ok(text.as_str()),
            Input::Tokens(_) => Err(tokens()),
        })
        .collect()
}

/// An exchange for each batch of texts.
pub(super) fn talks(
    request: &Request,
    limits: Limits,
    call: impl Fn(&[&str]) -> Call,
    read: impl Fn(&Reply) -> Result<Made, Fault> + Send + Sync + Clone + 'static,
) -> Result<Vec<Box<dyn Talk<Made>>>, Unsupported> {
    let talk = |batch| Ok(Box::new(Once::new(call(&texts(batch)?), read.clone())) as Box<dyn Talk<Made>>);
    batches(&request.inputs, limits).into_iter().map(talk).collect()
}

/// An input as OpenAI takes it.
pub(super) fn value(input: &Input) -> Value {
    match input {
        Input::Text(text) => text.as_str().into(),
        Input::Tokens(tokens) => tokens.clone().into(),
    }
}

/// What is lost of a request besides its inputs, of which these members are carried. Dimensions are never lost: vectors of
/// another length are of another space.
pub(super) fn losses(request: &Request, carries: &[&str]) -> Vec<Loss> {
    let given = [("input_type", request.purpose.is_some()), ("user", request.user.is_some())];
    let lost = given.into_iter().filter(|(name, given)| *given && !carries.contains(name)).map(|(name, _)| name);
    lost.map(str::to_owned).chain(request.extra.iter().cloned()).map(Loss::dropped).collect()
}

/// The model makes vectors of one length.
pub(super) fn has_one_length(request: &Request) -> Result<(), Unsupported> {
    match request.dimensions {
        None => Ok(()),
        Some(_) => Err(Unsupported {
            field: if request.cohere.is_some() { "output_dimension" } else { "dimensions" }.to_owned(),
            reason: "this model makes vectors of one length".to_owned(),
        }),
    }
}

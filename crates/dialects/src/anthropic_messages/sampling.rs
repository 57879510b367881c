//! How tokens are chosen, within what the target's model accepts.

use serde_json::{Map, Number, Value};

use super::request_encode::Context;
use crate::ir::Sampling;
use crate::shared::claude_version::Version;

/// Beside a thinking budget `top_p` may be no lower.
const LEAST_TOP_P_THINKING: f64 = 0.95;

/// Writes what can be said; `budget`: thinking by a token budget is on, which most sampling is refused beside.
pub(super) fn encode(context: &mut Context<'_>, budget: bool, body: &mut Map<String, Value>) {
    let sampling = &context.request.sampling;
    unknown_here(context, sampling);
    let stops: Vec<&str> = sampling.stop.iter().map(String::as_str).filter(|stop| !stop.trim().is_empty()).collect();
    if stops.len() < sampling.stop.len() {
        // A stop sequence of white space alone is refused.
        context.dropped("stop");
    }
    if !stops.is_empty() {
        body.insert("stop_sequences".to_owned(), stops.into());
    }
    if context.own {
        // The caller knows this dialect's rules; the provider's own words explain them best.
        own(sampling, body);
    } else {
        translated(context, budget, body);
    }
}

fn own(sampling: &Sampling, body: &mut Map<String, Value>) {
    let numbers = [("temperature", &sampling.temperature), ("top_p", &sampling.top_p)];
    for (field, number) in numbers {
        if let Some(number) = number {
            body.insert(field.to_owned(), Value::Number(number.clone()));
        }
    }
    if let Some(top_k) = sampling.top_k {
        body.insert("top_k".to_owned(), top_k.into());
    }
}

fn translated(context: &mut Context<'_>, budget: bool, body: &mut Map<String, Value>) {
    let sampling = &context.request.sampling;
    let from = |version| context.version.is_some_and(|of| of >= version);
    let (fixed, one_sampler) = (from(Version::NO_SAMPLING), from(Version::ONE_SAMPLER));
    let value_of = |number: &Option<Number>| number.as_ref().and_then(Number::as_f64);

    let temperature = value_of(&sampling.temperature);
    match (temperature, &sampling.temperature) {
        // 1 is what every model does anyway.
        (Some(1.0), _) | (_, None) => {}
        (Some(_), _) if fixed || budget => context.dropped("temperature"),
        (Some(value), _) if value > 1.0 => {
            context.approximated("temperature");
            body.insert("temperature".to_owned(), 1.into());
        }
        (_, Some(number)) => {
            body.insert("temperature".to_owned(), Value::Number(number.clone()));
        }
    }
    let top_p = value_of(&sampling.top_p);
    let refused = fixed
        || (budget && top_p.is_some_and(|value| value < LEAST_TOP_P_THINKING))
        || (one_sampler && body.contains_key("temperature"));
    match &sampling.top_p {
        None => {}
        Some(_) if top_p == Some(1.0) => {}
        Some(_) if refused => context.dropped("top_p"),
        Some(number) => {
            body.insert("top_p".to_owned(), Value::Number(number.clone()));
        }
    }
    match sampling.top_k {
        None => {}
        Some(_) if fixed || budget => context.dropped("top_k"),
        Some(top_k) => {
            body.insert("top_k".to_owned(), top_k.into());
        }
    }
}

/// What this dialect has no word for, where it was more than the default.
fn unknown_here(context: &mut Context<'_>, sampling: &Sampling) {
    let unless_zero = |number: &Option<Number>| number.as_ref().is_some_and(|n| n.as_f64() != Some(0.0));
    let table = [
        ("seed", sampling.seed.is_some()),
        ("frequency_penalty", unless_zero(&sampling.frequency_penalty)),
        ("presence_penalty", unless_zero(&sampling.presence_penalty)),
        ("n", sampling.n.is_some_and(|n| n > 1)),
    ];
    let unknown = table.into_iter().filter(|(_, given)| *given).map(|(field, _)| field);
    unknown.chain(sampling.probabilities()).for_each(|field| context.dropped(field));
}

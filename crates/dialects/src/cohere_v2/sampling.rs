//! How tokens are chosen, within what the API accepts.

use serde_json::{Map, Number, Value};

use super::request_encode::Context;
use crate::ir::Sampling;

/// The most stop sequences.
const MAX_STOP: usize = 5;
/// The largest `k`.
const MAX_K: u64 = 500;

/// Fractions of the API with the range it takes.
const RANGES: [(&str, &str, f64, f64); 4] = [
    ("temperature", "temperature", 0.0, 1.0),
    ("p", "top_p", 0.01, 0.99),
    ("frequency_penalty", "frequency_penalty", 0.0, 1.0),
    ("presence_penalty", "presence_penalty", 0.0, 1.0),
];

/// Writes what can be said. A caller of this dialect hears of its own mistakes in the provider's words.
pub(super) fn encode(context: &mut Context<'_>, body: &mut Map<String, Value>) {
    let sampling = &context.request.sampling;
    unknown_here(context, sampling);
    if let Some(cap) = context.profile.told_cap(sampling.max_output_tokens, context.own, &mut context.losses) {
        body.insert("max_tokens".to_owned(), cap.into());
    }
    let given = [&sampling.temperature, &sampling.top_p, &sampling.frequency_penalty, &sampling.presence_penalty];
    for ((field, name, least, most), number) in RANGES.into_iter().zip(given) {
        let Some(number) = number else { continue };
        let number = within(context, number, name, least, most);
        body.insert(field.to_owned(), Value::Number(number));
    }
    if let Some(seed) = &sampling.seed {
        body.insert("seed".to_owned(), Value::Number(seed.clone()));
    }
    if let Some(k) = sampling.top_k {
        if k > MAX_K && !context.own {
            context.approximated("top_k");
        }
        body.insert("k".to_owned(), if context.own { k } else { k.min(MAX_K) }.into());
    }
    let most = if context.own { usize::MAX } else { MAX_STOP };
    if sampling.stop.len() > most {
        context.approximated("stop");
    }
    if !sampling.stop.is_empty() {
        let stop: Vec<Value> = sampling.stop.iter().take(most).map(|text| text.as_str().into()).collect();
        body.insert("stop_sequences".to_owned(), stop.into());
    }
    if let Some(wanted) = sampling.logprobs.filter(|wanted| *wanted || context.own) {
        body.insert("logprobs".to_owned(), wanted.into());
    }
    if sampling.top_logprobs.is_some_and(|many| many > 0) {
        context.dropped("top_logprobs");
    }
}

fn within(context: &mut Context<'_>, number: &Number, name: &str, least: f64, most: f64) -> Number {
    let value = number.as_f64().unwrap_or(least);
    let near = value.clamp(least, most);
    if context.own || (least..=most).contains(&value) {
        return number.clone();
    }
    context.approximated(name);
    Number::from_f64(near).unwrap_or_else(|| number.clone())
}

/// What this dialect has no word for, where it was more than the default.
fn unknown_here(context: &mut Context<'_>, sampling: &Sampling) {
    if sampling.n.is_some_and(|n| n > 1) {
        context.dropped("n");
    }
}

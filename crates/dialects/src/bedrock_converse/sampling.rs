//! How tokens are chosen, within what the target's model accepts.

use serde_json::{Map, Number, Value, json};

use super::family::Family;
use super::request_encode::Context;
use crate::ir::Sampling;
use crate::shared::claude_version::Version;

/// Beside a thinking budget `topP` may be no lower.
const LEAST_TOP_P_THINKING: f64 = 0.95;

/// Writes what every model takes; `budget`: thinking by a token budget is on, which most sampling is refused beside.
pub(super) fn inference_config(context: &mut Context<'_>, budget: bool) -> Option<Value> {
    let sampling = &context.request.sampling;
    let mut config = Map::new();
    if !context.own {
        unknown_here(context, sampling);
    }
    let given = context.request.sampling.max_output_tokens;
    if let Some(cap) = context.profile.told_cap(given, context.own, &mut context.losses) {
        config.insert("maxTokens".to_owned(), cap.into());
    }
    if context.own {
        // The caller knows this dialect's rules; the provider's own words explain them best.
        for (field, number) in [("temperature", &sampling.temperature), ("topP", &sampling.top_p)] {
            if let Some(number) = number {
                config.insert(field.to_owned(), Value::Number(number.clone()));
            }
        }
    } else {
        translated(context, budget, &mut config);
    }
    let stops: Vec<&str> = sampling.stop.iter().map(String::as_str).filter(|stop| !stop.trim().is_empty()).collect();
    if stops.len() < sampling.stop.len() {
        // A stop sequence of white space alone is refused.
        context.dropped("stop");
    }
    if !stops.is_empty() {
        config.insert("stopSequences".to_owned(), stops.into());
    }
    context.put_back.restore("inferenceConfig", &mut config);
    (!config.is_empty()).then_some(Value::Object(config))
}

fn translated(context: &mut Context<'_>, budget: bool, config: &mut Map<String, Value>) {
    let sampling = &context.request.sampling;
    let from = |version| context.version.is_some_and(|of| of >= version);
    let (fixed, one_sampler) = (from(Version::NO_SAMPLING), from(Version::ONE_SAMPLER));
    let value_of = |number: &Option<Number>| number.as_ref().and_then(Number::as_f64);
    match (value_of(&sampling.temperature), &sampling.temperature) {
        // 1 is what these models do anyway; the others have a default of their own.
        (Some(1.0), _) if context.family == Family::Claude => {}
        (_, None) => {}
        (Some(_), _) if fixed || budget => context.dropped("temperature"),
        (Some(value), _) if value > 1.0 => {
            context.approximated("temperature");
            config.insert("temperature".to_owned(), 1.into());
        }
        (_, Some(number)) => {
            config.insert("temperature".to_owned(), Value::Number(number.clone()));
        }
    }
    let top_p = value_of(&sampling.top_p);
    let refused = fixed
        || (budget && top_p.is_some_and(|value| value < LEAST_TOP_P_THINKING))
        || (one_sampler && config.contains_key("temperature"));
    match &sampling.top_p {
        None => {}
        Some(_) if top_p == Some(1.0) && context.family == Family::Claude => {}
        Some(_) if refused => context.dropped("top_p"),
        Some(number) => {
            config.insert("topP".to_owned(), Value::Number(number.clone()));
        }
    }
}

/// Writes `top_k`, which each vendor's models take under another name, or not at all.
pub(super) fn top_k(context: &mut Context<'_>, budget: bool, fields: &mut Map<String, Value>) {
    let Some(top_k) = context.request.sampling.top_k else { return };
    let fixed = context.version.is_some_and(|version| version >= Version::NO_SAMPLING);
    let (name, value) = match context.family {
        Family::Claude if !context.own && (fixed || budget) => return context.dropped("top_k"),
        Family::Claude | Family::Mistral => ("top_k", top_k.into()),
        Family::Nova { .. } => ("inferenceConfig", json!({ "topK": top_k })),
        Family::Cohere => ("k", top_k.into()),
        Family::GptOss | Family::Other if context.own => ("top_k", top_k.into()),
        Family::GptOss | Family::Other => return context.dropped("top_k"),
    };
    fields.insert(name.to_owned(), value);
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

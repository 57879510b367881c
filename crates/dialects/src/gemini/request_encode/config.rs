//! `generationConfig`.

use ringmain_core::Capabilities;

use super::super::names::Builder;
use super::{is_native, is_third_generation};
use crate::codec::TargetProfile;
use crate::ir::{Effort, OutputFormat, Reasoning, Request};
use crate::loss::Loss;
use crate::shared::structured::described;

/// The fewest thinking tokens of a Pro model, which cannot stop thinking.
const PRO_LEAST_BUDGET: u64 = 128;
/// The most stop sequences.
const MAX_STOP: usize = 5;

pub(super) fn write(request: &Request, profile: &TargetProfile, losses: &mut Vec<Loss>) -> Builder {
    let mut config = Builder::default();
    let sampling = &request.sampling;
    config.maybe("temperature", sampling.temperature.clone());
    config.maybe("topP", sampling.top_p.clone());
    config.maybe("topK", sampling.top_k);
    let native = is_native(request);
    config.maybe("maxOutputTokens", profile.told_cap(sampling.max_output_tokens, native, losses));
    config.maybe("seed", sampling.seed.clone());
    config.maybe("frequencyPenalty", sampling.frequency_penalty.clone());
    config.maybe("presencePenalty", sampling.presence_penalty.clone());
    let (logprobs, alternatives) = sampling.told_logprobs(native, losses);
    config.maybe("responseLogprobs", logprobs);
    config.maybe("logprobs", alternatives);
    let most = if native { usize::MAX } else { MAX_STOP };
    if sampling.stop.len() > most {
        losses.push(Loss::approximated("stop"));
    }
    if !sampling.stop.is_empty() {
        config.set("stopSequences", sampling.stop.iter().take(most).cloned().collect::<Vec<_>>());
    }
    match sampling.n {
        // More answers than one would be paid for and not be carried back.
        Some(n) if n > 1 && !native => losses.push(Loss::dropped("n")),
        n => config.maybe("candidateCount", n),
    }
    match &request.output {
        OutputFormat::Text => {}
        OutputFormat::Json => config.set("responseMimeType", "application/json"),
        // The model is held to the schema whatever `strict` says; a name has no use here.
        OutputFormat::JsonSchema { schema, description, .. } => {
            config.set("responseMimeType", "application/json");
            config.set("responseJsonSchema", described(schema, description.as_deref()));
        }
    }
    if let Some(reasoning) = &request.reasoning {
        thinking(reasoning, request, profile, &mut config, losses);
    }
    config
}

fn thinking(
    reasoning: &Reasoning,
    request: &Request,
    profile: &TargetProfile,
    config: &mut Builder,
    losses: &mut Vec<Loss>,
) {
    let known = !profile.capabilities.is_empty();
    if known && !profile.capabilities.contains(Capabilities::REASONING) {
        let off = reasoning.effort == Some(Effort::None) || reasoning.budget_tokens == Some(0);
        if !off {
            losses.push(Loss::dropped("reasoning"));
        }
        return;
    }
    let mut thinking = Builder::default();
    // Who buys thinking by the token elsewhere is shown it, unless they say otherwise.
    let bought = !is_native(request) && reasoning.budget_tokens.is_some_and(|tokens| tokens > 0);
    thinking.maybe("includeThoughts", reasoning.visible.or(bought.then_some(true)));
    let is_pro = is_pro(profile);
    match (reasoning.budget_tokens, reasoning.effort) {
        (budget, Some(effort)) if is_native(request) => {
            thinking.maybe("thinkingBudget", budget);
            thinking.set("thinkingLevel", effort.as_str().to_ascii_uppercase());
        }
        (Some(budget), _) if is_native(request) => thinking.set("thinkingBudget", budget),
        (Some(budget), _) => thinking.set("thinkingBudget", within(budget, profile, losses)),
        (None, Some(effort)) if is_third_generation(profile.family()) => {
            let able = profile.efforts.nearest(effort);
            let (level, exact) = level(able, is_pro);
            if !exact || able != effort {
                losses.push(Loss::approximated("reasoning_effort"));
            }
            thinking.set("thinkingLevel", level);
        }
        (None, Some(effort)) => {
            if effort != Effort::None {
                losses.push(Loss::approximated("reasoning_effort"));
            }
            thinking.set("thinkingBudget", within(effort.budget_tokens(), profile, losses));
        }
        (None, None) => {}
    }
    config.object("thinkingConfig", thinking);
}

/// One of the models that always think.
fn is_pro(profile: &TargetProfile) -> bool {
    profile.family().contains("pro")
}

/// The budget that the model takes.
fn within(budget: u64, profile: &TargetProfile, losses: &mut Vec<Loss>) -> u64 {
    let least = if is_pro(profile) { PRO_LEAST_BUDGET } else { 0 };
    let near = profile.max_thinking_tokens.map_or(budget, |most| budget.min(most)).max(least);
    if near != budget {
        losses.push(Loss::approximated("reasoning"));
    }
    near
}

/// The nearest level, and whether it means the same. Thinking cannot be turned off, and Pro models know no `MINIMAL`.
const fn level(effort: Effort, is_pro: bool) -> (&'static str, bool) {
    match effort {
        Effort::None | Effort::Minimal if is_pro => ("LOW", false),
        Effort::None => ("MINIMAL", false),
        Effort::Minimal => ("MINIMAL", true),
        Effort::Low => ("LOW", true),
        Effort::Medium => ("MEDIUM", true),
        Effort::High => ("HIGH", true),
        Effort::Highest => ("HIGH", false),
    }
}

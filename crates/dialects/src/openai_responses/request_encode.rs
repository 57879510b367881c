//! The intermediate representation to a provider's request.

use ringmain_core::Capabilities;
use serde_json::{Map, Value, json};

use super::request_decode::{INCLUDE_LOGPROBS, INCLUDE_SEALED};
use super::{OWN, items_encode};
use crate::codec::{Encoded, TargetProfile, Unsupported};
use crate::ir::{Effort, Extra, OutputFormat, Reasoning, Request, Tool, ToolChoice};
use crate::loss::Loss;
use crate::shared::{asked_about, structured, tool_choice, tool_names};

/// A schema's name where the caller gave none; one is demanded.
const SCHEMA_NAME: &str = "response";
/// The fewest output tokens OpenAI takes.
const LEAST_OUTPUT: u64 = 16;
/// A tool's name may be this long.
const MAX_NAME: usize = 128;
/// Fields that mean the same wherever they are known.
const ADOPTED: [&str; 5] = ["metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store"];
/// The tiers of service there are words for.
const TIERS: [&str; 5] = ["auto", "default", "flex", "priority", "scale"];

/// Writes a request.
///
/// # Errors
/// Media that this dialect has no place for.
pub(super) fn encode(request: &Request, profile: &TargetProfile) -> Result<Encoded, Unsupported> {
    asked_about::check(request, OWN)?;
    let mut losses = Vec::new();
    let mut body = Map::new();
    let own = request.dialect == OWN;
    let model = if profile.model.is_empty() { &request.model } else { &profile.model };
    body.insert("model".to_owned(), model.as_str().into());
    let instructions = items_encode::instructions(request, &mut losses);
    if !instructions.is_empty() {
        body.insert("instructions".to_owned(), instructions.into());
    }
    let input = items_encode::encode(request, &mut losses)?;
    body.insert("input".to_owned(), input.into());
    tools(request, &mut body, &mut losses)?;
    sampling(request, profile, &mut body, &mut losses);
    format(request, &mut body, &mut losses);
    let able = profile.capabilities.is_empty() || profile.capabilities.contains(Capabilities::REASONING);
    match &request.reasoning {
        Some(wanted) if able || own => reasoning(wanted, own, profile, &mut body, &mut losses),
        // Refused where the model cannot think; not thinking is what it does anyway.
        Some(wanted) if wanted.effort != Some(Effort::None) => losses.push(Loss::dropped("reasoning_effort")),
        _ => {}
    }
    include(request, profile, &mut body);
    if request.stream {
        body.insert("stream".to_owned(), true.into());
    }
    if let Some(user) = &request.end_user {
        body.insert("user".to_owned(), user.as_str().into());
    }
    for extra in &request.extras {
        put_back(extra, own, &mut body, &mut losses);
    }
    // The default is to keep what was said for a month, which callers of other dialects did not agree to.
    body.entry("store").or_insert(false.into());
    Ok(Encoded { body: Value::Object(body).to_string().into_bytes(), losses })
}

fn put_back(extra: &Extra, own: bool, body: &mut Map<String, Value>, losses: &mut Vec<Loss>) {
    let field = extra.field.as_str();
    let known = match field {
        "verbosity" => {
            let text = body.entry("text").or_insert_with(|| json!({}));
            text["verbosity"] = extra.value.clone();
            return;
        }
        "reasoning.effort" | "reasoning.summary" | "reasoning.context" | "reasoning.mode" if own => {
            let reasoning = body.entry("reasoning").or_insert_with(|| json!({}));
            reasoning[&field["reasoning.".len()..]] = extra.value.clone();
            return;
        }
        "include" if own => {
            let items = body.entry("include").or_insert_with(|| json!([]));
            if let (Value::Array(items), Value::Array(more)) = (items, &extra.value) {
                items.extend(more.iter().cloned());
            }
            return;
        }
        "service_tier" => extra.value.as_str().is_some_and(|tier| TIERS.contains(&tier)),
        _ => ADOPTED.contains(&field),
    };
    if (known || own && !field.contains(['.', '['])) && !body.contains_key(field) {
        body.insert(field.to_owned(), extra.value.clone());
    } else {
        losses.push(Loss::dropped(field));
    }
}

fn tools(request: &Request, body: &mut Map<String, Value>, losses: &mut Vec<Loss>) -> Result<(), Unsupported> {
    let own = request.dialect == OWN;
    let mut tools = Vec::new();
    for (nth, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function { name, description, parameters, strict, cache } => {
                if !own {
                    tool_names::check(name, MAX_NAME, &format!("tools[{nth}]"))?;
                }
                let mut function = json!({ "type": "function", "name": name });
                if let Some(description) = description {
                    function["description"] = description.as_str().into();
                }
                // Demanded, both; and where nothing is said, functions here are strict, elsewhere they are not.
                match parameters {
                    Some(parameters) => function["parameters"] = parameters.clone(),
                    None if own => {}
                    None => function["parameters"] = json!({ "type": "object", "properties": {} }),
                }
                let field = format!("tools[{nth}].strict");
                match structured::strict(request.dialect, *strict, parameters.as_ref(), &field, losses) {
                    Some(strict) => function["strict"] = strict.into(),
                    None if own => {}
                    None => function["strict"] = false.into(),
                }
                if cache.is_some() {
                    losses.push(Loss::dropped(format!("tools[{nth}].cache_control")));
                }
                tools.push(function);
            }
            Tool::Opaque { dialect, value } if *dialect == OWN => tools.push(value.clone()),
            Tool::Opaque { .. } => losses.push(Loss::dropped(format!("tools[{nth}]"))),
        }
    }
    let any = !tools.is_empty();
    if any {
        body.insert("tools".to_owned(), tools.into());
    }
    let choice = tool_choice::possible(request, OWN, losses);
    let choice = choice.as_deref().map(|choice| match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Named(name) => json!({ "type": "function", "name": name }),
        ToolChoice::Among { names, required } => {
            let tools: Vec<_> = names.iter().map(|name| json!({ "type": "function", "name": name })).collect();
            json!({ "type": "allowed_tools", "mode": if *required { "required" } else { "auto" }, "tools": tools })
        }
    });
    for (field, value) in [("tool_choice", choice), ("parallel_tool_calls", request.parallel_tools.map(Value::from))] {
        match value {
            Some(value) if any || own => {
                body.insert(field.to_owned(), value);
            }
            Some(_) => losses.push(Loss::dropped(field)),
            None => {}
        }
    }
    Ok(())
}

fn sampling(request: &Request, profile: &TargetProfile, body: &mut Map<String, Value>, losses: &mut Vec<Loss>) {
    let (sampling, own) = (&request.sampling, request.dialect == OWN);
    let mut set = |field: &str, value: Option<Value>| {
        value.map(|value| body.insert(field.to_owned(), value));
    };
    let mut cap = profile.told_cap(sampling.max_output_tokens, own, losses);
    if let Some(cap) = cap.as_mut().filter(|cap| **cap < LEAST_OUTPUT && !own) {
        losses.push(Loss::approximated("max_tokens"));
        *cap = LEAST_OUTPUT;
    }
    set("max_output_tokens", cap.map(Value::from));
    set("temperature", sampling.temperature.clone().map(Value::Number));
    set("top_p", sampling.top_p.clone().map(Value::Number));
    if own || gives_logprobs(profile) {
        let (_, alternatives) = sampling.told_logprobs(own, losses);
        set("top_logprobs", alternatives.map(Value::from));
    } else {
        losses.extend(sampling.probabilities().map(Loss::dropped));
    }
    let unless_zero = |number: &Option<serde_json::Number>| number.as_ref().is_some_and(|n| n.as_f64() != Some(0.0));
    let unknown_here = [
        ("top_k", sampling.top_k.is_some()),
        ("seed", sampling.seed.is_some()),
        ("frequency_penalty", unless_zero(&sampling.frequency_penalty)),
        ("presence_penalty", unless_zero(&sampling.presence_penalty)),
        ("stop", !sampling.stop.is_empty()),
        ("n", sampling.n.is_some_and(|n| n > 1)),
    ];
    losses.extend(unknown_here.into_iter().filter(|(_, given)| *given).map(|(field, _)| Loss::dropped(field)));
}

fn format(request: &Request, body: &mut Map<String, Value>, losses: &mut Vec<Loss>) {
    let format = match &request.output {
        OutputFormat::Text => return,
        OutputFormat::Json => json!({ "type": "json_object" }),
        OutputFormat::JsonSchema { name, description, schema, strict } => {
            if name.is_none() {
                losses.push(Loss::defaulted("response_format.json_schema.name"));
            }
            let mut format = json!({ "type": "json_schema", "name": name.as_deref().unwrap_or(SCHEMA_NAME) });
            if let Some(description) = description {
                format["description"] = description.as_str().into();
            }
            format["schema"] = schema.clone();
            if let Some(strict) = structured::strict(request.dialect, *strict, Some(schema), "response_format", losses)
            {
                format["strict"] = strict.into();
            }
            format
        }
    };
    body.insert("text".to_owned(), json!({ "format": format }));
}

fn reasoning(
    wanted: &Reasoning,
    own: bool,
    profile: &TargetProfile,
    body: &mut Map<String, Value>,
    losses: &mut Vec<Loss>,
) {
    let mut reasoning = Map::new();
    if let Some(effort) = profile.told_effort(wanted, own, losses) {
        reasoning.insert("effort".to_owned(), effort.as_str().into());
    }
    if wanted.visible == Some(true) {
        reasoning.insert("summary".to_owned(), "auto".into());
    }
    if !reasoning.is_empty() {
        body.insert("reasoning".to_owned(), reasoning.into());
    }
}

/// May the model be asked for log probabilities? Those that think refuse.
const fn gives_logprobs(profile: &TargetProfile) -> bool {
    !profile.capabilities.contains(Capabilities::REASONING)
}

/// What is to come back beside the answer: sealed thinking, since nothing is stored and the next turn needs it; only
/// where the model is known to think, since others refuse to be asked.
fn include(request: &Request, profile: &TargetProfile, body: &mut Map<String, Value>) {
    let mut items = Vec::new();
    if profile.capabilities.contains(Capabilities::REASONING) {
        items.push(INCLUDE_SEALED);
    }
    if request.sampling.logprobs == Some(true) && (request.dialect == OWN || gives_logprobs(profile)) {
        items.push(INCLUDE_LOGPROBS);
    }
    if !items.is_empty() {
        body.insert("include".to_owned(), items.into());
    }
}

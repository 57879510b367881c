//! The intermediate representation to a provider's request.

use ringmain_core::{Capabilities, Dialect};
use serde_json::{Map, Value, json};

use crate::codec::{Encoded, TargetProfile, Unsupported};
use crate::ir::{Effort, Extra, OutputFormat, Reasoning, Request, Tool, ToolChoice};
use crate::loss::Loss;
use crate::shared::{asked_about, structured, tool_choice, tool_names};

use super::messages_encode;

/// A schema's name where the caller gave none; one is demanded.
const SCHEMA_NAME: &str = "response";
/// The most stop texts OpenAI takes.
const MAX_STOP: usize = 4;
/// A tool's name may be this long.
const MAX_NAME: usize = 64;
/// Fields that mean the same wherever they are known.
const ADOPTED: [&str; 5] =
    ["logit_bias", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "verbosity"];

/// Writes a request.
///
/// # Errors
/// Media that this dialect has no place for.
pub(super) fn encode(request: &Request, profile: &TargetProfile) -> Result<Encoded, Unsupported> {
    asked_about::check(request, messages_encode::OWN)?;
    let mut losses = Vec::new();
    let mut body = Map::new();
    let model = if profile.model.is_empty() { &request.model } else { &profile.model };
    body.insert("model".to_owned(), model.as_str().into());
    let messages = messages_encode::encode(request, &mut losses)?;
    body.insert("messages".to_owned(), messages.into());
    tools(request, &mut body, &mut losses)?;
    sampling(request, profile, &mut body, &mut losses);
    output(request, &mut body, &mut losses);
    let able = profile.capabilities.is_empty() || profile.capabilities.contains(Capabilities::REASONING);
    match &request.reasoning {
        Some(wanted) if able => reasoning(wanted, request.dialect, profile, &mut body, &mut losses),
        // Refused where the model cannot think; not thinking is what it does anyway.
        Some(wanted) if wanted.effort != Some(Effort::None) => losses.push(Loss::dropped("reasoning_effort")),
        _ => {}
    }
    if request.stream {
        body.insert("stream".to_owned(), true.into());
        if request.include_usage {
            body.insert("stream_options".to_owned(), json!({ "include_usage": true }));
        }
    }
    if let Some(user) = &request.end_user {
        body.insert("user".to_owned(), user.as_str().into());
    }
    for extra in &request.extras {
        put_back(extra, request.dialect, &mut body, &mut losses);
    }
    Ok(Encoded { body: Value::Object(body).to_string().into_bytes(), losses })
}

fn put_back(extra: &Extra, dialect: Dialect, body: &mut Map<String, Value>, losses: &mut Vec<Loss>) {
    let own = dialect == messages_encode::OWN && !extra.field.contains(['.', '[']);
    let known = own || ADOPTED.contains(&extra.field.as_str());
    if known && !body.contains_key(&extra.field) {
        body.insert(extra.field.clone(), extra.value.clone());
    } else {
        losses.push(Loss::dropped(extra.field.clone()));
    }
}

fn tools(request: &Request, body: &mut Map<String, Value>, losses: &mut Vec<Loss>) -> Result<(), Unsupported> {
    let own = request.dialect == messages_encode::OWN;
    let mut tools = Vec::new();
    for (nth, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function { name, description, parameters, strict, cache } => {
                if !own {
                    tool_names::check(name, MAX_NAME, &format!("tools[{nth}]"))?;
                }
                let mut function = Map::new();
                function.insert("name".to_owned(), name.as_str().into());
                let mut set = |field: &str, value: Option<Value>| {
                    value.map(|value| function.insert(field.to_owned(), value));
                };
                set("description", description.as_deref().map(Value::from));
                set("parameters", parameters.clone());
                let field = format!("tools[{nth}].strict");
                let strict = structured::strict(request.dialect, *strict, parameters.as_ref(), &field, losses);
                set("strict", strict.map(Value::from));
                tools.push(json!({ "type": "function", "function": function }));
                if cache.is_some() {
                    losses.push(Loss::dropped(format!("tools[{nth}].cache_control")));
                }
            }
            Tool::Opaque { dialect, value } if *dialect == messages_encode::OWN => tools.push(value.clone()),
            Tool::Opaque { .. } => losses.push(Loss::dropped(format!("tools[{nth}]"))),
        }
    }
    // Both are refused where there are no tools.
    let any = !tools.is_empty();
    if any {
        body.insert("tools".to_owned(), tools.into());
    }
    let choice = tool_choice::possible(request, messages_encode::OWN, losses);
    let choice = choice.as_deref().map(|choice| match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Named(name) => json!({ "type": "function", "function": { "name": name } }),
        ToolChoice::Among { names, required } => {
            let one = |name: &String| json!({ "type": "function", "function": { "name": name } });
            let (mode, tools) = (mode(*required), names.iter().map(one).collect::<Vec<_>>());
            json!({ "type": "allowed_tools", "allowed_tools": { "mode": mode, "tools": tools } })
        }
    });
    for (field, value) in [("tool_choice", choice), ("parallel_tool_calls", request.parallel_tools.map(Value::from))] {
        match value {
            Some(value) if any => {
                body.insert(field.to_owned(), value);
            }
            Some(_) => losses.push(Loss::dropped(field)),
            None => {}
        }
    }
    Ok(())
}

/// Whether one of some tools must be asked for.
const fn mode(required: bool) -> &'static str {
    if required { "required" } else { "auto" }
}

fn sampling(request: &Request, profile: &TargetProfile, body: &mut Map<String, Value>, losses: &mut Vec<Loss>) {
    let sampling = &request.sampling;
    let own = request.dialect == messages_encode::OWN;
    let cap = profile.told_cap(sampling.max_output_tokens, own, losses);
    let mut set = |field: &str, value: Option<Value>| {
        value.map(|value| body.insert(field.to_owned(), value));
    };
    set("max_completion_tokens", cap.map(Value::from));
    set("temperature", sampling.temperature.clone().map(Value::Number));
    set("top_p", sampling.top_p.clone().map(Value::Number));
    set("seed", sampling.seed.clone().map(Value::Number));
    set("frequency_penalty", sampling.frequency_penalty.clone().map(Value::Number));
    set("presence_penalty", sampling.presence_penalty.clone().map(Value::Number));
    // Not OpenAI's, but many servers' of this dialect: for callers who wrote it in this dialect.
    let (top_k, n) = (sampling.top_k.map(Value::from), sampling.n.map(Value::from));
    if own {
        set("top_k", top_k);
        set("n", n);
    } else {
        losses.extend(top_k.map(|_| Loss::dropped("top_k")));
        // Only the first of several answers is translated; the others would be paid for and thrown away.
        losses.extend(sampling.n.filter(|n| *n > 1).map(|_| Loss::dropped("n")));
    }
    let (logprobs, alternatives) = sampling.told_logprobs(own, losses);
    set("logprobs", logprobs.map(Value::from));
    set("top_logprobs", alternatives.map(Value::from));
    let most = if own { usize::MAX } else { MAX_STOP };
    if sampling.stop.len() > most {
        losses.push(Loss::approximated("stop"));
    }
    let stop: Vec<_> = sampling.stop.iter().take(most).map(|text| Value::from(text.as_str())).collect();
    set("stop", (!stop.is_empty()).then(|| stop.into()));
}

fn output(request: &Request, body: &mut Map<String, Value>, losses: &mut Vec<Loss>) {
    let format = match &request.output {
        OutputFormat::Text => return,
        OutputFormat::Json => json!({ "type": "json_object" }),
        OutputFormat::JsonSchema { name, description, schema, strict } => {
            if name.is_none() {
                losses.push(Loss::defaulted("response_format.json_schema.name"));
            }
            let mut inner = json!({ "name": name.as_deref().unwrap_or(SCHEMA_NAME) });
            if let Some(description) = description {
                inner["description"] = description.as_str().into();
            }
            inner["schema"] = schema.clone();
            if let Some(strict) = structured::strict(request.dialect, *strict, Some(schema), "response_format", losses)
            {
                inner["strict"] = strict.into();
            }
            json!({ "type": "json_schema", "json_schema": inner })
        }
    };
    body.insert("response_format".to_owned(), format);
}

fn reasoning(
    wanted: &Reasoning,
    caller: Dialect,
    profile: &TargetProfile,
    body: &mut Map<String, Value>,
    losses: &mut Vec<Loss>,
) {
    if let Some(effort) = profile.told_effort(wanted, caller == messages_encode::OWN, losses) {
        body.insert("reasoning_effort".to_owned(), effort.as_str().into());
    }
    // Hidden is what this dialect does; shown cannot be asked for.
    if wanted.visible == Some(true) {
        losses.push(Loss::dropped("reasoning.visible"));
    }
}

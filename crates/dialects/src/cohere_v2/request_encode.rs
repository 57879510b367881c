//! The intermediate representation to a provider's request.

use ringmain_core::Capabilities;
use serde_json::{Map, Value, json};

use super::{OWN, messages_encode, sampling};
use crate::codec::{Encoded, TargetProfile, Unsupported};
use crate::ir::{Effort, Extra, OutputFormat, Reasoning, Request, Tool, ToolChoice};
use crate::loss::Loss;
use crate::shared::structured::{described, instruction};
use crate::shared::{asked_about, tool_choice};

/// What every part of the encoding needs.
pub(super) struct Context<'a> {
    pub(super) request: &'a Request,
    pub(super) profile: &'a TargetProfile,
    /// The caller speaks this dialect: what it wrote goes as it was.
    pub(super) own: bool,
    pub(super) losses: Vec<Loss>,
}

impl Context<'_> {
    pub(super) fn dropped(&mut self, field: impl Into<String>) {
        self.losses.push(Loss::dropped(field));
    }

    pub(super) fn approximated(&mut self, field: impl Into<String>) {
        self.losses.push(Loss::approximated(field));
    }

    /// May the model be told to think? One that the catalog does not know is taken at the caller's word.
    fn thinks(&self) -> bool {
        let known = self.profile.capabilities;
        self.own || known.is_empty() || known.contains(Capabilities::REASONING)
    }
}

/// Writes a request. Nothing the API does not know may be in it: unknown fields are refused.
///
/// # Errors
/// Media that this dialect has no place for.
pub(super) fn encode(request: &Request, profile: &TargetProfile) -> Result<Encoded, Unsupported> {
    asked_about::check(request, OWN)?;
    let own = request.dialect == OWN;
    let mut context = Context { request, profile, own, losses: Vec::new() };
    let thinks = context.thinks();
    let mut written = messages_encode::encode(request, thinks, &mut context.losses)?;
    let mut body = Map::new();
    let model = if profile.model.is_empty() { &request.model } else { &profile.model };
    body.insert("model".to_owned(), model.as_str().into());
    body.insert("messages".to_owned(), written.messages.into());
    tools(&mut context, &mut body);
    sampling::encode(&mut context, &mut body);
    let beside = body.contains_key("tools") || !written.documents.is_empty();
    output(&mut context, beside, &mut body);
    if let Some(wanted) = &request.reasoning {
        reasoning(&mut context, wanted, &mut body);
    }
    if request.stream {
        body.insert("stream".to_owned(), true.into());
    }
    if request.end_user.is_some() {
        context.dropped("user");
    }
    for extra in &request.extras {
        put_back(&mut context, extra, &mut body, &mut written.documents);
    }
    if !written.documents.is_empty() {
        body.insert("documents".to_owned(), written.documents.into());
    }
    Ok(Encoded { body: Value::Object(body).to_string().into_bytes(), losses: context.losses })
}

/// What a caller of this dialect wrote and no other dialect has a word for: fields of the whole, ids of documents.
fn put_back(context: &mut Context<'_>, extra: &Extra, body: &mut Map<String, Value>, documents: &mut [Value]) {
    let nth =
        extra.field.strip_prefix("documents[").and_then(|field| field.strip_suffix("].id")?.parse::<usize>().ok());
    let document = nth.and_then(|nth| documents.get_mut(nth));
    if !context.own {
        context.dropped(extra.field.clone());
    } else if let Some(document) = document {
        document["id"] = extra.value.clone();
    } else if !extra.field.contains(['.', '[']) && !body.contains_key(&extra.field) {
        body.insert(extra.field.clone(), extra.value.clone());
    } else {
        context.dropped(extra.field.clone());
    }
}

fn tools(context: &mut Context<'_>, body: &mut Map<String, Value>) {
    let request = context.request;
    let choice = tool_choice::possible(request, OWN, &mut context.losses);
    let named = match choice.as_deref() {
        Some(ToolChoice::Named(name)) => Some(name.as_str()),
        _ => None,
    };
    let (mut tools, mut strict, mut loose) = (Vec::new(), false, false);
    for (nth, tool) in request.tools.iter().enumerate() {
        match tool {
            // One tool cannot be demanded; but of one tool some tool is that one.
            Tool::Function { name, .. } if named.is_some_and(|named| named != name) => {}
            Tool::Function { .. } if !request.allows(tool) => {}
            Tool::Function { name, description, parameters, strict: exact, cache } => {
                let parameters = parameters.clone().unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
                strict |= *exact == Some(true);
                loose |= *exact != Some(true) || !demands_something(&parameters);
                let mut function = json!({ "name": name, "parameters": parameters });
                if let Some(description) = description {
                    function["description"] = description.as_str().into();
                }
                tools.push(json!({ "type": "function", "function": function }));
                if cache.is_some() {
                    context.dropped(format!("tools[{nth}].cache_control"));
                }
            }
            Tool::Opaque { dialect, value } if *dialect == OWN => tools.push(value.clone()),
            Tool::Opaque { .. } => context.dropped(format!("tools[{nth}]")),
        }
    }
    let any = !tools.is_empty();
    if any {
        body.insert("tools".to_owned(), tools.into());
    }
    strictness(context, strict, loose, any, body);
    let word = match choice.as_deref() {
        None | Some(ToolChoice::Auto) => None,
        Some(ToolChoice::None) => Some("NONE"),
        Some(ToolChoice::Required) => Some("REQUIRED"),
        Some(ToolChoice::Named(_)) => {
            context.approximated("tool_choice");
            Some("REQUIRED")
        }
        Some(ToolChoice::Among { required, .. }) => {
            context.approximated("tool_choice");
            required.then_some("REQUIRED")
        }
    };
    match word {
        Some(word) if any => {
            body.insert("tool_choice".to_owned(), word.into());
        }
        Some("REQUIRED") => context.dropped("tool_choice"),
        _ => {}
    }
    if request.parallel_tools == Some(false) && any {
        context.dropped("parallel_tool_calls");
    }
}

/// All tools are strict here, or none; and a tool that demands no argument is refused where all are.
fn strictness(context: &mut Context<'_>, strict: bool, loose: bool, any: bool, body: &mut Map<String, Value>) {
    let said = context.request.tools.iter().any(|tool| matches!(tool, Tool::Function { strict: Some(_), .. }));
    if any && (strict && !loose || said && context.own) {
        body.insert("strict_tools".to_owned(), strict.into());
    } else if strict {
        let exact = |(_, tool): &(usize, &Tool)| matches!(tool, Tool::Function { strict: Some(true), .. });
        for (nth, _) in context.request.tools.iter().enumerate().filter(exact) {
            context.approximated(format!("tools[{nth}].strict"));
        }
    }
}

fn demands_something(parameters: &Value) -> bool {
    parameters.get("required").and_then(Value::as_array).is_some_and(|required| !required.is_empty())
}

/// `beside`: there are tools or documents, beside which the API refuses a format.
fn output(context: &mut Context<'_>, beside: bool, body: &mut Map<String, Value>) {
    let format = match &context.request.output {
        OutputFormat::Text => return,
        // The model is told of it instead.
        output if beside && !context.own => {
            context.approximated("response_format");
            if let (Some(text), Some(Value::Array(messages))) = (instruction(output), body.get_mut("messages")) {
                messages.insert(0, json!({ "role": "system", "content": text }));
            }
            return;
        }
        OutputFormat::Json => json!({ "type": "json_object" }),
        // The model is held to the schema whatever `strict` says; a name has no use here.
        OutputFormat::JsonSchema { schema, description, .. } => {
            json!({ "type": "json_object", "json_schema": described(schema, description.as_deref()) })
        }
    };
    body.insert("response_format".to_owned(), format);
}

fn reasoning(context: &mut Context<'_>, wanted: &Reasoning, body: &mut Map<String, Value>) {
    let off = wanted.effort == Some(Effort::None) || wanted.budget_tokens == Some(0);
    if !context.thinks() {
        if !off {
            context.dropped("reasoning_effort");
        }
        return;
    }
    let thinking = if off {
        // What thinks does so unless told otherwise, and what does not may not know the field.
        let known = context.profile.capabilities.contains(Capabilities::REASONING);
        if !(known || context.own) {
            return;
        }
        json!({ "type": "disabled" })
    } else {
        let counted = wanted.effort.map(Effort::budget_tokens);
        if wanted.budget_tokens.is_none() && counted.is_some() {
            context.approximated("reasoning_effort");
        }
        match wanted.budget_tokens.or(counted) {
            Some(budget) => json!({ "type": "enabled", "token_budget": budget }),
            None => json!({ "type": "enabled" }),
        }
    };
    body.insert("thinking".to_owned(), thinking);
    if wanted.visible == Some(false) && !off {
        context.dropped("reasoning.visible");
    }
}

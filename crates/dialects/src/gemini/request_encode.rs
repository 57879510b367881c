//! A request for a target.

mod config;
mod contents;

use ringmain_core::Dialect;
use serde_json::{Map, Value, json};

use super::names::Builder;
use crate::codec::{Encoded, TargetProfile, Unsupported};
use crate::ir::{Extra, Request, Tool, ToolChoice};
use crate::loss::Loss;
use crate::shared::{asked_about, tool_choice};

pub(super) fn encode(request: &Request, profile: &TargetProfile) -> Result<Encoded, Unsupported> {
    asked_about::check(request, Dialect::Gemini)?;
    let mut losses = Vec::new();
    let mut body = Builder::default();
    contents::write(request, profile, &mut body, &mut losses)?;
    tools(request, &mut body, &mut losses);
    body.object("generationConfig", config::write(request, profile, &mut losses));
    if request.parallel_tools == Some(false) {
        losses.push(Loss::dropped("parallel_tool_calls"));
    }
    if request.end_user.is_some() {
        losses.push(Loss::dropped("user"));
    }
    extras(request, &mut body, &mut losses);
    Ok(Encoded { body: body.bytes(), losses })
}

/// Did it come from a caller of this dialect, whose habits are kept?
pub(super) fn is_native(request: &Request) -> bool {
    request.dialect == Dialect::Gemini
}

/// Gemini 3 and later: thinking levels, media in function responses, calls that must carry signatures.
fn is_third_generation(model: &str) -> bool {
    let Some((_, version)) = model.split_once("gemini-") else { return false };
    version.split(['.', '-']).next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= 3)
}

fn tools(request: &Request, body: &mut Builder, losses: &mut Vec<Loss>) {
    let mut declarations = Vec::new();
    let mut builtin = Vec::new();
    for (at, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function { name, description, parameters, strict, cache } => {
                let mut declaration = Builder::default();
                declaration.set("name", name.as_str());
                declaration.maybe("description", description.as_deref());
                declaration.maybe("parametersJsonSchema", parameters.clone());
                declarations.push(Value::Object(declaration.0));
                if cache.is_some() {
                    losses.push(Loss::dropped(format!("tools[{at}].cache_control")));
                }
                if *strict == Some(true) {
                    // The schema is shown to the model, which mostly keeps to it.
                    losses.push(Loss::approximated(format!("tools[{at}].strict")));
                }
            }
            Tool::Opaque { dialect: Dialect::Gemini, value } => builtin.push(value.clone()),
            Tool::Opaque { .. } => losses.push(Loss::dropped(format!("tools[{at}]"))),
        }
    }
    let choice = tool_choice::possible(request, Dialect::Gemini, losses);
    let calling = choice.as_deref().filter(|_| !declarations.is_empty()).map(|choice| match choice {
        ToolChoice::Auto => json!({ "mode": "AUTO" }),
        ToolChoice::None => json!({ "mode": "NONE" }),
        ToolChoice::Required => json!({ "mode": "ANY" }),
        ToolChoice::Named(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
        // Beside `AUTO` no names are taken; `VALIDATED` leaves the choice to the model as well.
        ToolChoice::Among { names, required } => {
            json!({ "mode": if *required { "ANY" } else { "VALIDATED" }, "allowedFunctionNames": names })
        }
    });
    let mut tools = Vec::new();
    if !declarations.is_empty() {
        tools.push(json!({ "functionDeclarations": declarations }));
    }
    tools.extend(builtin);
    if !tools.is_empty() {
        body.set("tools", tools);
    }
    if let Some(calling) = calling {
        body.set("toolConfig", json!({ "functionCallingConfig": calling }));
    }
}

/// Fields that only this dialect knows: put back where the caller speaks it too.
fn extras(request: &Request, body: &mut Builder, losses: &mut Vec<Loss>) {
    for Extra { field, value } in &request.extras {
        let place = if is_native(request) { place(&mut body.0, field) } else { None };
        match place {
            Some((map, name)) => {
                map.insert(name.to_owned(), value.clone());
            }
            None => losses.push(Loss::dropped(field.as_str())),
        }
    }
}

/// The object a field belongs in, made where it is missing. `None` for fields inside arrays.
fn place<'a, 'b>(mut map: &'a mut Map<String, Value>, field: &'b str) -> Option<(&'a mut Map<String, Value>, &'b str)> {
    if field.contains('[') {
        return None;
    }
    let mut steps = field.split('.');
    let name = steps.next_back()?;
    for step in steps {
        map = map.entry(step).or_insert_with(|| Value::Object(Map::new())).as_object_mut()?;
    }
    Some((map, name))
}

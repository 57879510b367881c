//! A caller's request.

use serde_json::Value;

use super::OWN;
use super::block_decode::{cache_mark, content};
use super::wire::{member, union};
use super::words::WORDS;
use crate::codec::Malformed;
use crate::ir::{Effort, Extra, OutputFormat, Reasoning, Request, Role, Sampling, Tool, ToolChoice, Turn};
use crate::shared::fields::Fields;

/// Reads a request body.
pub(super) fn decode(body: &[u8]) -> Result<Request, Malformed> {
    let mut fields = Fields::parse(body)?;
    let mut request = Request::new(OWN);
    request.named.words = &WORDS;
    let mut extras = Vec::new();
    let system = fields.array("system")?.unwrap_or_default();
    request.system = content("system", Role::System, system, &mut extras)?;
    // A stored prompt may stand in place of a conversation.
    let turns = fields.array("messages")?.unwrap_or_default();
    request.turns = turns
        .into_iter()
        .enumerate()
        .map(|(at, value)| turn(&format!("messages[{at}]"), value, &mut extras))
        .collect::<Result<_, _>>()?;
    if let Some(config) = fields.object("toolConfig")? {
        tool_config(config, &mut request, &mut extras)?;
    }
    request.sampling = sampling(&mut fields, &mut extras)?;
    let effort = output_config(&mut fields, &mut request, &mut extras)?;
    let mut reasoning = Reasoning { effort: effort.as_deref().and_then(effort_of), ..Reasoning::default() };
    if let (Some(word), None) = (&effort, reasoning.effort) {
        extras.push(Extra { field: "outputConfig.effort".to_owned(), value: word.as_str().into() });
    }
    if let Some(model) = fields.object("additionalModelRequestFields")? {
        let words = &mut request.named.spelled;
        model_fields(model, &mut request.sampling, &mut reasoning, words, &mut extras)?;
    }
    request.reasoning = (reasoning != Reasoning::default()).then_some(reasoning);
    // Streams of this dialect always end with usage.
    request.include_usage = true;
    extras.extend(fields.rest());
    request.extras = extras;
    Ok(request)
}

fn turn(path: &str, value: Value, extras: &mut Vec<Extra>) -> Result<Turn, Malformed> {
    let mut fields = Fields::of(path, value)?;
    let role = match fields.required_string("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(Malformed::new(fields.path("role"), "expected `user` or `assistant`")),
    };
    let place = fields.path("content");
    let items = fields.array("content")?.ok_or_else(|| Malformed::new(&place, "is required"))?;
    let blocks = content(&place, role, items, extras)?;
    extras.extend(fields.rest());
    Ok(Turn::new(role, blocks).at(path))
}

fn tool_config(mut config: Fields, request: &mut Request, extras: &mut Vec<Extra>) -> Result<(), Malformed> {
    let place = config.path("tools");
    for (at, item) in config.array("tools")?.unwrap_or_default().into_iter().enumerate() {
        let (kind, value) = member(&format!("{place}[{at}]"), item)?;
        let path = format!("{place}[{at}].{kind}");
        match (kind.as_str(), request.tools.last_mut()) {
            ("cachePoint", Some(Tool::Function { cache: cache @ None, .. })) => {
                *cache = Some(cache_mark(&path, value, extras)?);
            }
            ("toolSpec", _) => {
                request.tools.push(tool(&path, value, extras)?);
                request.named.tools.push(path);
            }
            _ => {
                request.tools.push(Tool::Opaque { dialect: OWN, value: union(&kind, value) });
                request.named.tools.push(path);
            }
        }
    }
    if let Some(choice) = config.value("toolChoice") {
        let place = config.path("toolChoice");
        let (kind, value) = member(&place, choice)?;
        let mut fields = Fields::of(format!("{place}.{kind}"), value)?;
        request.tool_choice = Some(match kind.as_str() {
            "auto" => ToolChoice::Auto,
            "any" => ToolChoice::Required,
            "tool" => ToolChoice::Named(fields.required_string("name")?),
            _ => return Err(Malformed::new(place, "expected `auto`, `any` or `tool`")),
        });
        extras.extend(fields.rest());
    }
    extras.extend(config.rest());
    Ok(())
}

fn tool(path: &str, value: Value, extras: &mut Vec<Extra>) -> Result<Tool, Malformed> {
    let mut fields = Fields::of(path, value)?;
    let mut schema = fields.object("inputSchema")?;
    let tool = Tool::Function {
        name: fields.required_string("name")?,
        description: fields.string("description")?,
        parameters: schema.as_mut().and_then(|schema| schema.value("json")),
        strict: fields.boolean("strict")?,
        cache: None,
    };
    extras.extend(schema.into_iter().flat_map(Fields::rest));
    extras.extend(fields.rest());
    Ok(tool)
}

fn sampling(fields: &mut Fields, extras: &mut Vec<Extra>) -> Result<Sampling, Malformed> {
    let Some(mut config) = fields.object("inferenceConfig")? else { return Ok(Sampling::default()) };
    let mut stop = Vec::new();
    for (at, value) in config.array("stopSequences")?.unwrap_or_default().into_iter().enumerate() {
        match value {
            Value::String(text) => stop.push(text),
            _ => return Err(Malformed::new(format!("inferenceConfig.stopSequences[{at}]"), "expected a string")),
        }
    }
    let sampling = Sampling {
        max_output_tokens: config.count("maxTokens")?,
        temperature: config.number("temperature")?,
        top_p: config.number("topP")?,
        stop,
        ..Sampling::default()
    };
    extras.extend(config.rest());
    Ok(sampling)
}

/// Reads the form of the answer, and gives the effort that stands beside it.
fn output_config(
    fields: &mut Fields,
    request: &mut Request,
    extras: &mut Vec<Extra>,
) -> Result<Option<String>, Malformed> {
    let Some(mut config) = fields.object("outputConfig")? else { return Ok(None) };
    if let Some(mut format) = config.object("textFormat")? {
        format.value("type");
        let place = format.path("structure");
        let mut structure = format.object("structure")?.ok_or_else(|| Malformed::new(&place, "is required"))?;
        let mut definition = structure
            .object("jsonSchema")?
            .ok_or_else(|| Malformed::new(structure.path("jsonSchema"), "is required"))?;
        let text = definition.required_string("schema")?;
        let schema = serde_json::from_str(&text)
            .map_err(|_| Malformed::new(definition.path("schema"), "expected a JSON schema as text"))?;
        request.output = OutputFormat::JsonSchema {
            name: definition.string("name")?,
            description: definition.string("description")?,
            schema,
            // Every answer is held to its schema.
            strict: Some(true),
        };
        [definition, structure, format].into_iter().for_each(|fields| extras.extend(fields.rest()));
    }
    let effort = config.string("effort")?;
    extras.extend(config.rest());
    Ok(effort)
}

/// What is meant for one model alone, in that model's own words, as far as others have a word for it.
fn model_fields(
    mut fields: Fields,
    sampling: &mut Sampling,
    reasoning: &mut Reasoning,
    spelled: &mut Vec<(&'static str, String)>,
    extras: &mut Vec<Extra>,
) -> Result<(), Malformed> {
    // Claude's and Mistral's word, and Cohere's.
    for name in ["top_k", "k"] {
        let found = fields.count(name)?;
        spelled.extend(found.map(|_| ("top_k", fields.path(name))));
        sampling.top_k = sampling.top_k.or(found);
    }
    // Nova's.
    if let Some(mut config) = fields.object("inferenceConfig")? {
        let found = config.count("topK")?;
        spelled.extend(found.map(|_| ("top_k", config.path("topK"))));
        sampling.top_k = sampling.top_k.or(found);
        extras.extend(config.rest());
    }
    if let Some(mut config) = fields.object("reasoningConfig")? {
        spelled.push(("reasoning.effort", config.place().to_owned()));
        let effort = config.string("maxReasoningEffort")?;
        match config.string("type")?.as_deref() {
            Some("disabled") => reasoning.effort = Some(Effort::None),
            _ => reasoning.effort = effort.as_deref().and_then(effort_of).or(Some(Effort::Medium)),
        }
        extras.extend(config.rest());
    }
    // That of OpenAI's open models.
    if let Some(word) = fields.string("reasoning_effort")? {
        match Effort::from_name(&word) {
            Some(effort) => {
                spelled.push(("reasoning.effort", fields.path("reasoning_effort")));
                reasoning.effort = Some(effort);
            }
            None => extras.push(Extra { field: fields.path("reasoning_effort"), value: word.into() }),
        }
    }
    for name in ["thinking", "reasoning_config"] {
        let Some(mut thinking) = fields.object(name)? else { continue };
        let display = thinking.string("display")?;
        reasoning.visible = display.as_deref().map(|display| display != "omitted");
        match thinking.required_string("type")?.as_str() {
            "enabled" => reasoning.budget_tokens = thinking.count("budget_tokens")?,
            // An effort alone turns no thinking on: it leaves `visible` unset, and so the two are told apart.
            "adaptive" => reasoning.visible = reasoning.visible.or(Some(true)),
            "disabled" => {
                spelled.push(("reasoning.effort", thinking.path("type")));
                reasoning.effort = Some(Effort::None);
            }
            _ => return Err(Malformed::new(thinking.path("type"), "expected `enabled`, `adaptive` or `disabled`")),
        }
        extras.extend(thinking.rest());
    }
    extras.extend(fields.rest());
    Ok(())
}

fn effort_of(word: &str) -> Option<Effort> {
    match word {
        "low" | "medium" | "high" | "xhigh" => Effort::from_name(word),
        "max" => Some(Effort::Highest),
        _ => None,
    }
}

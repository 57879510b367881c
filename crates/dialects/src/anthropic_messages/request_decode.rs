//! A caller's request.

use serde_json::Value;

use super::OWN;
use super::block_decode::{cache_mark, content, is_sealed};
use super::words::WORDS;
use crate::codec::Malformed;
use crate::ir::{Block, Effort, Extra, OutputFormat, Reasoning, Request, Role, Sampling, Tool, ToolChoice, Turn};
use crate::shared::fields::Fields;

/// The conversation that a request goes on with, where the provider keeps it.
pub(super) const THREAD: &str = "thread";

/// Reads a request body.
pub(super) fn decode(body: &[u8]) -> Result<Request, Malformed> {
    let mut fields = Fields::parse(body)?;
    let mut request = Request::new(OWN);
    request.named.words = &WORDS;
    let mut extras = Vec::new();
    request.model = fields.string("model")?.unwrap_or_default();
    request.system = match fields.value("system") {
        None => Vec::new(),
        Some(Value::String(text)) if text.is_empty() => Vec::new(),
        Some(value) => content("system", value, &mut extras)?,
    };
    let turns = fields.array("messages")?.ok_or_else(|| Malformed::new("messages", "is required"))?;
    request.turns = turns
        .into_iter()
        .enumerate()
        .map(|(at, value)| turn(&format!("messages[{at}]"), value, &mut extras))
        .collect::<Result<_, _>>()?;
    let tools = fields.array("tools")?.unwrap_or_default();
    request.tools = tools
        .into_iter()
        .enumerate()
        .map(|(at, value)| tool(&format!("tools[{at}]"), value, &mut extras))
        .collect::<Result<_, _>>()?;
    tool_choice(&mut fields, &mut request, &mut extras)?;
    request.sampling = sampling(&mut fields)?;
    output_and_thinking(&mut fields, &mut request, &mut extras)?;
    request.stream = fields.boolean("stream")?.unwrap_or(false);
    // Streams of this dialect always end with usage.
    request.include_usage = true;
    if let Some(mut metadata) = fields.object("metadata")? {
        request.end_user = metadata.string("user_id")?;
        extras.extend(metadata.rest());
    }
    request.remembered = remembered(&fields, &request.turns);
    extras.extend(fields.rest());
    request.extras = extras;
    Ok(request)
}

/// Fields that stand for a part of the conversation that its provider alone knows. A thread that begins holds all of it.
fn remembered(fields: &Fields, turns: &[Turn]) -> Vec<String> {
    let goes_on = fields.peek("thread").and_then(|thread| thread.get("type")).is_some_and(|kind| kind == "continue");
    let sealed = turns.iter().flat_map(|turn| &turn.blocks).filter(|block| is_sealed(block));
    let places = sealed.filter_map(|block| block.place.path()).map(str::to_owned);
    goes_on.then(|| THREAD.to_owned()).into_iter().chain(places).collect()
}

fn turn(path: &str, value: Value, extras: &mut Vec<Extra>) -> Result<Turn, Malformed> {
    let mut fields = Fields::of(path, value)?;
    let role = match fields.required_string("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        // Newer models take instructions and tool additions inside the conversation.
        "system" => Role::System,
        _ => return Err(Malformed::new(fields.path("role"), "expected `user` or `assistant`")),
    };
    let place = fields.path("content");
    let value = fields.value("content").ok_or_else(|| Malformed::new(&place, "is required"))?;
    let blocks: Vec<Block> = content(&place, value, extras)?;
    extras.extend(fields.rest());
    Ok(Turn::new(role, blocks).at(path))
}

fn tool(path: &str, value: Value, extras: &mut Vec<Extra>) -> Result<Tool, Malformed> {
    let function = match value.get("type") {
        None | Some(Value::Null) => true,
        Some(kind) => kind == "custom",
    };
    if !function && value.is_object() {
        return Ok(Tool::Opaque { dialect: OWN, value });
    }
    let mut fields = Fields::of(path, value)?;
    fields.value("type");
    let tool = Tool::Function {
        name: fields.required_string("name")?,
        description: fields.string("description")?,
        parameters: fields.value("input_schema"),
        strict: fields.boolean("strict")?,
        cache: cache_mark(&mut fields, extras)?,
    };
    extras.extend(fields.rest());
    Ok(tool)
}

fn tool_choice(fields: &mut Fields, request: &mut Request, extras: &mut Vec<Extra>) -> Result<(), Malformed> {
    let Some(mut choice) = fields.object("tool_choice")? else { return Ok(()) };
    request.tool_choice = Some(match choice.required_string("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(choice.required_string("name")?),
        _ => return Err(Malformed::new("tool_choice.type", "expected `auto`, `any`, `tool` or `none`")),
    });
    request.parallel_tools = choice.boolean("disable_parallel_tool_use")?.map(|disabled| !disabled);
    extras.extend(choice.rest());
    Ok(())
}

fn sampling(fields: &mut Fields) -> Result<Sampling, Malformed> {
    let mut stop = Vec::new();
    for (at, value) in fields.array("stop_sequences")?.unwrap_or_default().into_iter().enumerate() {
        match value {
            Value::String(text) => stop.push(text),
            _ => return Err(Malformed::new(format!("stop_sequences[{at}]"), "expected a string")),
        }
    }
    Ok(Sampling {
        max_output_tokens: fields.count("max_tokens")?,
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: fields.count("top_k")?,
        stop,
        ..Sampling::default()
    })
}

fn output_and_thinking(fields: &mut Fields, request: &mut Request, extras: &mut Vec<Extra>) -> Result<(), Malformed> {
    // The older, beta place of the format.
    let mut format = fields.object("output_format")?;
    request.named.spelled.extend(format.as_ref().map(|_| ("response_format", "output_format".to_owned())));
    let mut effort = None;
    if let Some(mut config) = fields.object("output_config")? {
        format = config.object("format")?.or(format);
        effort = config.string("effort")?;
        extras.extend(config.rest());
    }
    if let Some(mut format) = format {
        format.value("type");
        let schema = format.value("schema").ok_or_else(|| Malformed::new(format.path("schema"), "is required"))?;
        // Every answer is held to its schema.
        request.output = OutputFormat::JsonSchema { name: None, description: None, schema, strict: Some(true) };
        extras.extend(format.rest());
    }
    let thinking = fields.object("thinking")?;
    let off = |thinking: &Fields| thinking.peek("type").is_some_and(|kind| kind == "disabled");
    if thinking.as_ref().is_some_and(off) {
        request.named.spelled.push(("reasoning.effort", "thinking.type".to_owned()));
    }
    request.reasoning = reasoning(thinking, effort.as_deref(), extras)?;
    Ok(())
}

/// `thinking` and `output_config.effort` together. An effort alone turns no thinking on: it leaves `visible` unset, and
/// that is how the two are told apart on the way back.
fn reasoning(
    thinking: Option<Fields>,
    effort: Option<&str>,
    extras: &mut Vec<Extra>,
) -> Result<Option<Reasoning>, Malformed> {
    let mut reasoning = Reasoning { effort: effort.and_then(effort_of), ..Reasoning::default() };
    let mut exact = reasoning.effort.map(Effort::as_str) == effort;
    let on = thinking.is_some();
    if let Some(mut thinking) = thinking {
        let display = thinking.string("display")?;
        reasoning.visible = display.as_deref().map(|display| display != "omitted");
        match thinking.required_string("type")?.as_str() {
            "enabled" => reasoning.budget_tokens = thinking.count("budget_tokens")?,
            "adaptive" => reasoning.visible = reasoning.visible.or(Some(true)),
            "disabled" => {
                exact = effort.is_none();
                reasoning.effort = Some(Effort::None);
            }
            _ => return Err(Malformed::new("thinking.type", "expected `enabled`, `adaptive` or `disabled`")),
        }
        extras.extend(thinking.rest());
    }
    if let (Some(word), false) = (effort, exact) {
        extras.push(Extra { field: "output_config.effort".to_owned(), value: word.into() });
    }
    Ok((on || reasoning.effort.is_some()).then_some(reasoning))
}

fn effort_of(word: &str) -> Option<Effort> {
    match word {
        "low" | "medium" | "high" | "xhigh" => Effort::from_name(word),
        "max" => Some(Effort::Highest),
        _ => None,
    }
}

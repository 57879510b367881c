//! A caller's request to the intermediate representation.

use serde_json::{Map, Value};

use super::words::WORDS;
use super::{OWN, items_decode};
use crate::codec::Malformed;
use crate::ir::{Block, Effort, Extra, OutputFormat, Reasoning, Request, Sampling, Tool, ToolChoice};
use crate::shared::fields::Fields;

/// Fields that point to what only the provider that was told remembers.
const REMEMBERED: [&str; 3] = ["previous_response_id", "conversation", "prompt"];
/// An `include` that asks for log probabilities.
pub(super) const INCLUDE_LOGPROBS: &str = "message.output_text.logprobs";
/// An `include` that asks for sealed thinking, which goes through here anyway.
pub(super) const INCLUDE_SEALED: &str = "reasoning.encrypted_content";

/// Reads a request.
///
/// # Errors
/// Not a request of this dialect; the message names the field.
pub(super) fn decode(body: &[u8]) -> Result<Request, Malformed> {
    let mut fields = Fields::parse(body)?;
    let mut request = Request::new(OWN);
    request.named.words = &WORDS;
    let mut rest = Vec::new();
    request.model = fields.required_string("model")?;
    let given = |fields: &Fields, field: &str| fields.peek(field).is_some();
    request.remembered = REMEMBERED.iter().filter(|field| given(&fields, field)).map(ToString::to_string).collect();
    if let Some(text) = fields.string("instructions")?.filter(|text| !text.is_empty()) {
        request.system.push(Block::text(text).at("instructions"));
    }
    match fields.value("input") {
        Some(Value::String(text)) => {
            items_decode::decode(
                vec![serde_json::json!({ "role": "user", "content": text })],
                &mut request,
                &mut rest,
            )?;
        }
        Some(Value::Array(items)) => items_decode::decode(items, &mut request, &mut rest)?,
        // What the provider remembers may be all there is to say.
        None if !request.remembered.is_empty() => {}
        None => return Err(Malformed::new("input", "is required")),
        Some(_) => return Err(Malformed::new("input", "expected a string or an array of items")),
    }
    tools(&mut fields, &mut request, &mut rest)?;
    request.tool_choice = tool_choice(&mut fields, &mut rest);
    request.parallel_tools = fields.boolean("parallel_tool_calls")?;
    request.sampling = Sampling {
        max_output_tokens: fields.count("max_output_tokens")?,
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_logprobs: fields.count("top_logprobs")?,
        ..Sampling::default()
    };
    include(&mut fields, &mut request, &mut rest)?;
    text(&mut fields, &mut request, &mut rest)?;
    request.reasoning = reasoning(&mut fields, &mut request.named.spelled, &mut rest)?;
    request.stream = fields.boolean("stream")?.unwrap_or(false);
    request.include_usage = true;
    if let Some(options) = fields.object("stream_options")? {
        rest.extend(options.rest());
    }
    request.end_user = fields.string("user")?;
    request.extras = fields.rest();
    request.extras.append(&mut rest);
    request.extras.retain(|extra| !is_usual(extra));
    Ok(request)
}

/// Says no more than what is done anyway, by any provider.
fn is_usual(extra: &Extra) -> bool {
    match (extra.field.as_str(), &extra.value) {
        ("background" | "store", Value::Bool(false)) => true,
        ("truncation", Value::String(word)) => word == "disabled",
        ("metadata", Value::Object(map)) => map.is_empty(),
        _ => false,
    }
}

fn include(fields: &mut Fields, request: &mut Request, rest: &mut Vec<Extra>) -> Result<(), Malformed> {
    let mut others = Vec::new();
    for item in fields.array("include")?.unwrap_or_default() {
        match item.as_str() {
            Some(INCLUDE_LOGPROBS) => request.sampling.logprobs = Some(true),
            Some(INCLUDE_SEALED) => {}
            _ => others.push(item),
        }
    }
    if !others.is_empty() {
        rest.push(Extra { field: "include".to_owned(), value: others.into() });
    }
    Ok(())
}

fn tools(fields: &mut Fields, request: &mut Request, rest: &mut Vec<Extra>) -> Result<(), Malformed> {
    for (nth, tool) in fields.array("tools")?.unwrap_or_default().into_iter().enumerate() {
        if tool.get("type").is_none_or(|kind| kind != "function") {
            request.tools.push(Tool::Opaque { dialect: OWN, value: tool });
            continue;
        }
        let mut tool = Fields::of(format!("tools[{nth}]"), tool)?;
        tool.value("type");
        request.tools.push(Tool::Function {
            name: tool.required_string("name")?,
            description: tool.string("description")?,
            parameters: tool.value("parameters"),
            strict: tool.boolean("strict")?,
            cache: None,
        });
        rest.extend(tool.rest());
    }
    Ok(())
}

/// Reads the choice. One of the provider's own tools, or of some, stays an extra under its name.
fn tool_choice(fields: &mut Fields, rest: &mut Vec<Extra>) -> Option<ToolChoice> {
    let value = fields.value("tool_choice")?;
    let choice = match &value {
        Value::String(word) => match word.as_str() {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::None),
            "required" => Some(ToolChoice::Required),
            _ => None,
        },
        Value::Object(map) if map.get("type").is_some_and(|kind| kind == "function") => {
            map.get("name").and_then(Value::as_str).map(|name| ToolChoice::Named(name.to_owned()))
        }
        Value::Object(map) if map.get("type").is_some_and(|kind| kind == "allowed_tools") => among(&value),
        _ => None,
    };
    if choice.is_none() {
        rest.push(Extra { field: "tool_choice".to_owned(), value });
    }
    choice
}

/// Some of the tools. Where one of the provider's own is among them, the choice stays as it is.
fn among(allowed: &Value) -> Option<ToolChoice> {
    let name = |tool: &Value| {
        let function = tool.get("type").is_some_and(|kind| kind == "function");
        tool.get("name").and_then(Value::as_str).filter(|_| function).map(str::to_owned)
    };
    let names = allowed.get("tools")?.as_array()?.iter().map(name).collect::<Option<Vec<_>>>()?;
    Some(ToolChoice::Among { names, required: allowed.get("mode").is_some_and(|mode| mode == "required") })
}

fn text(fields: &mut Fields, request: &mut Request, rest: &mut Vec<Extra>) -> Result<(), Malformed> {
    let Some(mut text) = fields.object("text")? else { return Ok(()) };
    if let Some(value) = text.value("format") {
        request.output = format(Fields::of(text.path("format"), value)?, rest)?;
    }
    if let Some(value) = text.value("verbosity") {
        rest.push(Extra { field: "verbosity".to_owned(), value });
    }
    rest.extend(text.rest());
    Ok(())
}

fn format(mut format: Fields, rest: &mut Vec<Extra>) -> Result<OutputFormat, Malformed> {
    let output = match format.required_string("type")?.as_str() {
        "text" => OutputFormat::Text,
        "json_object" => OutputFormat::Json,
        "json_schema" => OutputFormat::JsonSchema {
            name: format.string("name")?,
            description: format.string("description")?,
            schema: format.value("schema").unwrap_or_else(|| Value::Object(Map::new())),
            strict: format.boolean("strict")?,
        },
        other => {
            rest.push(Extra { field: "text.format".to_owned(), value: other.into() });
            OutputFormat::Text
        }
    };
    rest.extend(format.rest());
    Ok(output)
}

fn reasoning(
    fields: &mut Fields,
    spelled: &mut Vec<(&'static str, String)>,
    rest: &mut Vec<Extra>,
) -> Result<Option<Reasoning>, Malformed> {
    let Some(mut object) = fields.object("reasoning")? else { return Ok(None) };
    let mut reasoning = Reasoning::default();
    if let Some(word) = object.string("effort")? {
        reasoning.effort = if word == "max" { Some(Effort::Highest) } else { Effort::from_name(&word) };
        if reasoning.effort.is_none_or(|effort| effort.as_str() != word) {
            rest.push(Extra { field: object.path("effort"), value: word.into() });
        }
    }
    let newer = object.string("summary")?;
    let older = object.string("generate_summary")?;
    if newer.is_none() && older.is_some() {
        spelled.push(("reasoning.visible", object.path("generate_summary")));
    }
    if let Some(word) = newer.or(older) {
        reasoning.visible = Some(true);
        if word != "auto" {
            rest.push(Extra { field: object.path("summary"), value: word.into() });
        }
    }
    rest.extend(object.rest());
    Ok(Some(reasoning).filter(|reasoning| *reasoning != Reasoning::default()))
}

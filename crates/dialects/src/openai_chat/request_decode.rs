//! A caller's request to the intermediate representation.

use ringmain_core::Dialect;
use serde_json::Value;

use crate::codec::Malformed;
use crate::ir::{Effort, Extra, OutputFormat, Reasoning, Request, Sampling, Tool, ToolChoice};
use crate::shared::fields::Fields;

use super::words::WORDS;
use super::{messages_decode, parts};

/// Reads a request.
///
/// # Errors
/// Not a request of this dialect; the message names the field.
pub(super) fn decode(body: &[u8]) -> Result<Request, Malformed> {
    let mut fields = Fields::parse(body)?;
    let mut request = Request::new(Dialect::OpenAiChat);
    request.named.words = &WORDS;
    let mut rest = Vec::new();
    request.model = fields.required_string("model")?;
    let messages = fields.array("messages")?.ok_or_else(|| Malformed::new(fields.path("messages"), "is required"))?;
    messages_decode::decode(messages, &mut request, &mut rest)?;
    tools(&mut fields, &mut request, &mut rest)?;
    if fields.peek("tool_choice").is_none() && fields.peek("function_call").is_some() {
        request.named.spelled.push(("tool_choice", "function_call".to_owned()));
    }
    request.tool_choice = tool_choice(&mut fields, &mut rest);
    request.parallel_tools = fields.boolean("parallel_tool_calls")?;
    request.sampling = sampling(&mut fields, &mut request.named.spelled)?;
    request.output = output(&mut fields, &mut rest)?;
    request.reasoning = reasoning(&mut fields, &mut request.named.spelled, &mut rest)?;
    request.stream = fields.boolean("stream")?.unwrap_or(false);
    if let Some(mut options) = fields.object("stream_options")? {
        request.include_usage = options.boolean("include_usage")?.unwrap_or(false);
        rest.extend(options.rest());
    }
    request.end_user = fields.string("user")?;
    request.extras = fields.rest();
    request.extras.append(&mut rest);
    Ok(request)
}

fn sampling(fields: &mut Fields, spelled: &mut Vec<(&'static str, String)>) -> Result<Sampling, Malformed> {
    let newer = fields.count("max_completion_tokens")?;
    spelled.extend(newer.map(|_| ("max_tokens", "max_completion_tokens".to_owned())));
    let older = fields.count("max_tokens")?;
    Ok(Sampling {
        max_output_tokens: newer.or(older),
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: fields.count("top_k")?,
        seed: fields.number("seed")?,
        frequency_penalty: fields.number("frequency_penalty")?,
        presence_penalty: fields.number("presence_penalty")?,
        stop: stop(fields)?,
        n: fields.count("n")?,
        logprobs: fields.boolean("logprobs")?,
        top_logprobs: fields.count("top_logprobs")?,
    })
}

fn stop(fields: &mut Fields) -> Result<Vec<String>, Malformed> {
    let problem = || Malformed::new("stop", "expected a string or an array of strings");
    match fields.value("stop") {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|item| if let Value::String(text) = item { Ok(text) } else { Err(problem()) })
            .collect(),
        Some(_) => Err(problem()),
    }
}

fn tools(fields: &mut Fields, request: &mut Request, rest: &mut Vec<Extra>) -> Result<(), Malformed> {
    for (nth, tool) in fields.array("tools")?.unwrap_or_default().into_iter().enumerate() {
        let is_function = tool.get("function").is_some() && tool.get("type").is_none_or(|kind| kind == "function");
        if !is_function {
            request.tools.push(Tool::Opaque { dialect: Dialect::OpenAiChat, value: tool });
            continue;
        }
        let mut tool = Fields::of(format!("tools[{nth}]"), tool)?;
        let marked = parts::cache_mark(&mut tool)?;
        tool.value("type");
        if let Some(definition) = tool.object("function")? {
            request.tools.push(function(definition, marked, rest)?);
        }
        rest.extend(tool.rest());
    }
    let before = request.tools.len();
    request.named.tools = (0..before).map(|nth| format!("tools[{nth}]")).collect();
    for (nth, definition) in fields.array("functions")?.unwrap_or_default().into_iter().enumerate() {
        let definition = Fields::of(format!("functions[{nth}]"), definition)?;
        request.named.tools.push(format!("functions[{nth}]"));
        request.tools.push(function(definition, None, rest)?);
    }
    Ok(())
}

fn function(
    mut definition: Fields,
    marked: Option<crate::ir::CacheMark>,
    rest: &mut Vec<Extra>,
) -> Result<Tool, Malformed> {
    let tool = Tool::Function {
        name: definition.required_string("name")?,
        description: definition.string("description")?,
        parameters: definition.value("parameters"),
        strict: definition.boolean("strict")?,
        cache: marked.or(parts::cache_mark(&mut definition)?),
    };
    rest.extend(definition.rest());
    Ok(tool)
}

/// Reads either form of the choice. A form that is not known stays an extra, under its own name.
fn tool_choice(fields: &mut Fields, rest: &mut Vec<Extra>) -> Option<ToolChoice> {
    let (field, value) = ["tool_choice", "function_call"]
        .into_iter()
        .find_map(|field| fields.value(field).map(|value| (field, value)))?;
    let choice = match &value {
        Value::String(word) => match word.as_str() {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::None),
            // `any` is Mistral's word.
            "required" | "any" => Some(ToolChoice::Required),
            _ => None,
        },
        Value::Object(_) if value.get("allowed_tools").is_some() => among(value.get("allowed_tools")),
        Value::Object(_) => {
            let named = value.get("function").or(Some(&value).filter(|_| field == "function_call"));
            named.and_then(|named| named.get("name")?.as_str()).map(|name| ToolChoice::Named(name.to_owned()))
        }
        _ => None,
    };
    if choice.is_none() {
        rest.push(Extra { field: field.to_owned(), value });
    }
    choice
}

/// Some of the tools. Where one of the provider's own is among them, the choice stays as it is.
fn among(allowed: Option<&Value>) -> Option<ToolChoice> {
    let name = |tool: &Value| Some(tool.get("function")?.get("name")?.as_str()?.to_owned());
    let names = allowed?.get("tools")?.as_array()?.iter().map(name).collect::<Option<Vec<_>>>()?;
    Some(ToolChoice::Among { names, required: allowed?.get("mode").is_some_and(|mode| mode == "required") })
}

fn output(fields: &mut Fields, rest: &mut Vec<Extra>) -> Result<OutputFormat, Malformed> {
    let Some(value) = fields.value("response_format") else { return Ok(OutputFormat::Text) };
    let mut format = Fields::of(fields.path("response_format"), value.clone())?;
    let kind = format.required_string("type")?;
    Ok(match kind.as_str() {
        "text" => OutputFormat::Text,
        "json_object" => OutputFormat::Json,
        "json_schema" => {
            let mut schema = format
                .object("json_schema")?
                .ok_or_else(|| Malformed::new(format.path("json_schema"), "is required"))?;
            let output = OutputFormat::JsonSchema {
                name: schema.string("name")?,
                description: schema.string("description")?,
                schema: schema.value("schema").unwrap_or_else(|| Value::Object(serde_json::Map::new())),
                strict: schema.boolean("strict")?,
            };
            rest.extend(schema.rest());
            output
        }
        _ => {
            rest.push(Extra { field: "response_format".to_owned(), value });
            OutputFormat::Text
        }
    })
}

/// Reads `reasoning_effort`, and the object that some providers and gateways have for it.
fn reasoning(
    fields: &mut Fields,
    spelled: &mut Vec<(&'static str, String)>,
    rest: &mut Vec<Extra>,
) -> Result<Option<Reasoning>, Malformed> {
    let mut found: Option<Reasoning> = None;
    if let Some(mut object) = fields.object("reasoning")? {
        let reasoning = found.get_or_insert_default();
        if let Some(word) = object.string("effort")? {
            spelled.push(("reasoning.effort", object.path("effort")));
            reasoning.effort = effort(word, &object.path("effort"), rest);
        }
        reasoning.budget_tokens = object.count("max_tokens")?;
        if object.boolean("enabled")? == Some(false) {
            spelled.push(("reasoning.effort", object.path("enabled")));
            reasoning.effort = Some(Effort::None);
        }
        reasoning.visible = object.boolean("exclude")?.map(|exclude| !exclude);
        rest.extend(object.rest());
    }
    if let Some(word) = fields.string("reasoning_effort")?
        && let Some(effort) = effort(word, "reasoning_effort", rest)
    {
        spelled.retain(|(ours, _)| *ours != "reasoning.effort");
        found.get_or_insert_default().effort = Some(effort);
    }
    Ok(found)
}

fn effort(word: String, field: &str, rest: &mut Vec<Extra>) -> Option<Effort> {
    let known = if word == "max" { Some(Effort::Highest) } else { Effort::from_name(&word) };
    if known.is_none() {
        rest.push(Extra { field: field.to_owned(), value: word.into() });
    }
    known
}

//! Cohere v2 chat requests.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, value::RawValue};

use super::{Ask, Choice, Invalid, Reasoning, Role, Structured, Tool, Turn, calls, gist, structured, text_of, tokens};
use crate::api::Vendor;

/// A field that changes nothing here.
type Unread = Option<IgnoredAny>;

/// The schema is closed: the API refuses a field it does not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request<'a> {
    model: String,
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
    stream: Option<bool>,
    tools: Option<Vec<Value>>,
    tool_choice: Option<String>,
    response_format: Option<Value>,
    thinking: Option<Value>,
    max_tokens: Option<usize>,
    p: Option<f64>,
    #[serde(borrow)]
    documents: Option<Vec<&'a RawValue>>,
    #[serde(rename = "strict_tools")]
    _strict_tools: Unread,
    #[serde(rename = "citation_options")]
    _citation_options: Unread,
    #[serde(rename = "safety_mode")]
    _safety_mode: Unread,
    #[serde(rename = "stop_sequences")]
    _stop_sequences: Unread,
    #[serde(rename = "temperature")]
    _temperature: Unread,
    #[serde(rename = "seed")]
    _seed: Unread,
    #[serde(rename = "frequency_penalty")]
    _frequency_penalty: Unread,
    #[serde(rename = "presence_penalty")]
    _presence_penalty: Unread,
    #[serde(rename = "k")]
    _k: Unread,
    #[serde(rename = "logprobs")]
    _logprobs: Unread,
    #[serde(rename = "priority")]
    _priority: Unread,
    #[serde(rename = "raw_prompting")]
    _raw_prompting: Unread,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Option<Value>,
}

pub(crate) fn parse(body: &[u8]) -> Result<Ask, Invalid> {
    let request: Request = serde_json::from_slice(body)?;
    if request.p.is_some_and(|p| !(0.01..=0.99).contains(&p)) {
        return Err(Invalid("invalid request: p must be between 0.01 and 0.99 inclusive.".to_owned()));
    }
    let gist = gist(&request.messages, |raw| turn(serde_json::from_str(raw.get())?))?;
    let tools: Vec<Tool> = request.tools.iter().flatten().map(tool).collect::<Result<_, _>>()?;
    if request.response_format.is_some() && !(tools.is_empty() && request.documents.is_none()) {
        return Err(Invalid("invalid request: response_format is not supported with tools or documents.".to_owned()));
    }
    let choice = match request.tool_choice.as_deref() {
        None => Choice::Auto,
        Some("REQUIRED") => Choice::Any,
        Some("NONE") => Choice::Never,
        Some(other) => return Err(Invalid(format!("invalid tool_choice: {other}"))),
    };
    let calls = calls(&gist, &tools, &choice);
    let thinks = request.thinking.as_ref().and_then(|thinking| thinking.get("type")).map(text_of);
    let read = request.messages.iter().copied().chain(request.documents.iter().flatten().copied());
    Ok(Ask {
        vendor: Vendor::Cohere,
        stream: request.stream.unwrap_or(false),
        array: false,
        items: false,
        input_tokens: tokens(read),
        model: request.model,
        text: gist.text,
        images: gist.images,
        begun: gist.begun,
        max_tokens: request.max_tokens,
        include_usage: true,
        calls,
        json: request.response_format.as_ref().and_then(json),
        reasoning: if thinks == Some("enabled") { Reasoning::Shown } else { Reasoning::None },
    })
}

fn turn(message: Message) -> Result<Turn, serde_json::Error> {
    let role = match message.role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        "system" => Role::System,
        other => return Err(serde::de::Error::custom(format!("invalid role: {other}"))),
    };
    let mut turn = Turn { role, text: String::new(), images: 0 };
    match message.content {
        Some(Value::String(text)) => turn.text = text,
        Some(Value::Array(parts)) => {
            for part in &parts {
                match part.get("type").map(text_of) {
                    Some("text") => turn.text.push_str(part.get("text").map(text_of).unwrap_or_default()),
                    Some("image_url") => turn.images += 1,
                    _ => {}
                }
            }
        }
        _ => {}
    }
    Ok(turn)
}

fn tool(tool: &Value) -> Result<Tool, Invalid> {
    let function = tool.get("function").and_then(Value::as_object);
    let function = function.ok_or_else(|| Invalid("tools: function is required".to_owned()))?;
    let known = ["name", "description", "parameters"];
    if let Some(unknown) = function.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(Invalid(format!("unknown field: parameter '{unknown}' is not a valid field")));
    }
    let name = function.get("name").map(text_of).unwrap_or_default().to_owned();
    Ok(Tool { name, schema: function.get("parameters").cloned().unwrap_or(Value::Null) })
}

fn json(format: &Value) -> Option<Structured> {
    (format.get("type").map(text_of)? == "json_object").then(|| {
        let schema = format.get("json_schema").or_else(|| format.get("schema"));
        schema.map_or(Structured::Object, structured)
    })
}

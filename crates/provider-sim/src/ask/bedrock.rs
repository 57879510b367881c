//! Converse requests, whose model and whether they stream are in the path.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{Ask, Choice, Invalid, Reasoning, Role, Tool, Turn, calls, gist, structured, text_of, tokens};
use crate::api::Vendor;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
    #[serde(borrow)]
    system: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_config: Option<&'a RawValue>,
    inference_config: Option<Value>,
    output_config: Option<Value>,
    additional_model_request_fields: Option<Value>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Vec<Value>,
}

#[derive(Deserialize)]
struct Count<'a> {
    #[serde(borrow)]
    input: Input<'a>,
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    converse: Request<'a>,
}

pub(crate) fn parse(body: &[u8], model: String, stream: bool) -> Result<Ask, Invalid> {
    let request: Request = serde_json::from_slice(body)?;
    let gist = gist(&request.messages, |raw| turn(&serde_json::from_str(raw.get())?))?;
    let config: Value = request.tool_config.map_or(Ok(Value::Null), |raw| serde_json::from_str(raw.get()))?;
    let tools: Vec<Tool> = config["tools"].as_array().into_iter().flatten().filter_map(tool).collect();
    let calls = calls(&gist, &tools, &choice(&config["toolChoice"]));
    let count = |value: &Value| value["maxTokens"].as_u64().and_then(|count| usize::try_from(count).ok());
    let fields = request.additional_model_request_fields.unwrap_or_default();
    let thinks = ["thinking", "reasoningConfig"]
        .into_iter()
        .any(|name| fields[name].get("type").map(text_of).is_some_and(|kind| matches!(kind, "enabled" | "adaptive")));
    let schema =
        request.output_config.as_ref().map(|config| &config["textFormat"]["structure"]["jsonSchema"]["schema"]);
    let schema = schema.and_then(Value::as_str).map(serde_json::from_str::<Value>).transpose()?;
    Ok(Ask {
        vendor: Vendor::Bedrock,
        stream,
        array: false,
        items: false,
        input_tokens: tokens(request.messages.iter().copied().chain(request.system).chain(request.tool_config)),
        json: schema.as_ref().map(structured),
        model,
        text: gist.text,
        images: gist.images,
        begun: gist.begun,
        max_tokens: request.inference_config.as_ref().and_then(count),
        include_usage: true,
        calls,
        reasoning: if thinks { Reasoning::Shown } else { Reasoning::None },
    })
}

/// The `inputTokens` of a count request: what [`parse`] finds for the same conversation.
pub(crate) fn count_tokens(body: &[u8]) -> Result<u64, Invalid> {
    let Count { input: Input { converse } } = serde_json::from_slice(body)?;
    Ok(tokens(converse.messages.iter().copied().chain(converse.system).chain(converse.tool_config)))
}

fn turn(message: &Message) -> Result<Turn, serde_json::Error> {
    let role = match message.role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => return Err(serde::de::Error::custom(format!("messages: unexpected role \"{other}\""))),
    };
    let mut turn = Turn { role, text: String::new(), images: 0 };
    let mut brings_results = false;
    for block in &message.content {
        turn.text.push_str(block.get("text").map(text_of).unwrap_or_default());
        turn.images += usize::from(block.get("image").is_some());
        brings_results |= block.get("toolResult").is_some();
    }
    if brings_results && turn.text.is_empty() {
        turn.role = Role::Tool;
    }
    Ok(turn)
}

fn tool(tool: &Value) -> Option<Tool> {
    let spec = tool.get("toolSpec")?;
    Some(Tool { name: text_of(spec.get("name")?).to_owned(), schema: spec.get("inputSchema")?.get("json")?.clone() })
}

fn choice(choice: &Value) -> Choice {
    if choice.get("any").is_some() {
        return Choice::Any;
    }
    match choice.get("tool").and_then(|tool| tool.get("name")).map(text_of) {
        Some(name) => Choice::Named(name.to_owned()),
        None => Choice::Auto,
    }
}

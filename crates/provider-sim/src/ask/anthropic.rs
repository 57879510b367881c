//! Messages requests.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{Ask, Choice, Invalid, Reasoning, Role, Tool, Turn, calls, gist, structured, text_of, tokens};
use crate::api::Vendor;

#[derive(Deserialize)]
struct Request<'a> {
    model: String,
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
    #[serde(borrow)]
    system: Option<&'a RawValue>,
    max_tokens: Option<usize>,
    stream: Option<bool>,
    #[serde(borrow)]
    tools: Option<Vec<&'a RawValue>>,
    tool_choice: Option<Value>,
    thinking: Option<Value>,
    output_config: Option<Value>,
    output_format: Option<Value>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Value,
}

pub(crate) fn parse(body: &[u8]) -> Result<Ask, Invalid> {
    let request: Request = serde_json::from_slice(body)?;
    let max_tokens = request.max_tokens.ok_or_else(|| Invalid("max_tokens: Field required".to_owned()))?;
    let gist = gist(&request.messages, |raw| turn(serde_json::from_str(raw.get())?))?;
    if gist.begun.as_ref().is_some_and(|begun| begun.last && begun.partial.ends_with(char::is_whitespace)) {
        return Err(Invalid("messages: final assistant content cannot end with trailing whitespace".to_owned()));
    }
    let tools: Vec<Tool> = request.tools.iter().flatten().copied().filter_map(tool).collect();
    let calls = calls(&gist, &tools, &choice(request.tool_choice.as_ref()));
    let thinks = request.thinking.as_ref().and_then(|thinking| thinking.get("type")).map(text_of);
    let format = request.output_config.as_ref().and_then(|config| config.get("format"));
    let format = format.or(request.output_format.as_ref());
    Ok(Ask {
        vendor: Vendor::Anthropic,
        stream: request.stream.unwrap_or(false),
        array: false,
        items: false,
        input_tokens: input_tokens(&request),
        json: format.and_then(|format| format.get("schema")).map(structured),
        model: request.model,
        text: gist.text,
        images: gist.images,
        begun: gist.begun,
        max_tokens: Some(max_tokens),
        include_usage: true,
        calls,
        reasoning: match thinks {
            Some("enabled" | "adaptive") => Reasoning::Shown,
            _ => Reasoning::None,
        },
    })
}

/// The `input_tokens` of a count request: what [`parse`] finds for the same conversation.
pub(crate) fn count_tokens(body: &[u8]) -> Result<(String, u64), Invalid> {
    let request: Request = serde_json::from_slice(body)?;
    let count = input_tokens(&request);
    Ok((request.model, count))
}

fn input_tokens(request: &Request) -> u64 {
    tokens(request.messages.iter().copied().chain(request.system).chain(request.tools.iter().flatten().copied()))
}

fn turn(message: Message) -> Result<Turn, serde_json::Error> {
    let role = match message.role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        // Newer models take instructions between turns.
        "system" => Role::System,
        other => return Err(serde::de::Error::custom(format!("messages: Unexpected role \"{other}\""))),
    };
    let mut turn = Turn { role, text: String::new(), images: 0 };
    let mut brings_results = false;
    match message.content {
        Value::String(text) => turn.text = text,
        Value::Array(blocks) => {
            for block in &blocks {
                match block.get("type").map(text_of) {
                    Some("text") => turn.text.push_str(block.get("text").map(text_of).unwrap_or_default()),
                    Some("image") => turn.images += 1,
                    Some("tool_result") => brings_results = true,
                    _ => {}
                }
            }
        }
        _ => {}
    }
    if brings_results && turn.text.is_empty() {
        turn.role = Role::Tool;
    }
    Ok(turn)
}

fn tool(raw: &RawValue) -> Option<Tool> {
    let tool: Value = serde_json::from_str(raw.get()).ok()?;
    // Tools that Anthropic runs itself have no schema and are never called here.
    Some(Tool { name: text_of(tool.get("name")?).to_owned(), schema: tool.get("input_schema")?.clone() })
}

fn choice(choice: Option<&Value>) -> Choice {
    let Some(choice) = choice else { return Choice::Auto };
    match choice.get("type").map(text_of) {
        Some("none") => Choice::Never,
        Some("any") => Choice::Any,
        Some("tool") => Choice::Named(choice.get("name").map(text_of).unwrap_or_default().to_owned()),
        _ => Choice::Auto,
    }
}

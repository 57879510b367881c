//! Chat Completions requests.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{Ask, Choice, Invalid, Reasoning, Role, Structured, Tool, Turn, calls, gist, structured, text_of, tokens};
use crate::api::Vendor;

#[derive(Deserialize)]
struct Request<'a> {
    model: String,
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    tools: Option<Vec<Value>>,
    tool_choice: Option<Value>,
    response_format: Option<Value>,
    reasoning_effort: Option<String>,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Option<Value>,
}

/// `hides_reasoning`: OpenAI itself never shows it here; those who speak its dialect do, as `reasoning_content`.
pub(crate) fn parse(body: &[u8], hides_reasoning: bool) -> Result<Ask, Invalid> {
    let request: Request = serde_json::from_slice(body)?;
    let gist = gist(&request.messages, |raw| turn(serde_json::from_str(raw.get())?))?;
    let tools: Vec<Tool> = request.tools.iter().flatten().filter_map(tool).collect();
    let calls = calls(&gist, &tools, &choice(request.tool_choice.as_ref()));
    let reasoning = match request.reasoning_effort.as_deref() {
        None | Some("none") => Reasoning::None,
        Some(_) if hides_reasoning => Reasoning::Hidden,
        Some(_) => Reasoning::Shown,
    };
    let stream = request.stream.unwrap_or(false);
    if request.stream_options.is_some() && !stream {
        return Err(Invalid("'stream_options' is only allowed when 'stream' is enabled".to_owned()));
    }
    Ok(Ask {
        vendor: Vendor::OpenAi,
        stream,
        array: false,
        items: false,
        model: request.model,
        text: gist.text,
        images: gist.images,
        begun: gist.begun,
        input_tokens: tokens(request.messages.iter().copied()),
        max_tokens: request.max_completion_tokens.or(request.max_tokens),
        include_usage: request.stream_options.and_then(|options| options.include_usage).unwrap_or(false),
        calls,
        json: request.response_format.as_ref().and_then(json),
        reasoning,
    })
}

fn turn(message: Message) -> Result<Turn, serde_json::Error> {
    let role = match message.role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        "system" | "developer" => Role::System,
        other => return Err(serde::de::Error::custom(format!("Invalid value: '{other}' for a message's role"))),
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

fn tool(tool: &Value) -> Option<Tool> {
    let function = tool.get("function")?;
    let schema = function.get("parameters").cloned().unwrap_or(Value::Null);
    Some(Tool { name: text_of(function.get("name")?).to_owned(), schema })
}

fn choice(choice: Option<&Value>) -> Choice {
    match choice {
        Some(Value::String(word)) if word == "none" => Choice::Never,
        Some(Value::String(word)) if word == "required" => Choice::Any,
        Some(object @ Value::Object(_)) => match object.pointer("/function/name") {
            Some(name) => Choice::Named(text_of(name).to_owned()),
            None => Choice::Auto,
        },
        _ => Choice::Auto,
    }
}

fn json(format: &Value) -> Option<Structured> {
    match format.get("type").map(text_of)? {
        "json_schema" => Some(format.pointer("/json_schema/schema").map_or(Structured::Object, structured)),
        "json_object" => Some(Structured::Object),
        _ => None,
    }
}

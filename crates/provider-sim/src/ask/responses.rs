//! Responses requests.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{Ask, Choice, Invalid, Reasoning, Role, Structured, Tool, Turn, calls, gist, structured, text_of, tokens};
use crate::api::Vendor;

/// The fewest tokens a request may ask for.
const LEAST_OUTPUT: usize = 16;

#[derive(Deserialize)]
struct Request<'a> {
    model: String,
    #[serde(borrow)]
    input: &'a RawValue,
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
    stream: Option<bool>,
    tools: Option<Vec<Value>>,
    tool_choice: Option<Value>,
    text: Option<Value>,
    reasoning: Option<Value>,
    max_output_tokens: Option<usize>,
    previous_response_id: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: Option<String>,
    role: Option<String>,
    content: Option<Value>,
    encrypted_content: Option<String>,
}

/// The `input_tokens` of a count request: what [`parse`] finds for the same conversation.
pub(crate) fn count_tokens(body: &[u8]) -> Result<(String, u64), Invalid> {
    parse(body, true).map(|ask| (ask.model, ask.input_tokens))
}

/// `hides_reasoning`: OpenAI itself shows a summary only where it is asked for.
pub(crate) fn parse(body: &[u8], hides_reasoning: bool) -> Result<Ask, Invalid> {
    let request: Request = serde_json::from_slice(body)?;
    if let Some(id) = &request.previous_response_id {
        return Err(Invalid(format!("Previous response with id '{id}' not found.")));
    }
    if request.max_output_tokens.is_some_and(|most| most < LEAST_OUTPUT) {
        return Err(Invalid(format!("Invalid 'max_output_tokens': expected a value >= {LEAST_OUTPUT}")));
    }
    let items: Vec<&RawValue> = if request.input.get().starts_with('[') {
        serde_json::from_str(request.input.get())?
    } else {
        vec![request.input]
    };
    let gist = gist(&items, turn)?;
    let tools: Vec<Tool> = request.tools.iter().flatten().filter_map(tool).collect();
    let calls = calls(&gist, &tools, &choice(request.tool_choice.as_ref()));
    let word = |field: &str| request.reasoning.as_ref().and_then(|reasoning| reasoning.get(field)?.as_str());
    let reasoning = match word("effort") {
        None | Some("none") => Reasoning::None,
        Some(_) if hides_reasoning && word("summary").is_none() => Reasoning::Hidden,
        Some(_) => Reasoning::Shown,
    };
    Ok(Ask {
        vendor: Vendor::OpenAi,
        stream: request.stream.unwrap_or(false),
        array: false,
        items: true,
        model: request.model,
        text: gist.text,
        images: gist.images,
        begun: gist.begun,
        input_tokens: tokens(items.iter().copied().chain(request.instructions)),
        max_tokens: request.max_output_tokens,
        include_usage: true,
        calls,
        json: request.text.as_ref().and_then(|text| json(text.get("format")?)),
        reasoning,
    })
}

fn turn(raw: &RawValue) -> Result<Turn, serde_json::Error> {
    if raw.get().starts_with('"') {
        return Ok(Turn { role: Role::User, text: serde_json::from_str(raw.get())?, images: 0 });
    }
    let item: Item = serde_json::from_str(raw.get())?;
    let refuse = |what: &str| Err(serde::de::Error::custom(what));
    let role = match (item.kind.as_deref(), item.role.as_deref()) {
        (None | Some("message"), Some("user")) => Role::User,
        (None | Some("message"), Some("assistant")) => Role::Assistant,
        (None | Some("message"), Some("system" | "developer")) => Role::System,
        (None | Some("message"), _) => return refuse("Invalid value for an item's role"),
        (Some(kind), _) if kind.ends_with("_output") => Role::Tool,
        // What was sealed elsewhere cannot be opened.
        (Some("reasoning"), _) if item.encrypted_content.is_some_and(|sealed| !sealed.starts_with("gAAAA")) => {
            return refuse("The encrypted content could not be verified.");
        }
        (Some("item_reference"), _) => return refuse("Item not found. Items are not persisted here."),
        _ => Role::System,
    };
    let mut turn = Turn { role, text: String::new(), images: 0 };
    match item.content {
        Some(Value::String(text)) => turn.text = text,
        Some(Value::Array(parts)) => {
            for part in &parts {
                match part.get("type").map(text_of) {
                    Some("input_text" | "output_text") => {
                        turn.text.push_str(part.get("text").map(text_of).unwrap_or_default());
                    }
                    Some("input_image") => turn.images += 1,
                    _ => {}
                }
            }
        }
        _ => {}
    }
    Ok(turn)
}

fn tool(tool: &Value) -> Option<Tool> {
    let name = text_of(tool.get("name")?).to_owned();
    let schema = tool.get("parameters").cloned().unwrap_or(Value::Null);
    (tool.get("type").map(text_of) == Some("function")).then_some(Tool { name, schema })
}

fn choice(choice: Option<&Value>) -> Choice {
    match choice {
        Some(Value::String(word)) if word == "none" => Choice::Never,
        Some(Value::String(word)) if word == "required" => Choice::Any,
        Some(object @ Value::Object(_)) => match object.get("name") {
            Some(name) => Choice::Named(text_of(name).to_owned()),
            None => Choice::Auto,
        },
        _ => Choice::Auto,
    }
}

fn json(format: &Value) -> Option<Structured> {
    match format.get("type").map(text_of)? {
        "json_schema" => Some(format.get("schema").map_or(Structured::Object, structured)),
        "json_object" => Some(Structured::Object),
        _ => None,
    }
}

//! `generateContent` requests. Google reads both `camelCase` and `snake_case`.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{Ask, Choice, Invalid, Reasoning, Role, Structured, Tool, Turn, calls, gist, structured, text_of, tokens};
use crate::api::Vendor;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    contents: Vec<&'a RawValue>,
    #[serde(alias = "generation_config")]
    generation_config: Option<Value>,
    tools: Option<Value>,
    #[serde(alias = "tool_config")]
    tool_config: Option<Value>,
}

#[derive(Deserialize)]
struct Content {
    role: Option<String>,
    #[serde(default)]
    parts: Vec<Value>,
}

pub(crate) fn parse(body: &[u8], model: String, stream: bool, array: bool) -> Result<Ask, Invalid> {
    let request: Request = serde_json::from_slice(body)?;
    let gist = gist(&request.contents, |raw| turn(&serde_json::from_str(raw.get())?))?;
    let tools = request.tools.as_ref().map(tools).unwrap_or_default();
    let calls = calls(&gist, &tools, &choice(request.tool_config.as_ref()));
    let config = request.generation_config.unwrap_or(Value::Null);
    let limit = member(&config, "maxOutputTokens", "max_output_tokens").and_then(Value::as_u64);
    Ok(Ask {
        vendor: Vendor::Gemini,
        stream,
        array,
        items: false,
        model,
        text: gist.text,
        images: gist.images,
        begun: gist.begun,
        input_tokens: tokens(request.contents.iter().copied()),
        max_tokens: limit.and_then(|limit| usize::try_from(limit).ok()),
        include_usage: true,
        calls,
        json: json(&config),
        reasoning: reasoning(&config),
    })
}

/// The `totalTokens` of a count request, whose contents may stand inside `generateContentRequest`.
pub(crate) fn count_tokens(body: &[u8]) -> Result<u64, Invalid> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Count<'a> {
        #[serde(borrow)]
        contents: Option<Vec<&'a RawValue>>,
        #[serde(borrow, alias = "generate_content_request")]
        generate_content_request: Option<Request<'a>>,
    }
    let count: Count = serde_json::from_slice(body)?;
    let contents = count.contents.or(count.generate_content_request.map(|inner| inner.contents));
    let contents = contents.ok_or_else(|| Invalid("contents is not specified".to_owned()))?;
    Ok(tokens(contents.into_iter()))
}

fn member<'a>(value: &'a Value, camel: &str, snake: &str) -> Option<&'a Value> {
    value.get(camel).or_else(|| value.get(snake))
}

fn turn(content: &Content) -> Result<Turn, serde_json::Error> {
    let role = match content.role.as_deref() {
        None | Some("user") => Role::User,
        Some("model") => Role::Assistant,
        Some("function") => Role::Tool,
        Some(_) => return Err(serde::de::Error::custom("Please use a valid role: user, model.")),
    };
    let mut turn = Turn { role, text: String::new(), images: 0 };
    let mut brings_results = false;
    for part in &content.parts {
        let thought = part.get("thought").and_then(Value::as_bool).unwrap_or(false);
        if let Some(text) = part.get("text").filter(|_| !thought) {
            turn.text.push_str(text_of(text));
        }
        let data = member(part, "inlineData", "inline_data").or_else(|| member(part, "fileData", "file_data"));
        turn.images += usize::from(data.is_some());
        brings_results |= member(part, "functionResponse", "function_response").is_some();
    }
    if brings_results && turn.text.is_empty() {
        turn.role = Role::Tool;
    }
    Ok(turn)
}

fn tools(tools: &Value) -> Vec<Tool> {
    let groups = tools.as_array().into_iter().flatten();
    let declared = groups.filter_map(|group| member(group, "functionDeclarations", "function_declarations"));
    let declared = declared.filter_map(Value::as_array).flatten();
    let schema = |function: &Value| {
        let schema =
            function.get("parameters").or_else(|| member(function, "parametersJsonSchema", "parameters_json_schema"));
        schema.cloned().unwrap_or(Value::Null)
    };
    declared
        .filter_map(|function| Some(Tool { name: text_of(function.get("name")?).to_owned(), schema: schema(function) }))
        .collect()
}

fn choice(config: Option<&Value>) -> Choice {
    let Some(calling) = config.and_then(|config| member(config, "functionCallingConfig", "function_calling_config"))
    else {
        return Choice::Auto;
    };
    let allowed = member(calling, "allowedFunctionNames", "allowed_function_names");
    match calling.get("mode").map(text_of) {
        Some("NONE") => Choice::Never,
        Some("ANY") => match allowed.and_then(|names| names.get(0)) {
            Some(name) => Choice::Named(text_of(name).to_owned()),
            None => Choice::Any,
        },
        _ => Choice::Auto,
    }
}

fn json(config: &Value) -> Option<Structured> {
    let schema = member(config, "responseSchema", "response_schema")
        .or_else(|| member(config, "responseJsonSchema", "response_json_schema"));
    let mime = member(config, "responseMimeType", "response_mime_type").map(text_of);
    match schema {
        Some(schema) => Some(structured(schema)),
        None => (mime == Some("application/json")).then_some(Structured::Object),
    }
}

fn reasoning(config: &Value) -> Reasoning {
    let Some(thinking) = member(config, "thinkingConfig", "thinking_config") else { return Reasoning::None };
    let shown = member(thinking, "includeThoughts", "include_thoughts").and_then(Value::as_bool).unwrap_or(false);
    let budget = member(thinking, "thinkingBudget", "thinking_budget").and_then(Value::as_i64);
    match (budget, shown) {
        (Some(0), _) => Reasoning::None,
        (_, true) => Reasoning::Shown,
        (_, false) => Reasoning::Hidden,
    }
}

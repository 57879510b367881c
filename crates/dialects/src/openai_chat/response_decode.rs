//! A provider's whole answer to the intermediate representation.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::codec::Malformed;
use crate::ir::{Block, BlockKind, Response};
use crate::loss::Loss;
use crate::shared::calls::made_up_id;
use crate::shared::fields::Fields;

use super::{calls, chunk, finish, parts, usage};

/// Reads an answer.
///
/// # Errors
/// Not an answer of this dialect; an error in the place of one.
pub(super) fn decode(body: &[u8]) -> Result<Response, Malformed> {
    let mut fields = Fields::parse(body)?;
    if fields.peek("error").is_some() {
        return Err(Malformed::new("error", "an error with a success status"));
    }
    let choices = fields.array("choices")?.ok_or_else(|| Malformed::new(fields.path("choices"), "is required"))?;
    let mut response = Response {
        id: text(fields.value("id")).unwrap_or_default(),
        model: text(fields.value("model")).unwrap_or_default(),
        created: fields.value("created").and_then(|created| seconds(&created.to_string())),
        usage: fields.value("usage").and_then(usage::of_value),
        ..Response::default()
    };
    if response.usage.is_none() {
        let corner = fields.value("x_groq").and_then(|mut corner| corner.get_mut("usage").map(Value::take));
        response.usage = corner.and_then(usage::of_value);
    }
    let first = choices.iter().position(|choice| choice.get("index").is_none_or(|index| index == 0)).unwrap_or(0);
    let mut chosen = None;
    for (nth, choice) in choices.into_iter().enumerate() {
        if nth == first {
            chosen = Some(choice);
        } else {
            response.losses.push(Loss::dropped(format!("choices[{nth}]")));
        }
    }
    let chosen = chosen.ok_or_else(|| Malformed::new("choices", "is empty"))?;
    let path = format!("choices[{first}]");
    choice(Fields::of(path, chosen)?, &mut response)?;
    let found = sources(fields.value("search_results"), fields.value("citations"));
    cite(&mut response, found, "citations");
    Ok(response)
}

fn choice(mut fields: Fields, response: &mut Response) -> Result<(), Malformed> {
    let word = fields.string("finish_reason")?.unwrap_or_default();
    if word == finish::BROKEN {
        return Err(Malformed::new(fields.path("finish_reason"), "the provider broke off with an error"));
    }
    if let Some(logprobs) = fields.value("logprobs").filter(|logprobs| !is_blank(logprobs)) {
        let (tokens, lost) = chunk::logprobs(&to_raw_value(&logprobs).unwrap_or_default());
        response.logprobs = tokens;
        response.losses.extend(lost);
    }
    let message = fields.object("message")?.ok_or_else(|| Malformed::new(fields.path("message"), "is required"))?;
    let calls = message_blocks(message, response)?;
    response.finish =
        finish::with_calls(if word.is_empty() { finish::read("stop") } else { finish::read(&word) }, calls);
    Ok(())
}

/// Reads the message; whether it asks for tools.
fn message_blocks(mut message: Fields, response: &mut Response) -> Result<bool, Malformed> {
    let written = text(message.value("reasoning_content"));
    let other = text(message.value("reasoning"));
    let details = message.value("reasoning_details");
    if sealed(details.as_ref()) {
        response.losses.push(Loss::dropped(message.path("reasoning_details")));
    }
    if let Some(text) = written.or(other).or_else(|| text(details.map(|details| chunk::details(details).into()))) {
        response.blocks.push(BlockKind::Reasoning { text, signature: None, redacted: None }.into());
    }
    let mut rest = Vec::new();
    let path = message.path("content");
    if let Some(content) = message.value("content") {
        let blocks = parts::read(content, &path, &mut rest)?;
        response.blocks.extend(blocks.into_iter().filter(|block| block.kind != Block::text("").kind));
    }
    if let Some(text) = text(message.value("refusal")) {
        response.blocks.push(BlockKind::Refusal { text }.into());
    }
    if let Some(mut audio) = message.object("audio")? {
        if let Some(text) = text(audio.value("transcript")) {
            response.blocks.push(Block::text(text));
        }
        if text(audio.value("data")).is_some() {
            response.losses.push(Loss::dropped(message.path("audio")));
        }
    }
    let annotations = list(message.value("annotations"));
    cite(response, annotations, &message.path("annotations"));
    let images = list(message.value("images"));
    response.blocks.extend(images.into_iter().filter_map(parts::image));
    let before = response.blocks.len();
    tool_calls(&mut message, &response.id, &mut response.blocks)?;
    let called = response.blocks.len() > before;
    message.value("role");
    let unknown = message.rest().into_iter().chain(rest).filter(|extra| !is_blank(&extra.value));
    response.losses.extend(unknown.map(|extra| Loss::dropped(extra.field)));
    Ok(called)
}

/// Reads the calls of a message, in today's form and the one before.
///
/// # Errors
/// A call that is not one.
pub(super) fn tool_calls(message: &mut Fields, id: &str, blocks: &mut Vec<Block>) -> Result<(), Malformed> {
    let path = message.path("tool_calls");
    for (nth, call) in message.array("tool_calls")?.unwrap_or_default().into_iter().enumerate() {
        let mut call = Fields::of(format!("{path}[{nth}]"), call)?;
        let place = call.place().to_owned();
        let given = call.string("id")?.filter(|id| !id.is_empty());
        let call_id = given.unwrap_or_else(|| made_up_id(id, nth + 1));
        if let Some(function) = call.object("function")? {
            blocks.push(function_call(function, call_id)?.at(&place));
        } else if let Some(mut custom) = call.object("custom")? {
            let (name, input) = (custom.string("name")?, custom.string("input")?);
            let block = calls::custom(&call_id, &name.unwrap_or_default(), &input.unwrap_or_default());
            blocks.push(block.at(&place));
        } else {
            return Err(Malformed::new(call.path("function"), "is required"));
        }
    }
    if let Some(function) = message.object("function_call")?
        && function.peek("name").is_some_and(|name| name != "")
    {
        let place = function.place().to_owned();
        blocks.push(function_call(function, made_up_id(id, 1))?.at(&place));
    }
    Ok(())
}

fn function_call(mut function: Fields, id: String) -> Result<Block, Malformed> {
    let name = function.name("name")?;
    let arguments = match function.value("arguments") {
        None => String::new(),
        Some(Value::String(text)) => text,
        Some(value) => value.to_string(),
    };
    Ok(BlockKind::ToolCall { id, name, arguments, signature: None }.into())
}

/// Do the details of a reasoning hold what proves it, or what only the provider can read?
pub(super) fn sealed(details: Option<&Value>) -> bool {
    let items = details.and_then(Value::as_array);
    let seal = |item: &Value| ["signature", "data"].iter().any(|field| item.get(field).is_some_and(Value::is_string));
    items.is_some_and(|items| items.iter().any(seal))
}

/// Puts sources beside the last text; without a text there is nothing they could stand beside.
fn cite(response: &mut Response, found: Vec<Value>, field: &str) {
    if found.is_empty() {
        return;
    }
    let text = response.blocks.iter_mut().rev().find_map(|block| match &mut block.kind {
        BlockKind::Text { citations, .. } => Some(citations),
        _ => None,
    });
    match text {
        Some(citations) => citations.extend(found),
        None => response.losses.push(Loss::dropped(field)),
    }
}

/// The sources that Perplexity names beside the answer, as this dialect's annotations.
pub(super) fn sources(results: Option<Value>, urls: Option<Value>) -> Vec<Value> {
    let results = list(results);
    let found = if results.is_empty() { list(urls) } else { results };
    found
        .iter()
        .filter_map(|source| {
            let url = source.get("url").unwrap_or(source).as_str()?;
            Some(url_citation(url, source.get("title").and_then(Value::as_str).unwrap_or_default(), (0, 0)))
        })
        .collect()
}

/// An annotation that names a source and a place in the text.
pub(super) fn url_citation(url: &str, title: &str, (start, end): (u64, u64)) -> Value {
    let citation = json!({ "url": url, "title": title, "start_index": start, "end_index": end });
    json!({ "type": "url_citation", "url_citation": citation })
}

/// A string; other JSON as text, since one odd field should not cost an answer. `None` where it says nothing.
fn text(value: Option<Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Some(text).filter(|text| !text.is_empty())
}

fn list(value: Option<Value>) -> Vec<Value> {
    if let Some(Value::Array(items)) = value { items } else { Vec::new() }
}

/// The elements of an array; none where it is not one.
pub(super) fn items(raw: Option<&RawValue>) -> Vec<Value> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// A time in seconds; some servers write a fraction.
pub(super) fn seconds(number: &str) -> Option<u64> {
    let whole = number.split('.').next().unwrap_or_default();
    whole.parse().ok()
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_blank),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

//! The facts of a request, without a full decode.

use std::borrow::Cow;

use ringmain_core::Capabilities;
use ringmain_wire::json::{Object, RawValue, as_bool, as_str, as_u64};
use serde::Deserialize;

use crate::codec::{BodyFacts, Malformed};
use crate::shared::estimate;

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct BlockHead<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct Config<'a> {
    #[serde(borrow)]
    format: Option<&'a RawValue>,
}

/// Reads the facts.
pub(super) fn inspect(body: &Object<'_>) -> Result<BodyFacts, Malformed> {
    let field = |name: &str| body.get(name).filter(|value| value.get() != "null");
    let wrong = |name: &str, expected: &str| Malformed::new(name, format!("expected {expected}"));
    let model = field("model").map(|value| as_str(value).ok_or_else(|| wrong("model", "a string"))).transpose()?;
    let stream =
        field("stream").map(|value| as_bool(value).ok_or_else(|| wrong("stream", "true or false"))).transpose()?;
    let max_output_tokens = field("max_tokens")
        .map(|value| as_u64(value).ok_or_else(|| wrong("max_tokens", "a whole number from 0 up")))
        .transpose()?;
    let messages: Vec<Message<'_>> = match field("messages") {
        None => return Err(Malformed::new("messages", "is required")),
        Some(value) => serde_json::from_str(value.get()).map_err(|_| wrong("messages", "an array of messages"))?,
    };
    let mut needs = Capabilities::NONE;
    for content in messages.iter().filter_map(|message| message.content) {
        needs = needs.with(needs_of(content));
    }
    if messages.last().is_some_and(|message| message.role == "assistant") {
        needs = needs.with(Capabilities::PREFILL);
    }
    if field("tools").is_some_and(|tools| tools.get().len() > 2) {
        needs = needs.with(Capabilities::TOOLS);
    }
    let config = field("output_config").and_then(|value| serde_json::from_str::<Config<'_>>(value.get()).ok());
    if field("output_format").is_some() || config.is_some_and(|config| config.format.is_some()) {
        needs = needs.with(Capabilities::JSON_SCHEMA);
    }
    // Thinking is a wish, not a need: a target without it still answers, and the loss is reported.
    Ok(BodyFacts {
        model: model.map(Cow::into_owned),
        stream: stream.unwrap_or(false),
        include_usage: true,
        needs,
        input_tokens: estimated(body),
        max_output_tokens,
    })
}

/// What the content of a message, or of a tool result in it, needs.
fn needs_of(content: &RawValue) -> Capabilities {
    let mut needs = Capabilities::NONE;
    let Ok(blocks) = serde_json::from_str::<Vec<BlockHead<'_>>>(content.get()) else { return needs };
    for block in blocks {
        needs = match block.kind.as_ref() {
            "image" => needs.with(Capabilities::VISION),
            // Text is told to models that take no documents.
            "document" if block.source.is_some_and(is_text) => needs,
            "document" => needs.with(Capabilities::DOCUMENTS),
            "tool_result" => block.content.map_or(needs, |content| needs.with(needs_of(content))),
            _ => needs,
        };
    }
    needs
}

/// Is the source of a document plain text, or blocks of text alone?
fn is_text(source: &RawValue) -> bool {
    let text_alone = |content: &RawValue| match serde_json::from_str::<Vec<BlockHead<'_>>>(content.get()) {
        Ok(blocks) => blocks.iter().all(|block| block.kind == "text"),
        Err(_) => as_str(content).is_some(),
    };
    serde_json::from_str::<BlockHead<'_>>(source.get()).is_ok_and(|source| match source.kind.as_ref() {
        "text" => true,
        "content" => source.content.is_some_and(text_alone),
        _ => false,
    })
}

fn estimated(body: &Object<'_>) -> u64 {
    ["system", "messages", "tools"].into_iter().filter_map(|name| body.get(name)).map(tokens).sum()
}

fn tokens(value: &RawValue) -> u64 {
    estimate::tokens(value.get().as_bytes())
}

//! The facts of a request, without a full decode.

use std::borrow::Cow;

use ringmain_core::Capabilities;
use ringmain_wire::json::{Object, RawValue};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::codec::{BodyFacts, Malformed};
use crate::shared::estimate;

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// A block, of which only the kind counts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block<'a> {
    image: Option<IgnoredAny>,
    #[serde(borrow)]
    document: Option<&'a RawValue>,
    audio: Option<IgnoredAny>,
    #[serde(borrow)]
    tool_result: Option<ToolResult<'a>>,
}

#[derive(Debug, Deserialize)]
struct Document {
    source: Source,
}

#[derive(Debug, Deserialize)]
struct Source {
    text: Option<IgnoredAny>,
    content: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct ToolResult<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inference {
    max_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    text_format: Option<IgnoredAny>,
}

/// Reads the facts. The model and whether it streams are in the path.
pub(super) fn inspect(body: &Object<'_>) -> Result<BodyFacts, Malformed> {
    let field = |name: &str| body.get(name).filter(|value| value.get() != "null");
    let wrong = |name: &str, expected: &str| Malformed::new(name, format!("expected {expected}"));
    // A stored prompt may stand in place of a conversation; a count of tokens holds one deeper down.
    let messages: Vec<Message<'_>> = match field("messages") {
        None => Vec::new(),
        Some(value) => serde_json::from_str(value.get()).map_err(|_| wrong("messages", "an array of messages"))?,
    };
    let max_output_tokens = match field("inferenceConfig") {
        None => None,
        Some(value) => {
            let config: Inference = serde_json::from_str(value.get())
                .map_err(|_| wrong("inferenceConfig.maxTokens", "a whole number from 0 up"))?;
            config.max_tokens
        }
    };
    let mut needs = Capabilities::NONE;
    for content in messages.iter().filter_map(|message| message.content) {
        needs = needs.with(needs_of(content));
    }
    if messages.last().is_some_and(|message| message.role == "assistant") {
        needs = needs.with(Capabilities::PREFILL);
    }
    if field("toolConfig").is_some_and(|config| config.get().len() > 2) {
        needs = needs.with(Capabilities::TOOLS);
    }
    let output = field("outputConfig").and_then(|value| serde_json::from_str::<Output>(value.get()).ok());
    if output.is_some_and(|output| output.text_format.is_some()) {
        needs = needs.with(Capabilities::JSON_SCHEMA);
    }
    // Thinking is a wish, not a need: a target without it still answers, and the loss is reported.
    Ok(BodyFacts {
        model: None,
        stream: false,
        include_usage: true,
        needs,
        input_tokens: estimated(body),
        max_output_tokens,
    })
}

/// What the content of a message, or of a tool result in it, needs.
fn needs_of(content: &RawValue) -> Capabilities {
    let mut needs = Capabilities::NONE;
    let Ok(blocks) = serde_json::from_str::<Vec<Block<'_>>>(content.get()) else { return needs };
    for block in blocks {
        let table = [
            (block.image.is_some(), Capabilities::VISION),
            (block.document.is_some_and(|document| !is_text(document)), Capabilities::DOCUMENTS),
            (block.audio.is_some(), Capabilities::AUDIO_IN),
        ];
        needs = table.into_iter().filter(|(held, _)| *held).fold(needs, |needs, (_, more)| needs.with(more));
        if let Some(content) = block.tool_result.and_then(|result| result.content) {
            needs = needs.with(needs_of(content));
        }
    }
    needs
}

/// Is a document plain text, or blocks of text? It is told to models that take no documents.
fn is_text(document: &RawValue) -> bool {
    let found = serde_json::from_str::<Document>(document.get());
    found.is_ok_and(|Document { source }| source.text.is_some() || source.content.is_some())
}

fn estimated(body: &Object<'_>) -> u64 {
    let parts = ["system", "messages", "toolConfig", "input"].into_iter().filter_map(|name| body.get(name));
    parts.map(|value| estimate::tokens(value.get().as_bytes())).sum()
}

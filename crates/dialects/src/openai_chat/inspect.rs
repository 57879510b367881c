//! The facts a decision needs, without a full decode.

use std::borrow::Cow;

use ringmain_core::Capabilities;
use ringmain_wire::json::Object;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::codec::{BodyFacts, Malformed};
use crate::shared::estimate;

use super::chunk::Text;

/// Reads the facts.
///
/// # Errors
/// A field the facts need has the wrong type.
pub(super) fn inspect(body: &Object<'_>) -> Result<BodyFacts, Malformed> {
    let get = |field: &str| body.get(field).filter(|raw| raw.get() != "null");
    let options: Option<Options> = read(get("stream_options"), "stream_options", "an object")?;
    let newer: Option<f64> = read(get("max_completion_tokens"), "max_completion_tokens", "a number")?;
    let older: Option<f64> = read(get("max_tokens"), "max_tokens", "a number")?;
    let model: Option<Text<'_>> = read(get("model"), "model", "a string")?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and none is negative")]
    let most = newer.or(older).map(|most| most as u64);
    let counted = ["messages", "tools", "functions", "response_format"];
    Ok(BodyFacts {
        model: model.map(|model| model.0.into_owned()),
        stream: read(get("stream"), "stream", "true or false")?.unwrap_or(false),
        include_usage: options.and_then(|options| options.include_usage).unwrap_or(false),
        needs: needs(body)?,
        input_tokens: counted
            .iter()
            .filter_map(|field| get(field))
            .map(|raw| estimate::tokens(raw.get().as_bytes()))
            .sum(),
        max_output_tokens: most,
    })
}

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Option<Text<'a>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
}

impl Typed<'_> {
    fn kind(&self) -> &str {
        self.kind.as_ref().map_or("", |kind| kind.0.as_ref())
    }
}

fn read<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>, field: &str, what: &str) -> Result<Option<T>, Malformed> {
    raw.map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|_| Malformed::new(field, format!("expected {what}")))
}

fn needs(body: &Object<'_>) -> Result<Capabilities, Malformed> {
    let get = |field: &str| body.get(field).filter(|raw| raw.get() != "null");
    let mut needs = Capabilities::NONE;
    let any = |field: &str| get(field).is_some_and(|raw| !raw.get().trim_matches(['[', ']', ' ', '\n']).is_empty());
    if any("tools") || any("functions") {
        needs = needs.with(Capabilities::TOOLS);
    }
    let format: Option<Typed<'_>> = read(get("response_format"), "response_format", "an object")?;
    if format.is_some_and(|format| format.kind() == "json_schema") {
        needs = needs.with(Capabilities::JSON_SCHEMA);
    }
    let effort: Option<Text<'_>> = read(get("reasoning_effort"), "reasoning_effort", "a string")?;
    if effort.is_some_and(|effort| !matches!(effort.0.as_ref(), "none" | "default")) {
        needs = needs.with(Capabilities::REASONING);
    }
    let messages: Option<Vec<Message<'_>>> = read(get("messages"), "messages", "an array of messages")?;
    let messages = messages.unwrap_or_default();
    for (nth, message) in messages.iter().enumerate() {
        let parts = message.content.filter(|content| content.get().starts_with('['));
        let field: Cow<'_, str> = if parts.is_some() { format!("messages[{nth}].content").into() } else { "".into() };
        let parts: Option<Vec<&RawValue>> = read(parts, &field, "an array")?;
        for part in parts.into_iter().flatten() {
            needs = needs.with(serde_json::from_str(part.get()).map_or(Capabilities::NONE, |part| need(&part)));
        }
    }
    let prefill = messages.last().and_then(|last| last.role.as_ref()).is_some_and(|role| role.0 == "assistant");
    Ok(if prefill { needs.with(Capabilities::PREFILL) } else { needs })
}

fn need(part: &Typed<'_>) -> Capabilities {
    match part.kind() {
        "image_url" => Capabilities::VISION,
        "input_audio" => Capabilities::AUDIO_IN,
        "file" | "document_url" => Capabilities::DOCUMENTS,
        _ => Capabilities::NONE,
    }
}

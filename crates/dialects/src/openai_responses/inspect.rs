//! The facts a decision needs, without a full decode.

use ringmain_core::Capabilities;
use ringmain_wire::json::Object;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::codec::{BodyFacts, Malformed};
use crate::shared::borrowed::Text;
use crate::shared::estimate;

/// The fields that hold what the model reads.
const COUNTED: [&str; 4] = ["input", "instructions", "tools", "text"];

/// Reads the facts.
///
/// # Errors
/// A field the facts need has the wrong type.
pub(super) fn inspect(body: &Object<'_>) -> Result<BodyFacts, Malformed> {
    let get = |field: &str| body.get(field).filter(|raw| raw.get() != "null");
    let model: Option<Text<'_>> = read(get("model"), "model", "a string")?;
    let most: Option<f64> = read(get("max_output_tokens"), "max_output_tokens", "a number")?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and none is negative")]
    let most = most.map(|most| most as u64);
    let counted = COUNTED.iter().filter_map(|field| get(field));
    Ok(BodyFacts {
        model: model.map(|model| model.0.into_owned()),
        stream: read(get("stream"), "stream", "true or false")?.unwrap_or(false),
        include_usage: true,
        needs: needs(body)?,
        input_tokens: counted.map(|raw| estimate::tokens(raw.get().as_bytes())).sum(),
        max_output_tokens: most,
    })
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    role: Option<Text<'a>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(borrow, default)]
    format: Option<Typed<'a>>,
}

#[derive(Deserialize)]
struct Reasoning<'a> {
    #[serde(borrow, default)]
    effort: Option<Text<'a>>,
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
    let tools: Option<Vec<Typed<'_>>> = read(get("tools"), "tools", "an array of tools")?;
    if tools.iter().flatten().any(|tool| matches!(tool.kind(), "function" | "custom")) {
        needs = needs.with(Capabilities::TOOLS);
    }
    let text: Option<Format<'_>> = read(get("text"), "text", "an object")?;
    if text.and_then(|text| text.format).is_some_and(|format| format.kind() == "json_schema") {
        needs = needs.with(Capabilities::JSON_SCHEMA);
    }
    let reasoning: Option<Reasoning<'_>> = read(get("reasoning"), "reasoning", "an object")?;
    if reasoning.and_then(|reasoning| reasoning.effort).is_some_and(|effort| effort.0 != "none") {
        needs = needs.with(Capabilities::REASONING);
    }
    let input = get("input").filter(|raw| !raw.get().starts_with('"'));
    let items: Vec<Typed<'_>> = read(input, "input", "a string or an array of items")?.unwrap_or_default();
    for (nth, item) in items.iter().enumerate() {
        for (field, parts) in [("content", item.content), ("output", item.output)] {
            let parts = parts.filter(|parts| parts.get().starts_with('['));
            let parts: Option<Vec<&RawValue>> = read(parts, &format!("input[{nth}].{field}"), "an array")?;
            for part in parts.into_iter().flatten() {
                needs = needs.with(serde_json::from_str(part.get()).map_or(Capabilities::NONE, |part| need(&part)));
            }
        }
    }
    let prefill = items.last().and_then(|last| last.role.as_ref()).is_some_and(|role| role.0 == "assistant");
    Ok(if prefill { needs.with(Capabilities::PREFILL) } else { needs })
}

fn need(part: &Typed<'_>) -> Capabilities {
    match part.kind() {
        "input_image" => Capabilities::VISION,
        "input_audio" => Capabilities::AUDIO_IN,
        "input_file" => Capabilities::DOCUMENTS,
        _ => Capabilities::NONE,
    }
}

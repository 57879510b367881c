//! The facts a decision needs, without a full decode.

use ringmain_core::Capabilities;
use ringmain_wire::json::Object;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::word;
use crate::codec::{BodyFacts, Malformed};
use crate::shared::borrowed::Text;
use crate::shared::estimate;

/// The fields that the model reads.
const COUNTED: [&str; 4] = ["messages", "tools", "documents", "response_format"];

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(borrow, default)]
    json_schema: Option<&'a RawValue>,
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
}

/// Reads the facts.
///
/// # Errors
/// A field the facts need has the wrong type, or there are no messages.
pub(super) fn inspect(body: &Object<'_>) -> Result<BodyFacts, Malformed> {
    let get = |field: &str| body.get(field).filter(|raw| raw.get() != "null");
    let model: Option<Text<'_>> = read(get("model"), "model", "a string")?;
    let most: Option<f64> = read(get("max_tokens"), "max_tokens", "a number")?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and none is negative")]
    let max_output_tokens = most.map(|most| most as u64);
    Ok(BodyFacts {
        model: model.map(|model| model.0.into_owned()),
        stream: read(get("stream"), "stream", "true or false")?.unwrap_or(false),
        // Streams of this dialect always end with usage.
        include_usage: true,
        needs: needs(body)?,
        input_tokens: COUNTED.into_iter().filter_map(get).map(|raw| estimate::tokens(raw.get().as_bytes())).sum(),
        max_output_tokens,
    })
}

fn read<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>, field: &str, what: &str) -> Result<Option<T>, Malformed> {
    raw.map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|_| Malformed::new(field, format!("expected {what}")))
}

/// Documents are text here, which every model reads; thinking is a wish; and a last turn of the model's own is not
/// continued by this API, so nobody who writes it needs that of a model.
fn needs(body: &Object<'_>) -> Result<Capabilities, Malformed> {
    let get = |field: &str| body.get(field).filter(|raw| raw.get() != "null");
    let mut needs = Capabilities::NONE;
    if get("tools").is_some_and(|tools| tools.get().len() > 2) {
        needs = needs.with(Capabilities::TOOLS);
    }
    let format: Option<Format<'_>> = read(get("response_format"), "response_format", "an object")?;
    if format.is_some_and(|format| format.json_schema.or(format.schema).is_some()) {
        needs = needs.with(Capabilities::JSON_SCHEMA);
    }
    let messages: Option<Vec<Message<'_>>> = read(get("messages"), "messages", "an array of messages")?;
    let messages = messages.ok_or_else(|| Malformed::new("messages", "is required"))?;
    for (nth, message) in messages.iter().enumerate() {
        let Some(content) = message.content.filter(|content| content.get().starts_with('[')) else { continue };
        let parts: Option<Vec<&RawValue>> = read(Some(content), &format!("messages[{nth}].content"), "an array")?;
        let image = |part: &&RawValue| {
            serde_json::from_str::<Typed<'_>>(part.get()).is_ok_and(|part| word(part.kind.as_ref()) == "image_url")
        };
        if parts.iter().flatten().any(image) {
            needs = needs.with(Capabilities::VISION);
        }
    }
    Ok(needs)
}

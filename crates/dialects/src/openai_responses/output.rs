//! The items that requests and answers share, as blocks.

use serde_json::Value;

use super::seal::{self, Sealed};
use crate::codec::Malformed;
use crate::ir::{Block, BlockKind, MediaSource};
use crate::shared::fields::Fields;
use crate::shared::media::media;

/// Between the parts of a summary.
pub(super) const BETWEEN: &str = "\n\n";

/// What an item of an answer is; empty where it does not say.
///
/// # Errors
/// Not an object, or of a type that is no text.
pub(super) fn kind<'i>(item: &'i Value, path: &str) -> Result<&'i str, Malformed> {
    match (item, item.get("type")) {
        (Value::Object(_), None | Some(Value::Null)) => Ok(""),
        (Value::Object(_), Some(Value::String(kind))) => Ok(kind),
        _ => Err(Malformed::new(path, "expected an object with a type")),
    }
}

/// Reads a `function_call`.
///
/// # Errors
/// Without a name.
pub(super) fn function_call(call: &mut Fields) -> Result<Block, Malformed> {
    let name = call.name("name")?;
    let arguments = match call.value("arguments") {
        None => String::new(),
        Some(Value::String(text)) => text,
        Some(value) => value.to_string(),
    };
    let mut given = |field: &str| Ok(call.string(field)?.filter(|id| !id.is_empty()));
    // The id of the item only stands in: results name the call's.
    let (item, id) = (given("id")?, given("call_id")?);
    let id = id.or(item).ok_or_else(|| Malformed::new(call.path("call_id"), "is required"))?;
    ["type", "status"].iter().for_each(|field| drop(call.value(field)));
    Ok(BlockKind::ToolCall { id, name, arguments, signature: None }.into())
}

/// Reads a `reasoning` item: its block, where it says anything, and what was sealed in it.
///
/// # Errors
/// A field of another type.
pub(super) fn reasoning(item: &mut Fields) -> Result<(Option<Block>, Option<Sealed>), Malformed> {
    ["type", "id", "status"].iter().for_each(|field| drop(item.value(field)));
    let summary = joined(&item.array("summary")?.unwrap_or_default());
    // Beside a summary the thinking itself has no place: it stays, and is known to be left over.
    let content = match summary.is_empty() {
        true => joined(&item.array("content")?.unwrap_or_default()),
        false => String::new(),
    };
    let sealed = item.string("encrypted_content")?.filter(|content| !content.is_empty()).map(|text| seal::read(&text));
    let text = if summary.is_empty() { content } else { summary };
    let (signature, redacted) = match &sealed {
        None | Some(Sealed::Call { .. }) => (None, None),
        Some(Sealed::Content(content)) => (None, Some(content.clone())),
        Some(Sealed::Signature(signature)) => (Some(signature.clone()), None),
    };
    let says = !text.is_empty() || signature.is_some() || redacted.is_some();
    let block = BlockKind::Reasoning { text, signature, redacted }.into();
    Ok((Some(block).filter(|_| says), sealed))
}

fn joined(parts: &[Value]) -> String {
    let texts = parts.iter().filter_map(|part| part.get("text")?.as_str()).filter(|text| !text.is_empty());
    texts.collect::<Vec<_>>().join(BETWEEN)
}

/// A picture the model made: the `image_generation_call` that holds it, whole.
pub(super) fn image(item: &Value) -> Option<Block> {
    let data = item.get("result")?.as_str().filter(|data| !data.is_empty())?;
    let format = item.get("output_format").and_then(Value::as_str).unwrap_or("png");
    Some(BlockKind::Image(media(MediaSource::Base64(data.to_owned()), Some(format!("image/{format}")))).into())
}

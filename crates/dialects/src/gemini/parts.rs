//! Parts of a content, in requests and answers alike.

use ringmain_core::Dialect;
use serde_json::{Map, Value, json};

use super::media;
use super::names::{Builder, field, object};
use crate::codec::Malformed;
use crate::ir::{Block, BlockKind, Extra};
use crate::shared::fields::Fields;

/// What a part says.
#[derive(Debug)]
pub(super) enum Piece {
    Text { text: String, thought: bool, signature: Option<String> },
    Call { id: Option<String>, name: String, arguments: String, signature: Option<String> },
    Result { id: Option<String>, name: String, content: Vec<Block>, is_error: bool },
    Whole { block: Block, signature: Option<String> },
}

/// The fields that say what a part is and that the representation has a word for.
const KNOWN: [&str; 5] = ["text", "inlineData", "fileData", "functionCall", "functionResponse"];

/// Reads a part. What nobody knows of it goes to `rest`.
pub(super) fn read(path: &str, part: Value, rest: &mut Vec<Extra>) -> Result<Piece, Malformed> {
    let mut part = object(path, part)?;
    if !KNOWN.iter().any(|name| part.peek(name).is_some()) {
        // A signature alone is one on an empty text.
        if part.peek("thoughtSignature").is_none() || part.peek("executableCode").is_some() {
            return Ok(opaque(part));
        }
    }
    if let Some(block) = media::decode(&mut part)? {
        let signature = part.string("thoughtSignature")?;
        rest.extend(part.rest());
        return Ok(Piece::Whole { block: block.into(), signature });
    }
    if part.peek("inlineData").is_some() || part.peek("fileData").is_some() {
        return Ok(opaque(part));
    }
    let signature = part.string("thoughtSignature")?;
    let thought = part.boolean("thought")?.unwrap_or(false);
    let piece = if let Some(mut call) = field(&mut part, "functionCall")? {
        let id = call.string("id")?.filter(|id| !id.is_empty());
        let arguments = call.value("args").map_or_else(|| "{}".to_owned(), |args| args.to_string());
        let name = call.name("name")?;
        rest.extend(call.rest());
        Piece::Call { id, name, arguments, signature }
    } else if let Some(result) = field(&mut part, "functionResponse")? {
        read_result(result, rest)?
    } else {
        Piece::Text { text: part.string("text")?.unwrap_or_default(), thought, signature }
    };
    rest.extend(part.rest());
    Ok(piece)
}

fn opaque(part: Fields) -> Piece {
    let value = Value::Object(part.into_map());
    Piece::Whole { block: BlockKind::Opaque { dialect: Dialect::Gemini, value }.into(), signature: None }
}

fn read_result(mut result: Fields, rest: &mut Vec<Extra>) -> Result<Piece, Malformed> {
    let id = result.string("id")?.filter(|id| !id.is_empty());
    let name = result.string("name")?.unwrap_or_default();
    let (text, is_error) = match result.value("response") {
        None => (String::new(), false),
        Some(Value::Object(response)) => result_text(response),
        Some(other) => (other.to_string(), false),
    };
    let mut content = if text.is_empty() { Vec::new() } else { vec![Block::text(text)] };
    for (path, part) in super::names::elements(&mut result, "parts")? {
        if let Piece::Whole { block, .. } = read(&path, part, rest)? {
            content.push(block.at(&path));
        }
    }
    rest.extend(result.rest());
    Ok(Piece::Result { id, name, content, is_error })
}

/// The API's own convention: `output` or `error` alone holds all of it. Any other object is the tool's answer itself.
fn result_text(response: Map<String, Value>) -> (String, bool) {
    if response.len() == 1
        && let Some((name @ ("output" | "error"), value)) =
            response.iter().next().map(|(name, value)| (name.as_str(), value))
    {
        let is_error = name == "error";
        match value {
            // Text that reads as an object would not come back as text.
            Value::String(text) if as_object(text).is_none() => return (text.clone(), is_error),
            Value::Object(_) if is_error => return (value.to_string(), true),
            _ => {}
        }
    }
    (Value::Object(response).to_string(), false)
}

/// The `response` object of a function response.
pub(super) fn result_object(text: &str, is_error: bool) -> Value {
    match (as_object(text), is_error) {
        (Some(object), false) => Value::Object(object),
        (Some(object), true) => json!({ "error": object }),
        (None, false) => json!({ "output": text }),
        (None, true) => json!({ "error": text }),
    }
}

fn as_object(text: &str) -> Option<Map<String, Value>> {
    // The cheap look first: most answers of tools are prose.
    if !text.trim_start().starts_with('{') {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// The `args` object of a function call. The API takes objects alone: anything else is put into one.
pub(super) fn arguments_object(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return json!({});
    }
    match serde_json::from_str::<Value>(arguments) {
        Ok(object @ Value::Object(_)) => object,
        Ok(Value::Null) => json!({}),
        Ok(value) => json!({ "value": value }),
        Err(_) => json!({ "arguments": arguments }),
    }
}

/// Are these arguments an object, or nothing at all, which stands for an empty one?
pub(super) fn is_object(arguments: &str) -> bool {
    arguments.trim().is_empty() || as_object(arguments).is_some()
}

/// The part of a function call.
pub(super) fn call_part(id: &str, name: &str, arguments: &str, signature: Option<&str>) -> Value {
    let mut call = Builder::default();
    call.maybe("id", (!is_made_up(id)).then_some(id));
    call.set("name", name);
    call.set("args", arguments_object(arguments));
    let mut part = Builder::default();
    part.set("functionCall", call.0);
    part.maybe("thoughtSignature", signature);
    Value::Object(part.0)
}

const MADE_UP: &str = "gmn_";
/// The other dialects' providers take ids of up to 40 characters.
const SCOPE_LENGTH: usize = 26;

/// An id for a function call that came without one; `scope` is the answer's id or the turn's number, so that calls of
/// different turns differ. It is recognised when it comes back, and left out again: the API pairs calls and responses
/// without ids by name and order.
pub(super) fn made_up_id(scope: &str, at: usize) -> String {
    let plain = scope.chars().filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'));
    let scope: String = plain.take(SCOPE_LENGTH).collect();
    format!("{MADE_UP}{scope}_{at}")
}

/// Is it one of ours?
pub(super) fn is_made_up(id: &str) -> bool {
    id.starts_with(MADE_UP)
}

/// A signature that belongs to the part before it, or to nothing.
pub(super) fn signature_block(signature: String) -> Block {
    BlockKind::Reasoning { text: String::new(), signature: Some(signature), redacted: None }.into()
}

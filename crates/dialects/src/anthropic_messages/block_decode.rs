//! Content blocks, of requests and answers alike.

use serde_json::Value;

use super::OWN;
use crate::codec::Malformed;
use crate::ir::{Block, BlockKind, CacheMark, Extra, Media, MediaSource, Place};
use crate::shared::fields::Fields;

/// Reads `content`: a string, or an array of blocks. What has no word goes to `extras` with its place.
pub(super) fn content(path: &str, value: Value, extras: &mut Vec<Extra>) -> Result<Vec<Block>, Malformed> {
    match value {
        Value::String(text) => Ok(vec![Block::text(text).at(path)]),
        Value::Array(items) => {
            items.into_iter().enumerate().map(|(at, item)| block(&format!("{path}[{at}]"), item, extras)).collect()
        }
        _ => Err(Malformed::new(path, "expected a string or an array")),
    }
}

/// Reads one block.
pub(super) fn block(path: &str, value: Value, extras: &mut Vec<Extra>) -> Result<Block, Malformed> {
    let kind = match value.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        _ if value.is_object() => return Err(Malformed::new(format!("{path}.type"), "expected a string")),
        _ => return Err(Malformed::new(path, "expected an object")),
    };
    if kind == "search_result" && value.get("content").is_some_and(|content| !joined(content).is_empty()) {
        return search_result(path, value, extras);
    }
    if kind == "compaction" && value.get("content").and_then(Value::as_str).is_some_and(|text| !text.is_empty()) {
        return compaction(path, value, extras);
    }
    let known = match kind.as_str() {
        "text" | "tool_use" | "tool_result" | "thinking" | "redacted_thinking" => true,
        "image" | "document" => known_source(&value),
        _ => false,
    };
    if !known {
        return Ok(Block::from(BlockKind::Opaque { dialect: OWN, value }).at(path));
    }
    let mut fields = Fields::of(path, value)?;
    fields.value("type");
    let cache = cache_mark(&mut fields, extras)?;
    let kind = match kind.as_str() {
        "text" => BlockKind::Text {
            text: fields.required_string("text")?,
            citations: fields.value("citations").map(|list| array(path, list)).transpose()?.unwrap_or_default(),
        },
        "image" => BlockKind::Image(media(&mut fields, extras)?),
        "document" => BlockKind::Document(media(&mut fields, extras)?),
        "tool_use" => tool_use(&mut fields)?,
        "tool_result" => tool_result(path, &mut fields, extras)?,
        "thinking" => BlockKind::Reasoning {
            text: fields.string("thinking")?.unwrap_or_default(),
            signature: fields.string("signature")?.filter(|signature| !signature.is_empty()),
            redacted: None,
        },
        _ => BlockKind::Reasoning {
            text: String::new(),
            signature: None,
            redacted: Some(fields.required_string("data")?),
        },
    };
    extras.extend(fields.rest());
    Ok(Block { kind, cache, place: Place::at(path) })
}

/// What the application found by searching: to others it is text, here its parts are put back.
fn search_result(path: &str, value: Value, extras: &mut Vec<Extra>) -> Result<Block, Malformed> {
    let mut fields = Fields::of(path, value)?;
    fields.value("type");
    let cache = cache_mark(&mut fields, extras)?;
    let part = |name: &str| fields.peek(name).and_then(Value::as_str).map(str::to_owned);
    let inner = fields.peek("content").map(joined);
    let parts = [part("title"), part("source"), inner].into_iter().flatten().filter(|part| !part.is_empty());
    let text = parts.collect::<Vec<_>>().join("\n");
    extras.extend(fields.rest());
    Ok(Block { kind: BlockKind::Text { text, citations: Vec::new() }, cache, place: Place::at(path) })
}

/// What stands for the conversation before it: to others it is its text, here its parts are put back.
fn compaction(path: &str, value: Value, extras: &mut Vec<Extra>) -> Result<Block, Malformed> {
    let mut fields = Fields::of(path, value)?;
    let cache = cache_mark(&mut fields, extras)?;
    let text = fields.required_string("content")?;
    extras.extend(fields.rest());
    Ok(Block { kind: BlockKind::Text { text, citations: Vec::new() }, cache, place: Place::at(path) })
}

/// Does it stand for the conversation before it in words that its provider alone can read?
pub(super) fn is_sealed(block: &Block) -> bool {
    let BlockKind::Opaque { value, .. } = &block.kind else { return false };
    value.get("type").is_some_and(|kind| kind == "compaction")
        && value.get("encrypted_content").is_some_and(Value::is_string)
}

/// The text of content, a paragraph for each block.
fn joined(content: &Value) -> String {
    let text = |block: &Value| block.get("text").and_then(Value::as_str).map(str::to_owned);
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(text).collect::<Vec<_>>().join("\n\n"),
        _ => String::new(),
    }
}

fn array(path: &str, value: Value) -> Result<Vec<Value>, Malformed> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(Malformed::new(format!("{path}.citations"), "expected an array")),
    }
}

/// Reads a `cache_control`.
pub(super) fn cache_mark(fields: &mut Fields, extras: &mut Vec<Extra>) -> Result<Option<CacheMark>, Malformed> {
    let Some(mut control) = fields.object("cache_control")? else { return Ok(None) };
    control.value("type");
    let mark = CacheMark { ttl: control.string("ttl")?, place: Place::at(control.place()) };
    extras.extend(control.rest());
    Ok(Some(mark))
}

/// Sources that have a word; a document made of pictures, or a kind to come, stays whole.
fn known_source(block: &Value) -> bool {
    let Some(source) = block.get("source") else { return false };
    match source.get("type").and_then(Value::as_str) {
        Some("base64" | "url" | "text" | "file") => true,
        Some("content") => source.get("content").is_some_and(|content| !joined(content).is_empty()),
        _ => false,
    }
}

fn media(fields: &mut Fields, extras: &mut Vec<Extra>) -> Result<Media, Malformed> {
    let path = fields.path("source");
    let mut source = fields.object("source")?.ok_or_else(|| Malformed::new(path, "is required"))?;
    let kind = source.required_string("type")?;
    let media_type = source.string("media_type")?;
    let found = match kind.as_str() {
        "base64" => MediaSource::Base64(source.required_string("data")?),
        "text" => MediaSource::Text(source.required_string("data")?),
        "url" => MediaSource::Url(source.required_string("url")?),
        // To others its text; here the blocks are put back.
        "content" => {
            let blocks = source.value("content").unwrap_or_default();
            let text = joined(&blocks);
            extras.push(Extra { field: source.path("content"), value: blocks });
            MediaSource::Text(text)
        }
        _ => MediaSource::File { dialect: OWN, id: source.required_string("file_id")? },
    };
    extras.extend(source.rest());
    Ok(Media { source: found, media_type, name: fields.string("title")?, detail: None })
}

fn tool_use(fields: &mut Fields) -> Result<BlockKind, Malformed> {
    // A direct call is what every call is; only one made by code is worth a word.
    let direct = fields.peek("caller").and_then(|caller| caller.get("type")).and_then(Value::as_str) == Some("direct");
    if direct {
        fields.value("caller");
    }
    let arguments = match fields.value("input") {
        None => "{}".to_owned(),
        Some(Value::String(text)) => text,
        Some(input) => input.to_string(),
    };
    Ok(BlockKind::ToolCall {
        id: fields.required_string("id")?,
        name: fields.name("name")?,
        arguments,
        signature: None,
    })
}

fn tool_result(path: &str, fields: &mut Fields, extras: &mut Vec<Extra>) -> Result<BlockKind, Malformed> {
    let inner = match fields.value("content") {
        None => Vec::new(),
        Some(value) => content(&format!("{path}.content"), value, extras)?,
    };
    Ok(BlockKind::ToolResult {
        id: fields.required_string("tool_use_id")?,
        name: None,
        content: inner,
        is_error: fields.boolean("is_error")?.unwrap_or(false),
    })
}

//! Content blocks, of requests and answers alike.

use serde_json::{Value, json};

use super::OWN;
use super::wire::{Kind, member, token_of_blob, union};
use crate::codec::Malformed;
use crate::ir::{Block, BlockKind, CacheMark, Extra, Media, MediaSource, Place, Role};
use crate::shared::fields::Fields;

/// Reads a list of blocks. What has no word goes to `extras` with its place.
pub(super) fn content(
    path: &str,
    role: Role,
    items: Vec<Value>,
    extras: &mut Vec<Extra>,
) -> Result<Vec<Block>, Malformed> {
    let mut blocks: Vec<Block> = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        let (kind, value) = member(&format!("{path}[{at}]"), item)?;
        let here = format!("{path}[{at}]");
        let place = format!("{here}.{kind}");
        // A breakpoint belongs to what stands before it; one that follows nothing stays a block.
        if let ("cachePoint", Some(last @ Block { cache: None, .. })) = (kind.as_str(), blocks.last_mut()) {
            last.cache = Some(cache_mark(&place, value, extras)?);
            continue;
        }
        blocks.push(Block::from(block(&place, role, &kind, value, extras)?).at(&here));
    }
    Ok(blocks)
}

/// Reads a cache breakpoint.
pub(super) fn cache_mark(path: &str, value: Value, extras: &mut Vec<Extra>) -> Result<CacheMark, Malformed> {
    let mut fields = Fields::of(path, value)?;
    fields.value("type");
    let mark = CacheMark { ttl: fields.string("ttl")?, place: Place::at(path) };
    extras.extend(fields.rest());
    Ok(mark)
}

/// Reads one block; `path` ends in its kind.
fn block(path: &str, role: Role, kind: &str, value: Value, extras: &mut Vec<Extra>) -> Result<BlockKind, Malformed> {
    let opaque = |value: Value| BlockKind::Opaque { dialect: OWN, value: union(kind, value) };
    Ok(match kind {
        "text" => BlockKind::Text { text: text(path, value)?, citations: Vec::new() },
        "image" | "document" | "audio" => {
            let of = match kind {
                "image" => Kind::Image,
                "document" => Kind::Document,
                _ => Kind::Sound,
            };
            match media(path, of, value, extras)? {
                Ok(media) if of == Kind::Image => BlockKind::Image(media),
                Ok(media) if of == Kind::Document => BlockKind::Document(media),
                Ok(media) => BlockKind::Audio(media),
                Err(value) => opaque(value),
            }
        }
        // A provider's own tool, which it calls and answers itself.
        "toolUse" if value.get("type").and_then(Value::as_str).is_some_and(|kind| !matches!(kind, "" | "tool_use")) => {
            opaque(value)
        }
        "toolResult" if role == Role::Assistant || value.get("type").is_some_and(|kind| !kind.is_null()) => {
            match value.get("content") {
                None | Some(Value::Null | Value::Array(_)) => opaque(value),
                Some(_) => return Err(Malformed::new(format!("{path}.content"), "expected an array")),
            }
        }
        "toolUse" => tool_use(path, value, extras)?,
        "toolResult" => tool_result(path, value, extras)?,
        "reasoningContent" => reasoning(path, value, extras)?,
        "citationsContent" => citations(path, value, extras)?,
        "guardContent" => guarded(path, value, extras)?,
        "searchResult" => search_result(path, value, extras),
        _ => opaque(value),
    })
}

fn text(path: &str, value: Value) -> Result<String, Malformed> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Malformed::new(path, "expected a string")),
    }
}

/// Reads a medium; one that has no word is given back.
fn media(path: &str, kind: Kind, value: Value, extras: &mut Vec<Extra>) -> Result<Result<Media, Value>, Malformed> {
    let format = value.get("format").and_then(Value::as_str);
    let media_type = format.and_then(|format| kind.media_type(format));
    let place = value.get("source").and_then(Value::as_object).and_then(|source| source.keys().next());
    let known = place.is_some_and(|place| {
        let text = kind == Kind::Document && matches!(place.as_str(), "text" | "content");
        text || matches!(place.as_str(), "bytes" | "s3Location")
    });
    if !known || (format.is_some() && media_type.is_none()) || (format.is_none() && kind != Kind::Document) {
        return Ok(Err(value));
    }
    let mut fields = Fields::of(path, value)?;
    fields.value("format");
    let source_path = fields.path("source");
    let (place, source) = member(&source_path, fields.value("source").unwrap_or_default())?;
    let source_path = format!("{source_path}.{place}");
    let source = match place.as_str() {
        "bytes" => MediaSource::Base64(text(&source_path, source)?),
        "text" => MediaSource::Text(text(&source_path, source)?),
        "content" => {
            let inner = joined(&source);
            extras.push(Extra { field: source_path, value: source });
            MediaSource::Text(inner)
        }
        _ => {
            let mut location = Fields::of(&source_path, source)?;
            let id = location.required_string("uri")?;
            extras.extend(location.rest());
            MediaSource::File { dialect: OWN, id }
        }
    };
    let name = if kind == Kind::Document { fields.string("name")? } else { None };
    extras.extend(fields.rest());
    Ok(Ok(Media { source, media_type: media_type.map(str::to_owned), name, detail: None }))
}

/// The texts of a list of `{"text": …}`, a paragraph each.
fn joined(value: &Value) -> String {
    let items = value.as_array().into_iter().flatten();
    let texts: Vec<&str> = items.filter_map(|item| item.get("text").and_then(Value::as_str)).collect();
    texts.join("\n\n")
}

fn tool_use(path: &str, value: Value, extras: &mut Vec<Extra>) -> Result<BlockKind, Malformed> {
    let mut fields = Fields::of(path, value)?;
    fields.value("type");
    let arguments = match fields.value("input") {
        None => "{}".to_owned(),
        Some(Value::String(text)) => text,
        Some(input) => input.to_string(),
    };
    let call = BlockKind::ToolCall {
        id: fields.required_string("toolUseId")?,
        name: fields.name("name")?,
        arguments,
        signature: None,
    };
    extras.extend(fields.rest());
    Ok(call)
}

fn tool_result(path: &str, value: Value, extras: &mut Vec<Extra>) -> Result<BlockKind, Malformed> {
    let mut fields = Fields::of(path, value)?;
    let place = fields.path("content");
    let mut content = Vec::new();
    for (at, item) in fields.array("content")?.unwrap_or_default().into_iter().enumerate() {
        let (kind, value) = member(&format!("{place}[{at}]"), item)?;
        let inner: Block = match kind.as_str() {
            "json" => Block::text(value.to_string()),
            _ => block(&format!("{place}[{at}].{kind}"), Role::User, &kind, value, extras)?.into(),
        };
        content.push(inner.at(&format!("{place}[{at}]")));
    }
    let result = BlockKind::ToolResult {
        id: fields.required_string("toolUseId")?,
        name: None,
        content,
        is_error: fields.string("status")?.is_some_and(|status| status == "error"),
    };
    extras.extend(fields.rest());
    Ok(result)
}

fn reasoning(path: &str, value: Value, extras: &mut Vec<Extra>) -> Result<BlockKind, Malformed> {
    let (kind, value) = member(path, value)?;
    let place = format!("{path}.{kind}");
    match kind.as_str() {
        "reasoningText" => {
            let mut fields = Fields::of(place, value)?;
            let text = fields.string("text")?.unwrap_or_default();
            let signature = fields.string("signature")?.filter(|signature| !signature.is_empty());
            extras.extend(fields.rest());
            Ok(BlockKind::Reasoning { text, signature, redacted: None })
        }
        "redactedContent" => {
            let redacted = Some(token_of_blob(&text(&place, value)?));
            Ok(BlockKind::Reasoning { text: String::new(), signature: None, redacted })
        }
        _ => Ok(BlockKind::Opaque { dialect: OWN, value: json!({ "reasoningContent": { kind: value } }) }),
    }
}

/// Text with its sources.
fn citations(path: &str, value: Value, extras: &mut Vec<Extra>) -> Result<BlockKind, Malformed> {
    let mut fields = Fields::of(path, value)?;
    let mut whole = String::new();
    for (at, item) in fields.array("content")?.unwrap_or_default().into_iter().enumerate() {
        let place = format!("{}[{at}]", fields.path("content"));
        match member(&place, item)? {
            (kind, value) if kind == "text" => whole.push_str(&text(&place, value)?),
            (kind, value) => extras.push(Extra { field: format!("{place}.{kind}"), value }),
        }
    }
    let citations = fields.array("citations")?.unwrap_or_default();
    extras.extend(fields.rest());
    Ok(BlockKind::Text { text: whole, citations })
}

/// What a guardrail is to look at. Others read what it holds; the mark around it is put back whole.
fn guarded(path: &str, value: Value, extras: &mut Vec<Extra>) -> Result<BlockKind, Malformed> {
    let whole = value.clone();
    let (kind, value) = member(path, value)?;
    let place = format!("{path}.{kind}");
    let found = match kind.as_str() {
        "text" => {
            let mut fields = Fields::of(place, value)?;
            BlockKind::Text { text: fields.required_string("text")?, citations: Vec::new() }
        }
        "image" => match media(&place, Kind::Image, value, &mut Vec::new())? {
            Ok(media) => BlockKind::Image(media),
            Err(_) => return Ok(BlockKind::Opaque { dialect: OWN, value: union("guardContent", whole) }),
        },
        _ => return Ok(BlockKind::Opaque { dialect: OWN, value: union("guardContent", whole) }),
    };
    extras.push(Extra { field: path.to_owned(), value: whole });
    Ok(found)
}

/// A result the application found by searching: to others it is text, here it is put back whole.
fn search_result(path: &str, value: Value, extras: &mut Vec<Extra>) -> BlockKind {
    let part = |name: &str| value.get(name).and_then(Value::as_str);
    let parts = [part("title"), part("source")].into_iter().flatten().map(str::to_owned);
    let inner = joined(value.get("content").unwrap_or(&Value::Null));
    let text = parts.chain([inner]).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
    extras.push(Extra { field: path.to_owned(), value });
    BlockKind::Text { text, citations: Vec::new() }
}

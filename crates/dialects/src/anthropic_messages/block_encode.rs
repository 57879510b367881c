//! Content blocks of a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::OWN;
use super::request_encode::Context;
use super::wire::tool_id;
use crate::codec::Unsupported;
use crate::ir::{Block, BlockKind, CacheMark, Media, MediaSource, Role};
use crate::shared::arguments::input_of;

/// Writes instructions, which are text alone.
pub(super) fn system(context: &mut Context<'_>, blocks: &[Block], path: &str) -> Result<Vec<Value>, Unsupported> {
    let mut values = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        let place = format!("{path}[{at}]");
        match &block.kind {
            BlockKind::Text { .. } => values.extend(encode(context, Role::System, block, &place)?),
            BlockKind::Opaque { dialect, .. } if *dialect == OWN => {
                values.extend(encode(context, Role::System, block, &place)?);
            }
            _ => context.dropped(place),
        }
    }
    Ok(values)
}

/// Writes the blocks of a turn or a tool result.
pub(super) fn turn(
    context: &mut Context<'_>,
    role: Role,
    blocks: &[Block],
    path: &str,
) -> Result<Vec<Value>, Unsupported> {
    let mut values = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        values.extend(encode(context, role, block, &format!("{path}[{at}]"))?);
    }
    Ok(values)
}

/// The shorter form of content that is one plain text.
pub(super) fn compact(mut blocks: Vec<Value>) -> Value {
    if let [Value::Object(only)] = blocks.as_mut_slice()
        && only.len() == 2
        && only.get("type").is_some_and(|kind| kind == "text")
        && let Some(text @ Value::String(_)) = only.get_mut("text")
    {
        return text.take();
    }
    Value::Array(blocks)
}

fn encode(context: &mut Context<'_>, role: Role, block: &Block, path: &str) -> Result<Option<Value>, Unsupported> {
    let value = match &block.kind {
        // Nor a type: this stands for the conversation before it.
        BlockKind::Text { text, .. } if let Some(kind) = context.put_back.take(path, "type") => {
            Some(json!({ "type": kind, "content": text }))
        }
        // Text has no content of its own: this is what a search found.
        BlockKind::Text { .. } if let Some(content) = context.put_back.take(path, "content") => {
            Some(json!({ "type": "search_result", "content": content }))
        }
        BlockKind::Text { text, citations } => text_block(context, text, citations, path),
        BlockKind::Refusal { text } => text_block(context, text, &[], path),
        BlockKind::Image(_) | BlockKind::Document(_) if role == Role::Assistant => {
            // A picture the model once made: there is no place for one in its turns.
            context.dropped(path);
            None
        }
        BlockKind::Image(media) => Some(image(context, media, path)?),
        BlockKind::Document(media) => Some(document(context, media, path)?),
        BlockKind::Audio(_) => return Err(unsupported(path, "the target takes no audio")),
        // The opaque token of another provider's call means nothing here, and nobody misses it.
        BlockKind::ToolCall { id, name, arguments, signature: _ } => {
            let (input, exact) = input_of(arguments);
            if !exact {
                context.approximated(path);
            }
            Some(json!({ "type": "tool_use", "id": tool_id(id), "name": name, "input": input }))
        }
        BlockKind::ToolResult { id, name: _, content, is_error } => {
            Some(tool_result(context, id, content, *is_error, path)?)
        }
        BlockKind::Reasoning { text, signature, redacted } => {
            let value = reasoning(
                context.own || context.request.signatures.are_targets(),
                text,
                signature.as_deref(),
                redacted.as_deref(),
            );
            if value.is_none() {
                context.dropped(path);
            }
            value
        }
        BlockKind::Opaque { dialect, value } if *dialect == OWN => Some(value.clone()),
        BlockKind::Opaque { .. } => {
            context.dropped(path);
            None
        }
    };
    let Some(Value::Object(mut object)) = value else { return Ok(value) };
    // Thinking cannot carry a breakpoint of its own.
    if let (Some(mark), false) = (&block.cache, matches!(block.kind, BlockKind::Reasoning { .. })) {
        object.insert("cache_control".to_owned(), cache_control(mark));
    }
    context.put_back.restore(path, &mut object);
    Ok(Some(Value::Object(object)))
}

/// Writes a cache breakpoint.
pub(super) fn cache_control(mark: &CacheMark) -> Value {
    match mark.ttl.as_deref() {
        Some(ttl @ ("5m" | "1h")) => json!({ "type": "ephemeral", "ttl": ttl }),
        _ => json!({ "type": "ephemeral" }),
    }
}

fn text_block(context: &mut Context<'_>, text: &str, citations: &[Value], path: &str) -> Option<Value> {
    if text.trim().is_empty() {
        // Blank text is refused. Nothing is lost with an empty one, unless sources stood beside it.
        if !text.is_empty() || !citations.is_empty() {
            context.dropped(path);
        }
        return None;
    }
    let mut value = json!({ "type": "text", "text": text });
    if !citations.is_empty() {
        if context.own {
            value["citations"] = citations.to_vec().into();
        } else {
            context.dropped(format!("{path}.citations"));
        }
    }
    Some(value)
}

fn tool_result(
    context: &mut Context<'_>,
    id: &str,
    content: &[Block],
    is_error: bool,
    path: &str,
) -> Result<Value, Unsupported> {
    let mut value = Map::from_iter([
        ("type".to_owned(), "tool_result".into()),
        ("tool_use_id".to_owned(), Value::from(tool_id(id))),
    ]);
    let blocks = turn(context, Role::User, content, &format!("{path}.content"))?;
    if !blocks.is_empty() {
        value.insert("content".to_owned(), compact(blocks));
    }
    if is_error {
        value.insert("is_error".to_owned(), true.into());
    }
    Ok(Value::Object(value))
}

/// Thinking goes back only with the proof that it is the model's own. `proven`: whose a proof is, is known.
fn reasoning(proven: bool, text: &str, signature: Option<&str>, redacted: Option<&str>) -> Option<Value> {
    let ours = |token: &&str| proven || is_plausible(token);
    if let Some(signature) = signature.filter(ours) {
        return Some(json!({ "type": "thinking", "thinking": text, "signature": signature }));
    }
    redacted.filter(ours).map(|data| json!({ "type": "redacted_thinking", "data": data }))
}

/// Could this token, which came back through another dialect, be one this dialect's provider issued? Theirs are base64 of
/// a protocol buffer whose first field is number 1 or 2. A token of another vendor's would be refused with the request.
fn is_plausible(token: &str) -> bool {
    token.starts_with(['C', 'E'])
}

fn image(context: &mut Context<'_>, media: &Media, path: &str) -> Result<Value, Unsupported> {
    if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
        context.dropped(format!("{path}.detail"));
    }
    let source = match &media.source {
        MediaSource::Base64(data) => {
            let media_type = media.media_type.as_deref().or_else(|| image_type(data));
            let known = |kind: &str| ["image/jpeg", "image/png", "image/gif", "image/webp"].contains(&kind);
            match media_type {
                Some(kind) if context.own || known(kind) => base64_source(kind, data),
                Some("image/jpg") => base64_source("image/jpeg", data),
                _ => return Err(unsupported(path, "an image must be JPEG, PNG, GIF or WebP")),
            }
        }
        MediaSource::Url(url) => url_source(context.own, url, path)?,
        MediaSource::File { dialect: OWN, id } => json!({ "type": "file", "file_id": id }),
        MediaSource::File { .. } => return Err(unsupported(path, "the file is with another provider")),
        MediaSource::Text(_) => return Err(unsupported(path, "text is no image")),
    };
    Ok(json!({ "type": "image", "source": restored(context, path, source) }))
}

fn document(context: &mut Context<'_>, media: &Media, path: &str) -> Result<Value, Unsupported> {
    let plain = |text: &str| json!({ "type": "text", "media_type": "text/plain", "data": text });
    let blocks = context.put_back.take(&format!("{path}.source"), "content");
    let source = match &media.source {
        MediaSource::Text(_) if let Some(blocks) = blocks => json!({ "type": "content", "content": blocks }),
        MediaSource::Base64(data) => match media.media_type.as_deref() {
            Some(kind) if context.own || kind == "application/pdf" => base64_source(kind, data),
            None => base64_source("application/pdf", data),
            Some(kind) if kind.starts_with("text/") => {
                let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                plain(&text.ok_or_else(|| unsupported(path, "the text is not UTF-8"))?)
            }
            Some(_) => return Err(unsupported(path, "a document must be PDF or plain text")),
        },
        MediaSource::Url(url) => url_source(context.own, url, path)?,
        MediaSource::Text(text) => plain(text),
        MediaSource::File { dialect: OWN, id } => json!({ "type": "file", "file_id": id }),
        MediaSource::File { .. } => return Err(unsupported(path, "the file is with another provider")),
    };
    let mut value = json!({ "type": "document", "source": restored(context, path, source) });
    if let Some(name) = media.name.as_deref().filter(|name| !name.is_empty()) {
        value["title"] = name.into();
    }
    Ok(value)
}

fn restored(context: &mut Context<'_>, path: &str, source: Value) -> Value {
    let Value::Object(mut source) = source else { return source };
    context.put_back.restore(&format!("{path}.source"), &mut source);
    Value::Object(source)
}

fn base64_source(media_type: &str, data: &str) -> Value {
    json!({ "type": "base64", "media_type": media_type, "data": data })
}

fn url_source(own: bool, url: &str, path: &str) -> Result<Value, Unsupported> {
    let web = ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme));
    if own || web {
        Ok(json!({ "type": "url", "url": url }))
    } else {
        Err(unsupported(path, "the URL must be a web address"))
    }
}

/// The type of an image by its first bytes.
fn image_type(data: &str) -> Option<&'static str> {
    let table = [("/9j/", "image/jpeg"), ("iVBOR", "image/png"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp")];
    table.into_iter().find(|(start, _)| data.starts_with(start)).map(|(_, kind)| kind)
}

fn unsupported(field: &str, reason: &str) -> Unsupported {
    Unsupported { field: field.to_owned(), reason: reason.to_owned() }
}

//! Content blocks of a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_core::Capabilities;
use serde_json::{Map, Value, json};

use super::OWN;
use super::family::Family;
use super::request_encode::Context;
use super::wire::{Kind, blob_of_token, tool_id, union};
use crate::codec::Unsupported;
use crate::ir::{Block, BlockKind, CacheMark, Media, MediaSource, Role};
use crate::shared::arguments::input_of;
use crate::shared::media::titled;

/// A document's name may be this long.
const MAX_DOCUMENT_NAME: usize = 200;

/// Writes instructions, which are text alone.
pub(super) fn system(context: &mut Context<'_>, blocks: &[Block], path: &str) -> Result<Vec<Value>, Unsupported> {
    let mut values = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        let place = place(context, path, at, values.len());
        match &block.kind {
            BlockKind::Text { .. } => write(context, Role::System, block, &place, &mut values)?,
            _ if context.own => write(context, Role::System, block, &place, &mut values)?,
            _ => context.dropped(place),
        }
    }
    Ok(values)
}

/// Writes the blocks of a turn.
pub(super) fn turn(
    context: &mut Context<'_>,
    role: Role,
    blocks: &[Block],
    path: &str,
) -> Result<Vec<Value>, Unsupported> {
    let mut values = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        let place = place(context, path, at, values.len());
        write(context, role, block, &place, &mut values)?;
    }
    Ok(values)
}

/// The place of a block. A caller of this dialect wrote breakpoints in the same list: they count.
fn place(context: &Context<'_>, path: &str, at: usize, written: usize) -> String {
    format!("{path}[{}]", if context.own { written } else { at })
}

fn write(
    context: &mut Context<'_>,
    role: Role,
    block: &Block,
    path: &str,
    values: &mut Vec<Value>,
) -> Result<(), Unsupported> {
    let value = encode(context, role, &block.kind, path)?;
    let written = value.is_some();
    values.extend(value);
    let inner = match &block.kind {
        // Inside a result there is no place for a breakpoint; after it is the next best.
        BlockKind::ToolResult { content, .. } => content.iter().rev().find_map(|block| block.cache.as_ref()),
        _ => None,
    };
    if let Some(mark) = block.cache.as_ref().or(inner).filter(|_| written) {
        values.extend(cache_point(context, mark, path));
    }
    Ok(())
}

/// Writes a cache breakpoint, if the model takes them.
pub(super) fn cache_point(context: &mut Context<'_>, mark: &CacheMark, path: &str) -> Option<Value> {
    if !context.can(Capabilities::PROMPT_CACHE, context.family.caches()) {
        context.dropped(format!("{path}.cache_control"));
        return None;
    }
    let mut point = Map::from_iter([("type".to_owned(), "default".into())]);
    match mark.ttl.as_deref() {
        Some(ttl) if context.own => drop(point.insert("ttl".to_owned(), ttl.into())),
        // The default, which older models do not know by name.
        None | Some("5m") => {}
        Some("1h") if context.family == Family::Claude => drop(point.insert("ttl".to_owned(), "1h".into())),
        Some(_) => context.approximated(format!("{path}.cache_control.ttl")),
    }
    Some(union("cachePoint", point))
}

fn encode(context: &mut Context<'_>, role: Role, kind: &BlockKind, path: &str) -> Result<Option<Value>, Unsupported> {
    for wrapped in ["guardContent", "searchResult"] {
        if let Some(whole) = context.put_back.take(path, wrapped) {
            return Ok(Some(union(wrapped, whole.clone())));
        }
    }
    Ok(match kind {
        BlockKind::Text { text, citations } => text_block(context, text, citations, path),
        BlockKind::Refusal { text } => text_block(context, text, &[], path),
        BlockKind::Image(_) | BlockKind::Document(_) | BlockKind::Audio(_)
            if role == Role::Assistant && !context.own =>
        {
            // A picture the model once made: no model takes one in its own turns.
            context.dropped(path);
            None
        }
        BlockKind::Image(found) => Some(image(context, found, path)?),
        BlockKind::Document(Media { source: MediaSource::Text(text), name, .. })
            if !context.can(Capabilities::DOCUMENTS, true) =>
        {
            context.approximated(path);
            text_block(context, &titled(name.as_deref(), text), &[], path)
        }
        BlockKind::Document(found) => Some(document(context, found, path)?),
        BlockKind::Audio(found) => Some(sound(context, found, path)?),
        // The opaque token of another provider's call means nothing here, and nobody misses it.
        BlockKind::ToolCall { id, name, arguments, signature: _ } => {
            let (input, exact) = input_of(arguments);
            if !exact {
                context.approximated(path);
            }
            let mut call = Map::from_iter([
                ("toolUseId".to_owned(), tool_id(id).into()),
                ("name".to_owned(), name.as_str().into()),
                ("input".to_owned(), input),
            ]);
            context.put_back.restore(&format!("{path}.toolUse"), &mut call);
            Some(union("toolUse", call))
        }
        BlockKind::ToolResult { id, name: _, content, is_error } => {
            Some(tool_result(context, id, content, *is_error, path)?)
        }
        BlockKind::Reasoning { text, signature, redacted } => {
            let value = reasoning(context, text, signature.as_deref(), redacted.as_deref());
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
    })
}

fn text_block(context: &mut Context<'_>, text: &str, citations: &[Value], path: &str) -> Option<Value> {
    if context.own && !citations.is_empty() {
        let mut value = Map::new();
        if !text.is_empty() {
            value.insert("content".to_owned(), json!([{ "text": text }]));
        }
        value.insert("citations".to_owned(), citations.into());
        context.put_back.restore(&format!("{path}.citationsContent"), &mut value);
        return Some(union("citationsContent", value));
    }
    if text.trim().is_empty() && !context.own {
        // Blank text is refused. Nothing is lost with an empty one, unless sources stood beside it.
        if !text.is_empty() || !citations.is_empty() {
            context.dropped(path);
        }
        return None;
    }
    if !citations.is_empty() {
        context.dropped(format!("{path}.citations"));
    }
    Some(union("text", text))
}

fn tool_result(
    context: &mut Context<'_>,
    id: &str,
    content: &[Block],
    is_error: bool,
    path: &str,
) -> Result<Value, Unsupported> {
    let place = format!("{path}.toolResult");
    let mut inner = Vec::new();
    for (at, block) in content.iter().enumerate() {
        inner.extend(encode(context, Role::User, &block.kind, &format!("{place}.content[{at}]"))?);
    }
    if inner.is_empty() && !context.own {
        // Nothing is an answer too, but must be something here.
        inner.push(json!({ "json": {} }));
    }
    let mut result =
        Map::from_iter([("toolUseId".to_owned(), tool_id(id).into()), ("content".to_owned(), Value::Array(inner))]);
    if is_error {
        result.insert("status".to_owned(), "error".into());
    }
    context.put_back.restore(&place, &mut result);
    Ok(union("toolResult", result))
}

/// Thinking goes back only with the proof that it is the model's own.
fn reasoning(context: &mut Context<'_>, text: &str, signature: Option<&str>, redacted: Option<&str>) -> Option<Value> {
    let proven = context.own || context.request.signatures.are_targets();
    let content = match (signature, redacted) {
        (signature, None) if context.own => {
            let mut value = json!({ "text": text });
            if let Some(signature) = signature {
                value["signature"] = signature.into();
            }
            json!({ "reasoningText": value })
        }
        (Some(signature), _) if proven || is_plausible(signature) => {
            json!({ "reasoningText": { "text": text, "signature": signature } })
        }
        (_, Some(token)) if proven || is_plausible(token) => json!({ "redactedContent": blob_of_token(token) }),
        _ => return None,
    };
    Some(union("reasoningContent", content))
}

/// Could this token, which came back through another dialect, be one that Claude issued? Theirs are base64 of a protocol
/// buffer whose first field is number 1 or 2. Any other would be refused with the request.
fn is_plausible(token: &str) -> bool {
    token.starts_with(['C', 'E'])
}

fn image(context: &mut Context<'_>, media: &Media, path: &str) -> Result<Value, Unsupported> {
    if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
        context.dropped(format!("{path}.detail"));
    }
    let format = match &media.source {
        MediaSource::Base64(data) => media.media_type.as_deref().or_else(|| image_type(data)),
        _ => media.media_type.as_deref().or_else(|| type_of_name(media)),
    };
    let format = format.and_then(|media_type| Kind::Image.format(media_type));
    let format = format.ok_or_else(|| unsupported(path, "an image must be JPEG, PNG, GIF or WebP"))?;
    let place = format!("{path}.image");
    let source = source(context, media, &place, path)?;
    let mut value = Map::from_iter([("format".to_owned(), format.into()), ("source".to_owned(), source)]);
    context.put_back.restore(&place, &mut value);
    Ok(union("image", value))
}

fn document(context: &mut Context<'_>, media: &Media, path: &str) -> Result<Value, Unsupported> {
    let plain = matches!(media.source, MediaSource::Text(_));
    let format = match media.media_type.as_deref().or_else(|| type_of_name(media)) {
        Some(media_type) => match Kind::Document.format(media_type) {
            Some(format) => Some(format),
            None if media_type.starts_with("text/") => Some("txt"),
            None => return Err(unsupported(path, "a document must be PDF, Word, Excel, CSV, HTML, Markdown or text")),
        },
        None if context.own => None,
        None => Some(if plain { "txt" } else { "pdf" }),
    };
    let place = format!("{path}.document");
    let source = source(context, media, &place, path)?;
    let mut value = Map::new();
    if let Some(format) = format {
        value.insert("format".to_owned(), format.into());
    }
    value.insert("name".to_owned(), document_name(context, media).into());
    value.insert("source".to_owned(), source);
    context.put_back.restore(&place, &mut value);
    Ok(union("document", value))
}

/// A document must have a name of letters, digits, single spaces, hyphens, parentheses and brackets, and no two the same.
fn document_name(context: &mut Context<'_>, media: &Media) -> String {
    if let Some(name) = media.name.as_deref().filter(|_| context.own) {
        return name.to_owned();
    }
    context.documents += 1;
    let fits = |c: char| if c.is_alphanumeric() || "-()[]".contains(c) { c } else { ' ' };
    let given: String = media.name.as_deref().unwrap_or_default().chars().map(fits).collect();
    let words = given.split_whitespace().collect::<Vec<_>>().join(" ");
    let number = context.documents;
    match words.as_str() {
        "" => format!("Document {number}"),
        words => {
            let cut = words.floor_char_boundary(MAX_DOCUMENT_NAME - 16);
            if context.names.insert(words[..cut].to_owned()) {
                words[..cut].to_owned()
            } else {
                format!("{} ({number})", &words[..cut])
            }
        }
    }
}

fn sound(context: &mut Context<'_>, media: &Media, path: &str) -> Result<Value, Unsupported> {
    if !context.can(Capabilities::AUDIO_IN, true) {
        return Err(unsupported(path, "the target takes no audio"));
    }
    let format = media.media_type.as_deref().and_then(|media_type| Kind::Sound.format(media_type));
    let format = format.ok_or_else(|| unsupported(path, "the target does not know this audio format"))?;
    let place = format!("{path}.audio");
    let source = source(context, media, &place, path)?;
    let mut value = Map::from_iter([("format".to_owned(), format.into()), ("source".to_owned(), source)]);
    context.put_back.restore(&place, &mut value);
    Ok(union("audio", value))
}

fn source(context: &mut Context<'_>, media: &Media, place: &str, path: &str) -> Result<Value, Unsupported> {
    let bucket = |context: &mut Context<'_>, uri: &str| {
        let mut location = Map::from_iter([("uri".to_owned(), uri.into())]);
        context.put_back.restore(&format!("{place}.source.s3Location"), &mut location);
        union("s3Location", location)
    };
    Ok(match &media.source {
        MediaSource::Base64(data) => union("bytes", data.as_str()),
        MediaSource::Url(url) if url.starts_with("s3://") => bucket(context, url),
        MediaSource::Url(_) => return Err(unsupported(path, "the target fetches no web address: send the bytes")),
        MediaSource::Text(text) if place.ends_with(".document") => {
            match context.put_back.take(&format!("{place}.source"), "content") {
                Some(content) => union("content", content.clone()),
                // Written as bytes, which every model takes.
                None if !context.own => union("bytes", STANDARD.encode(text)),
                None => union("text", text.as_str()),
            }
        }
        MediaSource::Text(_) => return Err(unsupported(path, "text is no such medium")),
        MediaSource::File { dialect: OWN, id } => bucket(context, id),
        MediaSource::File { .. } => return Err(unsupported(path, "the file is with another provider")),
    })
}

/// The type of an image by its first bytes.
fn image_type(data: &str) -> Option<&'static str> {
    let table = [("/9j/", "image/jpeg"), ("iVBOR", "image/png"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp")];
    table.into_iter().find(|(start, _)| data.starts_with(start)).map(|(_, kind)| kind)
}

/// The type of a file by the end of its name.
fn type_of_name(media: &Media) -> Option<&'static str> {
    let name = match &media.source {
        MediaSource::Url(url) => Some(url.as_str()),
        _ => media.name.as_deref(),
    }?;
    let (_, ending) = name.rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    let ending = if ending == "jpg" { "jpeg" } else { &ending };
    Kind::Image.media_type(ending).or_else(|| Kind::Document.media_type(ending))
}

fn unsupported(field: &str, reason: &str) -> Unsupported {
    Unsupported { field: field.to_owned(), reason: reason.to_owned() }
}

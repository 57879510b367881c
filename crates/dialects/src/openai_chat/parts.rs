//! Message content: a string, or an array of typed parts.

use ringmain_core::Dialect;
use serde_json::{Value, json};

use crate::codec::Malformed;
use crate::ir::{Block, BlockKind, CacheMark, Extra, Media, MediaSource, Place};
use crate::shared::fields::Fields;
use crate::shared::media::{data_url, located, media};

/// Reads content. What is not understood inside a part goes to `rest`; a whole part that is not goes on as opaque.
///
/// # Errors
/// Content of no known form.
pub(super) fn read(content: Value, path: &str, rest: &mut Vec<Extra>) -> Result<Vec<Block>, Malformed> {
    match content {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Block::text(text).at(path)]),
        // Cloudflare writes a structured answer as the object it is.
        Value::Object(_) => Ok(vec![Block::text(content.to_string()).at(path)]),
        Value::Array(items) => {
            (0..).zip(items).map(|(nth, item): (usize, _)| part(item, &format!("{path}[{nth}]"), rest)).collect()
        }
        Value::Bool(_) | Value::Number(_) => Err(Malformed::new(path, "expected a string or an array of parts")),
    }
}

fn part(item: Value, path: &str, rest: &mut Vec<Extra>) -> Result<Block, Malformed> {
    if let Value::String(text) = item {
        return Ok(Block::text(text).at(path));
    }
    let mut fields = Fields::of(path, item)?;
    let cache = cache_mark(&mut fields)?;
    let kind = match fields.peek("type").and_then(Value::as_str).unwrap_or_default() {
        "text" | "input_text" | "output_text" => {
            BlockKind::Text { text: fields.string("text")?.unwrap_or_default(), citations: Vec::new() }
        }
        "image_url" => {
            let mut image = url_object(&mut fields, "image_url")?;
            let detail = image.string("detail")?;
            let media = located(&image.required_string("url")?);
            rest.extend(image.rest());
            BlockKind::Image(Media { detail, ..media })
        }
        "input_audio" => {
            let mut audio = required_object(&mut fields, "input_audio")?;
            let media = audio_media(&mut audio)?;
            rest.extend(audio.rest());
            BlockKind::Audio(media)
        }
        "file" => {
            let mut file = required_object(&mut fields, "file")?;
            let media = file_media(&mut file)?;
            rest.extend(file.rest());
            BlockKind::Document(media)
        }
        "document_url" => {
            let mut document = url_object(&mut fields, "document_url")?;
            let media = located(&document.required_string("url")?);
            BlockKind::Document(Media { name: fields.string("document_name")?, ..media })
        }
        "refusal" => BlockKind::Refusal { text: fields.string("refusal")?.unwrap_or_default() },
        "thinking" => thinking(&mut fields)?,
        _ => {
            let value = Value::Object(fields.into_map());
            let kind = BlockKind::Opaque { dialect: Dialect::OpenAiChat, value };
            return Ok(Block { kind, cache, place: Place::at(path) });
        }
    };
    fields.value("type");
    rest.extend(fields.rest());
    Ok(Block { kind, cache, place: Place::at(path) })
}

/// A prompt-cache breakpoint, in either of the words for it.
///
/// # Errors
/// Not an object.
pub(super) fn cache_mark(fields: &mut Fields) -> Result<Option<CacheMark>, Malformed> {
    if let Some(mut mark) = fields.object("cache_control")? {
        return Ok(Some(CacheMark { ttl: mark.string("ttl")?, place: Place::at(mark.place()) }));
    }
    let mark = fields.object("prompt_cache_breakpoint")?;
    Ok(mark.map(|mark| CacheMark { ttl: None, place: Place::at(mark.place()) }))
}

fn required_object(fields: &mut Fields, name: &str) -> Result<Fields, Malformed> {
    fields.object(name)?.ok_or_else(|| Malformed::new(fields.path(name), "is required"))
}

/// `{"url": …}`, or the URL itself.
fn url_object(fields: &mut Fields, name: &str) -> Result<Fields, Malformed> {
    let path = fields.path(name);
    match fields.value(name) {
        Some(Value::String(url)) => Fields::of(path, json!({ "url": url })),
        Some(value) => Fields::of(path, value),
        None => Err(Malformed::new(path, "is required")),
    }
}

/// Mistral's thinking: parts of its own, or text.
fn thinking(fields: &mut Fields) -> Result<BlockKind, Malformed> {
    let text = match fields.value("thinking") {
        Some(Value::String(text)) => text,
        Some(Value::Array(items)) => {
            items.iter().filter_map(|item| item.get("text").or(Some(item)).and_then(Value::as_str)).collect()
        }
        Some(_) => return Err(Malformed::new(fields.path("thinking"), "expected a string or an array of parts")),
        None => String::new(),
    };
    fields.value("closed");
    Ok(BlockKind::Reasoning { text, signature: fields.string("signature")?, redacted: None })
}

fn audio_media(audio: &mut Fields) -> Result<Media, Malformed> {
    let data = audio.required_string("data")?;
    let format = audio.string("format")?;
    let media_type = format.map(|format| match format.as_str() {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{other}"),
    });
    if data.starts_with("https://") || data.starts_with("http://") {
        return Ok(media(MediaSource::Url(data), media_type));
    }
    Ok(data_url(&data).unwrap_or_else(|| media(MediaSource::Base64(data), media_type)))
}

fn file_media(file: &mut Fields) -> Result<Media, Malformed> {
    let name = file.string("filename")?;
    if let Some(id) = file.string("file_id")? {
        let source = MediaSource::File { dialect: Dialect::OpenAiChat, id };
        return Ok(Media { name, ..media(source, None) });
    }
    let data = file.required_string("file_data")?;
    let found = if data.starts_with("https://") || data.starts_with("http://") {
        media(MediaSource::Url(data), None)
    } else {
        let pdf = || Some("application/pdf".to_owned());
        data_url(&data).unwrap_or_else(|| media(MediaSource::Base64(data), pdf()))
    };
    Ok(Media { name, ..found })
}

/// An element of the `images` of an answer.
pub(super) fn image(item: Value) -> Option<Block> {
    part(item, "images", &mut Vec::new()).ok().filter(|block| matches!(block.kind, BlockKind::Image(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_block() {
        let base64 = |data: &str, kind: &str| media(MediaSource::Base64(data.into()), Some(kind.into()));
        let table = [
            (json!("plain"), Block::text("plain").kind),
            (
                json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA", "detail": "low" } }),
                BlockKind::Image(Media { detail: Some("low".into()), ..base64("AAAA", "image/png") }),
            ),
            (
                json!({ "type": "image_url", "image_url": "https://a/b.png" }),
                BlockKind::Image(media(MediaSource::Url("https://a/b.png".into()), None)),
            ),
            (
                json!({ "type": "input_audio", "input_audio": { "data": "AAAA", "format": "mp3" } }),
                BlockKind::Audio(base64("AAAA", "audio/mpeg")),
            ),
            (
                json!({ "type": "thinking", "thinking": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] }),
                BlockKind::Reasoning { text: "ab".into(), signature: None, redacted: None },
            ),
        ];
        for (part, kind) in table {
            let mut rest = Vec::new();
            let blocks = read(json!([part]), "content", &mut rest).unwrap();
            assert_eq!(blocks, [Block::from(kind)]);
            assert_eq!(rest, []);
        }
        let marked = json!([{ "type": "text", "text": "a", "cache_control": { "type": "ephemeral", "ttl": "1h" } }]);
        let blocks = read(marked, "content", &mut Vec::new()).unwrap();
        assert_eq!(blocks[0].cache, Some(CacheMark { ttl: Some("1h".into()), ..CacheMark::default() }));
    }
}

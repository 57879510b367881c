//! Content of messages and tool results: a string, or an array of typed parts.

use serde_json::{Value, json};

use super::OWN;
use crate::codec::{Malformed, Unsupported};
use crate::ir::{Block, BlockKind, CacheMark, Extra, Media, MediaSource, Place};
use crate::shared::fields::Fields;
use crate::shared::media::{data_url, image_url, located, media, titled};
use crate::shared::whereabouts::Whereabouts;

/// A file's name where the caller gave none; one is demanded.
const FILE_NAME: &str = "document.pdf";

/// Reads content. What is not understood inside a part goes to `rest`; a whole part that is not goes on as opaque.
///
/// # Errors
/// Content of no known form.
pub(super) fn read(content: Value, path: &str, rest: &mut Vec<Extra>) -> Result<Vec<Block>, Malformed> {
    match content {
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Block::text(text).at(path)]),
        Value::Array(items) => {
            items.into_iter().enumerate().map(|(nth, item)| part(item, &format!("{path}[{nth}]"), rest)).collect()
        }
        _ => Err(Malformed::new(path, "expected a string or an array of parts")),
    }
}

fn part(item: Value, path: &str, rest: &mut Vec<Extra>) -> Result<Block, Malformed> {
    if let Value::String(text) = item {
        return Ok(Block::text(text).at(path));
    }
    let mut fields = Fields::of(path, item)?;
    let mark = fields.object("prompt_cache_breakpoint")?;
    let cache = mark.map(|mark| CacheMark { ttl: None, place: Place::at(mark.place()) });
    let kind = fields.peek("type").and_then(Value::as_str);
    let kind = match kind.ok_or_else(|| Malformed::new(fields.path("type"), "expected a string"))? {
        "input_text" | "output_text" | "text" => BlockKind::Text {
            text: fields.string("text")?.unwrap_or_default(),
            citations: fields.array("annotations")?.unwrap_or_default(),
        },
        "refusal" => BlockKind::Refusal { text: fields.string("refusal")?.unwrap_or_default() },
        "input_image" => BlockKind::Image(image(&mut fields)?),
        "input_file" => BlockKind::Document(file(&mut fields)?),
        "input_audio" => BlockKind::Audio(audio(&mut fields, rest)?),
        _ => {
            let value = Value::Object(fields.into_map());
            return Ok(Block { kind: BlockKind::Opaque { dialect: OWN, value }, cache, place: Place::at(path) });
        }
    };
    fields.value("type");
    // Log probabilities come back with stored answers, mostly none.
    rest.extend(fields.rest().into_iter().filter(|extra| extra.value != Value::Array(Vec::new())));
    Ok(Block { kind, cache, place: Place::at(path) })
}

fn image(fields: &mut Fields) -> Result<Media, Malformed> {
    let detail = fields.string("detail")?;
    // Of two sources the second stays, and is known to be left over.
    let found = match fields.string("image_url")? {
        Some(url) => located(&url),
        None => match fields.string("file_id")? {
            Some(id) => media(MediaSource::File { dialect: OWN, id }, None),
            None => return Err(Malformed::new(fields.path("image_url"), "is required")),
        },
    };
    Ok(Media { detail, ..found })
}

fn file(fields: &mut Fields) -> Result<Media, Malformed> {
    let name = fields.string("filename")?;
    let found = if let Some(id) = fields.string("file_id")? {
        media(MediaSource::File { dialect: OWN, id }, None)
    } else if let Some(url) = fields.string("file_url")? {
        media(MediaSource::Url(url), None)
    } else {
        let data = fields.required_string("file_data")?;
        let pdf = || Some("application/pdf".to_owned());
        data_url(&data).unwrap_or_else(|| media(MediaSource::Base64(data), pdf()))
    };
    Ok(Media { name, ..found })
}

fn audio(fields: &mut Fields, rest: &mut Vec<Extra>) -> Result<Media, Malformed> {
    let path = fields.path("input_audio");
    let mut audio = fields.object("input_audio")?.ok_or_else(|| Malformed::new(path, "is required"))?;
    let data = audio.required_string("data")?;
    let format = audio.string("format")?.unwrap_or_else(|| "wav".to_owned());
    rest.extend(audio.rest());
    let kind = if format == "mp3" { "audio/mpeg".to_owned() } else { format!("audio/{format}") };
    Ok(media(MediaSource::Base64(data), Some(kind)))
}

/// Writes a part that is no text; `None` where it has no form here. `own`: the caller wrote this dialect; `at` is for
/// messages.
///
/// # Errors
/// Media that this dialect has no place for.
pub(super) fn write(kind: &BlockKind, own: bool, at: &Whereabouts) -> Result<Option<Value>, Unsupported> {
    let unsupported = |reason: &str| Unsupported { field: at.to_string(), reason: reason.to_owned() };
    Ok(match kind {
        BlockKind::Image(media) => {
            let mut part = json!({ "type": "input_image" });
            // Their reference demands a detail; its servers do not.
            let usual = Some("auto").filter(|_| !own);
            if let Some(detail) = media.detail.as_deref().or(usual) {
                part["detail"] = detail.into();
            }
            match &media.source {
                MediaSource::File { dialect, id } if *dialect == OWN => part["file_id"] = id.as_str().into(),
                MediaSource::File { .. } => return Err(unsupported("the file is with another provider")),
                _ => {
                    let url = image_url(media).ok_or_else(|| unsupported("text is no image"))?;
                    part["image_url"] = url.into();
                }
            }
            Some(part)
        }
        BlockKind::Document(media) => Some(match &media.source {
            MediaSource::File { dialect, id } if *dialect == OWN => json!({ "type": "input_file", "file_id": id }),
            MediaSource::File { .. } => return Err(unsupported("the file is with another provider")),
            MediaSource::Url(url) => json!({ "type": "input_file", "file_url": url }),
            MediaSource::Base64(data) => {
                let kind = media.media_type.as_deref().unwrap_or("application/pdf");
                let mut part = json!({ "type": "input_file", "file_data": format!("data:{kind};base64,{data}") });
                if let Some(name) = media.name.as_deref().or(Some(FILE_NAME).filter(|_| !own)) {
                    part["filename"] = name.into();
                }
                part
            }
            MediaSource::Text(text) => {
                json!({ "type": "input_text", "text": titled(media.name.as_deref(), text) })
            }
        }),
        BlockKind::Audio(media) if own => match &media.source {
            MediaSource::Base64(data) => {
                let kind = media.media_type.as_deref().and_then(|kind| kind.split('/').nth(1)).unwrap_or("wav");
                let format = if kind == "mpeg" { "mp3" } else { kind };
                Some(json!({ "type": "input_audio", "input_audio": { "data": data, "format": format } }))
            }
            _ => return Err(unsupported("the target takes audio inline only")),
        },
        BlockKind::Audio(_) => return Err(unsupported("the target takes no audio")),
        BlockKind::Opaque { dialect, value } if *dialect == OWN => Some(value.clone()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_block_and_goes_back() {
        let base64 = |data: &str, kind: &str| media(MediaSource::Base64(data.into()), Some(kind.into()));
        let table = [
            (
                json!({ "type": "input_image", "detail": "low", "image_url": "data:image/png;base64,AAAA" }),
                BlockKind::Image(Media { detail: Some("low".into()), ..base64("AAAA", "image/png") }),
            ),
            (
                json!({ "type": "input_image", "detail": "auto", "file_id": "file-1" }),
                BlockKind::Image(Media {
                    detail: Some("auto".into()),
                    ..media(MediaSource::File { dialect: OWN, id: "file-1".into() }, None)
                }),
            ),
            (
                json!({ "type": "input_file", "file_url": "https://a/b.pdf" }),
                BlockKind::Document(media(MediaSource::Url("https://a/b.pdf".into()), None)),
            ),
            (
                json!({ "type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA" }),
                BlockKind::Document(Media { name: Some("a.pdf".into()), ..base64("AAAA", "application/pdf") }),
            ),
            (
                json!({ "type": "input_audio", "input_audio": { "data": "AAAA", "format": "mp3" } }),
                BlockKind::Audio(base64("AAAA", "audio/mpeg")),
            ),
            (
                json!({ "type": "something_new", "x": 1 }),
                BlockKind::Opaque { dialect: OWN, value: json!({ "type": "something_new", "x": 1 }) },
            ),
        ];
        for (written, kind) in table {
            let mut rest = Vec::new();
            let blocks = read(json!([written]), "content", &mut rest).unwrap();
            assert_eq!(blocks, [Block::from(kind)]);
            assert_eq!(rest, []);
            assert_eq!(write(&blocks[0].kind, true, &Whereabouts::default()).unwrap(), Some(written));
        }
        assert!(write(&BlockKind::Audio(base64("AAAA", "audio/wav")), false, &Whereabouts::default()).is_err());
    }
}

//! Pictures, documents and sound: `inlineData` and `fileData`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_core::Dialect;
use serde_json::{Value, json};

use super::names::{Builder, field};
use crate::codec::{Malformed, Unsupported};
use crate::ir::{BlockKind, Media, MediaSource};
use crate::loss::Loss;
use crate::shared::fields::Fields;

/// Takes the media out of a part. `None` if it has none, or one the representation has no word for (video): then the
/// part is left as it was.
pub(super) fn decode(part: &mut Fields) -> Result<Option<BlockKind>, Malformed> {
    let inline = part.peek("inlineData").is_some();
    let name = if inline { "inlineData" } else { "fileData" };
    let Some(whole) = part.peek(name).cloned() else { return Ok(None) };
    let mut data = super::names::object(part.path(name), whole)?;
    let media_type = data.string("mimeType")?;
    let source = if inline {
        MediaSource::Base64(standard_base64(&data.required_string("data")?))
    } else {
        let uri = data.required_string("fileUri")?;
        if is_uploaded(&uri) { MediaSource::File { dialect: Dialect::Gemini, id: uri } } else { MediaSource::Url(uri) }
    };
    let guessed = match (&media_type, &source) {
        (None, MediaSource::Url(uri) | MediaSource::File { id: uri, .. }) => type_by_extension(uri),
        (given, _) => given.as_deref(),
    };
    let Some(kind) = guessed.and_then(kind_of) else { return Ok(None) };
    field(part, name)?;
    Ok(Some(kind(Media { source, media_type, name: data.string("displayName")?, detail: None })))
}

fn kind_of(media_type: &str) -> Option<fn(Media) -> BlockKind> {
    Some(match media_type.split('/').next()? {
        "image" => BlockKind::Image,
        "audio" => BlockKind::Audio,
        "video" => return None,
        _ => BlockKind::Document,
    })
}

/// A file of the Files API or of Cloud Storage, which nobody else can read.
fn is_uploaded(uri: &str) -> bool {
    !uri.starts_with("http") || uri.contains("generativelanguage.googleapis.com/")
}

/// Base64 in the URL alphabet is accepted by the API; elsewhere it is not.
fn standard_base64(data: &str) -> String {
    if !data.contains(['-', '_']) {
        return data.to_owned();
    }
    data.replace('-', "+").replace('_', "/")
}

/// The part for a media block.
pub(super) fn encode(block: &BlockKind, path: &str, losses: &mut Vec<Loss>) -> Result<Option<Value>, Unsupported> {
    let (media, fallback) = match block {
        BlockKind::Image(media) => (media, "image/jpeg"),
        BlockKind::Document(media) => (media, "application/pdf"),
        BlockKind::Audio(media) => (media, "audio/wav"),
        _ => return Ok(None),
    };
    if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
        losses.push(Loss::dropped(format!("{path}.detail")));
    }
    let mut data = Builder::default();
    let mut media_type = media.media_type.clone();
    let kind = match &media.source {
        MediaSource::Base64(bytes) => {
            data.set("data", bytes.as_str());
            "inlineData"
        }
        MediaSource::Text(text) => {
            media_type = media_type.or_else(|| Some("text/plain".to_owned()));
            data.set("data", STANDARD.encode(text));
            "inlineData"
        }
        MediaSource::Url(uri) => {
            // Some models fetch public URLs, others take uploaded files alone.
            losses.push(Loss::approximated(format!("{path}.url")));
            media_type = media_type.or_else(|| type_by_extension(uri).map(str::to_owned));
            data.set("fileUri", uri.as_str());
            "fileData"
        }
        MediaSource::File { dialect: Dialect::Gemini, id } => {
            data.set("fileUri", id.as_str());
            "fileData"
        }
        MediaSource::File { dialect, .. } => {
            let reason = format!("the file was uploaded to a provider of the dialect {dialect}");
            return Err(Unsupported { field: path.to_owned(), reason });
        }
    };
    if media_type.is_none() && !matches!(media.source, MediaSource::File { .. }) {
        losses.push(Loss::defaulted(format!("{path}.media_type")));
        media_type = Some(fallback.to_owned());
    }
    data.maybe("mimeType", media_type);
    // `displayName` is for Vertex AI only, and the other API refuses it.
    if media.name.is_some() {
        losses.push(Loss::dropped(format!("{path}.filename")));
    }
    Ok(Some(json!({ kind: data.0 })))
}

fn type_by_extension(uri: &str) -> Option<&'static str> {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let (_, extension) = path.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" | "md" => "text/plain",
        "csv" => "text/csv",
        "html" => "text/html",
        "mp3" => "audio/mp3",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "ogg" => "audio/ogg",
        "mp4" => "video/mp4",
        "mov" => "video/mov",
        "webm" => "video/webm",
        _ => return None,
    })
}

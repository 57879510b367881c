//! Small forms that requests, answers and streams share.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::codec::Malformed;

/// An id of a tool call may be this long.
const MAX_TOOL_ID: usize = 64;
/// Marks thinking that is no text once its base64 is undone: such bytes stay base64. No provider's token holds a colon.
const BYTES: &str = "base64:";

/// Image formats, each with its media type.
const IMAGES: [(&str, &str); 4] =
    [("png", "image/png"), ("jpeg", "image/jpeg"), ("gif", "image/gif"), ("webp", "image/webp")];

/// Document formats, each with its media type.
const DOCUMENTS: [(&str, &str); 9] = [
    ("pdf", "application/pdf"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("html", "text/html"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
];

/// Sound formats, each with its media type; of several for one format the first is read.
const SOUNDS: [(&str, &str); 11] = [
    ("mp3", "audio/mpeg"),
    ("mp3", "audio/mp3"),
    ("wav", "audio/wav"),
    ("wav", "audio/x-wav"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/opus"),
    ("aac", "audio/aac"),
    ("m4a", "audio/m4a"),
    ("webm", "audio/webm"),
    ("pcm", "audio/pcm"),
];

/// The kinds of media with a table of formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Image,
    Document,
    Sound,
}

impl Kind {
    const fn table(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Image => &IMAGES,
            Self::Document => &DOCUMENTS,
            Self::Sound => &SOUNDS,
        }
    }

    /// The media type of a format.
    pub(super) fn media_type(self, format: &str) -> Option<&'static str> {
        self.table().iter().find(|(known, _)| *known == format).map(|(_, media)| *media)
    }

    /// The format of a media type.
    pub(super) fn format(self, media_type: &str) -> Option<&'static str> {
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let media_type = if media_type == "image/jpg" { "image/jpeg" } else { media_type };
        self.table().iter().find(|(_, known)| *known == media_type).map(|(format, _)| *format)
    }
}

/// The one member of a union. Members that are `null` are not there.
pub(super) fn member(path: &str, value: Value) -> Result<(String, Value), Malformed> {
    let Value::Object(map) = value else { return Err(Malformed::new(path, "expected an object")) };
    let mut members = map.into_iter().filter(|(_, value)| !value.is_null());
    match (members.next(), members.next()) {
        (Some(member), None) => Ok(member),
        _ => Err(Malformed::new(path, "expected an object with exactly one member")),
    }
}

/// An object with one member.
pub(super) fn union(name: &str, value: impl Into<Value>) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value.into())]))
}

/// An id of a tool call as the API takes it: letters, digits and `_.:-`, 64 at most. Another is mapped, the same always to
/// the same, so that a call and its result still meet.
pub(super) fn tool_id(id: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    if !id.is_empty() && id.len() <= MAX_TOOL_ID && id.chars().all(fits) {
        return id.to_owned();
    }
    // FNV-1a: two ids that differ only in what was replaced or cut stay apart.
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let readable: String = id.chars().take(MAX_TOOL_ID - 17).map(|c| if fits(c) { c } else { '_' }).collect();
    format!("{readable}_{hash:016x}")
}

/// Thinking only the provider can read comes as the base64 of its bytes, which are themselves a text token where the model
/// is Claude: that token is what other hosts of the model know it by.
pub(super) fn token_of_blob(blob: &str) -> String {
    let token = STANDARD.decode(blob).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    token.filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic())).unwrap_or_else(|| format!("{BYTES}{blob}"))
}

/// The other way round.
pub(super) fn blob_of_token(token: &str) -> String {
    token.strip_prefix(BYTES).map_or_else(|| STANDARD.encode(token), str::to_owned)
}

/// Is this source of a text in this dialect's form?
pub(super) fn is_citation(value: &Value) -> bool {
    const PLACES: [&str; 5] = ["web", "documentChar", "documentPage", "documentChunk", "searchResultLocation"];
    let place = |location: &Value| PLACES.iter().any(|place| location.get(place).is_some_and(Value::is_object));
    value.get("location").is_some_and(place) || value.get("sourceContent").is_some_and(Value::is_array)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_mapped_apart() {
        assert_eq!(tool_id("tooluse_01-A.b:c"), "tooluse_01-A.b:c");
        assert_ne!(tool_id("call/1"), tool_id("call|1"));
        let long = |last: &str| "x".repeat(80) + last;
        assert_ne!(tool_id(&long("a")), tool_id(&long("b")));
        for id in ["", "é", &long("a"), "call/1"] {
            let mapped = tool_id(id);
            assert!(!mapped.is_empty() && mapped.len() <= MAX_TOOL_ID && mapped.is_ascii(), "{id} is {mapped}");
            assert_eq!(tool_id(&mapped), mapped);
        }
    }

    #[test]
    fn sealed_thinking_there_and_back() {
        for token in ["EqQBCkgIBxAB==", "x"] {
            assert_eq!(token_of_blob(&blob_of_token(token)), token);
        }
        let bytes = STANDARD.encode([0xFF, 0x00, 0x80]);
        assert_eq!(blob_of_token(&token_of_blob(&bytes)), bytes);
        assert_eq!(blob_of_token(&token_of_blob("not base64!")), "not base64!");
    }

    #[test]
    fn formats() {
        for kind in [Kind::Image, Kind::Document, Kind::Sound] {
            for (format, _) in kind.table() {
                assert_eq!(kind.format(kind.media_type(format).unwrap()), Some(*format));
            }
        }
        assert_eq!(Kind::Image.format("image/jpg"), Some("jpeg"));
        assert_eq!(Kind::Document.format("text/plain; charset=utf-8"), Some("txt"));
        assert_eq!(Kind::Image.format("image/tiff"), None);
    }
}

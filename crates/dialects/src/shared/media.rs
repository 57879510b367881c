//! Media as URLs, `data:` URLs among them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ir::{Media, MediaSource};

/// Media of which no more is known.
#[must_use]
pub const fn media(source: MediaSource, media_type: Option<String>) -> Media {
    Media { source, media_type, name: None, detail: None }
}

/// A URL; where it is a `data:` URL in base64, what it holds.
#[must_use]
pub fn located(url: &str) -> Media {
    data_url(url).unwrap_or_else(|| media(MediaSource::Url(url.to_owned()), None))
}

/// What a `data:` URL in base64 holds; `None` for another URL.
#[must_use]
pub fn data_url(url: &str) -> Option<Media> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let mut words = head.split(';');
    let media_type = words.next().filter(|word| !word.is_empty()).map(str::to_owned);
    words
        .any(|word| word.eq_ignore_ascii_case("base64"))
        .then(|| media(MediaSource::Base64(data.to_owned()), media_type))
}

/// A picture as a URL; `None` where its bytes are elsewhere.
#[must_use]
pub fn image_url(media: &Media) -> Option<String> {
    match &media.source {
        MediaSource::Url(url) => Some(url.clone()),
        MediaSource::Base64(data) => {
            let kind = media.media_type.as_deref().unwrap_or_else(|| sniffed(data));
            Some(format!("data:{kind};base64,{data}"))
        }
        MediaSource::Text(_) | MediaSource::File { .. } => None,
    }
}

/// A document of plain text as text, with its title in front.
#[must_use]
pub fn titled(title: Option<&str>, text: &str) -> String {
    title.map_or_else(|| text.to_owned(), |title| format!("{title}\n\n{text}"))
}

/// The type of a picture by its first bytes.
fn sniffed(data: &str) -> &'static str {
    let head = data.get(..16).and_then(|head| STANDARD.decode(head).ok()).unwrap_or_default();
    match head.as_slice() {
        [0xff, 0xd8, ..] => "image/jpeg",
        [b'G', b'I', b'F', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', ..] => "image/webp",
        _ => "image/png",
    }
}

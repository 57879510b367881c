//! Is this a picture, whole, and how large? A provider's answer is looked at before anybody is given it: a body that was
//! cut or spoiled on the way is a failed attempt, not an image.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ringmain_core::Fault;
use ringmain_wire::event_stream::crc32;

use super::size::Size;
use crate::fault::unreadable;

/// How an image is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    Webp,
    /// GIF.
    Gif,
}

impl Format {
    /// The word of the APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
            Self::Gif => "gif",
        }
    }

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
        }
    }

    /// The format of a word or media type.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        match word.strip_prefix("image/").unwrap_or(word) {
            "png" => Some(Self::Png),
            "jpeg" | "jpg" => Some(Self::Jpeg),
            "webp" => Some(Self::Webp),
            "gif" => Some(Self::Gif),
            _ => None,
        }
    }
}

/// What the bytes of an image say of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    /// How it is written.
    pub format: Format,
    /// Its size in pixels.
    pub size: Size,
}

/// Base64, or a `data:` URL, to bytes.
///
/// # Errors
/// It is not base64.
pub fn decode(text: &str) -> Result<Bytes, Fault> {
    let text = match text.strip_prefix("data:") {
        Some(rest) => rest.split_once(',').map_or(rest, |(_, data)| data),
        None => text,
    };
    let decoded = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        STANDARD.decode(text.split_ascii_whitespace().collect::<String>())
    } else {
        STANDARD.decode(text)
    };
    decoded.map(Bytes::from).map_err(|_| unreadable("the image is not base64"))
}

/// Bytes to base64.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Looks at an image.
///
/// # Errors
/// It is none, or not whole.
pub fn look(bytes: &[u8]) -> Result<Looks, Fault> {
    let looks = match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', rest @ ..] => png(rest),
        [0xFF, 0xD8, 0xFF, ..] => jpeg(bytes),
        [b'R', b'I', b'F', b'F', a, b, c, d, b'W', b'E', b'B', b'P', rest @ ..] => {
            webp(u32::from_le_bytes([*a, *b, *c, *d]), rest)
        }
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', a, b, c, d, .., 0x3B] => Some(Looks {
            format: Format::Gif,
            size: Size::new(u32::from(u16::from_le_bytes([*a, *b])), u32::from(u16::from_le_bytes([*c, *d]))),
        }),
        [] => return Err(crate::fault::empty()),
        _ => return Err(unreadable("the image is in no known format")),
    };
    let looks = looks.filter(|looks| looks.size.width > 0 && looks.size.height > 0);
    looks.ok_or_else(|| unreadable("the image is not whole"))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Chunks with checksums, from `IHDR` to `IEND`.
fn png(mut rest: &[u8]) -> Option<Looks> {
    let size = (rest.get(4..8)? == b"IHDR").then(|| Some(Size::new(be32(rest, 8)?, be32(rest, 12)?)))??;
    let mut has_data = false;
    loop {
        let length = usize::try_from(be32(rest, 0)?).ok()?;
        let checked = rest.get(4..length.checked_add(8)?)?;
        if be32(rest, length + 8)? != crc32::of(checked) {
            return None;
        }
        has_data |= checked.starts_with(b"IDAT");
        if checked.starts_with(b"IEND") {
            return has_data.then_some(Looks { format: Format::Png, size });
        }
        rest = rest.get(length + 12..)?;
    }
}

/// Segments up to a frame's head, and an end mark; there are no checksums.
fn jpeg(bytes: &[u8]) -> Option<Looks> {
    // A few bytes after the end mark are common.
    let tail = &bytes[bytes.len().saturating_sub(64)..];
    if !tail.windows(2).any(|pair| pair == [0xFF, 0xD9]) {
        return None;
    }
    let mut at = 2;
    loop {
        while *bytes.get(at)? == 0xFF && *bytes.get(at + 1)? == 0xFF {
            at += 1;
        }
        if *bytes.get(at)? != 0xFF {
            return None;
        }
        let marker = *bytes.get(at + 1)?;
        let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
        if matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) {
            let side = |at: usize| Some(u32::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])));
            return Some(Looks { format: Format::Jpeg, size: Size::new(side(at + 7)?, side(at + 5)?) });
        }
        at += 2 + length.max(2);
    }
}

/// `rest` is what follows `WEBP`.
fn webp(length: u32, rest: &[u8]) -> Option<Looks> {
    if rest.len() + 4 < usize::try_from(length).ok()? {
        return None;
    }
    let le24 = |at: usize| Some(u32::from_le_bytes([*rest.get(at)?, *rest.get(at + 1)?, *rest.get(at + 2)?, 0]));
    let size = match rest.get(..4)? {
        b"VP8 " => {
            let side = |at: usize| Some(u32::from(u16::from_le_bytes([*rest.get(at)?, *rest.get(at + 1)?]) & 0x3FFF));
            Size::new(side(14)?, side(16)?)
        }
        b"VP8L" => {
            let bits = u32::from_le_bytes(rest.get(9..13)?.try_into().ok()?);
            Size::new((bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1)
        }
        b"VP8X" => Size::new(le24(12)? + 1, le24(15)? + 1),
        _ => return None,
    };
    Some(Looks { format: Format::Webp, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 by 1, as the recordings hold it.
    const DOT: &str =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

    #[test]
    fn a_png_is_whole_or_none() {
        let dot = decode(DOT).unwrap();
        assert_eq!(look(&dot).unwrap(), Looks { format: Format::Png, size: Size::new(1, 1) });
        assert_eq!(decode(&format!("data:image/png;base64,{DOT}\n")).unwrap(), dot);
        for cut in 1..dot.len() {
            assert!(look(&dot[..cut]).is_err(), "{cut}");
        }
        for at in 8..dot.len() {
            let mut spoilt = dot.to_vec();
            spoilt[at] ^= 0x10;
            assert!(look(&spoilt).is_err(), "{at}");
        }
        assert!(decode("iVBORw0KGgo*").is_err());
        assert!(look(b"").is_err());
        assert!(look(b"<html>").is_err());
    }

    #[test]
    fn other_formats() {
        let mut jpeg =
            vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0, 0, 0xFF, 0xFF, 0xC0, 0, 11, 8, 0x02, 0x00, 0x03, 0x00, 1, 0, 0, 0];
        assert!(look(&jpeg).is_err(), "no end");
        jpeg.extend([0xFF, 0xD9]);
        assert_eq!(look(&jpeg).unwrap(), Looks { format: Format::Jpeg, size: Size::new(768, 512) });
        let webp = |kind: &[u8; 4], body: &[u8]| {
            let length = u32::try_from(body.len() + 8).unwrap();
            [b"RIFF", &(length + 4).to_le_bytes()[..], b"WEBP", kind, &(length - 8).to_le_bytes()[..], body].concat()
        };
        let lossy = webp(b"VP8 ", &[0, 0, 0, 0x9D, 0x01, 0x2A, 0x00, 0x04, 0x00, 0x03]);
        assert_eq!(look(&lossy).unwrap().size, Size::new(1024, 768));
        let extended = webp(b"VP8X", &[0, 0, 0, 0, 0xFF, 0x03, 0, 0xFF, 0x01, 0]);
        assert_eq!(look(&extended).unwrap(), Looks { format: Format::Webp, size: Size::new(1024, 512) });
        assert!(look(&extended[..extended.len() - 1]).is_err());
        let gif = b"GIF89a\x10\x00\x20\x00\x00\x00\x00\x3B";
        assert_eq!(look(gif).unwrap().size, Size::new(16, 32));
    }
}

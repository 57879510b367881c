//! Masks. OpenAI's says by transparency where an image is to change, others' by black and white; a mask that is painted
//! the wrong way round would change all but what was meant.

use std::io::{Cursor, Write as _};

use bytes::Bytes;
use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Limits, Transformations};
use ringmain_dialects::Unsupported;

use super::picture::Format;
use super::{Input, bytes_of, unsupported};

/// The most pixels of a mask.
const PIXELS_MAX: u64 = 1 << 24;
/// What is held of one while it is read: a few rows.
const HELD_MAX: usize = 4 << 20;
/// A pixel that is more transparent than this is one that changes.
const HALF: u8 = 128;

/// The colour of what changes; everything else has the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changes {
    White,
    Black,
}

/// A caller's mask in two colours, as PNG.
///
/// # Errors
/// It is no PNG, or has nothing transparent and so marks nothing.
pub(super) fn painted(mask: &Input, changes: Changes) -> Result<Bytes, Unsupported> {
    let (data, format) = bytes_of(mask, "mask")?;
    if format != Format::Png {
        return Err(unsupported("mask", "only masks in PNG can be painted as this provider wants them"));
    }
    match repaint(&data, changes) {
        Ok(Some(painted)) => Ok(painted.into()),
        Ok(None) => Err(unsupported("mask", "has no transparent pixel, and so marks nothing")),
        Err(Unreadable) => Err(unsupported("mask", "is no PNG that can be read, or an interlaced or very large one")),
    }
}

/// The PNG cannot be read, or is too much.
struct Unreadable;

impl From<png::DecodingError> for Unreadable {
    fn from(_: png::DecodingError) -> Self {
        Self
    }
}

impl From<png::EncodingError> for Unreadable {
    fn from(_: png::EncodingError) -> Self {
        Self
    }
}

impl From<std::io::Error> for Unreadable {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

/// Row by row, so that what is held does not grow with the picture. `None`: nothing of it is transparent.
fn repaint(data: &[u8], changes: Changes) -> Result<Option<Vec<u8>>, Unreadable> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(data), Limits { bytes: HELD_MAX });
    decoder.set_transformations(Transformations::normalize_to_color8() | Transformations::ALPHA);
    let mut reader = decoder.read_info()?;
    let (width, height) = (reader.info().width, reader.info().height);
    if reader.info().interlaced || u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(Unreadable);
    }
    let samples = reader.output_color_type().0.samples();
    let mut painted = Vec::new();
    let mut encoder = Encoder::new(&mut painted, width, height);
    // In three channels: some providers take no other.
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header()?;
    let mut rows = writer.stream_writer()?;
    let (marked, unmarked) = if changes == Changes::White { (0xFF, 0) } else { (0, 0xFF) };
    let mut marks = false;
    let mut line = Vec::new();
    while let Some(row) = reader.next_row()? {
        line.clear();
        for pixel in row.data().chunks_exact(samples) {
            let is_marked = pixel.last().is_some_and(|alpha| *alpha < HALF);
            marks |= is_marked;
            line.extend([if is_marked { marked } else { unmarked }; 3]);
        }
        rows.write_all(&line)?;
    }
    rows.finish()?;
    drop(writer);
    Ok(marks.then_some(painted))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A PNG of 3 by 1 pixels with these.
    pub(crate) fn png_of(color: ColorType, pixels: &[u8]) -> Bytes {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, 3, 1);
        encoder.set_color(color);
        encoder.set_depth(BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
        out.into()
    }

    /// The first channel of each pixel.
    pub(crate) fn reds(png: &[u8]) -> Vec<u8> {
        let mut reader = Decoder::new(Cursor::new(png)).read_info().unwrap();
        assert_eq!(reader.output_color_type(), (ColorType::Rgb, BitDepth::Eight));
        let row = reader.next_row().unwrap().unwrap();
        row.data().chunks(3).map(|pixel| pixel[0]).collect()
    }

    fn input(data: Bytes, format: Format) -> Input {
        Input::Bytes { data, format }
    }

    #[test]
    fn what_is_transparent_is_what_changes() {
        let colours = png_of(ColorType::Rgba, &[9, 9, 9, 0, 200, 200, 200, 255, 0, 0, 0, 127]);
        let greys = png_of(ColorType::GrayscaleAlpha, &[255, 0, 0, 255, 7, 100]);
        for png in [colours, greys] {
            let mask = input(png, Format::Png);
            assert_eq!(reds(&painted(&mask, Changes::White).unwrap()), [255, 0, 255]);
            assert_eq!(reds(&painted(&mask, Changes::Black).unwrap()), [0, 255, 0]);
        }
    }

    #[test]
    fn a_mask_that_cannot_be_turned_is_refused() {
        let opaque = png_of(ColorType::Rgb, &[0, 0, 0, 255, 255, 255, 0, 0, 0]);
        let whole = png_of(ColorType::Rgba, &[0; 12]);
        // A picture of a hundred million pixels in a few bytes.
        let mut bomb = whole.to_vec();
        bomb[16..24].copy_from_slice(&[0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10]);
        let table = [
            (input(opaque, Format::Png), "marks nothing"),
            (input(whole.slice(..whole.len() - 20), Format::Png), "can be read"),
            (input(bomb.into(), Format::Png), "can be read"),
            (input(whole, Format::Webp), "only masks in PNG"),
            (Input::Url("https://x.example/m.png".to_owned()), "a URL"),
        ];
        for (mask, words) in table {
            let refused = painted(&mask, Changes::White).unwrap_err().to_string();
            assert!(refused.starts_with("mask cannot be carried: ") && refused.contains(words), "{refused}");
        }
    }
}

//! Content encodings, undone piece by piece: however small what comes in, what goes out is bounded by who takes it.
//!
//! `gzip` (of several members too), `deflate` (with or without the zlib header: servers differ), `br` and `zstd` (of
//! several frames too, with the window that HTTP allows).

use std::io;

use bytes::{Buf, Bytes};
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::zstd::params::DParameter;
use compression_codecs::{BrotliDecoder, DecodeV2, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};

/// The largest piece that comes out at once, in bytes.
const PIECE: usize = 32 * 1024;
/// The largest window of `zstd` in HTTP (RFC 9659): 8 MiB, as a power of two.
const ZSTD_WINDOW: u32 = 23;
/// The most encodings on top of each other; more than two are somebody's joke.
const LAYERS: usize = 3;

/// One content encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`, `x-gzip`.
    Gzip,
    /// `deflate`.
    Deflate,
    /// `br`.
    Brotli,
    /// `zstd`.
    Zstd,
}

/// Names that [`codings`] knows, for an `accept-encoding` header.
pub const KNOWN: &str = "gzip, deflate, br, zstd, identity";

/// An encoding that is not known, or too many at once; the name as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the content encoding `{0}` is not known")]
pub struct UnknownCoding(pub String);

/// The value of a `content-encoding` header: the encodings in the order in which they were applied.
///
/// # Errors
/// One of them is not known, or there are more than anybody means.
pub fn codings(value: &str) -> Result<Vec<Coding>, UnknownCoding> {
    let names = value.split(',').map(|name| name.trim().to_ascii_lowercase());
    let mut found = Vec::new();
    for name in names.filter(|name| !name.is_empty() && name != "identity") {
        found.push(match name.as_str() {
            "gzip" | "x-gzip" => Coding::Gzip,
            "deflate" => Coding::Deflate,
            "br" => Coding::Brotli,
            "zstd" => Coding::Zstd,
            _ => return Err(UnknownCoding(name)),
        });
    }
    if found.len() > LAYERS { Err(UnknownCoding(value.trim().to_owned())) } else { Ok(found) }
}

/// The bytes are not what their encoding says.
#[derive(Debug, thiserror::Error)]
#[error("not readable as {coding:?}: {problem}")]
pub struct CodingError {
    coding: Coding,
    problem: String,
}

/// Undoes the encodings of one body.
#[derive(Debug)]
pub struct Decoder {
    /// The one that was applied last comes first.
    layers: Vec<Layer>,
}

impl Decoder {
    /// For a body with these encodings, in the order in which they were applied.
    #[must_use]
    pub fn new(codings: &[Coding]) -> Self {
        Self { layers: codings.iter().rev().map(|coding| Layer::new(*coding)).collect() }
    }

    /// Adds the next bytes of the body. What came before must have been taken out with [`Self::next`].
    pub fn push(&mut self, bytes: Bytes) {
        if let Some(first) = self.layers.first_mut() {
            first.input = bytes;
        }
    }

    /// The next piece of what it says, of at most 32 KiB; `None` until more is pushed.
    ///
    /// # Errors
    /// The bytes are not what their encoding says.
    #[expect(clippy::should_implement_trait, reason = "an iterator would be fused: `None` here means push more")]
    pub fn next(&mut self) -> Result<Option<Bytes>, CodingError> {
        let mut at = self.layers.len();
        loop {
            // From the last layer back to one that has something, and forward from there.
            let Some(layer) = at.checked_sub(1).and_then(|at| self.layers.get_mut(at)) else { return Ok(None) };
            let Some(piece) = layer.next()? else {
                at -= 1;
                continue;
            };
            match self.layers.get_mut(at) {
                Some(inner) => {
                    inner.input = piece;
                    at = self.layers.len();
                }
                None => return Ok(Some(piece)),
            }
        }
    }

    /// No more bytes come.
    ///
    /// # Errors
    /// The body was cut.
    pub fn finish(&mut self) -> Result<(), CodingError> {
        self.layers.iter_mut().try_for_each(Layer::finish)
    }
}

/// One encoding of a body.
struct Layer {
    coding: Coding,
    input: Bytes,
    decoder: Option<Box<dyn DecodeV2 + Send>>,
    /// It filled its last piece, so there may be more without more input.
    full: bool,
    /// A member or frame has ended.
    whole: bool,
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer").field("coding", &self.coding).field("whole", &self.whole).finish_non_exhaustive()
    }
}

impl Layer {
    fn new(coding: Coding) -> Self {
        Self { coding, input: Bytes::new(), decoder: None, full: false, whole: false }
    }

    fn next(&mut self) -> Result<Option<Bytes>, CodingError> {
        let mut room = vec![0; PIECE];
        loop {
            if self.input.is_empty() && !self.full {
                return Ok(None);
            }
            let written = self.step(&mut room).map_err(|error| self.error(&error.to_string()))?;
            if written > 0 {
                room.truncate(written);
                return Ok(Some(room.into()));
            }
        }
    }

    /// One call of the decoder; how many bytes it gave.
    fn step(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.whole && !self.input.is_empty() {
            // Only these two may be followed by another of their kind.
            match self.coding {
                Coding::Gzip | Coding::Zstd => self.decoder = None,
                Coding::Deflate | Coding::Brotli => return Err(io::Error::other("bytes behind its end")),
            }
            self.whole = false;
        }
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            None => self.decoder.insert(decoder(self.coding, self.input.first().copied())),
        };
        let mut output = WriteBuffer::new_initialized(room);
        if self.input.is_empty() {
            self.full = false;
            decoder.flush(&mut output)?;
        } else {
            let mut input = PartialBuffer::new(&self.input[..]);
            self.whole = decoder.decode(&mut input, &mut output)?;
            let read = input.written_len();
            self.input.advance(read);
        }
        self.full = output.has_no_spare_space() && !self.whole;
        Ok(output.written_len())
    }

    fn finish(&mut self) -> Result<(), CodingError> {
        let Some(decoder) = self.decoder.as_mut().filter(|_| !self.whole) else { return Ok(()) };
        // What is whole may have been so with the last byte that was taken out.
        let mut room = [0; 16];
        let ended = decoder.finish(&mut WriteBuffer::new_initialized(&mut room));
        if ended.is_ok_and(|ended| ended) { Ok(()) } else { Err(self.error("it was cut")) }
    }

    fn error(&self, problem: &str) -> CodingError {
        CodingError { coding: self.coding, problem: problem.to_owned() }
    }
}

/// `first`: the first byte of the body, which tells the two kinds of `deflate` apart: a zlib header names method 8 and a
/// window of at most 32 KiB, and no encoder begins a bare stream with a block that would look so.
fn decoder(coding: Coding, first: Option<u8>) -> Box<dyn DecodeV2 + Send> {
    match coding {
        Coding::Gzip => Box::new(GzipDecoder::new()),
        Coding::Deflate if first.is_some_and(|first| first & 0x8f == 0x08) => Box::new(ZlibDecoder::new()),
        Coding::Deflate => Box::new(DeflateDecoder::new()),
        Coding::Brotli => Box::new(BrotliDecoder::new()),
        Coding::Zstd => Box::new(ZstdDecoder::new_with_params(&[DParameter::window_log_max(ZSTD_WINDOW)])),
    }
}

#[cfg(test)]
mod tests {
    use compression_codecs::{BrotliEncoder, DeflateEncoder, EncodeV2, GzipEncoder, ZlibEncoder, ZstdEncoder};

    use super::*;

    fn encode(mut encoder: impl EncodeV2, text: &[u8]) -> Bytes {
        let mut all = vec![0; text.len() + 4096];
        let mut output = WriteBuffer::new_initialized(&mut all);
        let mut input = PartialBuffer::new(text);
        while !input.unwritten().is_empty() {
            encoder.encode(&mut input, &mut output).unwrap();
        }
        while !encoder.finish(&mut output).unwrap() {}
        let written = output.written_len();
        all.truncate(written);
        all.into()
    }

    fn level() -> compression_codecs::flate::params::FlateEncoderParams {
        compression_codecs::core::Level::Default.into()
    }

    fn encoded(text: &[u8]) -> Vec<(&'static str, Bytes)> {
        use compression_codecs::brotli::params::EncoderParams;
        use compression_codecs::core::Level;
        vec![
            ("gzip", encode(GzipEncoder::new(level()), text)),
            ("deflate", encode(ZlibEncoder::new(level()), text)),
            ("deflate", encode(DeflateEncoder::new(level()), text)),
            ("br", encode(BrotliEncoder::new(EncoderParams::default().quality(Level::Precise(3))), text)),
            ("zstd", encode(ZstdEncoder::new(3), text)),
        ]
    }

    fn decoded<'a>(name: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, CodingError> {
        let mut decoder = Decoder::new(&codings(name).unwrap());
        let mut out = Vec::new();
        for piece in pieces {
            decoder.push(Bytes::copy_from_slice(piece));
            while let Some(more) = decoder.next()? {
                assert!(!more.is_empty() && more.len() <= PIECE);
                out.extend_from_slice(&more);
            }
        }
        decoder.finish()?;
        Ok(out)
    }

    /// Compresses neither well nor badly, and is larger than a piece.
    fn text() -> Vec<u8> {
        (0..9000_u32).flat_map(|n| format!("{{\"n\":{},", n.wrapping_mul(2_654_435_761) % 977).into_bytes()).collect()
    }

    #[test]
    fn whole_and_byte_by_byte_and_cut_anywhere() {
        let text = text();
        assert!(text.len() > PIECE);
        for (name, bytes) in encoded(&text) {
            assert_eq!(decoded(name, [&bytes[..]]).unwrap(), text, "{name}");
            assert_eq!(decoded(name, bytes.chunks(1)).unwrap(), text, "{name} byte by byte");
            assert_eq!(decoded(name, bytes.chunks(1000)).unwrap(), text, "{name} in pieces");
            for cut in [1, 5, bytes.len() / 2, bytes.len() - 1] {
                assert!(decoded(name, [&bytes[..cut]]).is_err(), "{name} cut at {cut}");
            }
        }
        for (name, bytes) in encoded(b"x") {
            assert_eq!(decoded(name, [&bytes[..]]).unwrap(), b"x", "{name}");
        }
        assert_eq!(decoded("gzip", []).unwrap(), b"");
    }

    #[test]
    fn members_and_frames_in_a_row() {
        for (name, bytes) in encoded(b"one,") {
            let twice = [&bytes[..], &bytes[..]].concat();
            match name {
                "gzip" | "zstd" => assert_eq!(decoded(name, twice.chunks(7)).unwrap(), b"one,one,", "{name}"),
                _ => assert!(decoded(name, [&twice[..]]).is_err(), "{name}"),
            }
        }
    }

    #[test]
    fn one_on_top_of_another() {
        let text = text();
        let [(_, gzip), .., (_, _)] = &encoded(&text)[..] else { unreachable!() };
        let (_, both) = encoded(gzip).pop().unwrap();
        assert_eq!(decoded("gzip, zstd", both.chunks(333)).unwrap(), text);
    }

    #[test]
    fn a_bomb_comes_out_piece_by_piece() {
        for (name, bytes) in encoded(&vec![0; 2 << 20]) {
            assert!(bytes.len() < 64 << 10, "{name}: {}", bytes.len());
            let mut decoder = Decoder::new(&codings(name).unwrap());
            decoder.push(bytes);
            // Whoever takes it may stop here.
            assert!(decoder.next().unwrap().unwrap().len() <= PIECE, "{name}");
        }
    }

    #[test]
    fn garbage_is_an_error() {
        for name in ["gzip", "deflate", "zstd", "br"] {
            assert!(decoded(name, [&b"\xff\xfe{\"not\":\"encoded\"}"[..]]).is_err(), "{name}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(codings("GZip, identity,, br"), Ok(vec![Coding::Gzip, Coding::Brotli]));
        assert_eq!(codings(" identity "), Ok(Vec::new()));
        assert_eq!(codings("compress"), Err(UnknownCoding("compress".into())));
        assert!(codings("gzip,gzip,gzip,gzip").is_err());
    }
}

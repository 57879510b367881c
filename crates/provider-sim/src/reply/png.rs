//! A valid PNG of one colour and any size: small, since each pixel is one bit.

/// The largest side, in pixels.
const SIDE_MAX: u32 = 4096;

/// A rectangle of the colour in the lowest 24 bits of `seed`, so many pixels wide and high.
pub(crate) fn rectangle(seed: u64, (width, height): (u32, u32)) -> Vec<u8> {
    let (width, height) = (width.clamp(1, SIDE_MAX), height.clamp(1, SIDE_MAX));
    let [.., red, green, blue] = seed.to_be_bytes();
    // A filter byte, then a bit for each pixel.
    let row = 1 + usize::try_from(width.div_ceil(8)).unwrap_or(0);
    let pixels = vec![0; row * usize::try_from(height).unwrap_or(0)];
    let mut out = vec![0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
    chunk(&mut out, *b"IHDR", &[&width.to_be_bytes()[..], &height.to_be_bytes(), &[1, 3, 0, 0, 0]].concat());
    chunk(&mut out, *b"PLTE", &[red, green, blue, 0, 0, 0]);
    chunk(&mut out, *b"IDAT", &zlib_stored(&pixels));
    chunk(&mut out, *b"IEND", &[]);
    out
}

fn chunk(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).unwrap_or(0);
    out.extend(length.to_be_bytes());
    let start = out.len();
    out.extend(kind);
    out.extend(data);
    let crc = ringmain_wire::event_stream::crc32::of(&out[start..]);
    out.extend(crc.to_be_bytes());
}

/// Uncompressed deflate blocks in a zlib wrapper (RFC 1950, 1951).
fn zlib_stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut blocks = data.chunks(0xFFFF).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(0);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    out.extend(((b << 16) | a).to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_standard_ones() {
        assert_eq!(&zlib_stored(b"Wikipedia")[16..], [0x11, 0xe6, 0x03, 0x98]);
        let large = rectangle(7, (1024, 1024));
        assert!((131_000..135_000).contains(&large.len()), "{}", large.len());
        // The empty last chunk is the same in every PNG.
        assert!(large.ends_with(&[0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82]));
    }
}

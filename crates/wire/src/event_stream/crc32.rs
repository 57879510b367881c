//! The checksum of ISO 3309 (as in gzip and Ethernet), eight bytes at a time.

const POLYNOMIAL: u32 = 0xEDB8_8320;

/// `TABLES[n][byte]`: what a byte does to the checksum `n` bytes further on.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0_u32; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        tables[0][byte] = value;
        byte += 1;
    }
    let mut at = 256;
    while at < 2048 {
        let before = tables[at / 256 - 1][at % 256];
        tables[at / 256][at % 256] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
        at += 1;
    }
    tables
}

/// The checksum of these bytes.
#[must_use]
pub fn of(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    let (blocks, rest) = bytes.as_chunks::<8>();
    for block in blocks {
        let [a, b, c, d, e, f, g, h] = *block;
        let [w, x, y, z] = (crc ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes();
        let parts = [h, g, f, e, z, y, x, w];
        crc = parts.iter().zip(&TABLES).fold(0, |crc, (byte, table)| crc ^ table[usize::from(*byte)]);
    }
    for byte in rest {
        let [low, ..] = crc.to_le_bytes();
        crc = (crc >> 8) ^ TABLES[0][usize::from(low ^ byte)];
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_check_values_of_the_standard() {
        assert_eq!(of(b""), 0);
        assert_eq!(of(b"123456789"), 0xCBF4_3926);
        assert_eq!(of(&[0; 32]), 0x190A_55AD);
        assert_eq!(of(b"The quick brown fox jumps over the lazy dog"), 0x414F_A339);
    }
}

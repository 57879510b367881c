//! Where the frames of a WebSocket end, as a server writes them: just enough to know whether one is under way.

/// Follows one direction. See RFC 6455, section 5.2.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// What came of the head of the frame that has begun.
    head: Vec<u8>,
    /// Bytes of it that are still to come.
    left: u64,
}

impl Frames {
    /// These bytes went by.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= taken as u64;
                bytes = bytes.get(taken..).unwrap_or_default();
                continue;
            }
            self.head.push(*first);
            bytes = rest;
            if let Some(length) = self.length() {
                self.left = length;
                self.head.clear();
            }
        }
    }

    /// Is no frame under way?
    pub(super) const fn is_between(&self) -> bool {
        self.left == 0 && self.head.is_empty()
    }

    /// What follows the head, once it is whole: the payload, and a mask where there is one.
    fn length(&self) -> Option<u64> {
        let second = *self.head.get(1)?;
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let payload = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.head.get(2..4)?.try_into().ok()?)),
            127 => u64::from_be_bytes(self.head.get(2..10)?.try_into().ok()?),
            short => u64::from(short),
        };
        Some(payload.saturating_add(mask))
    }
}

#[cfg(test)]
mod tests {
    use super::Frames;

    #[test]
    fn frames_end_where_they_end_however_they_are_cut() {
        let mut bytes = vec![0x81, 2, b'h', b'i', 0x89, 0, 0x82, 126, 1, 0];
        bytes.extend([7; 256]);
        bytes.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        bytes.extend(vec![7; 65536]);
        bytes.extend([0x81, 0x81, 1, 2, 3, 4, 5]);
        let ends = [0, 4, 6, 266, 276 + 65536, 276 + 65536 + 7];
        for piece in [1, 3, 1000, bytes.len()] {
            let (mut frames, mut at) = (Frames::default(), 0);
            for bytes in bytes.chunks(piece) {
                frames.feed(bytes);
                at += bytes.len();
                assert_eq!(frames.is_between(), ends.contains(&at), "at {at} in pieces of {piece}");
            }
        }
    }
}

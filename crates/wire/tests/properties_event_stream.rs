//! The event stream framer on arbitrary bytes and chunkings.

use bytes::Bytes;
use proptest::prelude::*;
use ringmain_wire::event_stream::{EventStreamError, EventStreamFramer, encode, encode_exception};

const LIMIT: usize = 4096;

/// Every message, and how the stream ended.
fn read(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Option<EventStreamError>) {
    let mut framer = EventStreamFramer::new(LIMIT);
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(Bytes::copy_from_slice(piece));
        loop {
            match framer.next() {
                Ok(Some(frame)) => frames.push(frame.raw.to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(framer.pending_len() <= LIMIT, "no more is kept than a message may have");
    }
    (frames, None)
}

fn messages() -> impl Strategy<Value = Vec<u8>> {
    let message = (any::<bool>(), "[a-zA-Z]{0,20}", prop::collection::vec(any::<u8>(), 0..200));
    prop::collection::vec(message, 0..6).prop_map(|messages| {
        let mut out = Vec::new();
        for (exception, name, payload) in messages {
            if exception { encode_exception(&name, &payload, &mut out) } else { encode(&name, &payload, &mut out) }
        }
        out
    })
}

proptest! {
    #[test]
    fn chunks_change_nothing(stream in messages(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).chain([0, stream.len()]).collect();
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        let (frames, end) = read(&pieces);
        prop_assert_eq!(end, None);
        prop_assert_eq!(frames.concat(), stream);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), size in 1_usize..50) {
        let whole = read(&[&bytes]);
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        prop_assert_eq!(read(&pieces), whole);
    }

    #[test]
    fn a_spoiled_byte_never_passes(stream in messages(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        prop_assume!(!stream.is_empty());
        let mut spoiled = stream.clone();
        let at = at.index(stream.len());
        spoiled[at] ^= flip;
        let (frames, _) = read(&[&spoiled]);
        prop_assert!(frames.concat().len() <= at, "what came before it, at most");
    }
}

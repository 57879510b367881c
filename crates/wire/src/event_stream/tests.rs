//! Recorded streams, made-up ones, and broken ones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::*;

type Messages = Vec<(MessageKind, String, Vec<u8>)>;

/// Cuts a stream that arrives in these pieces, and says how it ended.
fn cut<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> (Messages, Result<usize, EventStreamError>) {
    let mut framer = EventStreamFramer::new(limit);
    let mut messages = Vec::new();
    let mut raw = Vec::new();
    let mut given = Vec::new();
    for piece in pieces {
        given.extend_from_slice(piece);
        framer.push(Bytes::copy_from_slice(piece));
        loop {
            match framer.next() {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    raw.extend_from_slice(&frame.raw);
                    messages.push((frame.kind(), frame.event().into_owned(), frame.data().into_owned()));
                }
                Err(error) => return (messages, Err(error)),
            }
        }
        assert_eq!(raw.len() + framer.pending_len(), given.len(), "nothing is lost or invented");
    }
    assert_eq!(raw, given[..raw.len()]);
    (messages, Ok(framer.pending_len()))
}

fn stream() -> Vec<u8> {
    let mut out = Vec::new();
    encode("messageStart", br#"{"role":"assistant"}"#, &mut out);
    encode("contentBlockDelta", "{\"delta\":{\"text\":\"Grüße\"}}".as_bytes(), &mut out);
    encode("ping", b"", &mut out);
    encode_exception("throttlingException", br#"{"message":"slow down"}"#, &mut out);
    out
}

#[test]
fn what_is_written_is_read_in_any_pieces() {
    let stream = stream();
    let (whole, end) = cut([stream.as_slice()], 1 << 16);
    assert_eq!(end, Ok(0));
    let names: Vec<&str> = whole.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(names, ["messageStart", "contentBlockDelta", "ping", "exception/throttlingException"]);
    assert_eq!(whole[3], (MessageKind::Exception, names[3].to_owned(), br#"{"message":"slow down"}"#.to_vec()));
    for size in 1..40 {
        assert_eq!(cut(stream.chunks(size), 1 << 16).0, whole, "in pieces of {size}");
    }
    for at in 0..stream.len() {
        let (left, right) = stream.split_at(at);
        assert_eq!(cut([left, right], 1 << 16), (whole.clone(), Ok(0)), "cut at {at}");
    }
}

#[test]
fn frames_inside_a_chunk_are_slices_of_it() {
    let chunk = Bytes::from(stream());
    let mut framer = EventStreamFramer::new(1 << 16);
    framer.push(chunk.clone());
    let mut at = 0;
    while let Some(frame) = framer.next().unwrap() {
        assert_eq!(frame.raw.as_ptr() as usize, chunk.as_ptr() as usize + at);
        at += frame.raw.len();
    }
    assert_eq!(at, chunk.len());
}

#[test]
fn every_flipped_bit_is_noticed() {
    let mut stream = Vec::new();
    encode("contentBlockStop", br#"{"contentBlockIndex":0}"#, &mut stream);
    for bit in 0..stream.len() * 8 {
        let mut broken = stream.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        let (messages, end) = cut([broken.as_slice()], 1 << 16);
        assert!(messages.is_empty(), "bit {bit}");
        assert!(matches!(end, Err(EventStreamError::Checksum { offset: 0 })), "bit {bit}: {end:?}");
    }
}

/// A message with right checksums around anything.
fn sealed(total: u32, headers: u32, rest: &[u8]) -> Vec<u8> {
    let mut out = [total.to_be_bytes(), headers.to_be_bytes()].concat();
    out.extend_from_slice(&crc32::of(&out).to_be_bytes());
    out.extend_from_slice(rest);
    out.extend_from_slice(&crc32::of(&out).to_be_bytes());
    out
}

#[test]
fn what_is_no_message_is_an_error() {
    let malformed = EventStreamError::Malformed { offset: 0 };
    let table: [(&str, Vec<u8>, EventStreamError); 8] = [
        ("shorter than its own frame", sealed(15, 0, b""), malformed),
        ("headers beyond the end", sealed(16, 1, b""), malformed),
        ("larger than the limit", sealed(2000, 0, b""), EventStreamError::TooLarge { limit: 1000 }),
        ("a name beyond the headers", sealed(18, 2, &[9, b'a']), malformed),
        ("a type without a meaning", sealed(19, 3, &[1, b'a', 10]), malformed),
        ("a value beyond the headers", sealed(20, 4, &[1, b'a', 4, 0]), malformed),
        ("text that is not UTF-8", sealed(22, 6, &[1, b'a', 7, 0, 1, 0xFF]), malformed),
        ("half a length", sealed(20, 4, &[1, b'a', 7, 0]), malformed),
    ];
    for (what, bytes, error) in table {
        assert_eq!(cut([bytes.as_slice()], 1000).1, Err(error), "{what}");
        let mut framer = EventStreamFramer::new(1000);
        framer.push(bytes.into());
        assert_eq!(framer.next(), Err(error));
        framer.push(stream().into());
        assert_eq!((framer.next(), framer.next()), (Err(error), Err(error)), "{what}: for ever");
    }
}

#[test]
fn headers_of_every_type_are_passed_over() {
    let mut headers = Vec::new();
    for (kind, value) in [
        (0, &[][..]),
        (1, &[]),
        (2, &[1]),
        (3, &[1, 2]),
        (4, &[0; 4]),
        (5, &[0; 8]),
        (6, &[0, 2, 0xFF, 0xFE]),
        (8, &[0; 8]),
        (9, &[7; 16]),
    ] {
        headers.extend_from_slice(&[1, b'x', kind]);
        headers.extend_from_slice(value);
    }
    for (name, value) in [(":message-type", "error"), (":error-code", "InternalError"), (":error-message", "a \"b\"")] {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend_from_slice(name.as_bytes());
        headers.extend_from_slice(&[7, 0, u8::try_from(value.len()).unwrap()]);
        headers.extend_from_slice(value.as_bytes());
    }
    let length = u32::try_from(headers.len()).unwrap();
    let (messages, _) = cut([sealed(16 + length, length, &headers).as_slice()], 1000);
    let told = br#"{"message":"a \"b\""}"#.to_vec();
    assert_eq!(messages, [(MessageKind::Error, "exception/InternalError".to_owned(), told)]);
}

/// Every recorded stream, whole and byte by byte; each message written again is the message.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn recorded_streams() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings");
    for api in ["bedrock.converse_stream", "bedrock.invoke_stream"] {
        let Ok(files) = std::fs::read_dir(format!("{folder}/{api}")) else {
            eprintln!("skipped: no recordings at {folder}/{api}");
            continue;
        };
        for file in files {
            let path = file.unwrap().path();
            let recording: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let Some(text) = recording["response"]["body_base64"].as_str() else { continue };
            let stream = STANDARD.decode(text).unwrap();
            let (whole, end) = cut([stream.as_slice()], 1 << 20);
            assert_eq!(end, Ok(0), "{}", path.display());
            assert!(!whole.is_empty(), "{}", path.display());
            assert_eq!(cut(stream.chunks(1), 1 << 20).0, whole, "{}", path.display());
            let mut again = Vec::new();
            whole.iter().for_each(|(_, name, data)| encode(name, data, &mut again));
            assert_eq!(again, stream, "{}", path.display());
        }
    }
}

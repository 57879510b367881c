use super::*;
use bytes::BytesMut;

fn frames(chunks: &[&[u8]]) -> (Vec<SseFrame>, Bytes) {
    let mut framer = SseFramer::new(1 << 20);
    let mut out = Vec::new();
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        while let Some(frame) = framer.next().unwrap() {
            out.push(frame);
        }
    }
    (out, framer.take_pending())
}

fn raws(chunks: &[&[u8]]) -> Vec<Bytes> {
    frames(chunks).0.into_iter().map(|frame| frame.raw).collect()
}

/// Input, the raw frames, what is pending.
const FRAMING: &[(&str, &[&str], &str)] = &[
    ("", &[], ""),
    ("data: a\n\ndata: b\n\n", &["data: a\n\n", "data: b\n\n"], ""),
    ("data: a\r\n\r\ndata: b\r\n\r\nda", &["data: a\r\n\r\n", "data: b\r\n\r\n"], "da"),
    ("data: a\r\rdata: b\r\r", &["data: a\r\r", "data: b\r\r"], ""),
    ("event: x\ndata: a\n", &[], "event: x\ndata: a\n"),
    ("data: a\n\r\ndata: b\r\n\n", &["data: a\n\r\n", "data: b\r\n\n"], ""),
    ("data: a\n\rdata: b\n\n", &["data: a\n\r", "data: b\n\n"], ""),
    ("data: a\r\n\r", &[], "data: a\r\n\r"),
    ("\n\ndata: a\n\n\n", &["\n", "\n", "data: a\n\n", "\n"], ""),
    ("data: a\r\r\ndata: b\n\n", &["data: a\r\r", "\n", "data: b\n\n"], ""),
    ("\u{feff}data: a\n\n", &["\u{feff}data: a\n\n"], ""),
    ("\u{feff}\ndata: a\n\n", &["\u{feff}\n", "data: a\n\n"], ""),
    ("\u{feff}", &[], "\u{feff}"),
    (": ping\n\n:\n\n", &[": ping\n\n", ":\n\n"], ""),
    ("data: né漢😀\n\n", &["data: né漢😀\n\n"], ""),
];

#[test]
fn frames_are_the_same_at_every_split() {
    for (input, expected, pending) in FRAMING {
        let bytes = input.as_bytes();
        let check = |chunks: &[&[u8]]| {
            let (frames, rest) = frames(chunks);
            let raws: Vec<_> = frames.iter().map(|frame| frame.raw.as_ref()).collect();
            assert_eq!(raws, expected.iter().map(|raw| raw.as_bytes()).collect::<Vec<_>>(), "{input:?} as {chunks:?}");
            assert_eq!(rest, pending.as_bytes(), "{input:?} as {chunks:?}");
        };
        check(&[bytes]);
        check(&bytes.chunks(1).collect::<Vec<_>>());
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                check(&[&bytes[..first], &bytes[first..second], &bytes[second..]]);
            }
        }
    }
}

/// Raw frame, event, data, id, is_comment.
type Fields = (&'static str, Option<&'static str>, &'static str, Option<&'static str>, bool);

const FIELDS: &[Fields] = &[
    ("data: x\n\n", None, "x", None, false),
    ("data:x\n\n", None, "x", None, false),
    ("data:  x \n\n", None, " x ", None, false),
    ("data\n\n", None, "", None, false),
    ("data:\ndata:\n\n", None, "\n", None, false),
    ("data: a\r\ndata: b\r\n\r\n", None, "a\nb", None, false),
    ("data: a\rdata: b\rdata: c\r\r", None, "a\nb\nc", None, false),
    ("event: one\nevent:two\nid: 7\ndata: {}\nretry: 3\n\n", Some("two"), "{}", Some("7"), false),
    ("event:\nid\ndata: x\n\n", None, "x", Some(""), false),
    ("id: a\0b\ndata: x\n\n", None, "x", None, false),
    ("database: x\n data: y\neventual: z\n\n", None, "", None, false),
    (": ping\n: data: x\n\n", None, "", None, true),
    ("\n", None, "", None, true),
    ("\u{feff}data: x\n\n", None, "x", None, false),
    ("\u{feff}:c\n\n", None, "", None, true),
    ("data: a:b: c\n\n", None, "a:b: c", None, false),
];

#[test]
fn fields_are_read_as_the_standard_says() {
    for (raw, event, data, id, comment) in FIELDS {
        let (frames, _) = frames(&[raw.as_bytes()]);
        let [frame] = frames.as_slice() else { panic!("{raw:?} is {} frames", frames.len()) };
        assert_eq!(
            (frame.event(), frame.data().as_ref(), frame.id(), frame.is_comment()),
            (*event, data.as_bytes(), *id, *comment),
            "{raw:?}"
        );
    }
}

#[test]
fn a_mark_counts_only_at_the_start() {
    let (frames, _) = frames(&["data: a\n\n\u{feff}data: b\n\n".as_bytes()]);
    assert_eq!(frames[1].data().as_ref(), b"");
}

#[test]
fn a_frame_inside_a_chunk_is_a_slice_of_it() {
    let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\ndata: c");
    let mut framer = SseFramer::new(100);
    framer.push(chunk.clone());
    for at in [0, 9] {
        let frame = framer.next().unwrap().unwrap();
        assert_eq!(frame.raw.as_ptr(), chunk[at..].as_ptr());
        assert!(matches!(frame.data(), Cow::Borrowed(_)));
    }
    assert_eq!(framer.next(), Ok(None));
    assert_eq!(framer.pending_len(), 7);
    assert_eq!(framer.take_pending().as_ptr(), chunk[18..].as_ptr());
    assert_eq!(framer.pending_len(), 0);
}

#[test]
fn the_limit_holds_at_any_chunking_and_for_good() {
    let exact = b"data: 1234567\n\n";
    let over = b"data: 12345678\n\n";
    for size in 1..=over.len() {
        let mut framer = SseFramer::new(exact.len());
        let mut result = Ok(None);
        for chunk in exact.chunks(size) {
            framer.push(Bytes::copy_from_slice(chunk));
            result = framer.next();
        }
        assert_eq!(result.clone().map(|frame| frame.unwrap().raw), Ok(Bytes::from_static(exact)));
        for chunk in over.chunks(size) {
            framer.push(Bytes::copy_from_slice(chunk));
            result = framer.next();
        }
        assert_eq!(result, Err(FrameTooLarge { limit: exact.len() }));
        framer.push(Bytes::from_static(b"\n\ndata: x\n\n"));
        assert_eq!(framer.next(), Err(FrameTooLarge { limit: exact.len() }));
        assert!(framer.pending_len() <= over.len());
    }
}

#[test]
fn pushing_before_draining_loses_nothing() {
    let mut framer = SseFramer::new(100);
    for chunk in ["data: a\n", "\ndata: b\n\nda", "", "ta: c\n\n"] {
        framer.push(Bytes::from_static(chunk.as_bytes()));
    }
    let mut data = Vec::new();
    while let Some(frame) = framer.next().unwrap() {
        data.push(frame.data().into_owned());
    }
    assert_eq!(data, [b"a", b"b", b"c"]);
}

#[test]
fn events_are_written_and_read_back() {
    let cases: &[(Option<&str>, &str, &str)] = &[
        (None, "{}", "data: {}\n\n"),
        (Some("ping"), "", "event: ping\ndata: \n\n"),
        (Some("a\ndata: evil"), "x", "event: a\ndata: x\n\n"),
        (None, "a\nb\r\nc\rd", "data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (None, " a\n", "data:  a\ndata: \n\n"),
    ];
    for (event, data, text) in cases {
        let mut out = BytesMut::new();
        encode(*event, data.as_bytes(), &mut out);
        assert_eq!(out, text.as_bytes());
        let (read, pending) = frames(&[&out]);
        assert_eq!((read.len(), pending.len()), (1, 0));
        assert_eq!(read[0].data().as_ref(), data.replace("\r\n", "\n").replace('\r', "\n").as_bytes());
    }
    let mut out = Vec::new();
    encode_comment("ping\npong", &mut out);
    assert_eq!(out, b": ping\n: pong\n\n");
    assert_eq!(raws(&[&out]).len(), 1);
}

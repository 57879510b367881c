//! Framers: chunking changes nothing, what is cut joins to what came, and nothing outgrows its limit.

use bytes::Bytes;
use ringmain_wire::event_stream::EventStreamFramer;
use ringmain_wire::json::{self, Document, Edit, Object};
use ringmain_wire::json_array::JsonArrayFramer;
use ringmain_wire::sse::SseFramer;

use crate::chunks::pieces;

/// Small, so that inputs reach it.
const FRAME_MAX: usize = 1024;

/// The frames of a stream, and whether it broke.
type Cut<T> = (Vec<T>, bool);

/// One server-sent event: its bytes, name and data.
type Sse = (Bytes, Option<String>, Vec<u8>);

pub(crate) fn sse(data: &[u8]) {
    let (whole, pieces) = pieces(data);
    let cut = |chunks: &[Bytes]| -> (Cut<Sse>, Bytes) {
        let mut framer = SseFramer::new(FRAME_MAX);
        let mut frames = Vec::new();
        for chunk in chunks {
            framer.push(chunk.clone());
            loop {
                match framer.next() {
                    Ok(Some(frame)) => {
                        let (name, data) = (frame.event().map(str::to_owned), frame.data().into_owned());
                        frames.push((frame.raw, name, data));
                    }
                    Ok(None) => break,
                    Err(_) => return ((frames, true), Bytes::new()),
                }
            }
        }
        ((frames, false), framer.take_pending())
    };
    let at_once = cut(std::slice::from_ref(&whole));
    let in_pieces = cut(&pieces);
    assert_eq!(at_once.0.1, in_pieces.0.1, "chunking decides whether a stream is readable");
    assert_eq!(at_once, in_pieces, "chunking changes the frames");
    let ((frames, broken), pending) = at_once;
    if !broken {
        let mut joined: Vec<u8> = frames.iter().flat_map(|(raw, ..)| raw.to_vec()).collect();
        joined.extend_from_slice(&pending);
        assert_eq!(joined, whole, "frames and what is pending are the stream");
    }
}

pub(crate) fn event_stream(data: &[u8]) {
    let (whole, pieces) = pieces(data);
    let cut = |chunks: &[Bytes]| -> Cut<(Bytes, String, Vec<u8>)> {
        let mut framer = EventStreamFramer::new(FRAME_MAX);
        let mut frames = Vec::new();
        for chunk in chunks {
            framer.push(chunk.clone());
            loop {
                match framer.next() {
                    Ok(Some(frame)) => {
                        let (name, data) = (frame.event().into_owned(), frame.data().into_owned());
                        frames.push((frame.raw, name, data));
                    }
                    Ok(None) => break,
                    Err(_) => return (frames, true),
                }
            }
        }
        (frames, false)
    };
    assert_eq!(cut(std::slice::from_ref(&whole)), cut(&pieces), "chunking changes the messages");
}

pub(crate) fn json_array(data: &[u8]) {
    let (whole, pieces) = pieces(data);
    let cut = |chunks: &[Bytes]| -> Cut<Bytes> {
        let mut framer = JsonArrayFramer::new(FRAME_MAX);
        let mut elements = Vec::new();
        for chunk in chunks {
            framer.push(chunk.clone());
            loop {
                match framer.next() {
                    Ok(Some(element)) => elements.push(element),
                    Ok(None) => break,
                    Err(_) => return (elements, true),
                }
            }
        }
        (elements, false)
    };
    assert_eq!(cut(std::slice::from_ref(&whole)), cut(&pieces), "chunking changes the elements");
}

/// A body that is an object here is one for every JSON reader, and an edit changes what it names and nothing else.
pub(crate) fn json(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let Ok(object) = Object::parse(&body) else { return };
    let value: serde_json::Value = match serde_json::from_slice(&body) {
        Ok(value) => value,
        // What is passed on unread may be nested as deep as it likes, and hold halves of characters (`\ud83d`), for which
        // JSON has words and text has none.
        Err(error) => {
            let known = ["recursion limit", "lone leading surrogate", "unexpected end of hex escape"];
            let error = error.to_string();
            return assert!(known.iter().any(|words| error.starts_with(words)), "an object here is JSON: {error}");
        }
    };
    for (key, raw) in object.entries() {
        let _ = (json::as_str(raw), json::as_bool(raw), json::as_u64(raw));
        assert!(value.get(key).is_some(), "a member that is not there");
    }
    let document = Document::parse(body.clone()).expect("an object is a document");
    let edits = [Edit::set("/model", "\"other\""), Edit::set("/stream_options/include_usage", "true")];
    let Ok(spliced) = document.splice(&edits) else { return };
    let len = spliced.len();
    let bytes = spliced.into_bytes();
    assert_eq!(bytes.len(), len);
    let mut edited: serde_json::Value = serde_json::from_slice(&bytes).expect("a spliced body is JSON");
    assert_eq!(edited["model"], "other");
    assert_eq!(edited["stream_options"]["include_usage"], true);
    let mut value = value;
    for value in [&mut edited, &mut value] {
        let members = value.as_object_mut().expect("an object");
        members.remove("model");
        members.remove("stream_options");
    }
    assert_eq!(edited, value, "an edit changes what it does not name");
}

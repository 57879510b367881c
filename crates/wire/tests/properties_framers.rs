//! Framers give the same frames at any chunking, and lose no byte.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use bytes::Bytes;
use proptest::prelude::*;
use ringmain_wire::json_array::{JsonArrayEncoder, JsonArrayFramer};
use ringmain_wire::sse::{self, SseFrame, SseFramer};

fn chunks(bytes: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    cuts.sort_unstable();
    cuts.array_windows().map(|&[from, to]| Bytes::copy_from_slice(&bytes[from..to])).collect()
}

fn sse_frames(chunks: &[Bytes], drain: bool) -> (Vec<SseFrame>, Bytes) {
    let mut framer = SseFramer::new(1 << 20);
    let mut frames = Vec::new();
    for (i, chunk) in chunks.iter().enumerate() {
        framer.push(chunk.clone());
        if drain || i + 1 == chunks.len() {
            while let Some(frame) = framer.next().unwrap() {
                frames.push(frame);
            }
        }
    }
    (frames, framer.take_pending())
}

/// The events (name, data) of a stream, straight from the text of the standard: lines first, then fields.
fn events_of_the_standard(stream: &str) -> Vec<(String, String)> {
    let text = stream.strip_prefix('\u{feff}').unwrap_or(stream).replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop();
    let (mut events, mut name, mut data) = (Vec::new(), String::new(), None::<String>);
    for line in lines {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                let name = std::mem::take(&mut name);
                events.extend(data.take().map(|data| (name, data)));
            }
            "event" => value.clone_into(&mut name),
            "data" => data = Some(data.map_or(value.to_owned(), |data| format!("{data}\n{value}"))),
            _ => {}
        }
    }
    events
}

fn events_of(frames: &[SseFrame]) -> Vec<(String, String)> {
    let event = |frame: &SseFrame| {
        let data = String::from_utf8(frame.data().into_owned()).unwrap();
        (frame.event().unwrap_or_default().to_owned(), data)
    };
    frames.iter().filter(|frame| !frame.is_comment()).map(event).collect()
}

/// Streams made of what matters to a framer: line ends, field names, marks, characters of several bytes.
fn stream() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => Just("\n"), 4 => Just("\r"), 4 => Just("\r\n"), 3 => Just("\n\n"), 2 => Just("\r\n\r\n"),
        4 => Just("data: "), 2 => Just("data:"), 1 => Just("data"), 2 => Just("event: "), 1 => Just("id:"),
        1 => Just(":"), 1 => Just("\u{feff}"), 2 => Just("é漢😀"), 3 => Just("{\"a\": 1}"), 1 => Just(" "),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn json_element() -> impl Strategy<Value = String> {
    let text = prop_oneof![Just("\\\""), Just("\\\\"), Just("]"), Just("}"), Just(","), Just("[{"), Just("é漢😀")];
    let string = prop::collection::vec(text, 0..6).prop_map(|parts| format!("\"{}\"", parts.concat()));
    let leaf = prop_oneof![Just("null".to_owned()), Just("-1.50e2".to_owned()), Just("{}".to_owned()), string.boxed()];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            prop::collection::vec(inner, 0..4).prop_map(|items| {
                let members: Vec<_> = items.iter().enumerate().map(|(i, item)| format!("\"k{i}\":{item}")).collect();
                format!("{{\n{}\n}}", members.join(",\n"))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sse_frames_do_not_depend_on_the_chunks(stream in stream(), cuts in prop::collection::vec(0usize..400, 0..12)) {
        let bytes = Bytes::from(stream.clone());
        let (frames, pending) = sse_frames(std::slice::from_ref(&bytes), true);
        let mut joined: Vec<u8> = frames.iter().flat_map(|frame| frame.raw.to_vec()).collect();
        joined.extend_from_slice(&pending);
        prop_assert_eq!(&joined, &bytes);
        for (chunks, drain) in [(chunks(&bytes, &cuts), true), (chunks(&bytes, &cuts), false),
            (bytes.chunks(1).map(Bytes::copy_from_slice).collect(), true)] {
            prop_assert_eq!(&sse_frames(&chunks, drain), &(frames.clone(), pending.clone()));
        }
    }

    #[test]
    fn sse_events_are_those_of_the_standard(stream in stream()) {
        // A final line that cannot be a half one, so that the framer has nothing to wait for.
        let stream = stream + "\n\n";
        let (frames, _) = sse_frames(&[Bytes::from(stream.clone())], true);
        let expected = events_of_the_standard(&stream);
        let read: Vec<_> = events_of(&frames);
        let with_data = |events: Vec<(String, String)>| -> Vec<_> {
            events.into_iter().filter(|(_, data)| !data.is_empty()).collect()
        };
        prop_assert_eq!(with_data(read), with_data(expected));
    }

    #[test]
    fn written_events_are_read_back(data in "[a-zé漢😀 :\n]{0,40}", name in "[a-z.]{1,10}") {
        let mut out = Vec::new();
        sse::encode(Some(&name), data.as_bytes(), &mut out);
        sse::encode_comment(&data, &mut out);
        let (frames, pending) = sse_frames(&[out.into()], true);
        prop_assert_eq!((frames.len(), pending.len()), (2, 0));
        prop_assert_eq!(events_of(&frames), [(name, data)]);
        prop_assert!(frames[1].is_comment());
    }

    #[test]
    fn array_elements_do_not_depend_on_the_chunks(
        elements in prop::collection::vec(json_element(), 0..8), cuts in prop::collection::vec(0usize..2000, 0..12),
    ) {
        let mut out = Vec::new();
        let mut encoder = JsonArrayEncoder::open(&mut out);
        elements.iter().for_each(|element| encoder.element(element.as_bytes(), &mut out));
        encoder.close(&mut out);
        for chunks in [chunks(&out, &cuts), out.chunks(1).map(Bytes::copy_from_slice).collect()] {
            let mut framer = JsonArrayFramer::new(1 << 20);
            let mut read = Vec::new();
            for chunk in chunks {
                framer.push(chunk);
                while let Some(element) = framer.next().unwrap() {
                    read.push(String::from_utf8(element.to_vec()).unwrap());
                }
            }
            prop_assert_eq!(&read, &elements);
            prop_assert!(framer.is_finished() && framer.pending_len() == 0);
        }
    }

    #[test]
    fn nothing_makes_a_framer_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (frames, pending) = sse_frames(&[Bytes::from(bytes.clone())], true);
        let total: usize = frames.iter().map(|frame| frame.raw.len()).sum();
        prop_assert_eq!(total + pending.len(), bytes.len());
        let mut framer = JsonArrayFramer::new(64);
        framer.push(bytes.into());
        while let Ok(Some(_)) = framer.next() {}
    }
}

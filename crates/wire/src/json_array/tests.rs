use super::*;

type Outcome = (Vec<Bytes>, Option<JsonArrayError>, bool);

fn run(chunks: &[&[u8]], limit: usize) -> Outcome {
    let mut framer = JsonArrayFramer::new(limit);
    let mut elements = Vec::new();
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        loop {
            match framer.next() {
                Ok(Some(element)) => elements.push(element),
                Ok(None) => break,
                Err(error) => return (elements, Some(error), framer.is_finished()),
            }
        }
    }
    (elements, None, framer.is_finished())
}

/// Input, elements, offset of an unexpected byte, whether the array ended.
const CASES: &[(&str, &[&str], Option<u64>, bool)] = &[
    ("", &[], None, false),
    (" [ ] \n", &[], None, true),
    ("[{\"a\":1}\n,{\"b\":[2]}\n]", &["{\"a\":1}", "{\"b\":[2]}"], None, true),
    ("[{\n  \"a\": {}\n}\n,\r\n{}\n]\n", &["{\n  \"a\": {}\n}", "{}"], None, true),
    (r#"[{"a":"]},\"["},{"b\\":"\\"}]"#, &[r#"{"a":"]},\"["}"#, r#"{"b\\":"\\"}"#], None, true),
    (r#"[1,-2.5e3, "x,]" ,null,[[]]]"#, &["1", "-2.5e3", r#""x,]""#, "null", "[[]]"], None, true),
    ("[{\"a\":\"né漢😀\"}]", &["{\"a\":\"né漢😀\"}"], None, true),
    ("[{\"a\":1},{\"b\"", &["{\"a\":1}"], None, false),
    ("[{\"a\":1}", &["{\"a\":1}"], None, false),
    ("{\"error\":{}}", &[], Some(0), false),
    ("[,{}]", &[], Some(1), false),
    ("[{},]", &["{}"], Some(4), false),
    ("[{} {}]", &["{}"], Some(4), false),
    ("[{}]x", &["{}"], Some(4), true),
];

#[test]
fn elements_are_the_same_at_every_split() {
    for (input, elements, offset, finished) in CASES {
        let bytes = input.as_bytes();
        let expected: Outcome = (
            elements.iter().map(|element| Bytes::from_static(element.as_bytes())).collect(),
            offset.map(|offset| JsonArrayError::Malformed { offset }),
            *finished,
        );
        assert_eq!(run(&[bytes], 99), expected, "{input:?}");
        assert_eq!(run(&bytes.chunks(1).collect::<Vec<_>>(), 99), expected, "{input:?} by byte");
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let chunks = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(run(&chunks, 99), expected, "{input:?} at {first}, {second}");
            }
        }
    }
}

#[test]
fn an_element_inside_a_chunk_is_a_slice_of_it_and_a_half_one_is_pending() {
    let chunk = Bytes::from_static(b"[ {} , {\"a\"");
    let mut framer = JsonArrayFramer::new(9);
    framer.push(chunk.clone());
    assert_eq!(framer.next().unwrap().unwrap().as_ptr(), chunk[2..].as_ptr());
    assert_eq!(framer.next(), Ok(None));
    assert_eq!(framer.pending_len(), 4);
    assert_eq!(framer.take_pending(), "{\"a\"");
    assert!(!framer.is_finished());
}

#[test]
fn the_limit_holds_at_any_chunking_and_for_good() {
    let input = br#"[{"a":123},{"a":1234}]"#;
    for size in 1..=input.len() {
        let (elements, error, _) = run(&input.chunks(size).collect::<Vec<_>>(), 9);
        assert_eq!((elements.len(), error), (1, Some(JsonArrayError::ElementTooLarge { limit: 9 })), "{size}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    for elements in [&[][..], &["{}"], &["{\"a\":1}", "[2]", "3"]] {
        let mut out = Vec::new();
        let mut encoder = JsonArrayEncoder::open(&mut out);
        for element in elements {
            encoder.element(element.as_bytes(), &mut out);
        }
        encoder.close(&mut out);
        assert_eq!(run(&[&out], 99), (elements.iter().map(|&e| Bytes::from(e)).collect(), None, true));
    }
}

//! What our own encoders write is heard as it was meant; what is cut, doubled or mixed is not.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use ringmain_core::{Dialect, Fault, FaultClass, Origin, Phase, Usage};
use ringmain_dialects::ir::{BlockHead, Delta, Event, Finish};
use ringmain_dialects::{Framing, StreamStart, registry};

use crate::{Ask, Frames, Heard, heard};

fn framing(dialect: Dialect) -> Framing {
    if dialect == Dialect::BedrockConverse { Framing::EventStream } else { Framing::Sse }
}

/// Each event of an answer, or of one that breaks off, as the bytes a caller gets.
fn stream(dialect: Dialect, last: &[Event]) -> Vec<Vec<u8>> {
    let start = StreamStart {
        id: "r1".to_owned(),
        model: "m".to_owned(),
        created: 1,
        include_usage: true,
        framing: framing(dialect),
    };
    let mut encoder = registry::codec(dialect).unwrap().stream_encoder(&start);
    let text = |text: &str| Event::Delta { index: 0, delta: Delta::Text(text.to_owned()) };
    let mut events = vec![
        Event::Start { id: "r1".to_owned(), model: "m".to_owned(), created: Some(1) },
        Event::BlockStart { index: 0, head: BlockHead::Text },
        text("čau "),
        text("světe"),
    ];
    events.extend_from_slice(last);
    let pieces = events.iter().map(|event| {
        let mut out = Vec::new();
        encoder.event(event, &mut out);
        out
    });
    pieces.collect()
}

fn good() -> [Event; 3] {
    let usage = Usage { input: 3, output: 2, ..Usage::default() };
    [Event::BlockStop { index: 0 }, Event::Usage(usage), Event::Finish(Finish::Stop)]
}

fn bad() -> [Event; 1] {
    let fault = Fault::new(FaultClass::Interrupted, Origin::Provider, Phase::AfterCommit, "cut off");
    [Event::Error(Box::new(fault))]
}

fn hear(dialect: Dialect, pieces: &[Vec<u8>]) -> Heard {
    heard(dialect, true, StatusCode::OK, &HeaderMap::new(), &Bytes::from(pieces.concat()))
}

#[test]
fn a_whole_stream_is_heard_whole() {
    for dialect in Dialect::ALL {
        match hear(dialect, &stream(dialect, &good())) {
            Heard::Whole { text, done, response } => {
                assert_eq!((text.as_str(), done), ("čau světe", true), "{dialect}");
                assert_eq!(response.usage.map(|usage| usage.output), Some(2), "{dialect}");
            }
            other => panic!("{dialect}: {other:?}"),
        }
    }
}

#[test]
fn a_broken_stream_is_heard_broken() {
    for dialect in Dialect::ALL {
        let heard = hear(dialect, &stream(dialect, &bad()));
        assert!(matches!(&heard, Heard::Broken { text, .. } if text == "čau světe"), "{dialect}: {heard:?}");
    }
}

#[test]
fn what_is_cut_never_passes_for_whole() {
    for dialect in Dialect::ALL {
        let all = stream(dialect, &good()).concat();
        // Every cut that leaves the last word out.
        let word = all.windows(5).rposition(|window| window == "tě".as_bytes() || window.starts_with(b"sv")).unwrap();
        for at in 0..word {
            let heard = heard(dialect, true, StatusCode::OK, &HeaderMap::new(), &Bytes::copy_from_slice(&all[..at]));
            assert!(matches!(heard, Heard::Unfinished { .. } | Heard::Unreadable(_)), "{dialect} at {at}: {heard:?}");
        }
    }
}

#[test]
fn two_ends_or_words_after_the_end_are_refused() {
    for dialect in Dialect::ALL {
        let (good, bad) = (stream(dialect, &good()), stream(dialect, &bad()));
        let end = bad.last().unwrap();
        for broken in [[good.clone(), vec![end.clone()]].concat(), [good.clone(), vec![good[2].clone()]].concat()] {
            let heard = hear(dialect, &broken);
            assert!(matches!(heard, Heard::Unreadable(_)), "{dialect}: {heard:?}");
        }
    }
}

#[test]
fn refusals_keep_their_class() {
    let fault = Fault::new(FaultClass::RateLimit, Origin::Provider, Phase::AwaitHead, "slow down").with_status(429);
    for dialect in Dialect::ALL {
        let reply = registry::codec(dialect).unwrap().encode_fault(&fault, "id");
        let status = StatusCode::from_u16(reply.status).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in reply.headers {
            headers.insert(name, value.parse().unwrap());
        }
        let heard = heard(dialect, true, status, &headers, &reply.body.into());
        assert!(
            matches!(&heard, Heard::Refused(fault) if fault.class == FaultClass::RateLimit),
            "{dialect}: {heard:?}"
        );
    }
}

#[test]
fn requests_are_of_their_dialect() {
    for dialect in Dialect::ALL {
        for stream in [false, true] {
            let ask = Ask { dialect, model: "p/m".to_owned(), text: "hello".to_owned(), stream };
            let request = ask.request("h").unwrap();
            let decoded = registry::codec(dialect).unwrap().decode_request(request.body()).unwrap();
            assert_eq!(decoded.turns.len(), 1, "{dialect}");
        }
    }
}

#[test]
fn events_come_out_whole_at_every_split() {
    for dialect in Dialect::ALL {
        let all = stream(dialect, &good()).concat();
        let whole = Frames::new(dialect).push(all.clone().into()).unwrap();
        for at in 0..all.len() {
            let mut frames = Frames::new(dialect);
            let mut seen = frames.push(Bytes::copy_from_slice(&all[..at])).unwrap();
            seen.extend(frames.push(Bytes::copy_from_slice(&all[at..])).unwrap());
            assert_eq!((seen == whole, frames.pending()), (true, 0), "{dialect} at {at}");
        }
    }
}

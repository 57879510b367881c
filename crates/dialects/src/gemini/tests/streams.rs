//! Streams: recorded ones there and back, damaged ones, and both ways of framing.

use bytes::Bytes;
use ringmain_core::{Fault, FaultClass, Origin, Phase, Usage};
use ringmain_wire::json_array::JsonArrayFramer;
use serde_json::Value;

use super::streams;
use crate::codec::{Codec as _, Cut, Framing, StreamStart};
use crate::gemini::Gemini;
use crate::ir::grammar::Checker;
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Finish, Response, fold};
use crate::tests::{Dice, Frame, decode, encode, folded, frames, frames_of, recordings};

fn events(frames: &[Frame]) -> Vec<Event> {
    decode(Gemini.stream_decoder(), frames)
}

fn written(framing: Framing, events: &[Event]) -> Vec<u8> {
    let start = StreamStart { id: "r".into(), model: "m".into(), framing, ..StreamStart::default() };
    encode(Gemini.stream_encoder(&start), events)
}

fn array_frames(bytes: &[u8]) -> Vec<Frame> {
    let mut framer = JsonArrayFramer::new(1 << 24);
    framer.push(Bytes::copy_from_slice(bytes));
    let mut frames = Vec::new();
    while let Some(element) = framer.next().unwrap() {
        let text = String::from_utf8(element.to_vec()).unwrap();
        let text = text.trim_matches(|letter: char| letter.is_whitespace() || "[],".contains(letter));
        if !text.is_empty() {
            frames.push((None, text.as_bytes().to_vec()));
        }
    }
    frames
}

#[test]
fn recorded_streams_there_and_back() {
    for (id, frames_there) in streams() {
        let there = events(&frames_there);
        let answer = folded(there.clone());
        assert!(!answer.blocks.is_empty() && answer.usage.is_some(), "{id}");
        for spelled in [there, fold::unfold(&answer)] {
            let sse = written(Framing::Sse, &spelled);
            assert_eq!(folded(events(&frames(&sse))), answer, "{id}");
            let array = written(Framing::JsonArray, &spelled);
            let elements: Vec<Value> = serde_json::from_slice(&array).unwrap();
            assert!(!elements.is_empty());
            assert_eq!(folded(events(&array_frames(&array))), answer, "{id}");
        }
    }
}

#[test]
fn splits_change_nothing() {
    let texts = ["gemini.stream", "vertex.stream"].into_iter().flat_map(recordings);
    for (nth, recording) in texts.enumerate() {
        let Some(text) = recording.text else { continue };
        let whole = frames(text.as_bytes());
        let mut dice = Dice::new(nth as u64 + 1);
        let step = if text.len() < 2000 { 1 } else { text.len() / 5 + 1 };
        for at in (0..text.len()).step_by(step) {
            let at = if step == 1 { at } else { dice.below(text.len()) };
            let (left, right) = text.as_bytes().split_at(at);
            assert_eq!(frames_of([left, right]), whole, "{} at {at}", recording.id);
        }
    }
}

#[test]
fn the_tap_sees_what_the_decoder_sees() {
    for (id, frames) in streams() {
        let answer = folded(events(&frames));
        let mut tap = Gemini.tap();
        let (mut usage, mut useful, mut finished, mut refused) = (None, false, false, false);
        for (name, data) in &frames {
            let glance = tap.event(name.as_deref(), data);
            assert!(!glance.malformed && glance.error.is_none(), "{id}");
            usage = glance.usage.or(usage);
            useful |= glance.useful;
            finished |= glance.finished;
            refused |= glance.refused;
        }
        assert!(useful && finished && tap.is_whole(false), "{id}");
        assert_eq!((usage, refused), (answer.usage, answer.finish == Finish::Refusal), "{id}");
    }
}

#[test]
fn damaged_streams_stay_sentences() {
    for (nth, (id, frames)) in streams().into_iter().enumerate() {
        for round in 0..20 {
            let mut dice = Dice::new((nth as u64) << 8 | round | 1 << 40);
            let (mut decoder, mut tap) = (Gemini.stream_decoder(), Gemini.tap());
            let (mut checker, mut out) = (Checker::default(), Vec::new());
            for (name, data) in &frames {
                let times = [0, 1, 1, 1, 1, 2][dice.below(6)];
                for _ in 0..times {
                    let cut = if dice.below(20) == 0 { dice.below(data.len()) } else { data.len() };
                    let _ = decoder.event(name.as_deref(), &data[..cut], &mut out);
                    tap.event(name.as_deref(), &data[..cut]);
                }
            }
            let lenient = round % 2 == 0;
            let whole = decoder.end(lenient, &mut out).is_ok();
            for event in &out {
                assert_eq!(checker.event(event), Ok(()), "{id} round {round}");
            }
            assert_eq!(checker.end().is_ok(), whole, "{id} round {round}");
            assert_eq!(tap.is_whole(lenient), whole, "{id} round {round}");
        }
    }
}

#[test]
fn a_stream_without_a_reason_is_cut() {
    let text = br#"{"candidates":[{"content":{"parts":[{"text":"hi"}]}}]}"#;
    for (lenient, whole) in [(false, Err(Cut)), (true, Ok(()))] {
        let mut decoder = Gemini.stream_decoder();
        let mut out = Vec::new();
        decoder.event(None, text, &mut out).unwrap();
        assert_eq!(decoder.end(lenient, &mut out), whole);
    }
    assert_eq!(Gemini.stream_decoder().end(true, &mut Vec::new()), Err(Cut), "nothing came at all");
}

/// An answer with every kind of block a caller may be given.
fn rich() -> Response {
    let call = |id: &str, arguments: &str, signature: Option<&str>| {
        let (id, arguments) = (id.to_owned(), arguments.to_owned());
        Block::from(BlockKind::ToolCall { id, name: "f".into(), arguments, signature: signature.map(str::to_owned) })
    };
    let thought = |text: &str, signature: Option<&str>| {
        let signature = signature.map(str::to_owned);
        Block::from(BlockKind::Reasoning { text: text.into(), signature, redacted: None })
    };
    Response {
        id: "r1".into(),
        model: "m".into(),
        created: None,
        blocks: vec![
            thought("hm", Some("c2ln")),
            thought("so", None),
            Block::text("Zdar \u{1f600}\n"),
            thought("", Some("c2lnMg==")),
            call("call_1", r#"{"a":[1,2.50]}"#, Some("c2lnMw==")),
            call("call_2", "{}", None),
        ],
        finish: Finish::ToolUse,
        usage: Some(Usage { input: 9, cache_read: 4, output: 5, reasoning: 1, ..Usage::default() }),
        logprobs: Vec::new(),
        losses: Vec::new(),
    }
}

#[test]
fn the_fold_law() {
    let answer = rich();
    for framing in [Framing::Sse, Framing::JsonArray] {
        let bytes = written(framing, &fold::unfold(&answer));
        let frames = if framing == Framing::Sse { frames(&bytes) } else { array_frames(&bytes) };
        assert_eq!(folded(events(&frames)), answer);
    }
    let plain = Gemini.encode_response(&answer);
    assert_eq!(Gemini.decode_response(&plain.body), Ok(answer));
}

#[test]
fn interleaved_calls_come_whole_and_in_order() {
    let call =
        |index, id: &str| Event::BlockStart { index, head: BlockHead::ToolCall { id: id.into(), name: "f".into() } };
    let piece = |index, text: &str| Event::Delta { index, delta: Delta::Arguments(text.into()) };
    let stop = |index| Event::BlockStop { index };
    let stream = [
        Event::Start { id: String::new(), model: String::new(), created: None },
        call(0, "a"),
        call(1, "b"),
        piece(1, "{\"x\":"),
        piece(0, "[1]"),
        piece(1, "2}"),
        stop(1),
        stop(0),
        call(2, "c"),
        piece(2, "{\"half"),
        stop(2),
        Event::Finish(Finish::ToolUse),
    ];
    let answer = folded(events(&frames(&written(Framing::Sse, &stream))));
    assert_eq!((answer.id.as_str(), answer.model.as_str(), answer.finish), ("r", "m", Finish::ToolUse));
    let arguments: Vec<&str> = answer
        .blocks
        .iter()
        .filter_map(|block| match &block.kind {
            BlockKind::ToolCall { arguments, .. } => Some(arguments.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(arguments, [r#"{"value":[1]}"#, r#"{"x":2}"#, r#"{"arguments":"{\"half"}"#]);
}

#[test]
fn errors_end_a_stream_in_either_framing() {
    let fault = Fault::new(FaultClass::Overloaded, Origin::Provider, Phase::AfterCommit, "gone away").with_status(503);
    let begin = [
        Event::Start { id: String::new(), model: String::new(), created: None },
        Event::BlockStart { index: 0, head: BlockHead::Text },
        Event::Delta { index: 0, delta: Delta::Text("so".into()) },
    ];
    let error = Event::Error(Box::new(fault.clone()));
    let all: Vec<Event> = begin.iter().cloned().chain([error]).collect();
    let sse = String::from_utf8(written(Framing::Sse, &all)).unwrap();
    assert!(sse.ends_with("data: {\"error\":{\"code\":503,\"message\":\"gone away\",\"status\":\"UNAVAILABLE\"}}\n\n"));
    let array: Vec<Value> = serde_json::from_slice(&written(Framing::JsonArray, &all)).unwrap();
    assert_eq!(array[1]["error"]["status"], "UNAVAILABLE");

    // The same behind a relayed beginning.
    let mut tap = Gemini.tap();
    let alone: Vec<Value> = serde_json::from_slice(&tap.encode_error(&fault, "q1", Framing::JsonArray)).unwrap();
    assert_eq!(alone.len(), 1);
    tap.event(None, b"{}");
    let mut relayed = b"[{}".to_vec();
    relayed.extend(tap.encode_error(&fault, "q1", Framing::JsonArray));
    let relayed: Vec<Value> = serde_json::from_slice(&relayed).unwrap();
    assert_eq!(relayed[1]["error"]["code"].as_u64(), Some(503));
    let mut out = Vec::new();
    Gemini.stream_decoder().event(None, relayed[1].to_string().as_bytes(), &mut out).unwrap();
    assert!(matches!(out.as_slice(), [Event::Error(read)] if read.class == FaultClass::Overloaded));
}

#[test]
fn silence_is_kept_alive_by_white_space() {
    for framing in [Framing::Sse, Framing::JsonArray] {
        let start = StreamStart { framing, ..StreamStart::default() };
        let mut encoder = Gemini.stream_encoder(&start);
        let mut bytes = Vec::new();
        for event in fold::unfold(&rich()) {
            encoder.event(&event, &mut bytes);
            if !event.is_terminal() {
                encoder.keep_alive(&mut bytes);
            }
        }
        let frames = if framing == Framing::Sse { frames(&bytes) } else { array_frames(&bytes) };
        let frames: Vec<Frame> = frames.into_iter().filter(|(_, data)| !data.is_empty()).collect();
        assert_eq!(folded(events(&frames)).blocks, rich().blocks);
    }
}

//! Streams: recorded ones there and back, damaged ones, and what callers' clients insist on.

use ringmain_core::{FaultClass, Usage};
use serde_json::Value;

use super::API;
use crate::anthropic_messages::AnthropicMessages;
use crate::codec::{Codec as _, Cut, StreamStart};
use crate::ir::grammar::Checker;
use crate::ir::{Block, BlockHead, BlockKind, Delta, Event, Finish, Response, fold};
use crate::tests::{Dice, Frame, decode, encode, folded, frames, frames_of, recordings};

fn recorded() -> Vec<(String, String)> {
    recordings(API).into_iter().filter_map(|recording| Some((recording.id, recording.text?))).collect()
}

fn events(frames: &[Frame]) -> Vec<Event> {
    decode(AnthropicMessages.stream_decoder(), frames)
}

fn written(events: &[Event]) -> Vec<u8> {
    encode(AnthropicMessages.stream_encoder(&StreamStart::default()), events)
}

#[test]
fn recorded_streams_there_and_back() {
    for (id, text) in recorded() {
        let there = events(&frames(text.as_bytes()));
        let answer = folded(there.clone());
        assert!(!answer.blocks.is_empty() && answer.usage.is_some(), "{id}");
        assert_eq!(folded(events(&frames(&written(&there)))), answer, "{id}");
        assert_eq!(folded(events(&frames(&written(&fold::unfold(&answer))))), answer, "{id}");
    }
}

#[test]
fn splits_change_nothing() {
    for (nth, (id, text)) in recorded().into_iter().enumerate() {
        let whole = frames(text.as_bytes());
        let mut dice = Dice::new(nth as u64 + 1);
        let step = if nth < 2 { 1 } else { text.len() / 5 + 1 };
        for at in (0..text.len()).step_by(step) {
            let at = if step == 1 { at } else { dice.below(text.len()) };
            let (left, right) = text.as_bytes().split_at(at);
            assert_eq!(frames_of([left, right]), whole, "{id} at {at}");
        }
    }
}

#[test]
fn the_tap_sees_what_the_decoder_sees() {
    for (id, text) in recorded() {
        let frames = frames(text.as_bytes());
        let answer = folded(events(&frames));
        let mut tap = AnthropicMessages.tap();
        let (mut usage, mut useful, mut finished, mut terminal) = (None, false, false, false);
        for (name, data) in &frames {
            assert!(!terminal && !tap.is_whole(false), "{id}");
            let glance = tap.event(name.as_deref(), data);
            assert!(!glance.malformed && glance.error.is_none(), "{id}");
            usage = glance.usage.or(usage);
            useful |= glance.useful;
            finished |= glance.finished;
            terminal = glance.terminal;
        }
        assert!(useful && finished && terminal && tap.is_whole(false), "{id}");
        assert_eq!(usage, answer.usage, "{id}");
    }
}

#[test]
fn damaged_streams_stay_sentences() {
    for (nth, (id, text)) in recorded().into_iter().enumerate() {
        let frames = frames(text.as_bytes());
        for round in 0..20 {
            let mut dice = Dice::new((nth as u64) << 8 | round | 1 << 40);
            let mut decoder = AnthropicMessages.stream_decoder();
            let mut tap = AnthropicMessages.tap();
            let (mut checker, mut out) = (Checker::default(), Vec::new());
            for (name, data) in &frames {
                let times = [0, 1, 1, 1, 1, 2][dice.below(6)];
                for _ in 0..times {
                    let cut = if dice.below(20) == 0 { dice.below(data.len()) } else { data.len() };
                    let _ = decoder.event(name.as_deref(), &data[..cut], &mut out);
                    tap.event(name.as_deref(), &data[..cut]);
                }
            }
            let whole = decoder.end(round % 2 == 0, &mut out).is_ok();
            for event in &out {
                assert_eq!(checker.event(event), Ok(()), "{id} round {round}");
            }
            assert_eq!(checker.end().is_ok(), whole, "{id} round {round}");
            assert_eq!(tap.is_whole(round % 2 == 0), whole, "{id} round {round}");
        }
    }
}

#[test]
fn a_stream_without_its_end_is_cut() {
    let delta = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}"#;
    let start = r#"{"type":"message_start","message":{"id":"m","model":"x","usage":{"input_tokens":2}}}"#;
    let text = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}"#;
    for (with_reason, lenient, whole) in [(false, true, false), (true, false, false), (true, true, true)] {
        let mut decoder = AnthropicMessages.stream_decoder();
        let mut out = Vec::new();
        for data in [start, text].into_iter().chain(with_reason.then_some(delta)) {
            decoder.event(None, data.as_bytes(), &mut out).unwrap();
        }
        assert_eq!(decoder.end(lenient, &mut out), if whole { Ok(()) } else { Err(Cut) });
    }
}

#[test]
fn errors_in_a_stream_have_their_class() {
    let table = [
        ("overloaded_error", "Overloaded", FaultClass::Overloaded),
        ("rate_limit_error", "slow down", FaultClass::RateLimit),
        ("api_error", "Internal server error", FaultClass::Server),
        ("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", FaultClass::Context),
    ];
    for (kind, message, class) in table {
        let data = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}}}}"#);
        let mut out = Vec::new();
        AnthropicMessages.stream_decoder().event(Some("error"), data.as_bytes(), &mut out).unwrap();
        let [Event::Error(fault)] = out.as_slice() else { panic!("{out:?}") };
        assert_eq!((fault.class, fault.message.as_str(), fault.code.as_deref()), (class, message, Some(kind)));
        let glance = AnthropicMessages.tap().event(Some("error"), data.as_bytes());
        assert_eq!(glance.error.as_deref(), Some(&**fault));
    }
}

/// An answer with every kind of block a caller may be given.
fn rich() -> Response {
    let call = |id: &str, arguments: &str| {
        let (id, arguments) = (id.to_owned(), arguments.to_owned());
        Block::from(BlockKind::ToolCall { id, name: "f".into(), arguments, signature: None })
    };
    Response {
        id: "msg_1".into(),
        model: "m".into(),
        created: None,
        blocks: vec![
            BlockKind::Reasoning { text: "hm".into(), signature: Some("Esig".into()), redacted: None }.into(),
            BlockKind::Reasoning { text: String::new(), signature: None, redacted: Some("Edata".into()) }.into(),
            Block::text("Zdar \u{1f600}\n"),
            call("call_1", r#"{"a": [1, 2.50]}"#),
            call("call_2", "{}"),
        ],
        finish: Finish::ToolUse,
        usage: Some(Usage { input: 9, cache_read: 4, cache_write_1h: 2, output: 5, reasoning: 1, ..Usage::default() }),
        logprobs: Vec::new(),
        losses: Vec::new(),
    }
}

#[test]
fn the_fold_law() {
    let answer = rich();
    assert_eq!(folded(events(&frames(&written(&fold::unfold(&answer))))), answer);
}

#[test]
fn blocks_come_one_after_the_other() {
    let call =
        |index, id: &str| Event::BlockStart { index, head: BlockHead::ToolCall { id: id.into(), name: "f".into() } };
    let piece = |index, text: &str| Event::Delta { index, delta: Delta::Arguments(text.into()) };
    let stop = |index| Event::BlockStop { index };
    let sealed = |index, delta| Event::Delta { index, delta };
    let stream = [
        Event::Start { id: String::new(), model: String::new(), created: None },
        Event::Usage(Usage { input: 3, ..Usage::default() }),
        Event::BlockStart { index: 0, head: BlockHead::Reasoning },
        sealed(0, Delta::Reasoning("so".into())),
        sealed(0, Delta::Redacted("Ez".into())),
        stop(0),
        call(1, "a:1"),
        call(2, "b"),
        piece(2, "{\"x\":"),
        piece(1, "{\"y\":1}"),
        piece(2, "2}"),
        stop(2),
        call(3, "c"),
        stop(1),
        stop(3),
        Event::Usage(Usage { input: 3, output: 8, ..Usage::default() }),
        Event::Finish(Finish::Stop),
    ];
    assert_eq!(Checker::check(&stream), Ok(()));
    let start = StreamStart { id: "msg_f".into(), model: "served".into(), ..StreamStart::default() };
    let bytes = encode(AnthropicMessages.stream_encoder(&start), &stream);
    let frames = frames(&bytes);
    let (mut open, mut next) = (None, 0);
    for (name, data) in &frames {
        let value: Value = serde_json::from_slice(data).unwrap();
        assert_eq!(value["type"], name.clone().unwrap());
        match name.as_deref() {
            Some("message_start") => assert_eq!(value["message"]["usage"]["input_tokens"].as_u64(), Some(3)),
            Some("content_block_start") => {
                assert_eq!((open, value["index"].as_u64()), (None, Some(next)));
                open = Some(next);
                next += 1;
            }
            Some("content_block_delta") => assert_eq!(value["index"].as_u64(), open),
            Some("content_block_stop") => assert_eq!(value["index"].as_u64(), open.take()),
            _ => assert_eq!(open, None),
        }
    }
    let answer = folded(events(&frames));
    assert_eq!(
        (answer.id.as_str(), answer.model.as_str(), answer.finish.clone()),
        ("msg_f", "served", Finish::ToolUse)
    );
    assert_eq!(answer.usage, Some(Usage { input: 3, output: 8, ..Usage::default() }));
    let arguments: Vec<&str> = answer
        .blocks
        .iter()
        .filter_map(|block| match &block.kind {
            BlockKind::ToolCall { arguments, .. } => Some(arguments.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(arguments, ["{\"y\":1}", "{\"x\":2}", "{}"]);
    assert_eq!(answer.blocks.len(), 5, "thinking and its sealed part are two blocks here");
}

#[test]
fn a_refusal_is_text_with_its_own_reason() {
    let answer = Response {
        blocks: vec![BlockKind::Refusal { text: "I can't help with that.".into() }.into()],
        ..Response::default()
    };
    let streamed = folded(events(&frames(&written(&fold::unfold(&answer)))));
    let plain = AnthropicMessages.decode_response(&AnthropicMessages.encode_response(&answer).body).unwrap();
    for got in [streamed, plain] {
        assert_eq!((got.finish, got.blocks), (Finish::Refusal, vec![Block::text("I can't help with that.")]));
    }
}

#[test]
fn silence_is_kept_alive_by_pings() {
    let mut encoder = AnthropicMessages.stream_encoder(&StreamStart::default());
    let mut out = Vec::new();
    encoder.keep_alive(&mut out);
    assert_eq!(out, b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

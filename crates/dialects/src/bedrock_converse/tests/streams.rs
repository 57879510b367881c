//! Streams: what an encoder writes, and what a decoder makes of anything.

use ringmain_core::{Fault, FaultClass, Origin, Phase, Usage};
use serde_json::{Value, json};

use super::{APIS, frames, written};
use crate::bedrock_converse::BedrockConverse;
use crate::codec::{Codec as _, Framing, StreamStart};
use crate::ir::grammar::Checker;
use crate::ir::{BlockHead, BlockKind, Delta, Event, Finish, fold};
use crate::tests::{Dice, Frame, decode, folded, recordings};

/// Messages as a table: name and payload.
fn told(frames: &[Frame]) -> Vec<(String, Value)> {
    frames.iter().map(|(name, data)| (name.clone().unwrap(), serde_json::from_slice(data).unwrap())).collect()
}

fn answer() -> Vec<Event> {
    let call = |index, id: &str| Event::BlockStart {
        index,
        head: BlockHead::ToolCall { id: id.to_owned(), name: "f".to_owned() },
    };
    let delta = |index, delta| Event::Delta { index, delta };
    vec![
        Event::Start { id: "a".into(), model: "m".into(), created: None },
        Event::BlockStart { index: 0, head: BlockHead::Reasoning },
        delta(0, Delta::Reasoning("hm".into())),
        delta(0, Delta::Signature("Esig".into())),
        delta(0, Delta::Redacted("Esealed".into())),
        Event::BlockStop { index: 0 },
        Event::BlockStart { index: 1, head: BlockHead::Text },
        delta(1, Delta::Text("hi".into())),
        Event::BlockStop { index: 1 },
        call(2, "c1"),
        call(3, "c2"),
        delta(2, Delta::Arguments("{\"a\":".into())),
        delta(2, Delta::Arguments("1}".into())),
        Event::BlockStop { index: 3 },
        Event::BlockStop { index: 2 },
        Event::Usage(Usage { input: 5, output: 6, ..Usage::default() }),
        Event::Finish(Finish::ToolUse),
    ]
}

#[test]
fn the_messages_of_an_answer() {
    let at = |index: u32, delta: Value| {
        ("contentBlockDelta".to_owned(), json!({"contentBlockIndex": index, "delta": delta}))
    };
    let stop = |index: u32| ("contentBlockStop".to_owned(), json!({ "contentBlockIndex": index }));
    let start = |index: u32, id: &str| {
        let start = json!({"toolUse": {"toolUseId": id, "name": "f"}});
        ("contentBlockStart".to_owned(), json!({"contentBlockIndex": index, "start": start}))
    };
    let named = |name: &str, value: Value| (name.to_owned(), value);
    let expected = vec![
        named("messageStart", json!({"role": "assistant"})),
        at(0, json!({"reasoningContent": {"text": "hm"}})),
        at(0, json!({"reasoningContent": {"signature": "Esig"}})),
        stop(0),
        at(1, json!({"reasoningContent": {"redactedContent": "RXNlYWxlZA=="}})),
        stop(1),
        at(2, json!({"text": "hi"})),
        stop(2),
        start(3, "c1"),
        at(3, json!({"toolUse": {"input": "{\"a\":"}})),
        at(3, json!({"toolUse": {"input": "1}"}})),
        stop(3),
        start(4, "c2"),
        at(4, json!({"toolUse": {"input": "{}"}})),
        stop(4),
        named("messageStop", json!({"stopReason": "tool_use"})),
        named(
            "metadata",
            json!({
                "usage": {"inputTokens": 5, "outputTokens": 6, "totalTokens": 11, "cacheReadInputTokens": 0,
                          "cacheWriteInputTokens": 0},
                "metrics": {"latencyMs": 0},
            }),
        ),
    ];
    assert_eq!(told(&written(&answer())), expected);
}

#[test]
fn a_block_without_content_is_still_a_block() {
    for head in [BlockHead::Text, BlockHead::Reasoning] {
        let events = [
            Event::Start { id: String::new(), model: String::new(), created: None },
            Event::BlockStart { index: 0, head },
            Event::BlockStop { index: 0 },
            Event::Finish(Finish::Stop),
        ];
        let back = decode(BedrockConverse.stream_decoder(), &written(&events));
        assert_eq!(folded(back), folded(events));
    }
}

#[test]
fn a_stream_without_its_count_is_whole_and_one_without_a_reason_is_cut() {
    let frames = written(&answer());
    for (kept, whole) in [(frames.len(), true), (frames.len() - 1, true), (frames.len() - 2, false), (3, false)] {
        let mut decoder = BedrockConverse.stream_decoder();
        let mut tap = BedrockConverse.tap();
        let mut out = Vec::new();
        for (name, data) in &frames[..kept] {
            decoder.event(name.as_deref(), data, &mut out).unwrap();
            tap.event(name.as_deref(), data);
        }
        assert_eq!(tap.is_whole(false), whole, "{kept}");
        assert_eq!(decoder.end(true, &mut out).is_ok(), whole, "{kept}");
    }
}

#[test]
fn exceptions_end_the_stream() {
    use FaultClass as C;
    let table = [
        ("throttlingException", C::RateLimit),
        ("serviceUnavailableException", C::Overloaded),
        ("modelStreamErrorException", C::Server),
        ("internalServerException", C::Server),
        ("validationException", C::BadRequest),
        ("somethingNewException", C::Server),
    ];
    for (name, class) in table {
        let name = format!("exception/{name}");
        let mut out = Vec::new();
        let mut decoder = BedrockConverse.stream_decoder();
        decoder.event(Some(&name), br#"{"message":"why"}"#, &mut out).unwrap();
        decoder.event(Some("messageStop"), br#"{"stopReason":"end_turn"}"#, &mut out).unwrap();
        assert_eq!(Checker::check(&out), Ok(()));
        let [Event::Error(fault)] = out.as_slice() else { panic!("{out:?}") };
        assert_eq!((fault.class, fault.message.as_str()), (class, "why"), "{name}");
        let error = BedrockConverse.tap().event(Some(&name), br#"{"message":"why"}"#).error.unwrap();
        assert_eq!(error, *fault);
    }
}

#[test]
fn errors_are_written_as_exceptions() {
    let fault = Fault::new(FaultClass::Interrupted, Origin::Provider, Phase::AfterCommit, "it broke off");
    let relayed = BedrockConverse.tap().encode_error(&fault, "r1", Framing::EventStream);
    let expected = [("exception/modelStreamErrorException".to_owned(), json!({"message": "it broke off"}))];
    assert_eq!(told(&frames(&relayed)), expected);
    let mut translated = Vec::new();
    let mut encoder = BedrockConverse.stream_encoder(&StreamStart::default());
    encoder.event(&Event::Error(Box::new(fault)), &mut translated);
    assert_eq!(translated, relayed);
}

#[test]
fn a_keep_alive_means_nothing() {
    let mut out = Vec::new();
    BedrockConverse.stream_encoder(&StreamStart::default()).keep_alive(&mut out);
    let mut events = Vec::new();
    for (name, data) in frames(&out) {
        BedrockConverse.stream_decoder().event(name.as_deref(), &data, &mut events).unwrap();
    }
    assert_eq!(events, []);
}

#[test]
fn images_and_the_providers_own_tools_come_whole() {
    let frames: Vec<Frame> = [
        ("messageStart", json!({"role": "assistant"})),
        ("contentBlockStart", json!({"contentBlockIndex": 0, "start": {"image": {"format": "png"}}})),
        ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"image": {"source": {"bytes": "AAAA"}}}})),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 1, "start": {"toolResult": {"toolUseId": "t", "type": "x_result"}}}),
        ),
        ("contentBlockDelta", json!({"contentBlockIndex": 1, "delta": {"toolResult": [{"text": "a"}]}})),
        ("contentBlockDelta", json!({"contentBlockIndex": 1, "delta": {"toolResult": [{"text": "b"}, {"json": 1}]}})),
        ("contentBlockStop", json!({"contentBlockIndex": 1})),
        ("messageStop", json!({"stopReason": "end_turn"})),
        (
            "metadata",
            json!({"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, "metrics": {"latencyMs": 1}}),
        ),
    ]
    .into_iter()
    .map(|(name, value)| (Some(name.to_owned()), value.to_string().into_bytes()))
    .collect();
    let response = folded(decode(BedrockConverse.stream_decoder(), &frames));
    let [image, result] = response.blocks.as_slice() else { panic!("{:?}", response.blocks) };
    assert!(matches!(&image.kind, BlockKind::Image(media) if media.media_type.as_deref() == Some("image/png")));
    let BlockKind::Opaque { value, .. } = &result.kind else { panic!("{result:?}") };
    assert_eq!(value["toolResult"]["content"], json!([{"text": "ab"}, {"json": 1}]));
    let again = decode(BedrockConverse.stream_decoder(), &written(&fold::unfold(&response)));
    assert_eq!(folded(again), response);
}

/// Whatever is lost or doubled on the way, what comes out is a sentence, and nothing panics.
#[test]
fn random_subsequences_never_break_the_grammar() {
    let mut dice = Dice::new(11);
    for recording in APIS.into_iter().flat_map(recordings) {
        let Some(stream) = recording.binary else { continue };
        let whole = frames(&stream);
        for _ in 0..30 {
            let mut decoder = BedrockConverse.stream_decoder();
            let mut out = Vec::new();
            for (name, data) in &whole {
                for _ in 0..[1, 1, 1, 0, 2][dice.below(5)] {
                    let _ = decoder.event(name.as_deref(), data, &mut out);
                }
            }
            if decoder.end(true, &mut out).is_err() {
                out.push(Event::Error(Box::new(Fault::new(
                    FaultClass::Interrupted,
                    Origin::Provider,
                    Phase::AfterCommit,
                    "cut",
                ))));
            }
            assert_eq!(Checker::check(&out), Ok(()), "{}", recording.id);
        }
    }
}

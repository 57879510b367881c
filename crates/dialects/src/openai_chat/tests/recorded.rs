//! Recorded answers.

use serde_json::Value;

use crate::codec::{Codec, Glance, StreamStart};
use crate::ir::{Block, BlockKind, Event, Finish, Response, fold};
use crate::openai_chat::OpenAiChat;
use crate::tests::{Dice, Frame, Recording, decode, encode, folded, frames, frames_of, said_again};

use super::{BROKEN, all};

fn start() -> StreamStart {
    StreamStart { id: "made-up".into(), model: "m".into(), created: 1, include_usage: true, ..StreamStart::default() }
}

/// Neighbours of one kind are one field on this wire.
fn merged(blocks: &[Block]) -> Vec<Block> {
    let mut out: Vec<Block> = Vec::new();
    for block in blocks.iter().cloned() {
        match (out.last_mut().map(|last| &mut last.kind), &block.kind) {
            (Some(BlockKind::Text { text, citations }), BlockKind::Text { text: more, citations: others }) => {
                text.push_str(more);
                citations.extend(others.iter().cloned());
            }
            _ => out.push(block),
        }
    }
    out
}

fn same(again: &Response, response: &Response, id: &str) {
    let mut blocks = merged(&response.blocks);
    for block in &mut blocks {
        if let BlockKind::ToolCall { arguments, .. } = &mut block.kind
            && arguments.is_empty()
        {
            "{}".clone_into(arguments);
        }
    }
    assert_eq!(merged(&again.blocks), blocks, "{id}");
    assert_eq!(again.finish, response.finish, "{id}");
    assert_eq!(again.usage, said_again(response.usage), "{id}");
    assert_eq!(again.model, response.model, "{id}");
    assert_eq!(again.created, response.created, "{id}");
}

fn plain(recordings: &[Recording]) -> impl Iterator<Item = (&str, Vec<u8>)> {
    let good = |body: &&Value| body.get("choices").is_some();
    recordings.iter().filter(|recording| recording.status == 200).filter_map(move |recording| {
        Some((recording.id.as_str(), recording.body.as_ref().filter(good)?.to_string().into_bytes()))
    })
}

fn streams(recordings: &[Recording]) -> impl Iterator<Item = (&str, &str)> {
    recordings
        .iter()
        .filter(|recording| recording.status == 200)
        .filter_map(|recording| Some((recording.id.as_str(), recording.text.as_deref()?)))
}

fn decoded(frames: &[Frame]) -> Vec<Event> {
    decode(OpenAiChat.stream_decoder(), frames)
}

#[test]
fn plain_answers_survive_a_round() {
    let recordings = all();
    for (id, body) in plain(&recordings) {
        let response = OpenAiChat.decode_response(&body).unwrap_or_else(|problem| panic!("{id}: {problem}"));
        assert!(!response.blocks.is_empty(), "{id}");
        let encoded = OpenAiChat.encode_response(&response);
        let again = OpenAiChat.decode_response(&encoded.body).unwrap();
        same(&again, &response, id);
        let stream = encode(OpenAiChat.stream_encoder(&start()), &fold::unfold(&response));
        same(&folded(decoded(&frames(&stream))), &response, id);
    }
}

#[test]
fn streamed_answers_survive_a_round() {
    let recordings = all();
    for (id, text) in streams(&recordings).filter(|(id, _)| !BROKEN.contains(id)) {
        let events = decoded(&frames(text.as_bytes()));
        let stream = encode(OpenAiChat.stream_encoder(&start()), &events);
        let response = folded(events);
        assert!(!response.blocks.is_empty() || response.finish == Finish::Length, "{id}");
        assert!(response.usage.is_none() || response.usage.is_some_and(|usage| usage.input > 0), "{id}");
        same(&folded(decoded(&frames(&stream))), &response, id);
        assert!(stream.ends_with(b"data: [DONE]\n\n"), "{id}");
    }
}

#[test]
fn a_broken_stream_ends_in_an_error() {
    let recordings = all();
    for (id, text) in streams(&recordings).filter(|(id, _)| BROKEN.contains(id)) {
        let events = decoded(&frames(text.as_bytes()));
        assert!(matches!(events.last(), Some(Event::Error(_))), "{id}");
        let stream = String::from_utf8(encode(OpenAiChat.stream_encoder(&start()), &events)).unwrap();
        assert!(!stream.contains("[DONE]") && stream.contains("\"error\":{"), "{id}");
    }
}

#[test]
fn where_the_bytes_are_cut_means_nothing() {
    let recordings = all();
    let mut dice = Dice::new(7);
    for (nth, (id, text)) in streams(&recordings).enumerate() {
        let bytes = text.as_bytes();
        let whole = decoded(&frames(bytes));
        let cuts: Vec<usize> = if nth % 8 == 0 && bytes.len() < 2500 {
            (0..bytes.len()).collect()
        } else {
            (0..3).map(|_| dice.below(bytes.len())).collect()
        };
        for cut in cuts {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(decoded(&frames_of([head, tail])), whole, "{id} cut at {cut}");
        }
    }
}

#[test]
fn the_tap_says_what_the_decoder_says() {
    let recordings = all();
    for (id, body) in plain(&recordings) {
        let response = OpenAiChat.decode_response(&body).unwrap();
        let mut tap = OpenAiChat.tap();
        let glance = tap.body(&body);
        let useful = response.blocks.iter().any(|block| block.kind != Block::text("").kind);
        assert_eq!((glance.useful, glance.usage), (useful, response.usage), "{id}");
        assert!(tap.is_whole(false) && !glance.usage_only, "{id}");
    }
    for (id, text) in streams(&recordings) {
        let frames = frames(text.as_bytes());
        let events = decoded(&frames);
        let mut tap = OpenAiChat.tap();
        let glances: Vec<Glance> = frames.iter().map(|(name, data)| tap.event(name.as_deref(), data)).collect();
        let useful = events.iter().any(Event::is_useful);
        assert_eq!(glances.iter().any(|glance| glance.useful), useful, "{id}");
        let usage = events.iter().rev().find_map(|event| match event {
            Event::Usage(usage) => Some(*usage),
            _ => None,
        });
        assert_eq!(glances.iter().rev().find_map(|glance| glance.usage), usage, "{id}");
        assert_eq!(glances.iter().any(|glance| glance.error.is_some()), BROKEN.contains(&id), "{id}");
        assert_eq!(tap.is_whole(false), !BROKEN.contains(&id), "{id}");
        assert!(!glances.iter().any(|glance| glance.malformed), "{id}");
    }
}

#[test]
fn any_events_make_a_sentence() {
    let recordings = all();
    let pool: Vec<Frame> = streams(&recordings)
        .flat_map(|(_, text)| frames(text.as_bytes()))
        .filter(|(_, data)| data.len() < 4096)
        .collect();
    if pool.is_empty() {
        return;
    }
    for seed in 1..250 {
        let mut dice = Dice::new(seed);
        let mut decoder = OpenAiChat.stream_decoder();
        let mut tap = OpenAiChat.tap();
        let mut events = Vec::new();
        for _ in 0..dice.below(60) {
            let (name, data) = &pool[dice.below(pool.len())];
            let data = if dice.below(12) == 0 { &data[..dice.below(data.len())] } else { data };
            tap.event(name.as_deref(), data);
            let _skipped = decoder.event(name.as_deref(), data, &mut events);
        }
        let ended = decoder.end(seed % 2 == 0, &mut events);
        let mut checker = crate::ir::grammar::Checker::default();
        for event in &events {
            checker.event(event).unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        }
        assert_eq!(ended.is_ok(), checker.end().is_ok(), "seed {seed}");
        // The encoder must take every prefix.
        encode(OpenAiChat.stream_encoder(&start()), &events);
    }
}

//! Recorded traffic: read, written, read again; cut anywhere; seen by the tap as by the decoder.

use serde_json::Value;

use crate::codec::{Codec, Glance, StreamStart, TargetProfile};
use crate::ir::fold::unfold;
use crate::ir::grammar::Checker;
use crate::ir::{Block, BlockKind, Event, Response};
use crate::openai_responses::OpenAiResponses;
use crate::tests::{Dice, Frame, Recording, decode, encode, folded, frames, frames_of, said_again};

use super::all;

fn plain(recordings: &[Recording]) -> impl Iterator<Item = (&str, Vec<u8>)> {
    recordings
        .iter()
        .filter(|recording| recording.status == 200)
        .filter_map(|recording| Some((recording.id.as_str(), recording.body.as_ref()?.to_string().into_bytes())))
}

fn streams(recordings: &[Recording]) -> impl Iterator<Item = (&str, &str)> {
    recordings
        .iter()
        .filter(|recording| recording.status == 200)
        .filter_map(|recording| Some((recording.id.as_str(), recording.text.as_deref()?)))
}

fn decoded(frames: &[Frame]) -> Vec<Event> {
    decode(OpenAiResponses.stream_decoder(), frames)
}

fn start() -> StreamStart {
    StreamStart { id: "resp_1".to_owned(), model: "m".to_owned(), ..StreamStart::default() }
}

/// As another reading of the same answer has them: parts that follow each other may be one.
fn same(again: &Response, response: &Response, id: &str) {
    let mut blocks = response.blocks.clone();
    for block in &mut blocks {
        if let BlockKind::ToolCall { arguments, .. } = &mut block.kind
            && arguments.is_empty()
        {
            "{}".clone_into(arguments);
        }
    }
    assert_eq!(again.blocks, blocks, "{id}");
    assert_eq!(again.finish, response.finish, "{id}");
    assert_eq!(again.usage, said_again(response.usage), "{id}");
    assert_eq!((&again.id, &again.model), (&response.id, &response.model), "{id}");
    assert_eq!(again.created, response.created, "{id}");
}

#[test]
fn plain_answers_survive_a_round() {
    let recordings = all();
    for (id, body) in plain(&recordings) {
        let response = OpenAiResponses.decode_response(&body).unwrap_or_else(|problem| panic!("{id}: {problem}"));
        assert!(!response.blocks.is_empty(), "{id}");
        assert!(response.usage.is_some_and(|usage| usage.input > 0), "{id}");
        let encoded = OpenAiResponses.encode_response(&response);
        same(&OpenAiResponses.decode_response(&encoded.body).unwrap(), &response, id);
        let stream = encode(OpenAiResponses.stream_encoder(&start()), &unfold(&response));
        same(&folded(decoded(&frames(&stream))), &response, id);
    }
}

#[test]
fn streamed_answers_survive_a_round_and_are_the_plain_ones() {
    let recordings = all();
    for (id, text) in streams(&recordings) {
        let frames_in = frames(text.as_bytes());
        let events = decoded(&frames_in);
        let stream = encode(OpenAiResponses.stream_encoder(&start()), &events);
        let response = folded(events);
        assert!(!response.blocks.is_empty(), "{id}");
        same(&folded(decoded(&frames(&stream))), &response, id);
        // The last event repeats the answer: what the pieces spell is what it says.
        let last = frames_in.iter().rev().find(|(_, data)| data.starts_with(b"{")).unwrap();
        let last: Value = serde_json::from_slice(&last.1).unwrap();
        let whole = OpenAiResponses.decode_response(last["response"].to_string().as_bytes()).unwrap();
        let sorted = |response: &Response| {
            let mut blocks: Vec<Block> = response.blocks.clone();
            for block in &mut blocks {
                // Sealed anew each time.
                if let BlockKind::Reasoning { redacted: Some(sealed), .. } = &mut block.kind {
                    sealed.clear();
                }
            }
            blocks.sort_by_key(|block| format!("{block:?}"));
            blocks
        };
        if !last["response"]["output"].as_array().is_none_or(Vec::is_empty) {
            assert_eq!(sorted(&whole), sorted(&response), "{id}");
        }
        assert_eq!((whole.finish, whole.usage), (response.finish, response.usage), "{id}");
    }
}

#[test]
fn where_the_bytes_are_cut_means_nothing() {
    let recordings = all();
    let mut dice = Dice::new(7);
    for (id, text) in streams(&recordings) {
        let bytes = text.as_bytes();
        let whole = decoded(&frames(bytes));
        for cut in (0..4).map(|_| dice.below(bytes.len())) {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(decoded(&frames_of([head, tail])), whole, "{id} cut at {cut}");
        }
    }
}

#[test]
fn the_tap_says_what_the_decoder_says() {
    let recordings = all();
    for (id, body) in plain(&recordings) {
        let response = OpenAiResponses.decode_response(&body).unwrap();
        let mut tap = OpenAiResponses.tap();
        let glance = tap.body(&body);
        assert_eq!((glance.useful, glance.usage), (true, response.usage), "{id}");
        assert!(tap.is_whole(false) && glance.finished && glance.error.is_none(), "{id}");
    }
    for (id, text) in streams(&recordings) {
        let frames = frames(text.as_bytes());
        let mut tap = OpenAiResponses.tap();
        let glances: Vec<Glance> = frames.iter().map(|(name, data)| tap.event(name.as_deref(), data)).collect();
        let response = folded(decoded(&frames));
        assert!(glances.iter().any(|glance| glance.useful), "{id}");
        assert_eq!(glances.iter().rev().find_map(|glance| glance.usage), response.usage, "{id}");
        assert_eq!(glances.iter().filter(|glance| glance.terminal).count(), 1, "{id}");
        assert!(!glances.iter().any(|glance| glance.malformed || glance.error.is_some()), "{id}");
        assert!(tap.is_whole(false), "{id}");
    }
}

#[test]
fn requests_survive_a_round() {
    for recording in all() {
        let Some(body) = &recording.request else { continue };
        let request = OpenAiResponses.decode_request(body.to_string().as_bytes());
        let request = request.unwrap_or_else(|problem| panic!("{}: {problem}", recording.id));
        let encoded = OpenAiResponses.encode_request(&request, &TargetProfile::default()).unwrap();
        let mut again = OpenAiResponses.decode_request(&encoded.body).unwrap();
        // Notes inside items have no place to go back to.
        let mut request = request;
        request.extras.retain(|extra| !extra.field.starts_with(['i', 't']) || !extra.field.contains('['));
        again.remembered.clone_from(&request.remembered);
        let sort = |request: &mut crate::ir::Request| request.extras.sort_by(|a, b| a.field.cmp(&b.field));
        sort(&mut request);
        sort(&mut again);
        assert_eq!(again, request, "{}", recording.id);
        let deep = |loss: &&crate::Loss| !loss.field.contains('[');
        assert_eq!(encoded.losses.iter().find(deep), None, "{}", recording.id);
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
    for seed in 1..400 {
        let mut dice = Dice::new(seed);
        let mut decoder = OpenAiResponses.stream_decoder();
        let mut tap = OpenAiResponses.tap();
        let mut events = Vec::new();
        for _ in 0..dice.below(80) {
            let (name, data) = &pool[dice.below(pool.len())];
            let data = if dice.below(12) == 0 { &data[..dice.below(data.len())] } else { data };
            tap.event(name.as_deref(), data);
            let _skipped = decoder.event(name.as_deref(), data, &mut events);
        }
        let ended = decoder.end(seed % 2 == 0, &mut events);
        let mut checker = Checker::default();
        for event in &events {
            checker.event(event).unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        }
        assert_eq!(ended.is_ok(), checker.end().is_ok(), "seed {seed}");
        // The encoder must take every prefix.
        encode(OpenAiResponses.stream_encoder(&start()), &events);
    }
}

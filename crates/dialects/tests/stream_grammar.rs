//! What we write satisfies the strictest client: the bytes of every stream are a sentence of their dialect, whatever answer
//! is behind them. Recorded streams go through every pair; answers made up by chance go to every dialect.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test; the helpers too")]

#[path = "stream_grammar/anthropic.rs"]
mod anthropic;
#[path = "stream_grammar/bedrock.rs"]
mod bedrock;
#[path = "stream_grammar/chance.rs"]
mod chance;
#[path = "stream_grammar/chat.rs"]
mod chat;
#[path = "stream_grammar/cohere.rs"]
mod cohere;
#[path = "stream_grammar/gemini.rs"]
mod gemini;
#[path = "stream_grammar/recorded.rs"]
mod recorded;
#[path = "stream_grammar/responses.rs"]
mod responses;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ringmain_core::{Dialect, Fault, FaultClass, Loss, Origin, Phase};
use ringmain_dialects::ir::Event;
use ringmain_dialects::ir::fold::Fold;
use ringmain_dialects::{Framing, StreamStart, registry};
use ringmain_wire::event_stream::EventStreamFramer;
use ringmain_wire::sse::SseFramer;
use serde_json::Value;

/// An event on the wire: its name, where it has one, and its data.
pub(crate) struct Frame {
    pub(crate) name: String,
    pub(crate) data: Vec<u8>,
}

impl Frame {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.data)
            .unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(&self.data)))
    }
}

/// Says what is wrong with a stream.
pub(crate) type Check = Result<(), String>;

/// Fails unless this holds.
pub(crate) fn hold(holds: bool, problem: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(problem()) }
}

fn check(dialect: Dialect, frames: &[Frame]) -> Check {
    match dialect {
        Dialect::OpenAiChat => chat::check(frames),
        Dialect::OpenAiResponses => responses::check(frames),
        Dialect::AnthropicMessages => anthropic::check(frames),
        Dialect::Gemini => gemini::check(frames),
        Dialect::BedrockConverse => bedrock::check(frames),
        Dialect::CohereV2 => cohere::check(frames),
    }
}

fn written(dialect: Dialect, events: &[Event]) -> Vec<u8> {
    let start =
        StreamStart { id: "id_1".into(), model: "m".into(), created: 7, include_usage: true, ..StreamStart::default() };
    let mut encoder = registry::codec(dialect).unwrap().stream_encoder(&start);
    let mut bytes = Vec::new();
    for (nth, event) in events.iter().enumerate() {
        encoder.event(event, &mut bytes);
        // Silence may fall anywhere but after the end.
        if nth % 3 == 1 && nth + 1 < events.len() {
            encoder.keep_alive(&mut bytes);
        }
    }
    bytes
}

fn cut(dialect: Dialect, bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    if Framing::of_provider(dialect) == Framing::EventStream {
        let mut framer = EventStreamFramer::new(1 << 24);
        framer.push(Bytes::copy_from_slice(bytes));
        while let Some(frame) = framer.next().unwrap() {
            frames.push(Frame { name: frame.event().into_owned(), data: frame.data().into_owned() });
        }
        assert_eq!(framer.pending_len(), 0, "half a message at the end");
    } else {
        let mut framer = SseFramer::new(1 << 24);
        framer.push(Bytes::copy_from_slice(bytes));
        while let Some(frame) = framer.next().unwrap() {
            if !frame.is_comment() {
                frames.push(Frame {
                    name: frame.event().unwrap_or_default().to_owned(),
                    data: frame.data().into_owned(),
                });
            }
        }
        assert!(bytes.ends_with(b"\n\n"), "the last event is not closed");
    }
    frames
}

fn hold_all(events: &[Event], what: &str) {
    for dialect in Dialect::ALL {
        let bytes = written(dialect, events);
        if let Err(problem) = check(dialect, &cut(dialect, &bytes)) {
            panic!("{what} to {dialect}: {problem}\n{events:#?}\n{}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn recorded_streams_are_sentences_of_every_dialect() {
    let mut counts: BTreeMap<Dialect, u32> = BTreeMap::new();
    recorded::each(|dialect, id, events| {
        hold_all(events, id);
        *counts.entry(dialect).or_default() += 1;
    });
    for (dialect, count) in counts {
        println!("{dialect}: {count} streams, to six dialects each");
    }
}

#[test]
fn made_up_answers_are_sentences_of_every_dialect() {
    for seed in 1..400 {
        let events = chance::answer(seed);
        hold_all(&events, &format!("seed {seed}"));
    }
}

/// What a dialect cannot say of an answer, it says of neither form of it.
#[test]
fn a_stream_tells_the_losses_that_a_plain_answer_tells() {
    for seed in 1..400 {
        let events = chance::answer(seed);
        let mut fold = Fold::default();
        events.iter().for_each(|event| fold.event(event.clone()));
        let response = fold.finish().unwrap().unwrap();
        for dialect in Dialect::ALL {
            let codec = registry::codec(dialect).unwrap();
            let plain: BTreeSet<String> = fields(codec.encode_response(&response).losses);
            let mut encoder = codec.stream_encoder(&StreamStart::default());
            events.iter().for_each(|event| encoder.event(event, &mut Vec::new()));
            assert_eq!(fields(encoder.take_losses()), plain, "seed {seed} to {dialect}\n{events:#?}");
            assert_eq!(encoder.take_losses(), [], "each is told once");
        }
    }
}

fn fields(losses: Vec<Loss>) -> BTreeSet<String> {
    losses.into_iter().map(|loss| format!("{:?} {}", loss.kind, loss.field)).collect()
}

/// Cut off anywhere: one error, and nothing that looks like an end.
#[test]
fn a_broken_answer_ends_in_one_error() {
    for seed in 1..300 {
        let mut events = chance::answer(seed);
        let keep = 1 + usize::try_from(seed).unwrap() % events.len().max(2);
        events.truncate(keep.min(events.len() - 1));
        let fault = Fault::new(FaultClass::Interrupted, Origin::Provider, Phase::AfterCommit, "it broke off");
        events.push(Event::Error(Box::new(fault)));
        hold_all(&events, &format!("seed {seed}, cut"));
    }
}

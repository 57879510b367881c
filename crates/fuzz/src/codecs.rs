//! Codecs: whatever a caller or provider sends is refused or understood, and what is understood can be said in every
//! dialect and is understood again there.
//!
//! The first byte of the input says what the rest is: a request, a plain answer, a stream, or an error. Streams are
//! written as server-sent events for every dialect, so that fuzzing need not guess the checksums of binary messages.

use bytes::Bytes;
use http::HeaderMap;
use ringmain_core::{Capabilities, Dialect};
use ringmain_dialects::ir::fold::{Fold, unfold};
use ringmain_dialects::ir::grammar::Checker;
use ringmain_dialects::ir::{Block, BlockKind, Event, Response};
use ringmain_dialects::{Codec, Framing, StreamStart, TargetProfile, registry};
use ringmain_wire::event_stream::EventStreamFramer;
use ringmain_wire::json::Object;
use ringmain_wire::sse::SseFramer;

pub(crate) fn openai_chat(data: &[u8]) {
    codec(Dialect::OpenAiChat, data);
}

pub(crate) fn openai_responses(data: &[u8]) {
    codec(Dialect::OpenAiResponses, data);
}

pub(crate) fn anthropic_messages(data: &[u8]) {
    codec(Dialect::AnthropicMessages, data);
}

pub(crate) fn gemini(data: &[u8]) {
    codec(Dialect::Gemini, data);
}

pub(crate) fn bedrock_converse(data: &[u8]) {
    codec(Dialect::BedrockConverse, data);
}

pub(crate) fn cohere_v2(data: &[u8]) {
    codec(Dialect::CohereV2, data);
}

/// What an input begins with.
pub(crate) const REQUEST: u8 = b'q';
/// As [`REQUEST`].
pub(crate) const ANSWER: u8 = b'a';
/// As [`REQUEST`].
pub(crate) const STREAM: u8 = b's';
/// As [`REQUEST`].
pub(crate) const ERROR: u8 = b'e';

/// JSON parsers end at 128 levels, and each dialect puts some of its own around what it carries: what is near the end in
/// one is beyond it in another.
const MOST_LEVELS: usize = 100;

/// How deep the brackets go, those in strings too: arguments are JSON in a string in some dialects.
fn levels(body: &[u8]) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for byte in body {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

fn codec(dialect: Dialect, data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    if levels(body) > MOST_LEVELS {
        return;
    }
    let codec = codec_of(dialect);
    match *kind {
        REQUEST => request(codec, body),
        ANSWER => answer(codec, body),
        STREAM => stream(codec, body),
        ERROR => error(codec, body),
        _ => {}
    }
}

fn codec_of(dialect: Dialect) -> &'static dyn Codec {
    registry::codec(dialect).expect("every dialect has a codec")
}

/// A request that is let in and understood is, in each dialect, refused by name or a request that is let in and understood
/// there too.
fn request(codec: &dyn Codec, body: &[u8]) {
    let Ok(object) = Object::parse(body) else { return };
    let _ = registry::holds_foreign(codec.dialect(), "claude-sonnet-4-5", body);
    if codec.inspect(&object).is_err() {
        return;
    }
    let Ok(request) = codec.decode_request(body) else { return };
    let profile = TargetProfile {
        model: "m".to_owned(),
        capabilities: Capabilities::NONE,
        max_output_tokens: Some(4096),
        ..TargetProfile::default()
    };
    for to in Dialect::ALL.map(codec_of) {
        let Ok(encoded) = to.encode_request(&request, &profile) else { continue };
        let name = to.dialect();
        let object = Object::parse(&encoded.body).unwrap_or_else(|problem| panic!("to {name}: {problem}"));
        let facts = to.inspect(&object);
        assert!(facts.is_ok(), "to {name}: {facts:?}");
        let back = to.decode_request(&encoded.body);
        assert!(back.is_ok(), "to {name}: {}", back.err().map(|problem| problem.to_string()).unwrap_or_default());
    }
}

/// An answer that is understood is understood in every dialect, plain and streamed, with the same text.
fn answer(codec: &dyn Codec, body: &[u8]) {
    let _ = codec.tap().body(body);
    let Ok(response) = codec.decode_response(body) else { return };
    let events = unfold(&response);
    assert_eq!(Checker::check(&events), Ok(()), "an unfolded answer is a sentence");
    for to in Dialect::ALL.map(codec_of) {
        let encoded = to.encode_response(&response).body;
        let back = to.decode_response(&encoded);
        let back = back.unwrap_or_else(|problem| panic!("to {}: {problem}", to.dialect()));
        assert!(
            is_same(&text(&back), &response),
            "to {}: {:?} became {:?}",
            to.dialect(),
            text(&response),
            text(&back)
        );
        encoded_stream(to, &events);
    }
}

/// Is this the text of the answer? Where a refusal has a place of its own it may come after all else.
fn is_same(said: &str, response: &Response) -> bool {
    let is_refusal = |block: &&Block| matches!(block.kind, BlockKind::Refusal { .. });
    let (refusals, others): (Vec<&Block>, Vec<&Block>) = response.blocks.iter().partition(is_refusal);
    said == text(response) || said == texts(others.into_iter().chain(refusals))
}

/// The text of an answer, refusals included: some dialects have no other place for them.
fn text(response: &Response) -> String {
    texts(&response.blocks)
}

fn texts<'b>(blocks: impl IntoIterator<Item = &'b Block>) -> String {
    let texts = blocks.into_iter().filter_map(|block| match &block.kind {
        BlockKind::Text { text, .. } | BlockKind::Refusal { text } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Whatever a provider streams becomes a sentence, or the beginning of one, and so it is in every dialect.
fn stream(codec: &dyn Codec, body: &[u8]) {
    let (lenient, body) = match body.split_first() {
        Some((draw, rest)) => (draw % 2 == 0, rest),
        None => return,
    };
    let frames = frames(Framing::Sse, body);
    let (mut tap, mut decoder) = (codec.tap(), codec.stream_decoder());
    let (mut checker, mut events) = (Checker::default(), Vec::new());
    for (name, data) in &frames {
        let _ = tap.event(name.as_deref(), data);
        let before = events.len();
        let _ = decoder.event(name.as_deref(), data, &mut events);
        for event in events.get(before..).unwrap_or_default() {
            let checked = checker.event(event);
            assert!(checked.is_ok(), "{checked:?}");
        }
    }
    let _ = tap.is_whole(lenient);
    let before = events.len();
    let whole = decoder.end(lenient, &mut events);
    for event in events.get(before..).unwrap_or_default() {
        let checked = checker.event(event);
        assert!(checked.is_ok(), "at the end: {checked:?}");
    }
    if whole.is_ok() {
        let ended = checker.end();
        assert!(ended.is_ok(), "a whole stream: {ended:?}");
    }
    for to in Dialect::ALL.map(codec_of) {
        encoded_stream(to, &events);
    }
}

/// Events in this dialect are a sentence for its own decoder, with a terminal event where there was one.
fn encoded_stream(to: &dyn Codec, events: &[Event]) {
    if has_torn_arguments(events) {
        return;
    }
    let name = to.dialect();
    let framing = Framing::of_provider(name);
    let start = StreamStart { id: "id".to_owned(), model: "m".to_owned(), created: 1, include_usage: true, framing };
    let (mut encoder, mut out) = (to.stream_encoder(&start), Vec::new());
    for event in events {
        encoder.event(event, &mut out);
    }
    let (mut checker, mut back, mut decoder) = (Checker::default(), Vec::new(), to.stream_decoder());
    for (event, data) in frames(framing, &out) {
        let read = decoder.event(event.as_deref(), &data, &mut back);
        assert!(read.is_ok(), "to {name}: {read:?}");
    }
    let ended = decoder.end(false, &mut back);
    for event in &back {
        let checked = checker.event(event);
        assert!(checked.is_ok(), "to {name}: {checked:?}");
    }
    if events.last().is_some_and(Event::is_terminal) {
        assert!(
            ended.is_ok() || matches!(back.last(), Some(Event::Error(_))),
            "to {name}: a whole stream is cut: {}",
            String::from_utf8_lossy(&out)
        );
        assert!(checker.end().is_ok(), "to {name}: no terminal event");
    }
}

/// A tool call whose arguments are no JSON, or more than one: each dialect may read it its own way.
fn has_torn_arguments(events: &[Event]) -> bool {
    let mut fold = Fold::default();
    events.iter().for_each(|event| fold.event(event.clone()));
    fold.so_far().blocks.iter().any(|block| match &block.kind {
        BlockKind::ToolCall { arguments, .. } => {
            !arguments.is_empty() && serde_json::from_str::<serde_json::Value>(arguments).is_err()
        }
        _ => false,
    })
}

/// An error stays one in every dialect.
fn error(codec: &dyn Codec, body: &[u8]) {
    let Some((draw, body)) = body.split_first() else { return };
    let status = 400 + u16::from(*draw % 200);
    let fault = codec.decode_fault(status, &HeaderMap::new(), body);
    for to in Dialect::ALL.map(codec_of) {
        let reply = to.encode_fault(&fault, "req_1");
        assert!((400..600).contains(&reply.status), "to {}: status {}", to.dialect(), reply.status);
        assert!(Object::parse(&reply.body).is_ok(), "to {}: not JSON", to.dialect());
        let back = to.decode_fault(reply.status, &HeaderMap::new(), &reply.body);
        // A page of markup is nobody's words; long ones are cut.
        let words = fault.message.trim();
        let words = words.get(..words.floor_char_boundary(256)).unwrap_or_default();
        let kept = words.starts_with('<') || back.message.contains(words);
        assert!(kept, "to {}: {words:?} became {:?}", to.dialect(), back.message);
    }
}

/// The events of a stream: name and data.
fn frames(framing: Framing, stream: &[u8]) -> Vec<(Option<String>, Vec<u8>)> {
    let stream = Bytes::copy_from_slice(stream);
    let mut frames = Vec::new();
    if framing == Framing::EventStream {
        let mut framer = EventStreamFramer::new(1 << 24);
        framer.push(stream);
        while let Some(frame) = framer.next().expect("what we write can be read") {
            frames.push((Some(frame.event().into_owned()), frame.data().into_owned()));
        }
        return frames;
    }
    let mut framer = SseFramer::new(1 << 24);
    framer.push(stream);
    while let Ok(Some(frame)) = framer.next() {
        if !frame.is_comment() {
            frames.push((frame.event().map(str::to_owned), frame.data().into_owned()));
        }
    }
    frames
}

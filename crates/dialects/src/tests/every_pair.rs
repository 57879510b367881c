//! Recorded traffic through every pair of dialects: what a person or a program reads of it is the same on the other
//! side, whatever the chunks.

use std::collections::BTreeMap;

use ringmain_core::{Capabilities, Dialect, FaultClass, Usage};

use super::{Frame, Recording, decode, encode, folded, frames_as, recordings};
use crate::codec::{Codec, Framing, StreamStart, TargetProfile};
use crate::ir::fold::unfold;
use crate::ir::{BlockKind, Event, Finish, Media, MediaSource, OutputFormat, Request, Response, Role, ToolChoice};
use crate::registry::codec;
use crate::{Loss, LossKind};

/// The dialects with a codec, and the recorded APIs that speak them.
const SPOKEN: [(Dialect, &[&str]); 6] = [
    (
        Dialect::OpenAiChat,
        &[
            "openai.chat",
            "azure.chat",
            "groq.chat",
            "mistral.chat",
            "deepseek.chat",
            "openrouter.chat",
            "together.chat",
            "xai.chat",
            "ollama.chat",
            "perplexity.chat",
            "cerebras.chat",
            "huggingface.chat",
            "gemini_openai.chat",
            "anthropic.openai_chat",
            "bedrock_openai.chat",
            "cloudflare.chat",
            "crusoe.chat",
            "databricks.chat",
            "gpustack.chat",
            "heroku.chat",
            "snowflake.chat",
            "writer.chat",
            "zai.chat",
        ],
    ),
    (
        Dialect::OpenAiResponses,
        &[
            "azure.responses",
            "bedrock_openai.responses",
            "deepseek.responses",
            "openai.responses",
            "openrouter.responses",
            "xai.responses",
        ],
    ),
    (Dialect::AnthropicMessages, &["anthropic.messages"]),
    (Dialect::Gemini, &["gemini.generate", "gemini.stream", "vertex.generate", "vertex.stream"]),
    (Dialect::BedrockConverse, &["bedrock.converse", "bedrock.converse_stream"]),
    (Dialect::CohereV2, &["cohere.chat"]),
];

/// Cuts a stream of this dialect into its events, from pieces.
fn cut<'a>(dialect: Dialect, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Frame> {
    frames_as(Framing::of_provider(dialect), pieces)
}

fn codec_of(dialect: Dialect) -> &'static dyn Codec {
    codec(dialect).unwrap()
}

/// Calls `each` with every recording and the codec of its dialect.
fn for_each_recording(mut each: impl FnMut(Dialect, &'static dyn Codec, &Recording)) {
    for (dialect, apis) in SPOKEN {
        for recording in apis.iter().flat_map(|api| recordings(api)) {
            each(dialect, codec_of(dialect), &recording);
        }
    }
}

/// What everybody understands of an answer.
#[derive(Debug, PartialEq)]
struct Gist {
    text: String,
    calls: Vec<(String, serde_json::Value)>,
    finish: &'static str,
    input: u64,
    output: u64,
    cache_read: u64,
}

fn gist(response: &Response) -> Gist {
    let mut text = String::new();
    let mut calls = Vec::new();
    for block in &response.blocks {
        match &block.kind {
            BlockKind::Text { text: more, .. } | BlockKind::Refusal { text: more } => text.push_str(more),
            BlockKind::ToolCall { name, arguments, .. } => {
                let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
                calls.push((name.clone(), serde_json::from_str(arguments).unwrap_or_default()));
            }
            _ => {}
        }
    }
    let usage = response.usage.unwrap_or_default();
    Gist {
        finish: finish(&response.finish, !calls.is_empty()),
        text,
        calls,
        input: usage.input,
        output: usage.output,
        cache_read: usage.cache_read,
    }
}

/// Is the gist the same? Where the model declines, one dialect says it in the block, another in the reason to stop.
fn assert_same(back: &Response, original: &Response, what: &str) {
    let declined = original.blocks.iter().any(|block| matches!(block.kind, BlockKind::Refusal { .. }));
    let (mut back, original) = (gist(back), gist(original));
    if declined {
        back.finish = original.finish;
    }
    assert_eq!(back, original, "{what}");
}

/// The coarsest words that all dialects share.
fn finish(finish: &Finish, calls: bool) -> &'static str {
    match finish {
        _ if calls => "tools",
        Finish::Stop | Finish::StopSequence(_) | Finish::Pause | Finish::ToolUse | Finish::Other(_) => "stop",
        Finish::Length | Finish::ContextFull => "length",
        Finish::Refusal => "refusal",
    }
}

/// An answer as the other dialect can hold it: its own blocks stay at home.
fn carried(mut response: Response) -> Response {
    response.blocks.retain(|block| !matches!(block.kind, BlockKind::Opaque { .. }));
    response
}

#[test]
fn plain_answers_cross_every_pair() {
    let mut passed: BTreeMap<(Dialect, Dialect), u32> = BTreeMap::new();
    for_each_recording(|from, source, recording| {
        let plain = recording.body.as_ref().filter(|body| recording.status == 200 && body.is_object());
        let Some(body) = plain else { return };
        // An error under a success status is for the error path.
        if source.tap().body(body.to_string().as_bytes()).error.is_some() {
            return;
        }
        let response = carried(source.decode_response(body.to_string().as_bytes()).unwrap());
        for (to, _) in SPOKEN {
            let encoded = codec_of(to).encode_response(&response);
            let back = codec_of(to).decode_response(&encoded.body);
            let back = back.unwrap_or_else(|problem| panic!("{} to {to}: {problem}", recording.id));
            assert_same(&back, &response, &format!("{} to {to}", recording.id));
            *passed.entry((from, to)).or_default() += 1;
        }
    });
    report("plain answers", &passed);
}

/// The events of a recorded stream; a streamed JSON array's elements are its events.
fn streamed(dialect: Dialect, recording: &Recording) -> Option<Vec<Frame>> {
    match (&recording.text, &recording.body) {
        _ if recording.status != 200 => None,
        (Some(stream), _) => Some(cut(dialect, [stream.as_bytes()])),
        (None, _) if recording.binary.is_some() => recording.binary.as_deref().map(|stream| cut(dialect, [stream])),
        (None, Some(serde_json::Value::Array(elements))) => {
            Some(elements.iter().map(|element| (None, element.to_string().into_bytes())).collect())
        }
        _ => None,
    }
}

#[test]
fn streams_cross_every_pair() {
    let mut passed: BTreeMap<(Dialect, Dialect), u32> = BTreeMap::new();
    for_each_recording(|from, source, recording| {
        let Some(frames_in) = streamed(from, recording) else { return };
        let mut events = decode(source.stream_decoder(), &frames_in);
        if let Some(Event::Error(fault)) = events.last() {
            errors_stay_errors(&events, &fault.message, &recording.id);
            return;
        }
        let response = folded(events.clone());
        if carried(response.clone()) != response {
            events = unfold(&carried(response.clone()));
        }
        for (to, _) in SPOKEN {
            let start = StreamStart { include_usage: true, ..StreamStart::default() };
            let bytes = encode(codec_of(to).stream_encoder(&start), &events);
            let back = folded(decode(codec_of(to).stream_decoder(), &cut(to, [bytes.as_slice()])));
            assert_same(&back, &carried(response.clone()), &format!("{} to {to}", recording.id));
            *passed.entry((from, to)).or_default() += 1;
        }
    });
    report("streams", &passed);
}

/// A stream that says it failed says so in every dialect, in the provider's words.
fn errors_stay_errors(events: &[Event], message: &str, id: &str) {
    for (to, _) in SPOKEN {
        let bytes = encode(codec_of(to).stream_encoder(&StreamStart::default()), events);
        let back = decode(codec_of(to).stream_decoder(), &cut(to, [bytes.as_slice()]));
        let Some(Event::Error(fault)) = back.last() else { panic!("{id} to {to}: a clean end") };
        assert!(fault.message.contains(message), "{id} to {to}: {}", fault.message);
    }
}

#[test]
fn streams_are_the_same_split_at_every_byte() {
    for_each_recording(|from, source, recording| {
        let text = recording.text.as_deref().map(str::as_bytes).or(recording.binary.as_deref());
        let Some(stream) = text.filter(|_| recording.status == 200) else { return };
        let whole = cut(from, [stream]);
        assert_eq!(cut(from, stream.chunks(1)), whole, "{} byte by byte", recording.id);
        let events = decode(source.stream_decoder(), &whole);
        // Every single cut, for streams short enough that this stays a matter of seconds.
        if stream.len() < 1500 {
            for at in 0..stream.len() {
                let (left, right) = stream.split_at(at);
                let cut_events = decode(source.stream_decoder(), &cut(from, [left, right]));
                assert_eq!(cut_events, events, "{} cut at {at}", recording.id);
            }
        }
    });
}

#[test]
fn requests_cross_every_pair() {
    let profile = TargetProfile {
        model: "some-model".to_owned(),
        capabilities: Capabilities::NONE,
        max_output_tokens: Some(4096),
    };
    let mut passed: BTreeMap<(Dialect, Dialect), u32> = BTreeMap::new();
    let mut refused: BTreeMap<(Dialect, Dialect), u32> = BTreeMap::new();
    for_each_recording(|from, source, recording| {
        let Some(body) = recording.request.as_ref().filter(|_| recording.status == 200) else { return };
        let request = source.decode_request(body.to_string().as_bytes()).unwrap();
        for (to, _) in SPOKEN {
            // A dialect that cannot say it refuses by name: that is loud, not lossy.
            let Ok(encoded) = codec_of(to).encode_request(&request, &profile) else {
                *refused.entry((from, to)).or_default() += 1;
                continue;
            };
            let back = codec_of(to).decode_request(&encoded.body);
            let back = back.unwrap_or_else(|problem| panic!("{} to {to}: {problem}", recording.id));
            let moved = request.turns.iter().any(|turn| turn.role == Role::System);
            let back_words = if moved { sorted(&words(&back)) } else { words(&back) };
            // A text document is text where a dialect has no documents.
            let inlined =
                request.turns.iter().flat_map(|turn| &turn.blocks).any(|block| {
                    matches!(&block.kind, BlockKind::Document(Media { source: MediaSource::Text(_), .. }))
                });
            // A conversation that does not begin with the user is given a beginning where one is demanded.
            let begun = encoded.losses.iter().any(|loss| loss.kind == LossKind::Defaulted);
            // A model that cannot be held to a form is told of it.
            let told = request.output != OutputFormat::Text
                && encoded.losses.iter().any(|loss| loss.kind == LossKind::Approximated);
            let same = if told {
                let heard = words(&back);
                texts(&request).all(|text| heard.contains(&text))
            } else if inlined || begun {
                back_words.contains(&words(&request))
            } else {
                back_words == words(&request)
            };
            assert!(same, "{} to {to}: {back_words} is not {}", recording.id, words(&request));
            // Where there is no word for "none", there are no tools to call either.
            let silent = request.tool_choice == Some(ToolChoice::None) && back.tools.is_empty();
            // Where calls must be declared, those the conversation holds are.
            let declared = request.tools.is_empty() && encoded.losses.contains(&Loss::defaulted("tools"));
            assert!(silent || declared || tools(&back) == offered(&request, &back), "{} to {to}", recording.id);
            *passed.entry((from, to)).or_default() += 1;
        }
    });
    report("requests", &passed);
    report("requests refused by name", &refused);
}

/// Every text the model reads, without white space.
fn texts(request: &Request) -> impl Iterator<Item = String> {
    let turns = request.turns.iter().flat_map(|turn| &turn.blocks);
    request.system.iter().chain(turns).filter_map(|block| match &block.kind {
        BlockKind::Text { text, .. } => Some(text.chars().filter(|c| !c.is_whitespace()).collect()),
        _ => None,
    })
}

/// Every character the model reads: dialects differ in how they cut text into blocks and join it.
fn words(request: &Request) -> String {
    let words: String = texts(request).collect();
    // Instructions inside the conversation go to its front where a dialect has no place for them.
    let moved = request.turns.iter().any(|turn| turn.role == Role::System);
    if moved { sorted(&words) } else { words }
}

fn sorted(text: &str) -> String {
    let mut all: Vec<char> = text.chars().collect();
    all.sort_unstable();
    all.into_iter().collect()
}

/// The tools that are to arrive: where a dialect cannot demand one of many, that one alone.
fn offered(request: &Request, back: &Request) -> Vec<String> {
    match &request.tool_choice {
        Some(ToolChoice::Named(name)) if back.tool_choice == Some(ToolChoice::Required) => vec![name.clone()],
        _ => tools(request),
    }
}

fn tools(request: &Request) -> Vec<String> {
    let named = request.tools.iter().filter_map(|tool| match tool {
        crate::ir::Tool::Function { name, .. } => Some(name.clone()),
        crate::ir::Tool::Opaque { .. } => None,
    });
    named.collect()
}

#[test]
fn errors_cross_every_pair() {
    for_each_recording(|_, source, recording| {
        if recording.status < 400 {
            return;
        }
        let body = recording.body.as_ref().map(ToString::to_string).or_else(|| recording.text.clone());
        let fault = source.decode_fault(recording.status, &http::HeaderMap::new(), body.unwrap_or_default().as_bytes());
        assert!(!fault.message.is_empty(), "{}", recording.id);
        for (to, _) in SPOKEN {
            let reply = codec_of(to).encode_fault(&fault, "req_1");
            let back = codec_of(to).decode_fault(reply.status, &http::HeaderMap::new(), &reply.body);
            assert!(back.message.contains(&fault.message), "{} to {to}: {}", recording.id, back.message);
            // xAI answers a wrong key with a bad request. That its words mean the key is known to the catalog, and to a
            // dialect whose own provider says it in such words.
            let by_words = fault.message.contains("Incorrect API key") && kind(back.class) == "credentials";
            assert!(by_words || kind(back.class) == kind(fault.class), "{} to {to}: {:?}", recording.id, back.class);
        }
    });
}

/// What a client does about it: change the request, change the key, or try again.
fn kind(class: FaultClass) -> &'static str {
    match class {
        FaultClass::Auth | FaultClass::Billing => "credentials",
        FaultClass::BadRequest | FaultClass::Context | FaultClass::Refusal | FaultClass::Gone => "request",
        FaultClass::RateLimit => "rate limit",
        _ => "server",
    }
}

/// The fold law, for answers made up to hold a little of everything.
#[test]
fn usage_survives_every_pair() {
    let usage = Usage { input: 100, cache_read: 40, output: 30, reasoning: 12, ..Usage::default() };
    let response = Response {
        id: "id_1".to_owned(),
        model: "m".to_owned(),
        blocks: vec![crate::ir::Block::text("Grüße, 世界 🌍")],
        usage: Some(usage),
        ..Response::default()
    };
    for (to, _) in SPOKEN {
        let back = codec_of(to).decode_response(&codec_of(to).encode_response(&response).body).unwrap();
        assert_eq!(gist(&back), gist(&response), "{to}");
        let bytes = encode(
            codec_of(to).stream_encoder(&StreamStart { include_usage: true, ..StreamStart::default() }),
            &unfold(&response),
        );
        for size in 1..8 {
            let back = folded(decode(codec_of(to).stream_decoder(), &cut(to, bytes.chunks(size))));
            assert_eq!(gist(&back), gist(&response), "{to} in pieces of {size}");
        }
    }
}

#[expect(clippy::print_stdout, reason = "the table is the point of the test")]
fn report(what: &str, counts: &BTreeMap<(Dialect, Dialect), u32>) {
    for ((from, to), count) in counts {
        println!("{what}: {from} to {to}: {count}");
    }
}

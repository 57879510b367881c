//! Can the grammar of events hold the streams of all six dialects? Every recorded stream, read by a sketch of a decoder.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test; the helpers too")]

mod sketch;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_core::Dialect;
use ringmain_dialects::ir::fold::{Fold, unfold};
use ringmain_dialects::ir::grammar::Checker;
use ringmain_dialects::ir::{BlockKind, Event, Response};
use serde_json::Value;

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings");

/// What the recorded streams of one dialect held.
#[derive(Default)]
struct Seen {
    streams: usize,
    errors: usize,
    empty: usize,
    texts: usize,
    reasonings: usize,
    tool_calls: usize,
    opaques: usize,
}

#[test]
fn every_recorded_stream_is_a_sentence() {
    if !Path::new(RECORDINGS).is_dir() {
        println!("skipped: no recordings at {RECORDINGS}");
        return;
    }
    // At least so many streams, and tool calls in them, as a plain count in the files finds.
    let counted = [(74, 26), (31, 5), (29, 6), (29, 10), (20, 4), (6, 4)];
    for (dialect, (streams, tool_calls)) in Dialect::ALL.into_iter().zip(counted) {
        let mut seen = Seen::default();
        for (id, response) in streams_of(dialect) {
            let events = decode(dialect, &response);
            assert_eq!(Checker::check(&events), Ok(()), "{id}");
            seen.take(&id, events);
        }
        let Seen { streams: passed, errors, empty, texts, reasonings, tool_calls: calls, opaques } = seen;
        println!(
            "{dialect}: {passed} streams ({errors} ended in an error, {empty} empty), {texts} texts, {reasonings} reasonings, \
             {calls} tool calls, {opaques} opaque blocks"
        );
        assert!(passed >= streams && texts * 2 >= passed, "{dialect}: {passed} streams, {texts} texts");
        assert!(calls >= tool_calls, "{dialect}: {calls} tool calls");
    }
}

impl Seen {
    fn take(&mut self, id: &str, events: Vec<Event>) {
        let mut fold = Fold::default();
        events.into_iter().for_each(|event| fold.event(event));
        self.streams += 1;
        let Some(Ok(response)) = fold.finish() else {
            self.errors += 1;
            return;
        };
        self.empty += usize::from(response.blocks.is_empty());
        assert!(response.usage.is_none_or(|usage| usage.input > 0), "{id} has no input tokens");
        for block in &response.blocks {
            match &block.kind {
                BlockKind::Text { .. } => self.texts += 1,
                BlockKind::Reasoning { .. } => self.reasonings += 1,
                BlockKind::ToolCall { arguments, .. } => {
                    self.tool_calls += 1;
                    let whole = arguments.is_empty() || serde_json::from_str::<Value>(arguments).is_ok();
                    assert!(whole, "{id}: arguments {arguments}");
                }
                BlockKind::Opaque { .. } => self.opaques += 1,
                other => panic!("{id}: {other:?}"),
            }
        }
        assert_eq!(refold(&response), response, "{id}");
    }
}

fn refold(response: &Response) -> Response {
    let mut fold = Fold::default();
    unfold(response).into_iter().for_each(|event| fold.event(event));
    fold.finish().unwrap().unwrap()
}

fn decode(dialect: Dialect, response: &Value) -> Vec<Event> {
    match dialect {
        Dialect::OpenAiChat => sketch::chat::decode(&chunks(response)),
        Dialect::OpenAiResponses => sketch::responses::decode(&chunks(response)),
        Dialect::AnthropicMessages => sketch::anthropic::decode(&chunks(response)),
        Dialect::Gemini => sketch::gemini::decode(&chunks(response)),
        Dialect::CohereV2 => sketch::cohere::decode(&chunks(response)),
        Dialect::BedrockConverse => {
            let bytes = STANDARD.decode(response["body_base64"].as_str().unwrap()).unwrap();
            sketch::bedrock::decode(&sketch::bedrock::frames(&bytes))
        }
    }
}

/// The JSON documents of an SSE stream or of a JSON array.
fn chunks(response: &Value) -> Vec<Value> {
    if let Some(elements) = response["body"].as_array() {
        return elements.clone();
    }
    let data = response["body_text"].as_str().unwrap().lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter(|data| data.trim() != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn streams_of(dialect: Dialect) -> Vec<(String, Value)> {
    let mut folders: Vec<_> = std::fs::read_dir(RECORDINGS).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| {
        let api = folder.file_name().unwrap().to_str().unwrap();
        match dialect {
            Dialect::OpenAiChat => api.ends_with(".chat") && api != "cohere.chat",
            Dialect::OpenAiResponses => api.ends_with(".responses"),
            Dialect::AnthropicMessages => api == "anthropic.messages",
            Dialect::Gemini => api == "gemini.stream" || api == "vertex.stream",
            Dialect::BedrockConverse => api == "bedrock.converse_stream",
            Dialect::CohereV2 => api == "cohere.chat",
        }
    });
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let recordings = files.map(|file| serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap());
    recordings
        .filter(|recording: &Value| recording["streaming"] == true)
        .map(|mut recording| (sketch::text(&recording["id"]), recording["response"].take()))
        .collect()
}

//! Recorded streams as events.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_core::Dialect;
use ringmain_dialects::ir::Event;
use ringmain_dialects::ir::grammar::Checker;
use ringmain_dialects::registry;
use serde_json::Value;

use crate::{Frame, cut};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings");

/// Calls `each` with every recorded stream of a dialect that is answered at all.
pub(crate) fn each(mut each: impl FnMut(Dialect, &str, &[Event])) {
    if !Path::new(RECORDINGS).is_dir() {
        println!("skipped: no recordings at {RECORDINGS}");
        return;
    }
    let mut folders: Vec<_> = std::fs::read_dir(RECORDINGS).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for folder in folders {
        let Some(dialect) = dialect_of(folder.file_name().unwrap().to_str().unwrap()) else { continue };
        let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files {
            let recording: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            let id = recording["id"].as_str().unwrap();
            if let Some(events) = events(dialect, &recording["response"]) {
                each(dialect, id, &events);
            }
        }
    }
}

fn dialect_of(api: &str) -> Option<Dialect> {
    Some(match api {
        "cohere.chat" => Dialect::CohereV2,
        "anthropic.messages" => Dialect::AnthropicMessages,
        "gemini.stream" | "vertex.stream" => Dialect::Gemini,
        "bedrock.converse_stream" => Dialect::BedrockConverse,
        api if api.ends_with(".chat") => Dialect::OpenAiChat,
        api if api.ends_with(".responses") => Dialect::OpenAiResponses,
        _ => return None,
    })
}

fn events(dialect: Dialect, response: &Value) -> Option<Vec<Event>> {
    if response["status"] != 200 {
        return None;
    }
    let frames = match (response["body_text"].as_str(), response["body_base64"].as_str(), response["body"].as_array()) {
        (Some(text), ..) => cut(dialect, format!("{}\n\n", text.trim_end()).as_bytes()),
        (_, Some(bytes), _) => cut(dialect, &STANDARD.decode(bytes).unwrap()),
        (_, _, Some(elements)) => elements
            .iter()
            .map(|element| Frame { name: String::new(), data: element.to_string().into_bytes() })
            .collect(),
        _ => return None,
    };
    let mut decoder = registry::codec(dialect).unwrap().stream_decoder();
    let mut events = Vec::new();
    for frame in frames {
        let name = Some(frame.name.as_str()).filter(|name| !name.is_empty());
        let _ = decoder.event(name, &frame.data, &mut events);
    }
    decoder.end(false, &mut events).ok()?;
    assert_eq!(Checker::check(&events), Ok(()));
    Some(events)
}

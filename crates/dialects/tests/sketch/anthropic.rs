use std::collections::HashMap;

use ringmain_core::{Dialect, Usage};
use ringmain_dialects::ir::{BlockHead, BlockKind, Delta, Event, Finish};
use serde_json::Value;

use super::{Sink, error, text, tokens};

pub(crate) fn decode(chunks: &[Value]) -> Vec<Event> {
    let mut sink = Sink::default();
    // Blocks of built-in tools: their input is gathered, and they come whole.
    let mut opaque: HashMap<String, (Value, String)> = HashMap::new();
    let mut finish = Finish::Stop;
    // The end may leave out the input tokens that the beginning told.
    let mut begun = &Value::Null;
    for chunk in chunks {
        let at = chunk["index"].to_string();
        match chunk["type"].as_str() {
            Some("message_start") => {
                begun = &chunk["message"]["usage"];
                sink.start(&chunk["message"]["id"], &chunk["message"]["model"]);
            }
            Some("content_block_start") => start(&mut sink, &mut opaque, &at, &chunk["content_block"]),
            Some("content_block_delta") => delta(&mut sink, &mut opaque, &at, &chunk["delta"]),
            Some("content_block_stop") => {
                sink.close(&at);
                if let Some((mut value, input)) = opaque.remove(&at) {
                    if !input.is_empty() {
                        value["input"] = serde_json::from_str(&input).unwrap();
                    }
                    sink.whole(BlockKind::Opaque { dialect: Dialect::AnthropicMessages, value });
                }
            }
            Some("message_delta") => {
                if chunk["delta"]["stop_reason"] == "tool_use" {
                    finish = Finish::ToolUse;
                }
                let usage = &chunk["usage"];
                let names = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
                let input = tokens(if usage["input_tokens"].is_null() { begun } else { usage }, &names);
                let output = tokens(usage, &["output_tokens"]);
                sink.events.push(Event::Usage(Usage { input, output, ..Usage::default() }));
            }
            Some("message_stop") => return sink.finish(finish),
            Some("error") => {
                sink.events.push(error(&chunk["error"]["message"]));
                return sink.events;
            }
            _ => {}
        }
    }
    sink.events
}

fn start(sink: &mut Sink, opaque: &mut HashMap<String, (Value, String)>, at: &str, block: &Value) {
    match block["type"].as_str() {
        Some("text") => sink.open(at, BlockHead::Text),
        Some("thinking") => sink.open(at, BlockHead::Reasoning),
        Some("redacted_thinking") => sink.whole(BlockKind::Reasoning {
            text: String::new(),
            signature: None,
            redacted: Some(text(&block["data"])),
        }),
        Some("tool_use") => {
            sink.open(at, BlockHead::ToolCall { id: text(&block["id"]), name: text(&block["name"]) });
        }
        _ => {
            opaque.insert(at.to_owned(), (block.clone(), String::new()));
        }
    }
}

fn delta(sink: &mut Sink, opaque: &mut HashMap<String, (Value, String)>, at: &str, delta: &Value) {
    match delta["type"].as_str() {
        Some("text_delta") => sink.delta(at, Delta::Text(text(&delta["text"]))),
        Some("thinking_delta") => sink.delta(at, Delta::Reasoning(text(&delta["thinking"]))),
        Some("signature_delta") => sink.delta(at, Delta::Signature(text(&delta["signature"]))),
        Some("citations_delta") => sink.delta(at, Delta::Citation(delta["citation"].clone())),
        Some("input_json_delta") => match opaque.get_mut(at) {
            Some((_, input)) => input.push_str(delta["partial_json"].as_str().unwrap_or_default()),
            None => sink.delta(at, Delta::Arguments(text(&delta["partial_json"]))),
        },
        other => panic!("an unknown delta {other:?}"),
    }
}

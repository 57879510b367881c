use std::collections::HashMap;

use ringmain_core::{Dialect, Usage};
use ringmain_dialects::ir::{BlockHead, BlockKind, Delta, Event, Finish};
use serde_json::{Value, json};

use super::{Sink, text, tokens};

/// Cuts event stream frames: lengths, headers of type string, JSON payload. Checksums are not looked at.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<Value> {
    let number = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (total, headers) = (number(bytes, 0), number(bytes, 4));
        let payload = serde_json::from_slice::<Value>(&bytes[12 + headers..total - 4]).unwrap();
        frames.push(json!({ event_type(&bytes[12..12 + headers]): payload }));
        bytes = &bytes[total..];
    }
    frames
}

fn event_type(mut headers: &[u8]) -> String {
    while let [length, rest @ ..] = headers {
        let (name, rest) = rest.split_at(usize::from(*length));
        assert_eq!(rest[0], 7, "a header that is not a string");
        let length = usize::from(u16::from_be_bytes([rest[1], rest[2]]));
        let (value, rest) = rest[3..].split_at(length);
        if name == b":event-type" || name == b":exception-type" {
            return String::from_utf8(value.to_vec()).unwrap();
        }
        headers = rest;
    }
    panic!("a frame without a type")
}

pub(crate) fn decode(frames: &[Value]) -> Vec<Event> {
    let mut sink = Sink::default();
    let mut results: HashMap<String, Value> = HashMap::new();
    let mut finish = Finish::Stop;
    for frame in frames {
        let (kind, event) = frame.as_object().unwrap().iter().next().unwrap();
        let at = event["contentBlockIndex"].to_string();
        match kind.as_str() {
            "messageStart" => sink.start(&Value::Null, &Value::Null),
            "contentBlockStart" => start(&mut sink, &mut results, &at, &event["start"]),
            "contentBlockDelta" => delta(&mut sink, &mut results, &at, &event["delta"]),
            "contentBlockStop" => {
                sink.close(&at);
                if let Some(value) = results.remove(&at) {
                    sink.whole(BlockKind::Opaque { dialect: Dialect::BedrockConverse, value });
                }
            }
            "messageStop" if event["stopReason"] == "tool_use" => finish = Finish::ToolUse,
            "messageStop" => {}
            // The usage trails behind the stop reason, so that the answer ends only here.
            "metadata" => {
                let usage = &event["usage"];
                let (input, output) = (tokens(usage, &["inputTokens"]), tokens(usage, &["outputTokens"]));
                sink.events.push(Event::Usage(Usage { input, output, ..Usage::default() }));
            }
            other => panic!("an unknown event {other}"),
        }
    }
    sink.finish(finish)
}

fn start(sink: &mut Sink, opaque: &mut HashMap<String, Value>, at: &str, start: &Value) {
    let call = &start["toolUse"];
    if call.is_object() && call["type"].is_null() {
        sink.open(at, BlockHead::ToolCall { id: text(&call["toolUseId"]), name: text(&call["name"]) });
    } else {
        // The calls and results of tools that the provider runs.
        opaque.insert(at.to_owned(), json!([start]));
    }
}

/// A block of text or reasoning begins with its first delta.
fn delta(sink: &mut Sink, opaque: &mut HashMap<String, Value>, at: &str, delta: &Value) {
    if let Some(Value::Array(pieces)) = opaque.get_mut(at) {
        pieces.push(delta.clone());
        return;
    }
    let (kind, more) = delta.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "text" => {
            sink.open(at, BlockHead::Text);
            sink.delta(at, Delta::Text(text(more)));
        }
        "citation" => {
            sink.open(at, BlockHead::Text);
            sink.delta(at, Delta::Citation(more.clone()));
        }
        "reasoningContent" => {
            sink.open(at, BlockHead::Reasoning);
            let (kind, more) = more.as_object().unwrap().iter().next().unwrap();
            sink.delta(
                at,
                match kind.as_str() {
                    "text" => Delta::Reasoning(text(more)),
                    "signature" => Delta::Signature(text(more)),
                    _ => Delta::Redacted(text(more)),
                },
            );
        }
        "toolUse" => sink.delta(at, Delta::Arguments(text(&more["input"]))),
        other => panic!("an unknown delta {other}"),
    }
}

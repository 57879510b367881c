use ringmain_core::{Dialect, Usage};
use ringmain_dialects::ir::{BlockHead, BlockKind, Delta, Event, Finish};
use serde_json::Value;

use super::{Sink, each, text, tokens};

pub(crate) fn decode(chunks: &[Value]) -> Vec<Event> {
    let mut sink = Sink::default();
    let (mut calls, mut finished) = (0, false);
    for chunk in chunks {
        sink.start(&chunk["responseId"], &chunk["modelVersion"]);
        let candidate = &chunk["candidates"][0];
        for part in each(&candidate["content"]["parts"]) {
            part_of(&mut sink, part, &mut calls);
        }
        if candidate["groundingMetadata"].as_object().is_some_and(|sources| !sources.is_empty()) {
            sink.close("thought");
            sink.open("text", BlockHead::Text);
            sink.delta("text", Delta::Citation(candidate["groundingMetadata"].clone()));
        }
        let usage = &chunk["usageMetadata"];
        sink.events.push(Event::Usage(Usage {
            input: tokens(usage, &["promptTokenCount", "toolUsePromptTokenCount"]),
            output: tokens(usage, &["candidatesTokenCount", "thoughtsTokenCount"]),
            ..Usage::default()
        }));
        // A word, or the number of the word where the client asked for numbers.
        finished |= !candidate["finishReason"].is_null();
    }
    assert!(finished, "a stream without a finish reason");
    sink.finish(if calls > 0 { Finish::ToolUse } else { Finish::Stop })
}

fn part_of(sink: &mut Sink, part: &Value, calls: &mut u32) {
    let signature = part["thoughtSignature"].as_str().map(|signature| Delta::Signature(signature.to_owned()));
    if let Some(more) = part["text"].as_str() {
        let (this, other, head, delta) = if part["thought"] == true {
            ("thought", "text", BlockHead::Reasoning, Delta::Reasoning(more.to_owned()))
        } else {
            ("text", "thought", BlockHead::Text, Delta::Text(more.to_owned()))
        };
        sink.close(other);
        if !more.is_empty() {
            sink.open(this, head);
            sink.delta(this, delta);
        }
        // The signature of a plain text part: a reasoning block without text behind it.
        if let Some(signature) = signature {
            sink.close("text");
            sink.open("thought", BlockHead::Reasoning);
            sink.delta("thought", signature);
            sink.close("thought");
        }
        return;
    }
    sink.close("text");
    sink.close("thought");
    if part["functionCall"].is_object() {
        let (call, name) = (&part["functionCall"], format!("call {calls}"));
        *calls += 1;
        let id = call["id"].as_str().map_or_else(|| name.clone(), str::to_owned);
        sink.open(&name, BlockHead::ToolCall { id, name: text(&call["name"]) });
        if let Some(signature) = signature {
            sink.delta(&name, signature);
        }
        sink.delta(&name, Delta::Arguments(call["args"].to_string()));
        sink.close(&name);
    } else {
        sink.whole(BlockKind::Opaque { dialect: Dialect::Gemini, value: part.clone() });
    }
}

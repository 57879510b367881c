use ringmain_core::Usage;
use ringmain_dialects::ir::{BlockHead, Delta, Event, Finish};
use serde_json::Value;

use super::{Sink, each, error, text, tokens};

pub(crate) fn decode(chunks: &[Value]) -> Vec<Event> {
    let mut sink = Sink::default();
    let mut calls = 0;
    for chunk in chunks {
        if !chunk["error"].is_null() {
            sink.events.push(error(&chunk["error"]["message"]));
            return sink.events;
        }
        sink.start(&chunk["id"], &chunk["model"]);
        // Only the first of several answers.
        for choice in each(&chunk["choices"]).filter(|choice| choice["index"].as_u64().unwrap_or(0) == 0) {
            let delta = &choice["delta"];
            for field in ["reasoning", "reasoning_content"] {
                if let Some(more) = delta[field].as_str().filter(|more| !more.is_empty()) {
                    sink.open("reasoning", BlockHead::Reasoning);
                    sink.delta("reasoning", Delta::Reasoning(more.to_owned()));
                }
            }
            if let Some(more) = delta["content"].as_str().filter(|more| !more.is_empty()) {
                sink.close("reasoning");
                sink.open("text", BlockHead::Text);
                sink.delta("text", Delta::Text(more.to_owned()));
            }
            for annotation in each(&delta["annotations"]) {
                sink.open("text", BlockHead::Text);
                sink.delta("text", Delta::Citation(annotation.clone()));
            }
            for call in each(&delta["tool_calls"]) {
                tool_call(&mut sink, call, &mut calls);
            }
        }
        if chunk["usage"].is_object() {
            let usage = &chunk["usage"];
            let (input, output) = (tokens(usage, &["prompt_tokens"]), tokens(usage, &["completion_tokens"]));
            sink.events.push(Event::Usage(Usage { input, output, ..Usage::default() }));
        }
    }
    sink.finish(if calls > 0 { Finish::ToolUse } else { Finish::Stop })
}

fn tool_call(sink: &mut Sink, call: &Value, calls: &mut u64) {
    let name = match call["index"].as_u64() {
        Some(index) => format!("call {index}"),
        // Without an index each entry is a call of its own.
        None => format!("call x{calls}"),
    };
    if !sink.is_open(&name) {
        *calls += 1;
        // Some providers give no id.
        let id = call["id"].as_str().filter(|id| !id.is_empty()).unwrap_or(&name);
        sink.open(&name, BlockHead::ToolCall { id: id.to_owned(), name: text(&call["function"]["name"]) });
    }
    if let Some(more) = call["function"]["arguments"].as_str() {
        sink.delta(&name, Delta::Arguments(more.to_owned()));
    }
}

use ringmain_core::Usage;
use ringmain_dialects::ir::{BlockHead, Delta, Event, Finish};
use serde_json::Value;

use super::{Sink, text, tokens};

pub(crate) fn decode(chunks: &[Value]) -> Vec<Event> {
    let mut sink = Sink::default();
    for chunk in chunks {
        let message = &chunk["delta"]["message"];
        let content = format!("content {}", chunk["index"]);
        let call = format!("call {}", chunk["index"]);
        match chunk["type"].as_str() {
            Some("message-start") => sink.start(&chunk["id"], &Value::Null),
            // The plan before the calls is what the model says to the person.
            Some("tool-plan-delta") => {
                sink.open("plan", BlockHead::Text);
                sink.delta("plan", Delta::Text(text(&message["tool_plan"])));
            }
            Some("content-start") if message["content"]["type"] == "thinking" => {
                sink.open(&content, BlockHead::Reasoning);
            }
            Some("content-start") => {
                sink.open(&content, BlockHead::Text);
                sink.delta(&content, Delta::Text(text(&message["content"]["text"])));
            }
            Some("content-delta") => match message["content"]["thinking"].as_str() {
                Some(more) => sink.delta(&content, Delta::Reasoning(more.to_owned())),
                None => sink.delta(&content, Delta::Text(text(&message["content"]["text"]))),
            },
            Some("citation-start") => sink.delta("content 0", Delta::Citation(message["citations"].clone())),
            Some("content-end") => sink.close(&content),
            Some("tool-call-start") => {
                sink.close("plan");
                let calls = &message["tool_calls"];
                let head = BlockHead::ToolCall { id: text(&calls["id"]), name: text(&calls["function"]["name"]) };
                sink.open(&call, head);
                sink.delta(&call, Delta::Arguments(text(&calls["function"]["arguments"])));
            }
            Some("tool-call-delta") => {
                let more = text(&message["tool_calls"]["function"]["arguments"]);
                sink.delta(&call, Delta::Arguments(more));
            }
            Some("tool-call-end") => sink.close(&call),
            Some("message-end") => {
                let usage = &chunk["delta"]["usage"]["tokens"];
                let (input, output) = (tokens(usage, &["input_tokens"]), tokens(usage, &["output_tokens"]));
                sink.events.push(Event::Usage(Usage { input, output, ..Usage::default() }));
                let calls = chunk["delta"]["finish_reason"] == "TOOL_CALL";
                return sink.finish(if calls { Finish::ToolUse } else { Finish::Stop });
            }
            _ => {}
        }
    }
    sink.events
}

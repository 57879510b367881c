use ringmain_core::{Dialect, Usage};
use ringmain_dialects::ir::{BlockHead, BlockKind, Delta, Event, Finish};
use serde_json::Value;

use super::{Sink, error, text, tokens};

pub(crate) fn decode(chunks: &[Value]) -> Vec<Event> {
    let mut sink = Sink::default();
    let mut calls = false;
    for chunk in chunks {
        let item = text(&chunk["item_id"]);
        let part = format!("{item}/{}", chunk["content_index"]);
        let kind = text(&chunk["type"]);
        match kind.as_str() {
            "response.created" => sink.start(&chunk["response"]["id"], &chunk["response"]["model"]),
            "response.output_item.added" => {
                let (item, id) = (&chunk["item"], text(&chunk["item"]["id"]));
                if item["type"] == "function_call" {
                    calls = true;
                    sink.open(&id, BlockHead::ToolCall { id: text(&item["call_id"]), name: text(&item["name"]) });
                } else if item["type"] == "reasoning" {
                    sink.open(&id, BlockHead::Reasoning);
                }
            }
            "response.content_part.added" if chunk["part"]["type"] == "output_text" => {
                sink.open(&part, BlockHead::Text);
            }
            "response.content_part.added" if chunk["part"]["type"] == "refusal" => sink.open(&part, BlockHead::Refusal),
            "response.content_part.done" => sink.close(&part),
            "response.output_text.delta" => sink.delta(&part, Delta::Text(text(&chunk["delta"]))),
            "response.refusal.delta" => sink.delta(&part, Delta::Refusal(text(&chunk["delta"]))),
            "response.output_text.annotation.added" => {
                sink.delta(&part, Delta::Citation(chunk["annotation"].clone()));
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                sink.delta(&item, Delta::Reasoning(text(&chunk["delta"])));
            }
            "response.function_call_arguments.delta" => sink.delta(&item, Delta::Arguments(text(&chunk["delta"]))),
            "response.output_item.done" => item_done(&mut sink, &chunk["item"]),
            "response.completed" | "response.incomplete" => {
                let usage = &chunk["response"]["usage"];
                let (input, output) = (tokens(usage, &["input_tokens"]), tokens(usage, &["output_tokens"]));
                sink.events.push(Event::Usage(Usage { input, output, ..Usage::default() }));
                return sink.finish(match (kind.as_str(), calls) {
                    ("response.incomplete", _) => Finish::Length,
                    (_, true) => Finish::ToolUse,
                    (_, false) => Finish::Stop,
                });
            }
            "response.failed" | "error" => {
                sink.events.push(error(&chunk["message"]));
                return sink.events;
            }
            _ => {}
        }
    }
    sink.events
}

fn item_done(sink: &mut Sink, item: &Value) {
    let id = text(&item["id"]);
    match item["type"].as_str() {
        Some("reasoning") => {
            if let Some(secret) = item["encrypted_content"].as_str() {
                sink.delta(&id, Delta::Redacted(secret.to_owned()));
            }
            sink.close(&id);
        }
        Some("function_call") => sink.close(&id),
        Some("message") => {}
        _ => sink.whole(BlockKind::Opaque { dialect: Dialect::OpenAiResponses, value: item.clone() }),
    }
}

//! Messages answers.

use serde_json::{Value, json};

use super::template::MARK;
use super::{Answer, Finish, Kind, Template, chunks};
use crate::ask::Ask;

/// Opaque to clients, who send it back as it is.
const SIGNATURE: &str = "EqkBCkgIChABGAIqQSIMc2ltdWxhdGVk";

const fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Calls => "tool_use",
        Finish::Refusal => "refusal",
    }
}

fn usage(input: u64, output: u64) -> Value {
    json!({
        "input_tokens": input,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
    })
}

fn message(ask: &Ask, content: &Value, stop: Option<&str>, usage: &Value) -> Value {
    json!({
        "model": ask.model,
        "id": format!("msg_{MARK}"),
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": null,
        "usage": usage,
    })
}

pub(super) fn plain(ask: &Ask, answer: &Answer) -> Template {
    let mut blocks = Vec::new();
    if answer.shows && !answer.reasoning.is_empty() {
        blocks.push(json!({"type": "thinking", "thinking": answer.reasoning_text(), "signature": SIGNATURE}));
    }
    if !answer.pieces.is_empty() {
        blocks.push(json!({"type": "text", "text": answer.text()}));
    }
    for (i, call) in answer.calls.iter().enumerate() {
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
        blocks
            .push(json!({"type": "tool_use", "id": format!("toolu_{MARK}{i:02}"), "name": call.name, "input": input}));
    }
    let usage = usage(answer.input, answer.output + answer.reasoning_tokens());
    let body = message(ask, &Value::Array(blocks), Some(finish(answer.finish)), &usage);
    Template::plain(&body, "application/json")
}

/// Writes events and counts content blocks.
struct Events {
    template: Template,
    index: usize,
}

impl Events {
    fn event(&mut self, kind: Kind, data: &Value) {
        let name = data.get("type").and_then(Value::as_str).unwrap_or_default();
        self.template.push(kind, &["event: ", name, "\ndata: ", &data.to_string(), "\n\n"]);
    }

    /// A content block of these deltas. The first block of an answer opens before the first token.
    fn block(&mut self, start: &Value, deltas: &[Value]) {
        let kind = if self.index == 0 { Kind::Open } else { Kind::Close };
        self.event(kind, &json!({"type": "content_block_start", "index": self.index, "content_block": start}));
        if self.index == 0 {
            self.event(kind, &json!({"type": "ping"}));
        }
        for delta in deltas {
            self.event(Kind::Word, &json!({"type": "content_block_delta", "index": self.index, "delta": delta}));
        }
        self.event(Kind::Close, &json!({"type": "content_block_stop", "index": self.index}));
        self.index += 1;
    }
}

pub(super) fn stream(ask: &Ask, answer: &Answer) -> Template {
    let mut out = Events { template: Template::stream("text/event-stream; charset=utf-8"), index: 0 };
    let begun = message(ask, &json!([]), None, &usage(answer.input, 1.min(answer.output)));
    out.event(Kind::Open, &json!({"type": "message_start", "message": begun}));
    if answer.shows && !answer.reasoning.is_empty() {
        let mut deltas: Vec<Value> =
            answer.reasoning.iter().map(|piece| json!({"type": "thinking_delta", "thinking": piece})).collect();
        deltas.push(json!({"type": "signature_delta", "signature": SIGNATURE}));
        out.block(&json!({"type": "thinking", "thinking": "", "signature": ""}), &deltas);
    }
    if !answer.pieces.is_empty() {
        let deltas: Vec<Value> =
            answer.pieces.iter().map(|piece| json!({"type": "text_delta", "text": piece})).collect();
        out.block(&json!({"type": "text", "text": ""}), &deltas);
    }
    for (i, call) in answer.calls.iter().enumerate() {
        let pieces = std::iter::once(String::new()).chain(chunks(&call.arguments, 6));
        let deltas: Vec<Value> =
            pieces.map(|piece| json!({"type": "input_json_delta", "partial_json": piece})).collect();
        let id = format!("toolu_{MARK}{i:02}");
        out.block(&json!({"type": "tool_use", "id": id, "name": call.name, "input": {}}), &deltas);
    }
    out.event(
        Kind::Close,
        &json!({
            "type": "message_delta",
            "delta": {"stop_reason": finish(answer.finish), "stop_sequence": null},
            "usage": {
                "input_tokens": answer.input,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": answer.output + answer.reasoning_tokens(),
            },
        }),
    );
    out.event(Kind::Done, &json!({"type": "message_stop"}));
    out.template.finish()
}

//! Converse answers.

use serde_json::{Value, json};

use super::message::event;
use super::{Answer, Finish, Kind, Template, chunks};

/// Opaque to clients, who send it back as it is.
const SIGNATURE: &str = "RXFrQkNrZ0lDaEFDR0FJcVFTSU1zaW11bGF0ZWQ=";

const fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Calls => "tool_use",
        Finish::Refusal => "content_filtered",
    }
}

fn usage(answer: &Answer) -> Value {
    let output = answer.output + answer.reasoning_tokens();
    json!({"inputTokens": answer.input, "outputTokens": output, "totalTokens": answer.input + output})
}

pub(super) fn plain(answer: &Answer) -> Template {
    let mut blocks = Vec::new();
    if answer.shows && !answer.reasoning.is_empty() {
        let text = json!({"text": answer.reasoning_text(), "signature": SIGNATURE});
        blocks.push(json!({"reasoningContent": {"reasoningText": text}}));
    }
    if !answer.pieces.is_empty() {
        blocks.push(json!({"text": answer.text()}));
    }
    for (i, call) in answer.calls.iter().enumerate() {
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
        blocks.push(json!({"toolUse": {"toolUseId": id(answer, i), "name": call.name, "input": input}}));
    }
    let body = json!({
        "metrics": {"latencyMs": 1},
        "output": {"message": {"content": blocks, "role": "assistant"}},
        "stopReason": finish(answer.finish),
        "usage": usage(answer),
    });
    Template::plain(&body, "application/json")
}

/// The checksums of a message forbid to fill an id in later. The size of the prompt tells the calls of a conversation
/// apart, as clients demand.
fn id(answer: &Answer, nth: usize) -> String {
    format!("tooluse_simulated{:x}n{nth:02}", answer.input)
}

/// Writes messages and counts content blocks.
struct Events {
    template: Template,
    index: usize,
}

impl Events {
    fn event(&mut self, kind: Kind, name: &str, data: &Value) {
        self.template.push_bytes(kind, &event(name, &data.to_string()));
    }

    /// A content block of these deltas; one of text opens without a word.
    fn block(&mut self, start: Option<&Value>, deltas: &[Value]) {
        let kind = if self.index == 0 { Kind::Open } else { Kind::Close };
        if let Some(start) = start {
            self.event(kind, "contentBlockStart", &json!({"contentBlockIndex": self.index, "start": start}));
        }
        for delta in deltas {
            let data = json!({"contentBlockIndex": self.index, "delta": delta, "p": "abcdefghij"});
            self.event(Kind::Word, "contentBlockDelta", &data);
        }
        self.event(Kind::Close, "contentBlockStop", &json!({"contentBlockIndex": self.index}));
        self.index += 1;
    }
}

pub(super) fn stream(answer: &Answer) -> Template {
    let mut out = Events { template: Template::stream("application/vnd.amazon.eventstream"), index: 0 };
    out.event(Kind::Open, "messageStart", &json!({"role": "assistant", "p": "abcd"}));
    if answer.shows && !answer.reasoning.is_empty() {
        let thought = |piece: Value| json!({"reasoningContent": piece});
        let mut deltas: Vec<Value> = answer.reasoning.iter().map(|piece| thought(json!({"text": piece}))).collect();
        deltas.push(thought(json!({"signature": SIGNATURE})));
        out.block(None, &deltas);
    }
    if !answer.pieces.is_empty() {
        let deltas: Vec<Value> = answer.pieces.iter().map(|piece| json!({"text": piece})).collect();
        out.block(None, &deltas);
    }
    for (i, call) in answer.calls.iter().enumerate() {
        let pieces = std::iter::once(String::new()).chain(chunks(&call.arguments, 6));
        let deltas: Vec<Value> = pieces.map(|piece| json!({"toolUse": {"input": piece}})).collect();
        out.block(Some(&json!({"toolUse": {"toolUseId": id(answer, i), "name": call.name}})), &deltas);
    }
    out.event(Kind::Close, "messageStop", &json!({"stopReason": finish(answer.finish)}));
    out.event(Kind::Done, "metadata", &json!({"metrics": {"latencyMs": 1}, "usage": usage(answer)}));
    out.template.finish()
}

//! Chat Completions answers.

use serde_json::{Map, Value, json};

use super::template::MARK;
use super::{Answer, Finish, Kind, Template, chunks};
use crate::ask::Ask;

/// Every answer was made at this second (2026-01-02 03:04:05 UTC): equal requests give equal answers.
pub(super) const CREATED: u64 = 1_767_323_045;

const fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
        Finish::Refusal => "content_filter",
    }
}

fn usage(answer: &Answer) -> Value {
    let output = answer.output + answer.reasoning_tokens();
    json!({
        "prompt_tokens": answer.input,
        "completion_tokens": output,
        "total_tokens": answer.input + output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": answer.reasoning_tokens(),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

pub(super) fn plain(ask: &Ask, answer: &Answer) -> Template {
    let mut message = Map::new();
    message.insert("role".to_owned(), json!("assistant"));
    let is_silent = answer.pieces.is_empty() && !answer.calls.is_empty();
    message.insert("content".to_owned(), if is_silent { Value::Null } else { json!(answer.text()) });
    if answer.shows && !answer.reasoning.is_empty() {
        message.insert("reasoning_content".to_owned(), json!(answer.reasoning_text()));
    }
    if !answer.calls.is_empty() {
        let calls = answer.calls.iter().enumerate().map(|(i, call)| {
            let function = json!({"name": call.name, "arguments": call.arguments});
            json!({"id": format!("call_{MARK}{i:02}"), "type": "function", "function": function})
        });
        message.insert("tool_calls".to_owned(), Value::Array(calls.collect()));
    }
    message.insert("refusal".to_owned(), Value::Null);
    message.insert("annotations".to_owned(), json!([]));
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish(answer.finish)});
    let body = json!({
        "id": format!("chatcmpl-{MARK}"),
        "object": "chat.completion",
        "created": CREATED,
        "model": ask.model,
        "choices": [choice],
        "usage": usage(answer),
        "service_tier": "default",
        "system_fingerprint": "fp_51a0000000",
    });
    Template::plain(&body, "application/json")
}

/// Writes chunks.
struct Chunks<'a> {
    ask: &'a Ask,
    template: Template,
}

impl Chunks<'_> {
    fn chunk(&mut self, kind: Kind, choices: &Value, usage: Option<Value>) {
        let mut chunk = json!({
            "id": format!("chatcmpl-{MARK}"),
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": self.ask.model,
            "service_tier": "default",
            "system_fingerprint": "fp_51a0000000",
            "choices": choices,
        });
        // With include_usage every chunk has the member, null but in the last.
        if self.ask.include_usage {
            chunk["usage"] = usage.unwrap_or(Value::Null);
        }
        self.template.push(kind, &["data: ", &chunk.to_string(), "\n\n"]);
    }

    fn delta(&mut self, kind: Kind, delta: &Value, finish: Option<&str>) {
        let choices = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        self.chunk(kind, &choices, None);
    }
}

pub(super) fn stream(ask: &Ask, answer: &Answer) -> Template {
    let mut out = Chunks { ask, template: Template::stream("text/event-stream; charset=utf-8") };
    let is_silent = answer.pieces.is_empty() && !answer.calls.is_empty();
    let content = if is_silent { Value::Null } else { json!("") };
    out.delta(Kind::Open, &json!({"role": "assistant", "content": content, "refusal": null}), None);
    if answer.shows {
        for piece in &answer.reasoning {
            out.delta(Kind::Word, &json!({"reasoning_content": piece}), None);
        }
    }
    for piece in &answer.pieces {
        out.delta(Kind::Word, &json!({"content": piece}), None);
    }
    for (i, call) in answer.calls.iter().enumerate() {
        let function = json!({"name": call.name, "arguments": ""});
        let id = format!("call_{MARK}{i:02}");
        let first = json!({"index": i, "id": id, "type": "function", "function": function});
        out.delta(Kind::Word, &json!({"tool_calls": [first]}), None);
        for piece in chunks(&call.arguments, 6) {
            out.delta(Kind::Word, &json!({"tool_calls": [{"index": i, "function": {"arguments": piece}}]}), None);
        }
    }
    out.delta(Kind::Close, &json!({}), Some(finish(answer.finish)));
    if ask.include_usage {
        out.chunk(Kind::Close, &json!([]), Some(usage(answer)));
    }
    out.template.push(Kind::Done, &["data: [DONE]\n\n"]);
    out.template.finish()
}

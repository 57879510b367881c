//! Cohere v2 chat answers.

use serde_json::{Value, json};

use super::template::MARK;
use super::{Answer, Finish, Kind, Template, chunks};
use crate::ask::{Ask, Call};

/// What the provider adds to every prompt, and does not bill.
const PREAMBLE: u64 = 400;

/// A refusal has no word of its own in the second version of the API; this is the first one's.
const fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "COMPLETE",
        Finish::Length => "MAX_TOKENS",
        Finish::Calls => "TOOL_CALL",
        Finish::Refusal => "ERROR_TOXIC",
    }
}

/// An answer that holds nothing counts nothing.
fn usage(answer: &Answer) -> Value {
    let preamble = if answer.input == 0 { 0 } else { PREAMBLE };
    let output = answer.output + answer.reasoning_tokens();
    let mut tokens = json!({"input_tokens": answer.input + preamble, "output_tokens": output});
    if !answer.reasoning.is_empty() {
        tokens["reasoning_tokens"] = answer.reasoning_tokens().into();
    }
    json!({
        "billed_units": {"input_tokens": answer.input, "output_tokens": output},
        "tokens": tokens,
        "cached_tokens": 0,
    })
}

fn id() -> String {
    format!("00000000-0000-4000-8000-{MARK}")
}

pub(super) fn plain(ask: &Ask, answer: &Answer) -> Template {
    let mut content = Vec::new();
    if answer.shows && !answer.reasoning.is_empty() {
        content.push(json!({"type": "thinking", "thinking": answer.reasoning_text()}));
    }
    if !answer.pieces.is_empty() {
        content.push(json!({"type": "text", "text": answer.text()}));
    }
    let mut message = json!({"role": "assistant"});
    if !content.is_empty() {
        message["content"] = content.into();
    }
    if !answer.calls.is_empty() {
        let call = |(i, call): (usize, &Call)| {
            let function = json!({"name": call.name, "arguments": call.arguments});
            json!({"id": format!("{}_{MARK}{i:02}", call.name), "type": "function", "function": function})
        };
        if let Some(plan) = plan(ask, answer) {
            message["tool_plan"] = plan.into();
        }
        message["tool_calls"] = answer.calls.iter().enumerate().map(call).collect();
    }
    let body = json!({
        "id": id(),
        "message": message,
        "finish_reason": finish(answer.finish),
        "usage": usage(answer),
    });
    Template::plain(&body, "application/json")
}

/// What the model says before it calls tools, if the last user text says `plan:`.
fn plan(ask: &Ask, answer: &Answer) -> Option<String> {
    let names: Vec<&str> = answer.calls.iter().map(|call| call.name.as_str()).collect();
    (!names.is_empty() && ask.text.contains("plan:")).then(|| format!("I will use {}.", names.join(", ")))
}

fn event(out: &mut Template, kind: Kind, name: &str, index: Option<usize>, message: Option<&Value>) {
    let mut data = json!({"type": name});
    if let Some(index) = index {
        data["index"] = index.into();
    }
    if let Some(message) = message {
        data["delta"] = json!({"message": message});
    }
    out.push(kind, &["event: ", name, "\ndata: ", &data.to_string(), "\n\n"]);
}

/// A block of the content, of these pieces. The first one opens before the first token.
fn block(out: &mut Template, index: usize, field: &str, pieces: &[String]) {
    let kind = if index == 0 { Kind::Open } else { Kind::Close };
    let start = json!({"content": {"type": field, field: ""}});
    event(out, kind, "content-start", Some(index), Some(&start));
    for piece in pieces {
        event(out, Kind::Word, "content-delta", Some(index), Some(&json!({"content": {field: piece}})));
    }
    event(out, Kind::Close, "content-end", Some(index), None);
}

pub(super) fn stream(ask: &Ask, answer: &Answer) -> Template {
    let mut out = Template::stream("text/event-stream");
    let message = json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
    let start = json!({"id": id(), "type": "message-start", "delta": {"message": message}});
    out.push(Kind::Open, &["event: message-start\ndata: ", &start.to_string(), "\n\n"]);
    let mut index = 0;
    if answer.shows && !answer.reasoning.is_empty() {
        block(&mut out, index, "thinking", &answer.reasoning);
        index += 1;
    }
    if !answer.pieces.is_empty() {
        block(&mut out, index, "text", &answer.pieces);
    }
    for piece in chunks(&plan(ask, answer).unwrap_or_default(), 6) {
        event(&mut out, Kind::Word, "tool-plan-delta", None, Some(&json!({"tool_plan": piece})));
    }
    for (i, call) in answer.calls.iter().enumerate() {
        let function = json!({"name": call.name, "arguments": ""});
        let id = format!("{}_{MARK}{i:02}", call.name);
        let start = json!({"tool_calls": {"id": id, "type": "function", "function": function}});
        event(&mut out, Kind::Close, "tool-call-start", Some(i), Some(&start));
        // A call without arguments is sent without any.
        for piece in chunks(&call.arguments, 6).iter().filter(|_| call.arguments != "{}") {
            let more = json!({"tool_calls": {"function": {"arguments": piece}}});
            event(&mut out, Kind::Word, "tool-call-delta", Some(i), Some(&more));
        }
        event(&mut out, Kind::Close, "tool-call-end", Some(i), None);
    }
    let delta = json!({"finish_reason": finish(answer.finish), "usage": usage(answer)});
    let end = json!({"type": "message-end", "delta": delta});
    out.push(Kind::Close, &["event: message-end\ndata: ", &end.to_string(), "\n\n"]);
    out.push(Kind::Done, &["data: [DONE]\n\n"]);
    out.finish()
}

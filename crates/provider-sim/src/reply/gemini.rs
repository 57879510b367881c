//! `generateContent` answers: plain, as server-sent events, and as a stream that is one JSON array.

use serde_json::{Map, Value, json};

use super::template::MARK;
use super::{Answer, Finish, Kind, Template};
use crate::ask::Ask;

/// Opaque to clients, who send it back as it is.
const SIGNATURE: &str = "EoMCCoACARFNMg9zaW11bGF0ZWQ=";

const fn finish(finish: Finish) -> &'static str {
    match finish {
        // Google ends with STOP after calls too.
        Finish::Stop | Finish::Calls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Refusal => "SAFETY",
    }
}

fn usage(answer: &Answer, output: u64, thoughts: u64) -> Value {
    let mut usage = Map::new();
    usage.insert("promptTokenCount".to_owned(), json!(answer.input));
    if output > 0 {
        usage.insert("candidatesTokenCount".to_owned(), json!(output));
    }
    usage.insert("totalTokenCount".to_owned(), json!(answer.input + output + thoughts));
    usage.insert("promptTokensDetails".to_owned(), json!([{"modality": "TEXT", "tokenCount": answer.input}]));
    if thoughts > 0 {
        usage.insert("thoughtsTokenCount".to_owned(), json!(thoughts));
    }
    Value::Object(usage)
}

fn body(ask: &Ask, parts: Option<Vec<Value>>, stop: Option<&str>, usage: &Value) -> Value {
    let mut candidate = Map::new();
    if let Some(parts) = parts {
        candidate.insert("content".to_owned(), json!({"parts": parts, "role": "model"}));
    }
    if let Some(stop) = stop {
        candidate.insert("finishReason".to_owned(), json!(stop));
    }
    candidate.insert("index".to_owned(), json!(0));
    json!({
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": ask.model,
        "responseId": MARK,
    })
}

fn calls(answer: &Answer) -> Vec<Value> {
    let part = |(i, call): (usize, &crate::ask::Call)| {
        let args: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
        json!({"functionCall": {"name": call.name, "args": args, "id": format!("{MARK}{i:02}")}})
    };
    let mut parts: Vec<Value> = answer.calls.iter().enumerate().map(part).collect();
    // With thinking on, the first call carries the signature.
    if let (Some(first), false) = (parts.first_mut(), answer.reasoning.is_empty()) {
        first["thoughtSignature"] = json!(SIGNATURE);
    }
    parts
}

pub(super) fn plain(ask: &Ask, answer: &Answer) -> Template {
    let mut parts = Vec::new();
    if answer.shows && !answer.reasoning.is_empty() {
        parts.push(json!({"text": answer.reasoning_text(), "thought": true}));
    }
    if !answer.pieces.is_empty() {
        parts.push(json!({"text": answer.text()}));
    }
    parts.extend(calls(answer));
    let usage = usage(answer, answer.output, answer.reasoning_tokens());
    let parts = (!parts.is_empty()).then_some(parts);
    Template::plain(&body(ask, parts, Some(finish(answer.finish)), &usage), "application/json; charset=UTF-8")
}

/// Writes chunks in either framing.
struct Chunks<'a> {
    ask: &'a Ask,
    template: Template,
    first: bool,
}

impl Chunks<'_> {
    fn chunk(&mut self, kind: Kind, parts: Option<Vec<Value>>, stop: Option<&str>, usage: &Value) {
        let chunk = body(self.ask, parts, stop, usage);
        if self.ask.array {
            // Google indents here; a client must not count on one element being one line.
            let text = serde_json::to_string_pretty(&chunk).unwrap_or_default();
            self.template.push(kind, &[if self.first { "[" } else { ",\r\n" }, &text]);
        } else {
            self.template.push(kind, &["data: ", &chunk.to_string(), "\r\n\r\n"]);
        }
        self.first = false;
    }
}

pub(super) fn stream(ask: &Ask, answer: &Answer) -> Template {
    let content_type = if ask.array { "application/json; charset=UTF-8" } else { "text/event-stream" };
    let mut out = Chunks { ask, template: Template::stream(content_type), first: true };
    let mut thoughts = if answer.shows { 0 } else { answer.reasoning_tokens() };
    if answer.shows {
        for piece in &answer.reasoning {
            thoughts += 1;
            let part = json!({"text": piece, "thought": true});
            out.chunk(Kind::Word, Some(vec![part]), None, &usage(answer, 0, thoughts));
        }
    }
    for (sent, piece) in (1..).zip(&answer.pieces) {
        out.chunk(Kind::Word, Some(vec![json!({"text": piece})]), None, &usage(answer, sent, thoughts));
    }
    let total = usage(answer, answer.output, thoughts);
    for part in calls(answer) {
        out.chunk(Kind::Word, Some(vec![part]), None, &total);
    }
    let said = !(answer.pieces.is_empty() && answer.calls.is_empty());
    out.chunk(Kind::Close, said.then(|| vec![json!({"text": ""})]), Some(finish(answer.finish)), &total);
    if ask.array {
        out.template.push(Kind::Done, &["\n]"]);
    }
    out.template.finish()
}

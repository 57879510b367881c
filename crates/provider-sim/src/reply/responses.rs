//! Responses answers.

use serde_json::{Value, json};

use super::openai::CREATED;
use super::template::MARK;
use super::{Answer, Finish, Kind, Template, chunks};
use crate::ask::Ask;

/// Opaque to clients, who send it back as it is.
const SEALED: &str = "gAAAAABsimulated";

const fn status(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Calls => "completed",
        Finish::Length | Finish::Refusal => "incomplete",
    }
}

fn details(finish: Finish) -> Value {
    match finish {
        Finish::Stop | Finish::Calls => Value::Null,
        Finish::Length => json!({"reason": "max_output_tokens"}),
        Finish::Refusal => json!({"reason": "content_filter"}),
    }
}

fn usage(answer: &Answer) -> Value {
    let output = answer.output + answer.reasoning_tokens();
    json!({
        "input_tokens": answer.input,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens()},
        "total_tokens": answer.input + output,
    })
}

fn response(ask: &Ask, status: &str, output: &[Value]) -> Value {
    json!({
        "id": format!("resp_{MARK}"),
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "max_output_tokens": ask.max_tokens,
        "metadata": {},
        "model": ask.model,
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null},
        "service_tier": "default",
        "store": false,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": null,
        "user": null,
    })
}

fn ended(ask: &Ask, answer: &Answer, output: &[Value]) -> Value {
    let mut body = response(ask, status(answer.finish), output);
    body["incomplete_details"] = details(answer.finish);
    if answer.input > 0 {
        body["usage"] = usage(answer);
    }
    body
}

fn reasoning(id: &str, answer: &Answer) -> Value {
    let summary = json!([{"type": "summary_text", "text": answer.reasoning_text()}]);
    json!({"id": id, "type": "reasoning", "summary": summary, "encrypted_content": SEALED})
}

fn message(id: &str, text: &str, status: &str) -> Value {
    let content = json!([{"type": "output_text", "annotations": [], "logprobs": [], "text": text}]);
    json!({"id": id, "type": "message", "status": status, "content": content, "role": "assistant"})
}

fn call(at: usize, name: &str, arguments: &str, status: &str) -> Value {
    json!({
        "id": format!("fc_{MARK}{at:02}"),
        "type": "function_call",
        "status": status,
        "arguments": arguments,
        "call_id": format!("call_{MARK}{at:02}"),
        "name": name,
    })
}

fn shows(answer: &Answer) -> bool {
    answer.shows && !answer.reasoning.is_empty()
}

pub(super) fn plain(ask: &Ask, answer: &Answer) -> Template {
    let mut output = Vec::new();
    if shows(answer) {
        output.push(reasoning(&format!("rs_{MARK}"), answer));
    }
    if !answer.pieces.is_empty() {
        output.push(message(&format!("msg_{MARK}"), &answer.text(), status(answer.finish)));
    }
    for (at, wanted) in answer.calls.iter().enumerate() {
        output.push(call(at, &wanted.name, &wanted.arguments, "completed"));
    }
    Template::plain(&ended(ask, answer, &output), "application/json")
}

/// Writes events, numbers them, and keeps the items that are done.
struct Events {
    template: Template,
    number: u64,
    output: Vec<Value>,
}

impl Events {
    fn event(&mut self, kind: Kind, name: &str, mut data: Value) {
        data["type"] = name.into();
        data["sequence_number"] = self.number.into();
        self.number += 1;
        self.template.push(kind, &["event: ", name, "\ndata: ", &data.to_string(), "\n\n"]);
    }

    /// What comes before a word: of the first item it opens the answer.
    fn opening(&self) -> Kind {
        if self.output.is_empty() { Kind::Open } else { Kind::Close }
    }

    fn about(&self, id: &str, mut data: Value) -> Value {
        data["item_id"] = id.into();
        data["output_index"] = self.output.len().into();
        data
    }

    fn added(&mut self, item: &Value) {
        let data = json!({"output_index": self.output.len(), "item": item});
        self.event(self.opening(), "response.output_item.added", data);
    }

    fn done(&mut self, item: Value) {
        let data = json!({"output_index": self.output.len(), "item": item});
        self.event(Kind::Close, "response.output_item.done", data);
        self.output.push(item);
    }

    fn reasoning(&mut self, answer: &Answer) {
        let id = format!("rs_{MARK}");
        self.added(&json!({"id": id, "type": "reasoning", "summary": []}));
        let part = |text: &str| json!({"summary_index": 0, "part": {"type": "summary_text", "text": text}});
        self.event(self.opening(), "response.reasoning_summary_part.added", self.about(&id, part("")));
        for piece in &answer.reasoning {
            let data = self.about(&id, json!({"summary_index": 0, "delta": piece}));
            self.event(Kind::Word, "response.reasoning_summary_text.delta", data);
        }
        let text = answer.reasoning_text();
        let data = self.about(&id, json!({"summary_index": 0, "text": text}));
        self.event(Kind::Close, "response.reasoning_summary_text.done", data);
        self.event(Kind::Close, "response.reasoning_summary_part.done", self.about(&id, part(&text)));
        self.done(reasoning(&id, answer));
    }

    fn message(&mut self, answer: &Answer) {
        let id = format!("msg_{MARK}");
        self.added(&json!({"id": id, "type": "message", "status": "in_progress", "content": [], "role": "assistant"}));
        let whole = message(&id, &answer.text(), status(answer.finish));
        let part = |item: &Value| json!({"content_index": 0, "part": item["content"][0]});
        let empty = self.about(&id, part(&message(&id, "", "")));
        self.event(self.opening(), "response.content_part.added", empty);
        for piece in &answer.pieces {
            let data = self.about(&id, json!({"content_index": 0, "delta": piece, "logprobs": []}));
            self.event(Kind::Word, "response.output_text.delta", data);
        }
        let data = self.about(&id, json!({"content_index": 0, "text": answer.text(), "logprobs": []}));
        self.event(Kind::Close, "response.output_text.done", data);
        self.event(Kind::Close, "response.content_part.done", self.about(&id, part(&whole)));
        self.done(whole);
    }

    fn call(&mut self, at: usize, name: &str, arguments: &str) {
        let id = format!("fc_{MARK}{at:02}");
        self.event(
            Kind::Word,
            "response.output_item.added",
            json!({"output_index": self.output.len(), "item": call(at, name, "", "in_progress")}),
        );
        for piece in chunks(arguments, 6) {
            self.event(Kind::Word, "response.function_call_arguments.delta", self.about(&id, json!({"delta": piece})));
        }
        let data = self.about(&id, json!({"name": name, "arguments": arguments}));
        self.event(Kind::Close, "response.function_call_arguments.done", data);
        self.done(call(at, name, arguments, "completed"));
    }
}

pub(super) fn stream(ask: &Ask, answer: &Answer) -> Template {
    let template = Template::stream("text/event-stream; charset=utf-8");
    let mut out = Events { template, number: 0, output: Vec::new() };
    for name in ["response.created", "response.in_progress"] {
        out.event(Kind::Open, name, json!({"response": response(ask, "in_progress", &[])}));
    }
    if shows(answer) {
        out.reasoning(answer);
    }
    if !answer.pieces.is_empty() {
        out.message(answer);
    }
    for (at, wanted) in answer.calls.iter().enumerate() {
        out.call(at, &wanted.name, &wanted.arguments);
    }
    let name = format!("response.{}", status(answer.finish));
    let last = ended(ask, answer, &out.output);
    out.event(Kind::Done, &name, json!({"response": last}));
    out.template.finish()
}

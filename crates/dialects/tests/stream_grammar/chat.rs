//! OpenAI Chat: chunks of one id, a role once, a reason once, usage once, `[DONE]` once and last.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{Check, Frame, hold};

#[derive(Default)]
struct Stream {
    id: Option<Value>,
    role: bool,
    finished: bool,
    used: bool,
    calls: BTreeMap<u64, String>,
}

pub(crate) fn check(frames: &[Frame]) -> Check {
    let mut stream = Stream::default();
    let (last, body) = frames.split_last().ok_or("nothing at all")?;
    for frame in body {
        hold(frame.name.is_empty(), || format!("a named event: {}", frame.name))?;
        hold(frame.data != b"[DONE]", || "[DONE] before the end".to_owned())?;
        stream.chunk(&frame.json())?;
    }
    if last.data != b"[DONE]" {
        let error = last.json();
        hold(error["error"]["message"].is_string(), || format!("neither [DONE] nor an error at the end: {error}"))?;
        return hold(!stream.finished, || "an error after the reason to stop".to_owned());
    }
    hold(stream.finished, || "no reason to stop".to_owned())?;
    stream.calls.values().try_for_each(|arguments| {
        let object = serde_json::from_str::<Value>(arguments).is_ok_and(|value| value.is_object());
        hold(object, || format!("arguments that are no object: {arguments}"))
    })
}

impl Stream {
    fn chunk(&mut self, chunk: &Value) -> Check {
        hold(chunk["object"] == "chat.completion.chunk", || format!("object: {}", chunk["object"]))?;
        hold(chunk["id"].as_str().is_some_and(|id| !id.is_empty()), || "no id".to_owned())?;
        hold(*self.id.get_or_insert_with(|| chunk["id"].clone()) == chunk["id"], || "another id".to_owned())?;
        hold(chunk["model"].is_string() && chunk["created"].is_u64(), || "no model, or no time".to_owned())?;
        let choices = chunk["choices"].as_array().ok_or("no choices")?;
        hold(!self.used, || "a chunk after the usage".to_owned())?;
        if chunk.get("usage").is_some_and(|usage| !usage.is_null()) {
            self.used = true;
            hold(choices.is_empty() && self.finished, || "usage before the end".to_owned())?;
            let counts = &chunk["usage"];
            let sum = counts["prompt_tokens"].as_u64().zip(counts["completion_tokens"].as_u64()).map(|(a, b)| a + b);
            return hold(counts["total_tokens"].as_u64() == sum, || format!("usage that does not add up: {counts}"));
        }
        let [choice] = choices.as_slice() else { return Err(format!("{} choices", choices.len())) };
        hold(choice["index"] == 0 && !self.finished, || "more after the reason to stop".to_owned())?;
        self.delta(choice["delta"].as_object().ok_or("no delta")?)?;
        self.finished = choice["finish_reason"].is_string();
        let known = ["stop", "length", "tool_calls", "content_filter"];
        let fits = choice["finish_reason"].as_str().is_none_or(|word| known.contains(&word));
        hold(fits, || format!("finish_reason {}", choice["finish_reason"]))?;
        let asks = !self.finished || self.calls.is_empty() || choice["finish_reason"] == "tool_calls";
        hold(asks, || "tools are asked for, and the reason is another".to_owned())
    }

    fn delta(&mut self, delta: &serde_json::Map<String, Value>) -> Check {
        let has_role = delta.get("role").is_some_and(|role| role == "assistant");
        hold(has_role != self.role, || "the role is not in the first chunk alone".to_owned())?;
        self.role = true;
        for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let index = call["index"].as_u64().ok_or("a call without an index")?;
            let begins = !self.calls.contains_key(&index);
            if begins {
                hold(index == self.calls.len() as u64, || format!("call {index} out of order"))?;
                let named = call["function"]["name"].is_string() || call["custom"]["name"].is_string();
                hold(named && call["id"].is_string() && call["type"].is_string(), || format!("call {call}"))?;
            } else {
                hold(call.get("id").is_none(), || "a call is named twice".to_owned())?;
            }
            let more = call["function"]["arguments"].as_str().ok_or("arguments are no text")?;
            self.calls.entry(index).or_default().push_str(more);
        }
        Ok(())
    }
}

//! Anthropic Messages: one block at a time, one `message_delta`, `message_stop` last, never `[DONE]`.

use serde_json::Value;

use crate::{Check, Frame, hold};

#[derive(Default)]
struct Stream {
    next: u64,
    open: Option<(String, String)>,
    any_call: bool,
    reason: Option<String>,
    ended: bool,
    failed: bool,
}

pub(crate) fn check(frames: &[Frame]) -> Check {
    let mut stream = Stream::default();
    let mut begun = false;
    for frame in frames {
        let event = frame.json();
        let kind = event["type"].as_str().ok_or("an event without a type")?;
        hold(frame.name == kind, || format!("the event {kind} is named {}", frame.name))?;
        hold(!stream.ended && !stream.failed, || format!("{kind} after the end"))?;
        hold(begun != (kind == "message_start") || kind == "error", || format!("{kind}, message_start: {begun}"))?;
        begun = true;
        stream.event(kind, &event)?;
    }
    hold(stream.ended || stream.failed, || "no end".to_owned())
}

impl Stream {
    fn event(&mut self, kind: &str, event: &Value) -> Check {
        match kind {
            "message_start" => {
                let message = &event["message"];
                let whole = message["id"].is_string() && message["role"] == "assistant" && message["type"] == "message";
                hold(whole && message["content"] == serde_json::json!([]), || format!("message_start {message}"))?;
                hold(message["usage"]["input_tokens"].is_u64(), || "message_start without usage".to_owned())
            }
            "ping" => Ok(()),
            "content_block_start" => self.start(event),
            "content_block_delta" => self.delta(event),
            "content_block_stop" => {
                hold(event["index"] == self.next, || "another block stops".to_owned())?;
                let (kind, input) = self.open.take().ok_or("nothing is open")?;
                self.next += 1;
                let object = serde_json::from_str::<Value>(&input).is_ok_and(|value| value.is_object());
                hold(kind != "tool_use" || object, || format!("input that is no object: {input}"))
            }
            "message_delta" => {
                hold(self.open.is_none() && self.reason.is_none(), || "message_delta too early, or twice".to_owned())?;
                let reason = event["delta"]["stop_reason"].as_str().ok_or("no stop_reason")?;
                self.reason = Some(reason.to_owned());
                hold(!self.any_call || reason == "tool_use", || {
                    format!("a tool is asked for, and the reason is {reason}")
                })?;
                hold(event["usage"]["output_tokens"].is_u64(), || "no usage".to_owned())
            }
            "message_stop" => {
                self.ended = true;
                hold(self.reason.is_some(), || "message_stop without a reason".to_owned())
            }
            "error" => {
                self.failed = true;
                let error = &event["error"];
                hold(error["type"].is_string() && error["message"].is_string(), || format!("error {error}"))?;
                hold(self.reason.is_none(), || "an error after the reason to stop".to_owned())
            }
            other => Err(format!("an event that no client knows: {other}")),
        }
    }

    fn start(&mut self, event: &Value) -> Check {
        hold(self.open.is_none() && self.reason.is_none(), || "a block inside a block, or after the last".to_owned())?;
        hold(event["index"] == self.next, || format!("index {} where {} is due", event["index"], self.next))?;
        let block = &event["content_block"];
        let kind = block["type"].as_str().ok_or("a block without a type")?;
        let whole = match kind {
            "text" => block["text"].is_string(),
            "thinking" => block["thinking"].is_string() && block["signature"].is_string(),
            "redacted_thinking" => block["data"].is_string(),
            "tool_use" => block["id"].is_string() && block["name"].is_string() && block["input"].is_object(),
            _ => true,
        };
        hold(whole, || format!("block {block}"))?;
        self.any_call |= kind == "tool_use";
        self.open = Some((kind.to_owned(), String::new()));
        Ok(())
    }

    fn delta(&mut self, event: &Value) -> Check {
        hold(event["index"] == self.next, || "a delta to another block".to_owned())?;
        let (kind, input) = self.open.as_mut().ok_or("a delta to nothing")?;
        let delta = &event["delta"];
        let fits = match delta["type"].as_str().unwrap_or_default() {
            "text_delta" => kind == "text" && delta["text"].is_string(),
            "citations_delta" => kind == "text" && delta["citation"].is_object(),
            "thinking_delta" => kind == "thinking" && delta["thinking"].is_string(),
            "signature_delta" => kind == "thinking" && delta["signature"].is_string(),
            "input_json_delta" => {
                input.push_str(delta["partial_json"].as_str().ok_or("no partial_json")?);
                kind.ends_with("tool_use")
            }
            _ => false,
        };
        hold(fits, || format!("{delta} in a block of {kind}"))
    }
}

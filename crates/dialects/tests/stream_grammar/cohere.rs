//! Cohere v2: content, calls and citations counted apart, `message-end` last with the reason and the usage.

use serde_json::Value;

use crate::{Check, Frame, hold};

#[derive(Default)]
struct Stream {
    content: u64,
    calls: u64,
    citations: u64,
    open: Option<(&'static str, String)>,
    ended: bool,
}

pub(crate) fn check(frames: &[Frame]) -> Check {
    let mut stream = Stream::default();
    let mut begun = false;
    for frame in frames {
        let event = frame.json();
        let kind = event["type"].as_str().ok_or_else(|| format!("an event without a type: {event}"))?;
        hold(frame.name == kind, || format!("the event {kind} is named {}", frame.name))?;
        hold(!stream.ended, || format!("{kind} after the end"))?;
        let first = begun != (kind == "message-start");
        hold(first || kind == "message-end", || format!("{kind}, message-start: {begun}"))?;
        begun = true;
        stream.event(kind, &event)?;
    }
    hold(stream.ended, || "no end".to_owned())
}

impl Stream {
    fn event(&mut self, kind: &str, event: &Value) -> Check {
        let index = event["index"].as_u64();
        let message = &event["delta"]["message"];
        match kind {
            "message-start" => {
                hold(event["id"].is_string() && message["role"] == "assistant", || format!("start {event}"))
            }
            "content-start" => {
                hold(self.open.is_none() && index == Some(self.content), || format!("content {index:?}"))?;
                self.open = Some(("content", String::new()));
                hold(message["content"]["type"].is_string(), || format!("content {message}"))
            }
            "content-delta" => {
                let inside = matches!(self.open, Some(("content", _))) && index == Some(self.content);
                let content = &message["content"];
                hold(inside && (content["text"].is_string() || content["thinking"].is_string()), || {
                    format!("delta {event}")
                })
            }
            "content-end" => {
                let inside = matches!(self.open.take(), Some(("content", _))) && index == Some(self.content);
                self.content += 1;
                hold(inside, || format!("content-end {index:?}"))
            }
            "tool-call-start" => {
                hold(self.open.is_none() && index == Some(self.calls), || format!("call {index:?}"))?;
                let call = &message["tool_calls"];
                self.open = Some(("call", String::new()));
                hold(call["id"].is_string() && call["function"]["name"].is_string(), || format!("call {call}"))
            }
            "tool-call-delta" => {
                let more = message["tool_calls"]["function"]["arguments"].as_str().ok_or("no arguments")?;
                let Some(("call", arguments)) = &mut self.open else { return Err("no call is open".to_owned()) };
                arguments.push_str(more);
                hold(index == Some(self.calls), || format!("a delta to call {index:?}"))
            }
            "tool-call-end" => {
                let Some(("call", arguments)) = self.open.take() else { return Err("no call is open".to_owned()) };
                let right = index == Some(self.calls);
                self.calls += 1;
                let object = serde_json::from_str::<Value>(&arguments).is_ok_and(|value| value.is_object());
                hold(right && object, || format!("call {index:?} ends with {arguments}"))
            }
            "citation-start" => {
                hold(index == Some(self.citations) && message["citations"].is_object(), || format!("{event}"))
            }
            "citation-end" => {
                self.citations += 1;
                hold(index == Some(self.citations - 1), || format!("citation-end {index:?}"))
            }
            "message-end" => self.end(event),
            other => Err(format!("an event that no client knows: {other}")),
        }
    }

    fn end(&mut self, event: &Value) -> Check {
        self.ended = true;
        let reason = event["delta"]["finish_reason"].as_str().ok_or("no finish_reason")?;
        if reason == "ERROR" {
            return hold(event["delta"]["error"].is_string(), || format!("error {event}"));
        }
        hold(self.open.is_none(), || "message-end inside a block".to_owned())?;
        hold(self.calls == 0 || reason == "TOOL_CALL", || format!("a tool is asked for, and the reason is {reason}"))
    }
}

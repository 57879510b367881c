//! Bedrock Converse: dense blocks one after the other, `messageStop` and then `metadata`, an exception in place of both.

use serde_json::Value;

use crate::{Check, Frame, hold};

#[derive(Default)]
struct Stream {
    begun: bool,
    next: u64,
    open: Option<(&'static str, String)>,
    any_call: bool,
    stopped: bool,
    counted: bool,
    failed: bool,
}

pub(crate) fn check(frames: &[Frame]) -> Check {
    let mut stream = Stream::default();
    for frame in frames {
        hold(!stream.counted && !stream.failed, || format!("{} after the end", frame.name))?;
        // What keeps a silent connection alive is an event that clients pass over.
        if frame.name != "ping" {
            stream.event(&frame.name, &frame.json())?;
        }
    }
    hold(stream.failed || stream.stopped && stream.counted, || "no end".to_owned())
}

impl Stream {
    fn event(&mut self, name: &str, event: &Value) -> Check {
        if name.to_ascii_lowercase().ends_with("exception") {
            self.failed = true;
            hold(!self.stopped, || "an exception after the reason to stop".to_owned())?;
            return hold(event["message"].is_string(), || format!("exception {event}"));
        }
        hold(self.begun != (name == "messageStart"), || format!("{name}, begun: {}", self.begun))?;
        self.begun = true;
        match name {
            "messageStart" => hold(event["role"] == "assistant", || format!("messageStart {event}")),
            "contentBlockStart" => {
                self.due(event)?;
                hold(self.open.is_none(), || "a block inside a block".to_owned())?;
                let start = &event["start"];
                // A provider's own tool, which it runs itself, has a type.
                let call =
                    start.get("toolUse").is_some_and(|tool| tool.get("type").is_none_or(|kind| kind == "tool_use"));
                self.any_call |= call;
                let named = start["toolUse"]["toolUseId"].is_string() && start["toolUse"]["name"].is_string();
                let known = ["image", "toolResult", "toolUse"].iter().any(|kind| start.get(*kind).is_some());
                let tool = start.get("toolUse").is_some();
                self.open = Some((if tool { "toolUse" } else { "other" }, String::new()));
                hold(known && (!call || named), || format!("start {start}"))
            }
            "contentBlockDelta" => self.delta(event),
            "contentBlockStop" => {
                self.due(event)?;
                let (kind, input) = self.open.take().ok_or("nothing is open")?;
                self.next += 1;
                let object = serde_json::from_str::<Value>(&input).is_ok_and(|value| value.is_object());
                hold(kind != "toolUse" || object, || format!("input that is no object: {input}"))
            }
            "messageStop" => {
                hold(self.open.is_none() && !self.stopped, || "messageStop too early, or twice".to_owned())?;
                self.stopped = true;
                let reason = event["stopReason"].as_str().ok_or("no stopReason")?;
                hold(!self.any_call || reason == "tool_use", || {
                    format!("a tool is asked for, and the reason is {reason}")
                })
            }
            "metadata" => {
                self.counted = true;
                let counts = event["usage"]["totalTokens"].is_u64() && event["metrics"]["latencyMs"].is_u64();
                hold(self.stopped && counts, || format!("metadata {event}"))
            }
            other => Err(format!("an event that no client knows: {other}")),
        }
    }

    fn due(&self, event: &Value) -> Check {
        let index = &event["contentBlockIndex"];
        hold(*index == self.next && !self.stopped, || format!("block {index} where {} is due", self.next))
    }

    fn delta(&mut self, event: &Value) -> Check {
        self.due(event)?;
        let delta = event["delta"].as_object().ok_or("no delta")?;
        let mut members = delta.iter();
        let (Some((kind, value)), None) = (members.next(), members.next()) else {
            return Err("not one member".to_owned());
        };
        let found = match kind.as_str() {
            "text" | "citation" => "text",
            "reasoningContent" => "reasoning",
            "toolUse" => "toolUse",
            _ => "other",
        };
        // Text and thinking begin with their first piece.
        let (open, input) = self.open.get_or_insert_with(|| (found, String::new()));
        hold(*open == found, || format!("{kind} in a block of {open}"))?;
        if found == "toolUse" {
            input.push_str(value["input"].as_str().ok_or("no input")?);
        }
        Ok(())
    }
}

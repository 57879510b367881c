//! OpenAI Responses: numbered events, items and parts opened and closed once, and exactly one last event that repeats all.

use serde_json::{Value, json};

use crate::{Check, Frame, hold};

#[derive(Default)]
struct Stream {
    sequence: u64,
    items: Vec<Value>,
    /// The open item: its type, its id, what its deltas said so far.
    open: Option<(String, Value, String)>,
    /// The open part of a message, and how many are closed.
    part: Option<(String, String)>,
    parts: u64,
    failed: bool,
    ended: bool,
}

pub(crate) fn check(frames: &[Frame]) -> Check {
    let mut stream = Stream::default();
    for (nth, frame) in frames.iter().enumerate() {
        let event = frame.json();
        let kind = event["type"].as_str().ok_or("an event without a type")?;
        hold(frame.name == kind, || format!("the event {kind} is named {}", frame.name))?;
        hold(event["sequence_number"] == stream.sequence, || {
            format!("{kind} has number {}", event["sequence_number"])
        })?;
        stream.sequence += 1;
        hold(!stream.ended, || format!("{kind} after the end"))?;
        let due = ["response.created", "response.in_progress"].get(nth).copied();
        let begins = due.is_none_or(|due| due == kind) || kind == "error" || stream.failed;
        hold(begins, || format!("{kind} where {due:?} is due"))?;
        hold(!stream.failed || kind == "response.failed", || format!("{kind} after an error"))?;
        if due != Some(kind) {
            stream.event(kind, &event)?;
        }
    }
    hold(stream.ended, || "none of completed, incomplete and failed".to_owned())
}

impl Stream {
    fn event(&mut self, kind: &str, event: &Value) -> Check {
        match kind {
            "response.output_item.added" => {
                hold(self.open.is_none() && event["output_index"] == self.items.len(), || format!("added {event}"))?;
                let item = &event["item"];
                let kind = item["type"].as_str().ok_or("an item without a type")?;
                self.open = Some((kind.to_owned(), item["id"].clone(), String::new()));
                self.parts = 0;
                hold(item["id"].is_string(), || "an item without an id".to_owned())
            }
            "response.output_item.done" => {
                let (kind, id, said) = self.open.take().ok_or("no item is open")?;
                let item = &event["item"];
                hold(item["type"] == *kind && item["id"] == id && self.part.is_none(), || format!("done {item}"))?;
                hold(kind != "function_call" || item["arguments"] == *said, || {
                    format!("arguments {item} are not {said}")
                })?;
                let whole = kind != "function_call"
                    || serde_json::from_str::<Value>(&said).is_ok_and(|value| value.is_object());
                hold(whole, || format!("arguments that are no object: {said}"))?;
                self.items.push(item.clone());
                Ok(())
            }
            "response.completed" | "response.incomplete" | "response.failed" => self.end(kind, &event["response"]),
            "error" => {
                self.failed = true;
                hold(event["message"].is_string(), || format!("error {event}"))
            }
            _ => self.inside(kind, event),
        }
    }

    fn inside(&mut self, kind: &str, event: &Value) -> Check {
        let (item, id, said) = self.open.as_mut().ok_or_else(|| format!("{kind} outside of an item"))?;
        hold(event["item_id"] == *id && event["output_index"] == self.items.len(), || {
            format!("{kind} of another item")
        })?;
        let text = |field: &str| event[field].as_str().ok_or_else(|| format!("{kind} without {field}"));
        if let Some((_, part)) = &mut self.part {
            hold(event["content_index"] == self.parts, || format!("{kind} of another part"))?;
            match kind {
                "response.output_text.delta" | "response.refusal.delta" => part.push_str(text("delta")?),
                "response.output_text.done" => hold(text("text")? == part, || "the text is not its deltas".to_owned())?,
                "response.refusal.done" => {
                    hold(text("refusal")? == part, || "the refusal is not its deltas".to_owned())?;
                }
                "response.output_text.annotation.added" => {}
                "response.content_part.done" => {
                    self.part = None;
                    self.parts += 1;
                }
                _ => return Err(format!("{kind} inside a part")),
            }
            return Ok(());
        }
        match (item.as_str(), kind) {
            ("message", "response.content_part.added") => {
                hold(event["content_index"] == self.parts, || "a part out of order".to_owned())?;
                self.part = Some((event["part"]["type"].as_str().unwrap_or_default().to_owned(), String::new()));
            }
            ("function_call", "response.function_call_arguments.delta") => said.push_str(text("delta")?),
            ("function_call", "response.function_call_arguments.done") => {
                hold(text("arguments")? == said, || "the arguments are not their deltas".to_owned())?;
            }
            ("reasoning", "response.reasoning_summary_text.delta") => said.push_str(text("delta")?),
            ("reasoning", "response.reasoning_summary_text.done") => {
                hold(text("text")? == said, || "the summary is not its deltas".to_owned())?;
            }
            ("reasoning", "response.reasoning_summary_part.added" | "response.reasoning_summary_part.done") => {}
            (item, kind) => return Err(format!("{kind} in an item of {item}")),
        }
        Ok(())
    }

    fn end(&mut self, kind: &str, response: &Value) -> Check {
        self.ended = true;
        let status = kind.trim_start_matches("response.");
        hold(response["status"] == status, || format!("{kind} with status {}", response["status"]))?;
        if status == "failed" {
            return hold(response["error"]["message"].is_string(), || "failed without an error".to_owned());
        }
        hold(self.open.is_none() && !self.failed, || format!("{kind} inside an item"))?;
        hold(response["output"] == json!(self.items), || "the last event does not repeat the items".to_owned())?;
        let why = status == "completed" || response["incomplete_details"]["reason"].is_string();
        hold(why, || "incomplete without a reason".to_owned())
    }
}

//! Status and `incomplete_details`: how an answer ended.

use serde_json::{Value, json};

use crate::ir::Finish;

/// What a final status means. `None` where the answer is not one: it failed, was cancelled, or is still being made.
pub(super) fn read(status: &str, reason: Option<&str>, calls: bool) -> Option<Finish> {
    Some(match (status, reason) {
        // Some servers leave the status out of a whole answer; one writes `complete`.
        ("completed" | "complete" | "", _) if calls => Finish::ToolUse,
        ("completed" | "complete" | "", _) => Finish::Stop,
        ("incomplete", Some("max_output_tokens" | "max_tokens") | None) => Finish::Length,
        ("incomplete", Some("content_filter")) => Finish::Refusal,
        ("incomplete", Some(other)) => Finish::Other(other.to_owned()),
        _ => return None,
    })
}

/// How an ending is said: why it is incomplete (`None` where it is complete), and whether that is only near.
pub(super) const fn write(finish: &Finish) -> (Option<&'static str>, bool) {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolUse => (None, false),
        Finish::Length => (Some("max_output_tokens"), false),
        Finish::Refusal => (Some("content_filter"), false),
        Finish::Pause => (None, true),
        Finish::ContextFull => (Some("max_output_tokens"), true),
        // Not `completed`: an answer that ended for an odd reason may not look whole.
        Finish::Other(_) => (Some("content_filter"), true),
    }
}

/// `incomplete_details`.
pub(super) fn details(reason: Option<&str>) -> Value {
    reason.map_or(Value::Null, |reason| json!({ "reason": reason }))
}

//! Gemini: every chunk an answer, the reason and the usage with the last.

use serde_json::Value;

use crate::{Check, Frame, hold};

pub(crate) fn check(frames: &[Frame]) -> Check {
    let (last, chunks) = frames.split_last().ok_or("nothing at all")?;
    let mut id = None;
    for frame in chunks {
        let chunk = frame.json();
        hold(frame.name.is_empty(), || format!("a named event: {}", frame.name))?;
        let candidate = candidate(&chunk)?;
        hold(candidate.get("finishReason").is_none(), || "a reason to stop before the last chunk".to_owned())?;
        hold(chunk.get("usageMetadata").is_none(), || "usage before the last chunk".to_owned())?;
        hold(*id.get_or_insert_with(|| chunk["responseId"].clone()) == chunk["responseId"], || {
            "another id".to_owned()
        })?;
    }
    let end = last.json();
    if let Some(error) = end.get("error") {
        let whole = error["code"].is_u64() && error["message"].is_string() && error["status"].is_string();
        return hold(whole, || format!("error {error}"));
    }
    let candidate = candidate(&end)?;
    hold(candidate["finishReason"].is_string(), || "no reason to stop".to_owned())?;
    let counts = end.get("usageMetadata").is_none_or(|counts| counts["totalTokenCount"].is_u64());
    hold(counts, || format!("usage {}", end["usageMetadata"]))
}

fn candidate(chunk: &Value) -> Result<&Value, String> {
    let candidates = chunk["candidates"].as_array().ok_or_else(|| format!("no candidates: {chunk}"))?;
    let [candidate] = candidates.as_slice() else { return Err(format!("{} candidates", candidates.len())) };
    hold(candidate["content"]["role"] == "model", || "no role".to_owned())?;
    let parts = candidate["content"]["parts"].as_array().ok_or("no parts")?;
    hold(!parts.is_empty(), || "a chunk without a part".to_owned())?;
    for part in parts {
        let call = part.get("functionCall").is_none_or(|call| call["name"].is_string() && call["args"].is_object());
        hold(call, || format!("call {part}"))?;
    }
    Ok(candidate)
}

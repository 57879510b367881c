//! A provider's whole answer.

use serde_json::Value;

use super::block_decode::content;
use super::stop_reason;
use super::usage::WireUsage;
use crate::codec::Malformed;
use crate::ir::Response;
use crate::loss::Loss;
use crate::shared::calls::identified;
use crate::shared::fields::Fields;

/// Notes about the answer that a caller of another dialect does not miss.
const NOTES: [&str; 3] = ["type", "role", "context_management"];

/// Reads an answer.
pub(super) fn decode(body: &[u8]) -> Result<Response, Malformed> {
    let mut fields = Fields::parse(body)?;
    if fields.peek("type").is_some_and(|kind| kind == "error") {
        return Err(Malformed::new("type", "an error stands in place of an answer"));
    }
    NOTES.iter().for_each(|note| drop(fields.value(note)));
    let mut extras = Vec::new();
    let blocks = fields.value("content").ok_or_else(|| Malformed::new("content", "is required"))?;
    let blocks = content("content", blocks, &mut extras)?;
    let sequence = fields.string("stop_sequence")?;
    let finish = fields.string("stop_reason")?.map(|reason| stop_reason::decode(&reason, sequence));
    let usage = fields.value("usage");
    let server_tools = usage.as_ref().and_then(|usage| usage.get("server_tool_use")).is_some_and(counts_any);
    let response = Response {
        id: fields.string("id")?.unwrap_or_default(),
        model: fields.string("model")?.unwrap_or_default(),
        created: None,
        blocks,
        finish: finish.unwrap_or_default(),
        usage: usage.and_then(|usage| serde_json::from_value::<WireUsage>(usage).ok()?.usage()),
        logprobs: Vec::new(),
        losses: Vec::new(),
    };
    extras.extend(fields.rest());
    let mut losses: Vec<Loss> = extras.into_iter().map(|extra| Loss::dropped(extra.field)).collect();
    if server_tools {
        // Billed apart from tokens, so a caller may want to know.
        losses.push(Loss::dropped("usage.server_tool_use"));
    }
    Ok(identified(Response { losses, ..response }))
}

fn counts_any(counts: &Value) -> bool {
    counts.as_object().is_some_and(|counts| counts.values().any(|count| count.as_u64().is_some_and(|n| n > 0)))
}

//! A provider's whole answer.

use serde_json::Value;

use super::block_decode::content;
use super::stop_reason;
use super::usage::WireUsage;
use crate::codec::Malformed;
use crate::ir::{Response, Role};
use crate::loss::Loss;
use crate::shared::calls::identified;
use crate::shared::fields::Fields;

/// Notes about the answer that a caller of another dialect does not miss.
const NOTES: [&str; 3] = ["metrics", "performanceConfig", "serviceTier"];

/// Reads an answer.
pub(super) fn decode(body: &[u8]) -> Result<Response, Malformed> {
    let mut fields = Fields::parse(body)?;
    NOTES.iter().for_each(|note| drop(fields.value(note)));
    let mut extras = Vec::new();
    let required = |fields: &Fields, name: &str| Malformed::new(fields.path(name), "is required");
    let mut output = fields.object("output")?.ok_or_else(|| required(&fields, "output"))?;
    let mut message = output.object("message")?.ok_or_else(|| required(&output, "message"))?;
    message.value("role");
    let items = message.array("content")?.unwrap_or_default();
    let blocks = content("output.message.content", Role::Assistant, items, &mut extras)?;
    let asked = fields.value("additionalModelResponseFields");
    let sequence = asked.as_ref().and_then(stop_sequence);
    let finish = fields.string("stopReason")?.map(|reason| stop_reason::decode(&reason, sequence));
    let usage = fields.value("usage").and_then(|usage| serde_json::from_value::<WireUsage>(usage).ok()?.usage());
    [message, output, fields].into_iter().for_each(|fields| extras.extend(fields.rest()));
    Ok(identified(Response {
        id: String::new(),
        model: String::new(),
        created: None,
        blocks,
        finish: finish.unwrap_or_default(),
        usage,
        logprobs: Vec::new(),
        losses: extras
            .into_iter()
            .map(|extra| Loss::dropped(extra.field))
            .chain(asked.as_ref().and_then(unsaid))
            .collect(),
    }))
}

/// Of what the caller asked the model for, all but the stop sequence has no place.
pub(super) fn unsaid(fields: &Value) -> Option<Loss> {
    let others = fields.as_object()?.iter().any(|(name, value)| name != "stop_sequence" && !value.is_null());
    others.then(|| Loss::dropped("additionalModelResponseFields"))
}

/// Which stop sequence was met, where the caller asked the model for it.
pub(super) fn stop_sequence(fields: &Value) -> Option<String> {
    fields.get("stop_sequence")?.as_str().map(str::to_owned)
}

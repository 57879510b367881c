//! The quirk about the tools of OpenAI Chat: a provider that is sent only those that may be called.

use ringmain_wire::json::Edit;
use serde_json::Value;

use super::body::Body;

/// Where a choice of some of the tools is, by their names: the edits that leave the others out of the list, and say of the
/// choice only whether one must be called. Nothing is lost: what may not be called need not be known.
///
/// A choice that names something else than functions stays, for the provider to refuse in its own words.
pub(super) fn only_allowed(body: &Body<'_>) -> Vec<Edit> {
    edits(body).unwrap_or_default()
}

fn edits(body: &Body<'_>) -> Option<Vec<Edit>> {
    let allowed = body.text("/tool_choice/allowed_tools")?;
    let allowed: Value = serde_json::from_str(allowed).ok()?;
    let names = allowed.get("tools")?.as_array()?.iter().map(name).collect::<Option<Vec<_>>>()?;
    let mut tools: Vec<Value> = serde_json::from_str(body.get("tools")?.get()).ok()?;
    tools.retain(|tool| name(tool).is_some_and(|name| names.contains(&name)));
    let mode = if allowed.get("mode")? == "required" { "required" } else { "auto" };
    Some(vec![
        Edit::set("/tools", Value::from(tools).to_string()),
        Edit::set("/tool_choice", Value::from(mode).to_string()),
    ])
}

fn name(tool: &Value) -> Option<&str> {
    tool.get("function")?.get("name")?.as_str()
}

//! The facts of a request body.

use ringmain_core::Capabilities;
use ringmain_wire::json::Object;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::codec::{BodyFacts, Malformed};
use crate::shared::estimate;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content<'a> {
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    parts: Option<Vec<Part<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Part<'a> {
    #[serde(borrow, alias = "inline_data")]
    inline_data: Option<Media<'a>>,
    #[serde(borrow, alias = "file_data")]
    file_data: Option<Media<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Media<'a> {
    #[serde(borrow, alias = "mime_type")]
    mime_type: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Tool {
    #[serde(alias = "function_declarations")]
    function_declarations: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Generation {
    #[serde(alias = "max_output_tokens")]
    max_output_tokens: Option<f64>,
    #[serde(alias = "response_schema")]
    response_schema: Option<IgnoredAny>,
    #[serde(alias = "response_json_schema")]
    response_json_schema: Option<IgnoredAny>,
    #[serde(alias = "thinking_config")]
    thinking_config: Option<Thinking>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Thinking {
    #[serde(alias = "thinking_budget")]
    thinking_budget: Option<f64>,
}

pub(super) fn inspect(body: &Object<'_>) -> Result<BodyFacts, Malformed> {
    let mut facts = BodyFacts { include_usage: true, ..BodyFacts::default() };
    let bytes = body.entries().map(|(_, value)| value.get().as_bytes());
    facts.input_tokens = bytes.map(estimate::tokens).sum();
    let mut need = |capability: Capabilities, needed: bool| {
        if needed {
            facts.needs = facts.needs.with(capability);
        }
    };
    if let Some(contents) = body.get("contents").filter(|contents| contents.get().starts_with('[')) {
        let contents: Vec<Content<'_>> = read("contents", contents)?;
        let parts = || contents.iter().flat_map(|content| content.parts.iter().flatten());
        let media = || parts().flat_map(|part| [&part.inline_data, &part.file_data]).flatten();
        let kinds: Vec<&str> = media().map(|media| media.mime_type.map_or("", RawValue::get)).collect();
        need(Capabilities::VISION, kinds.iter().any(|kind| kind.starts_with("\"image/")));
        need(Capabilities::AUDIO_IN, kinds.iter().any(|kind| kind.starts_with("\"audio/")));
        need(Capabilities::DOCUMENTS, kinds.contains(&"\"application/pdf\""));
        let last = contents.last().and_then(|content| content.role).map(RawValue::get);
        need(Capabilities::PREFILL, last == Some("\"model\""));
    }
    if let Some(tools) = body.get("tools").filter(|tools| tools.get().starts_with('[')) {
        let tools: Vec<Tool> = read("tools", tools)?;
        need(Capabilities::TOOLS, tools.iter().any(|tool| tool.function_declarations.is_some()));
    }
    let generation = body.get("generationConfig").or_else(|| body.get("generation_config"));
    let generation: Option<Generation> = generation.map(|raw| read("generationConfig", raw)).transpose()?.flatten();
    if let Some(generation) = generation {
        let schema = generation.response_schema.is_some() || generation.response_json_schema.is_some();
        need(Capabilities::JSON_SCHEMA, schema);
        // Zero turns thinking off; to ask for it is to need it.
        let thinks = generation.thinking_config.is_some_and(|thinking| thinking.thinking_budget != Some(0.0));
        need(Capabilities::REASONING, thinks);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let cap = generation.max_output_tokens.map(|cap| cap as u64);
        facts.max_output_tokens = cap;
    }
    Ok(facts)
}

fn read<'a, T: Deserialize<'a>>(field: &str, raw: &'a RawValue) -> Result<T, Malformed> {
    serde_json::from_str(raw.get()).map_err(|error| {
        // The position is enough; serde's own words may quote content.
        Malformed::new(field, format!("has a field of the wrong type at column {}", error.column()))
    })
}

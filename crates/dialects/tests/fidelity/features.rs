//! The features, and what becomes of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_core::{Capabilities, Dialect, LossKind};
use ringmain_dialects::{Codec, Encoded, TargetProfile, ir, registry};
use serde_json::{Map, Value, json};

/// Something a request can ask for.
pub(crate) struct Feature {
    pub(crate) name: String,
    /// A request with it, in each dialect that has words for it, and the same request without it.
    pub(crate) bodies: Vec<(Dialect, (Value, Value))>,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is there.
    Exact,
    /// Something near is there, and a loss says so.
    Near,
    /// It is not there, and a loss says so.
    Lost,
    /// The target is not asked, since it would answer something else.
    Refused,
}

/// All of them.
pub(crate) fn all() -> Vec<Feature> {
    let entries: Vec<Map<String, Value>> = serde_json::from_str(include_str!("requests.json")).unwrap();
    let words = |name: &str| entries.iter().find(|entry| entry["feature"] == name).unwrap();
    let feature = |entry: &Map<String, Value>| {
        let beside = entry.get("with").map(|name| words(name.as_str().unwrap()));
        let bodies = Dialect::ALL.into_iter().filter_map(|dialect| {
            let more = entry.get(dialect.as_str())?;
            let mut without = base(dialect);
            if let Some(beside) = beside.and_then(|entry| entry.get(dialect.as_str())) {
                merge(&mut without, beside);
            }
            let mut with = without.clone();
            merge(&mut with, more);
            Some((dialect, (with, without)))
        });
        Feature { name: entry["feature"].as_str().unwrap().to_owned(), bodies: bodies.collect() }
    };
    entries.iter().map(feature).collect()
}

fn base(dialect: Dialect) -> Value {
    match dialect {
        Dialect::OpenAiChat | Dialect::CohereV2 => {
            json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] })
        }
        Dialect::OpenAiResponses => json!({ "model": "m", "input": [{ "role": "user", "content": "hi" }] }),
        Dialect::AnthropicMessages => {
            json!({ "model": "m", "max_tokens": 4096, "messages": [{ "role": "user", "content": "hi" }] })
        }
        Dialect::Gemini => json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }] }),
        Dialect::BedrockConverse => json!({ "messages": [{ "role": "user", "content": [{ "text": "hi" }] }] }),
    }
}

/// Puts the members of one object into the other, objects inside too.
fn merge(into: &mut Value, more: &Value) {
    for (name, value) in more.as_object().unwrap() {
        match into.get_mut(name) {
            Some(known) if known.is_object() && value.is_object() => merge(known, value),
            _ => into[name] = value.clone(),
        }
    }
}

impl Feature {
    /// What becomes of it on the way from one dialect to another.
    pub(crate) fn fate(&self, from: Dialect, to: Dialect) -> Fate {
        let (with, without) = self.body(from);
        let request = read(from, with);
        if !request.remembered.is_empty() {
            return Fate::Refused;
        }
        let Ok(encoded) = write(to, &request) else { return Fate::Refused };
        let plain = write(to, &read(from, without)).unwrap();
        let new = |kind| encoded.losses.iter().any(|loss| loss.kind == kind && !plain.losses.contains(loss));
        match () {
            () if new(LossKind::Dropped) => Fate::Lost,
            () if new(LossKind::Approximated) => Fate::Near,
            () => Fate::Exact,
        }
    }

    /// Does the other side read it as the caller meant it? Only what it changes is compared.
    pub(crate) fn arrives(&self, from: Dialect, to: Dialect) -> bool {
        let (with, without) = self.body(from);
        let (meant, base) = (read(from, with), read(from, without));
        let encoded = write(to, &meant).unwrap();
        let heard = read(to, &serde_json::from_slice(&encoded.body).unwrap());
        parts(&meant)
            .into_iter()
            .zip(parts(&base))
            .zip(parts(&heard))
            .all(|((meant, base), heard)| meant == base || meant == heard)
    }

    fn body(&self, dialect: Dialect) -> &(Value, Value) {
        self.bodies.iter().find(|(known, _)| *known == dialect).map(|(_, body)| body).unwrap()
    }
}

/// A request, part by part, without what dialects write differently and mean alike.
fn parts(request: &ir::Request) -> Vec<String> {
    let mut request = request.clone();
    // Instructions stand before the conversation, wherever they came from.
    let system: String = request.system.iter().map(said).collect();
    let turns: Vec<String> = request
        .turns
        .iter()
        .map(|turn| format!("{:?} {:?} {:?}", turn.role, turn.name, turn.blocks.iter().map(said).collect::<Vec<_>>()))
        .collect();
    for tool in &mut request.tools {
        if let ir::Tool::Function { strict, .. } = tool {
            *strict = strict.filter(|strict| *strict);
        }
    }
    if let ir::OutputFormat::JsonSchema { name, strict, .. } = &mut request.output {
        (*name, *strict) = (None, None);
    }
    let sampling = &request.sampling;
    vec![
        system,
        turns.join("\n"),
        format!("{:?}", request.tools),
        // That the model chooses is what is done anyway.
        format!(
            "{:?} {:?}",
            request.tool_choice.clone().filter(|choice| *choice != ir::ToolChoice::Auto),
            request.parallel_tools == Some(false)
        ),
        format!("{:?}", sampling.max_output_tokens),
        format!("{:?} {:?} {:?}", sampling.temperature, sampling.top_p, sampling.top_k),
        format!("{:?} {:?} {:?}", sampling.seed, sampling.frequency_penalty, sampling.presence_penalty),
        format!("{:?}", sampling.stop),
        format!("{:?} {:?}", sampling.logprobs, sampling.top_logprobs),
        format!("{:?}", request.output),
        format!("{:?}", request.reasoning.as_ref().map(|reasoning| (reasoning.effort, reasoning.budget_tokens))),
        format!("{:?}", request.end_user),
    ]
}

/// What a block says.
fn said(block: &ir::Block) -> String {
    let mark = if block.cache.is_some() { "|" } else { "" };
    // A text is the same text when its bytes are sent.
    let source = |media: &ir::Media| match &media.source {
        ir::MediaSource::Base64(data) if media.media_type.as_deref() == Some("text/plain") => {
            format!("Text({:?})", String::from_utf8(STANDARD.decode(data).unwrap()).unwrap())
        }
        source => format!("{source:?}"),
    };
    let media = |media: &ir::Media| {
        format!("{} {:?}", source(media), media.detail.as_deref().filter(|detail| *detail != "auto"))
    };
    let said = match &block.kind {
        ir::BlockKind::Text { text, .. } => text.clone(),
        ir::BlockKind::Image(found) | ir::BlockKind::Document(found) | ir::BlockKind::Audio(found) => media(found),
        ir::BlockKind::ToolCall { id, name, arguments, .. } => {
            let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
            format!("{id} {name} {arguments}")
        }
        ir::BlockKind::ToolResult { id, content, is_error, .. } => {
            format!("{id} {is_error} {:?}", content.iter().map(said).collect::<Vec<_>>())
        }
        kind => format!("{kind:?}"),
    };
    said + mark
}

fn codec(dialect: Dialect) -> &'static dyn Codec {
    registry::codec(dialect).unwrap()
}

fn read(dialect: Dialect, body: &Value) -> ir::Request {
    codec(dialect).decode_request(body.to_string().as_bytes()).unwrap_or_else(|why| panic!("{dialect}: {why}: {body}"))
}

/// For a model of today of the vendor whose dialect it is.
fn write(to: Dialect, request: &ir::Request) -> Result<Encoded, ringmain_dialects::Unsupported> {
    let profile = TargetProfile {
        model: model(to).to_owned(),
        capabilities: Capabilities::NONE,
        max_output_tokens: Some(64_000),
        ..TargetProfile::default()
    };
    codec(to).encode_request(request, &profile)
}

/// The model that a column of the table stands for.
pub(crate) const fn model(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => "gpt-5",
        Dialect::AnthropicMessages => "claude-sonnet-4-5",
        Dialect::Gemini => "gemini-2.5-flash",
        Dialect::BedrockConverse => "anthropic.claude-sonnet-4-5",
        Dialect::CohereV2 => "command-a-03-2025",
    }
}

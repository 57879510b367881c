//! A request for a target.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::conversation::Conversation;
use super::thinking::{self, Thinking};
use super::{OWN, block_encode, sampling, tools};
use crate::codec::{Encoded, TargetProfile, Unsupported};
use crate::ir::{OutputFormat, Request, ToolChoice};
use crate::loss::Loss;
use crate::shared::claude_version::Version;
use crate::shared::put_back::PutBack;
use crate::shared::{asked_about, claude_schema, structured, tool_choice};
use ringmain_core::Capabilities;

/// `max_tokens` is demanded; this is what is sent where neither caller nor catalog knows a number.
const DEFAULT_MAX_TOKENS: u64 = 4096;
/// `metadata.user_id` may be this long.
const MAX_USER_ID: usize = 512;

/// What every part of the encoding needs.
pub(super) struct Context<'a> {
    pub(super) request: &'a Request,
    pub(super) profile: &'a TargetProfile,
    pub(super) version: Option<Version>,
    /// The caller speaks this dialect: what it wrote goes as it was.
    pub(super) own: bool,
    pub(super) put_back: PutBack<'a>,
    /// The choice among the tools that go with it.
    pub(super) choice: Option<Cow<'a, ToolChoice>>,
    pub(super) losses: Vec<Loss>,
}

impl<'a> Context<'a> {
    fn new(request: &'a Request, profile: &'a TargetProfile) -> Self {
        let mut losses = Vec::new();
        Self {
            request,
            profile,
            version: Version::of_model(profile.family()),
            own: request.dialect == OWN,
            put_back: PutBack::new(request, OWN),
            choice: tool_choice::possible(request, OWN, &mut losses),
            losses,
        }
    }

    pub(super) fn dropped(&mut self, field: impl Into<String>) {
        self.losses.push(Loss::dropped(field));
    }

    pub(super) fn approximated(&mut self, field: impl Into<String>) {
        self.losses.push(Loss::approximated(field));
    }

    /// Can answers be held to a schema? What the catalog does not know is judged by the model's name.
    pub(super) fn has_schemas(&self) -> bool {
        let known = self.profile.capabilities;
        let newer = known.is_empty() && self.version.is_none_or(|version| version >= Version::ONE_SAMPLER);
        self.own || newer || known.contains(Capabilities::JSON_SCHEMA)
    }
}

/// Writes a request body.
pub(super) fn encode(request: &Request, profile: &TargetProfile) -> Result<Encoded, Unsupported> {
    asked_about::check(request, OWN)?;
    let mut context = Context::new(request, profile);
    let mut conversation = Conversation::new(&mut context)?;
    let system = system(&mut context, &mut conversation)?;
    let tools = tools::encode(&mut context)?;
    let tool_choice = tools::choice(&mut context, tools.is_some());
    let thinking = thinking::plan(&mut context, &conversation);

    let mut body = Map::new();
    let model = if profile.model.is_empty() { &request.model } else { &profile.model };
    if !model.is_empty() {
        body.insert("model".to_owned(), model.as_str().into());
    }
    body.insert("max_tokens".to_owned(), max_tokens(&mut context, &thinking).into());
    let optional = |body: &mut Map<String, Value>, field: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(field.to_owned(), value);
        }
    };
    optional(&mut body, "system", system);
    body.insert("messages".to_owned(), conversation.finish());
    optional(&mut body, "tools", tools);
    optional(&mut body, "tool_choice", tool_choice);
    sampling::encode(&mut context, thinking.budget().is_some(), &mut body);
    let config = output_config(&mut context, &thinking);
    optional(&mut body, "thinking", thinking.into_value(&mut context));
    optional(&mut body, "output_config", config);
    optional(&mut body, "metadata", metadata(&mut context));
    if request.stream {
        body.insert("stream".to_owned(), true.into());
    }
    context.put_back.restore("", &mut body);
    let mut losses = context.losses;
    losses.extend(context.put_back.losses());
    Ok(Encoded { body: Value::Object(body).to_string().into_bytes(), losses })
}

fn system(context: &mut Context<'_>, conversation: &mut Conversation) -> Result<Option<Value>, Unsupported> {
    let mut blocks = block_encode::system(context, &context.request.system, "system")?;
    // After the leading instructions: the order in which the model would have met them.
    blocks.append(&mut conversation.instructions);
    if !held_to_form(context)
        && let Some(text) = structured::instruction(&context.request.output)
    {
        context.approximated("response_format");
        blocks.push(json!({ "type": "text", "text": text }));
    }
    Ok((!blocks.is_empty()).then(|| block_encode::compact(blocks)))
}

/// Is the answer held to the form that is asked for? Else the model is only told of it.
fn held_to_form(context: &Context<'_>) -> bool {
    match context.request.output {
        OutputFormat::Text => true,
        OutputFormat::Json => false,
        OutputFormat::JsonSchema { .. } => context.has_schemas(),
    }
}

fn max_tokens(context: &mut Context<'_>, thinking: &Thinking) -> u64 {
    let given = context.request.sampling.max_output_tokens;
    if let Some(cap) = context.profile.told_cap(given, context.own, &mut context.losses) {
        return cap;
    }
    context.losses.push(Loss::defaulted("max_tokens"));
    // Thinking counts against the limit, so a guessed limit leaves room for it.
    let guess = DEFAULT_MAX_TOKENS + thinking.budget().unwrap_or_default();
    context.profile.max_output_tokens.unwrap_or(guess)
}

fn output_config(context: &mut Context<'_>, thinking: &Thinking) -> Option<Value> {
    let mut config = Map::new();
    if let Some(effort) = thinking.effort() {
        config.insert("effort".to_owned(), effort.into());
    }
    match &context.request.output {
        OutputFormat::JsonSchema { schema, description, .. } if held_to_form(context) => {
            let mut schema = structured::described(schema, description.as_deref());
            if !context.own && claude_schema::fit(&mut schema) {
                context.approximated("response_format");
            }
            let mut format = Map::from_iter([("type".to_owned(), "json_schema".into()), ("schema".to_owned(), schema)]);
            context.put_back.restore("output_config.format", &mut format);
            config.insert("format".to_owned(), Value::Object(format));
        }
        OutputFormat::Text | OutputFormat::Json | OutputFormat::JsonSchema { .. } => {}
    }
    context.put_back.restore("output_config", &mut config);
    (!config.is_empty()).then_some(Value::Object(config))
}

fn metadata(context: &mut Context<'_>) -> Option<Value> {
    let mut metadata = Map::new();
    match &context.request.end_user {
        Some(user) if user.chars().count() > MAX_USER_ID => context.dropped("user"),
        Some(user) => {
            metadata.insert("user_id".to_owned(), json!(user));
        }
        None => {}
    }
    context.put_back.restore("metadata", &mut metadata);
    (!metadata.is_empty()).then_some(Value::Object(metadata))
}

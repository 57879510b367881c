//! A request for a target.

use std::borrow::Cow;
use std::collections::BTreeSet;

use ringmain_core::Capabilities;
use serde_json::{Map, Value, json};

use super::conversation::Conversation;
use super::family::Family;
use super::thinking::{self, Thinking};
use super::{OWN, block_encode, sampling, tools};
use crate::codec::{Encoded, TargetProfile, Unsupported};
use crate::ir::{OutputFormat, Request, ToolChoice};
use crate::loss::Loss;
use crate::shared::claude_version::Version;
use crate::shared::put_back::PutBack;
use crate::shared::{asked_about, claude_schema, structured, tool_choice};

/// The tiers of service that go by the same word elsewhere.
const TIERS: [&str; 3] = ["default", "flex", "priority"];
/// A request may carry this many tags.
const MAX_TAGS: usize = 16;
/// A tag's name and value may be this long.
const MAX_TAG: usize = 256;

/// What every part of the encoding needs.
pub(super) struct Context<'a> {
    pub(super) request: &'a Request,
    pub(super) profile: &'a TargetProfile,
    pub(super) family: Family,
    /// Of a Claude.
    pub(super) version: Option<Version>,
    /// The caller speaks this dialect: what it wrote goes as it was.
    pub(super) own: bool,
    pub(super) put_back: PutBack<'a>,
    /// The choice among the tools that go with it.
    pub(super) choice: Option<Cow<'a, ToolChoice>>,
    pub(super) losses: Vec<Loss>,
    /// Documents named so far, and their names: no two may be the same.
    pub(super) documents: usize,
    pub(super) names: BTreeSet<String>,
}

impl<'a> Context<'a> {
    fn new(request: &'a Request, profile: &'a TargetProfile) -> Self {
        let mut losses = Vec::new();
        Self {
            request,
            profile,
            family: Family::of_model(profile.family()),
            version: Version::of_model(profile.family()),
            own: request.dialect == OWN,
            put_back: PutBack::new(request, OWN),
            choice: tool_choice::possible(request, OWN, &mut losses),
            losses,
            documents: 0,
            names: BTreeSet::new(),
        }
    }

    pub(super) fn dropped(&mut self, field: impl Into<String>) {
        self.losses.push(Loss::dropped(field));
    }

    pub(super) fn approximated(&mut self, field: impl Into<String>) {
        self.losses.push(Loss::approximated(field));
    }

    /// Can the model do this? What the catalog does not know is judged by `unknown`.
    pub(super) fn can(&self, capability: Capabilities, unknown: bool) -> bool {
        let known = self.profile.capabilities;
        self.own || if known.is_empty() { unknown } else { known.contains(capability) }
    }
}

/// Writes a request body. The model goes into the path.
pub(super) fn encode(request: &Request, profile: &TargetProfile) -> Result<Encoded, Unsupported> {
    asked_about::check(request, OWN)?;
    let mut context = Context::new(request, profile);
    let mut conversation = Conversation::new(&mut context)?;
    let mut system = block_encode::system(&mut context, &request.system, "system")?;
    // After the leading instructions: the order in which the model would have met them.
    system.append(&mut conversation.instructions);
    if !held_to_form(&context)
        && let Some(text) = structured::instruction(&request.output)
    {
        context.approximated("response_format");
        system.push(json!({ "text": text }));
    }
    let tools = tools::encode(&mut context, &conversation)?;
    let thinking = thinking::plan(&mut context, &conversation);

    let mut body = Map::new();
    let mut optional = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(field.to_owned(), value);
        }
    };
    let prompt_alone = context.own && request.turns.is_empty();
    optional("messages", (!prompt_alone).then(|| conversation.finish()));
    optional("system", (!system.is_empty()).then_some(Value::Array(system)));
    optional("toolConfig", tools);
    optional("inferenceConfig", sampling::inference_config(&mut context, thinking.budget().is_some()));
    optional("outputConfig", output_config(&mut context, &thinking));
    optional("additionalModelRequestFields", model_fields(&mut context, &thinking));
    if !context.own {
        adopt(&mut context, &mut body);
    }
    context.put_back.restore("", &mut body);
    let mut losses = context.losses;
    let adopted: Vec<&str> = [("serviceTier", "service_tier"), ("requestMetadata", "metadata")]
        .into_iter()
        .filter(|(here, _)| !context.own && body.contains_key(*here))
        .map(|(_, there)| there)
        .collect();
    losses.extend(context.put_back.losses().filter(|loss| !adopted.contains(&loss.field.as_str())));
    Ok(Encoded { body: Value::Object(body).to_string().into_bytes(), losses })
}

/// Fields of another dialect that mean the same here.
fn adopt(context: &mut Context<'_>, body: &mut Map<String, Value>) {
    for extra in &context.request.extras {
        match (extra.field.as_str(), &extra.value) {
            ("service_tier", Value::String(tier)) if TIERS.contains(&tier.as_str()) => {
                body.insert("serviceTier".to_owned(), json!({ "type": tier }));
            }
            ("metadata", Value::Object(tags)) if tags.len() <= MAX_TAGS && tags.iter().all(is_tag) => {
                body.insert("requestMetadata".to_owned(), Value::Object(tags.clone()));
            }
            _ => {}
        }
    }
    if context.request.end_user.is_some() {
        context.dropped("user");
    }
}

fn is_tag((name, value): (&String, &Value)) -> bool {
    let fits = |text: &str| {
        text.len() <= MAX_TAG
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":_@$#=/+,-.".contains(c))
    };
    !name.is_empty() && fits(name) && value.as_str().is_some_and(fits)
}

fn output_config(context: &mut Context<'_>, thinking: &Thinking) -> Option<Value> {
    let mut config = Map::new();
    match &context.request.output {
        OutputFormat::JsonSchema { name, description, schema, .. } if held_to_form(context) => {
            let mut schema = schema.clone();
            if !context.own && claude_schema::fit(&mut schema) {
                context.approximated("response_format");
            }
            let mut definition = Map::from_iter([("schema".to_owned(), schema.to_string().into())]);
            for (field, text) in [("name", name), ("description", description)] {
                if let Some(text) = text {
                    definition.insert(field.to_owned(), text.as_str().into());
                }
            }
            context.put_back.restore("outputConfig.textFormat.structure.jsonSchema", &mut definition);
            let structure = json!({ "jsonSchema": definition });
            let mut format =
                Map::from_iter([("type".to_owned(), "json_schema".into()), ("structure".to_owned(), structure)]);
            context.put_back.restore("outputConfig.textFormat", &mut format);
            config.insert("textFormat".to_owned(), Value::Object(format));
        }
        OutputFormat::Text | OutputFormat::Json | OutputFormat::JsonSchema { .. } => {}
    }
    if let Some(effort) = thinking.effort() {
        config.insert("effort".to_owned(), effort.into());
    }
    context.put_back.restore("outputConfig", &mut config);
    (!config.is_empty()).then_some(Value::Object(config))
}

/// Is the answer held to the form that is asked for? Else the model is only told of it.
fn held_to_form(context: &Context<'_>) -> bool {
    match context.request.output {
        OutputFormat::Text => true,
        OutputFormat::Json => false,
        OutputFormat::JsonSchema { .. } => has_schemas(context),
    }
}

/// Can answers be held to a schema? Nova and older Claudes refuse the field.
fn has_schemas(context: &Context<'_>) -> bool {
    let older = context.version.is_some_and(|version| version < Version::ONE_SAMPLER);
    let nova = matches!(context.family, Family::Nova { .. });
    context.can(Capabilities::JSON_SCHEMA, !older && !nova)
}

/// What this model takes in its own words.
fn model_fields(context: &mut Context<'_>, thinking: &Thinking) -> Option<Value> {
    let mut fields = Map::new();
    sampling::top_k(context, thinking.budget().is_some(), &mut fields);
    thinking.write(context, &mut fields);
    context.put_back.restore("additionalModelRequestFields", &mut fields);
    (!fields.is_empty()).then_some(Value::Object(fields))
}

//! What a chat request asks for, in words that are the same for every dialect.

mod anthropic;
mod bedrock;
mod cohere;
mod gemini;
mod openai;
mod responses;

use serde_json::{Value, value::RawValue};

use crate::api::Vendor;
use crate::schema::{Fill, instance};

pub(crate) use anthropic::{count_tokens as anthropic_count_tokens, parse as anthropic};
pub(crate) use bedrock::{count_tokens as bedrock_count_tokens, parse as bedrock};
pub(crate) use cohere::parse as cohere;
pub(crate) use gemini::{count_tokens as gemini_count_tokens, parse as gemini};
pub(crate) use openai::parse as openai;
pub(crate) use responses::{count_tokens as responses_count_tokens, parse as responses};

/// What makes one answer differ from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ask {
    pub(crate) vendor: Vendor,
    pub(crate) stream: bool,
    /// Gemini without `alt=sse`: the stream is one JSON array.
    pub(crate) array: bool,
    /// OpenAI Responses: the answer is a list of items.
    pub(crate) items: bool,
    pub(crate) model: String,
    /// The last user message that has text.
    pub(crate) text: String,
    /// Images in that message.
    pub(crate) images: usize,
    /// An answer begun earlier, which this request may be asking to go on with.
    pub(crate) begun: Option<Begun>,
    pub(crate) input_tokens: u64,
    /// The request's own limit.
    pub(crate) max_tokens: Option<usize>,
    /// OpenAI: `stream_options.include_usage`.
    pub(crate) include_usage: bool,
    pub(crate) calls: Vec<Call>,
    /// The structured answer, as JSON text.
    pub(crate) json: Option<Structured>,
    pub(crate) reasoning: Reasoning,
}

/// An assistant message and the user text it answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Begun {
    pub(crate) user: String,
    pub(crate) images: usize,
    pub(crate) partial: String,
    /// The assistant message is the last one (prefill), rather than followed by an instruction.
    pub(crate) last: bool,
}

/// A call of a tool, with its arguments as JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Structured {
    /// The minimal instance of the schema that was sent.
    Instance(String),
    /// Any object: the text as its only member.
    Object,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reasoning {
    None,
    /// Counted in the usage, not shown.
    Hidden,
    Shown,
}

/// Why a request cannot be answered: the text of a 400.
#[derive(Debug)]
pub(crate) struct Invalid(pub(crate) String);

impl From<serde_json::Error> for Invalid {
    fn from(error: serde_json::Error) -> Self {
        Self(format!("invalid request body: {error}"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    System,
    User,
    Assistant,
    /// A message that only brings results of tools.
    Tool,
}

/// One message, reduced.
#[derive(Debug)]
struct Turn {
    role: Role,
    text: String,
    images: usize,
}

/// What the end of a conversation says.
#[derive(Debug, Default)]
struct Gist {
    text: String,
    images: usize,
    begun: Option<Begun>,
    /// The last message brings a tool's result, or is the assistant's: no new call is due.
    settled: bool,
}

/// Reads messages from the end, no further than needed.
fn gist(messages: &[&RawValue], read: impl Fn(&RawValue) -> Result<Turn, serde_json::Error>) -> Result<Gist, Invalid> {
    let mut gist = Gist::default();
    let mut last = None;
    let mut partial: Option<(String, bool)> = None;
    let mut found = false;
    for (distance, raw) in messages.iter().rev().enumerate() {
        let turn = read(raw)?;
        if distance == 0 {
            gist.settled = matches!(turn.role, Role::Tool | Role::Assistant);
            last = Some(turn.role);
        }
        match turn.role {
            Role::User if !found => {
                found = true;
                (gist.text, gist.images) = (turn.text, turn.images);
                if let Some((partial, at_end)) = partial.take() {
                    let (user, images) = (gist.text.clone(), gist.images);
                    gist.begun = Some(Begun { user, images, partial, last: at_end });
                    break;
                }
            }
            Role::User => {
                let begun = partial.take().map(|(partial, _)| (turn.text, turn.images, partial));
                gist.begun = begun.map(|(user, images, partial)| Begun { user, images, partial, last: false });
                break;
            }
            Role::Assistant if distance == 0 || (found && partial.is_none()) => {
                partial = Some((turn.text, distance == 0));
            }
            Role::Assistant | Role::System | Role::Tool => {}
        }
    }
    if last.is_none() { Err(Invalid("at least one message is required".to_owned())) } else { Ok(gist) }
}

/// A tool the request offers.
struct Tool {
    name: String,
    schema: Value,
}

/// What the request says about calling tools.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    Auto,
    Never,
    Any,
    Named(String),
}

/// The calls that are due: where forced, or where the last user text says `call:`, `call:name` or `call:2` (parallel).
fn calls(gist: &Gist, tools: &[Tool], choice: &Choice) -> Vec<Call> {
    let Some(first) = tools.first() else { return Vec::new() };
    let wish = gist.text.split_once("call:").map(|(_, rest)| {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
        &rest[..end]
    });
    let named = |name: &str| tools.iter().find(|tool| tool.name == name);
    let chosen: Vec<&Tool> = match (choice, wish) {
        (Choice::Never, _) | (Choice::Auto, None) => return Vec::new(),
        (Choice::Auto, Some(_)) if gist.settled => return Vec::new(),
        (Choice::Named(name), _) => vec![named(name).unwrap_or(first)],
        (Choice::Auto | Choice::Any, wish) => {
            let wish = wish.unwrap_or_default();
            match wish.parse::<usize>() {
                Ok(count) => tools.iter().cycle().take(count.clamp(1, 32)).collect(),
                Err(_) => vec![named(wish).unwrap_or(first)],
            }
        }
    };
    let arguments = |tool: &Tool| instance(&tool.schema, Fill::AllIfNoneRequired);
    chosen
        .into_iter()
        .map(|tool| {
            let arguments = arguments(tool);
            let arguments = if arguments.is_object() { arguments.to_string() } else { "{}".to_owned() };
            Call { name: tool.name.clone(), arguments }
        })
        .collect()
}

/// A JSON schema's minimal instance as the text of an answer.
fn structured(schema: &Value) -> Structured {
    Structured::Instance(instance(schema, Fill::Required).to_string())
}

/// A token for every four bytes of JSON, as good as any other estimate here.
fn tokens<'a>(parts: impl Iterator<Item = &'a RawValue>) -> u64 {
    let bytes: usize = parts.map(|part| part.get().len()).sum();
    (bytes as u64).div_ceil(4).max(1)
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests;

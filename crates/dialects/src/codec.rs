//! What a dialect must be able to do, and what the engine may ask of it.

use std::fmt;

use http::HeaderMap;
use ringmain_core::{Capabilities, Dialect, Effort, Efforts, Fault, Usage};
use ringmain_wire::json::Object;

use crate::continuation::SoFar;
use crate::ir;
use crate::loss::Loss;

/// One dialect. Twelve methods; a thirteenth needs an ADR.
pub trait Codec: Send + Sync {
    /// Which dialect this is.
    fn dialect(&self) -> Dialect;

    /// Reads the few facts a decision needs, without a full decode. `body` is already known to be a JSON object.
    ///
    /// # Errors
    /// A field the facts need has the wrong type.
    fn inspect(&self, body: &Object<'_>) -> Result<BodyFacts, Malformed>;

    /// Where a request body keeps the turns of its conversation, and which are the model's.
    fn turns(&self) -> Turns;

    /// A caller's request body to the intermediate representation.
    ///
    /// # Errors
    /// Not a request of this dialect; the message names the field.
    fn decode_request(&self, body: &[u8]) -> Result<ir::Request, Malformed>;

    /// A request body for a target of this dialect.
    ///
    /// # Errors
    /// Something the target cannot do without lying about it (an image to a dialect without images); what can merely
    /// not be carried is a [`Loss`] instead.
    fn encode_request(&self, request: &ir::Request, profile: &TargetProfile) -> Result<Encoded, Unsupported>;

    /// A provider's whole, successful answer.
    ///
    /// # Errors
    /// Not an answer of this dialect.
    fn decode_response(&self, body: &[u8]) -> Result<ir::Response, Malformed>;

    /// A whole answer for a caller of this dialect.
    fn encode_response(&self, response: &ir::Response) -> Encoded;

    /// What a provider's error answer means. Never fails: an unreadable body is judged by its status.
    ///
    /// `message` holds the provider's own words, `code` its own code, `class` and `scope` what this dialect knows of
    /// that code (else what the status says). `retry_after` is left to the engine, which reads the headers.
    fn decode_fault(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Fault;

    /// An error answer for a caller of this dialect: its official SDK raises the exception that fits the class.
    fn encode_fault(&self, fault: &Fault, request_id: &str) -> ErrorReply;

    /// Reads a provider's stream.
    fn stream_decoder(&self) -> Box<dyn StreamDecoder>;

    /// Writes a stream for a caller.
    fn stream_encoder(&self, start: &StreamStart) -> Box<dyn StreamEncoder>;

    /// Reads a copy of an answer that is relayed untouched. Cheap: typed, borrowed, no tree.
    fn tap(&self) -> Box<dyn Tap>;
}

/// Where the turns of a conversation are in a request body: what the engine knows a conversation again by (ADR 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// Members that stand before all turns: the system prompt, where it is not a turn.
    pub before: &'static [&'static str],
    /// The member that lists the turns.
    pub list: &'static str,
    /// The roles, or where a turn has none the types, of what the model said.
    pub by_model: &'static [&'static str],
}

/// The facts of a request body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BodyFacts {
    /// The model asked for; `None` where the dialect puts it in the path.
    pub model: Option<String>,
    /// Does the body ask for a stream? Always false where the path says so.
    pub stream: bool,
    /// Does the caller want usage at the end of a stream? True where the dialect always sends it.
    pub include_usage: bool,
    /// What a model must be able to do.
    pub needs: Capabilities,
    /// Estimated input tokens.
    pub input_tokens: u64,
    /// The cap on output tokens.
    pub max_output_tokens: Option<u64>,
}

/// What an encoder must know of the target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetProfile {
    /// The model in the provider's words: what is sent.
    pub model: String,
    /// The model that it is by another name (a deployment, an inference profile, a tuned one). `None`: by none.
    pub stands_for: Option<String>,
    /// What the model can do; empty where the catalog does not know it.
    pub capabilities: Capabilities,
    /// The most output tokens the model gives: what a dialect that demands a limit is told when the caller gave none.
    pub max_output_tokens: Option<u64>,
    /// The most tokens the model can be told to think.
    pub max_thinking_tokens: Option<u64>,
    /// How much the model can be told to think, in words; empty where the catalog does not know.
    pub efforts: Efforts,
}

impl TargetProfile {
    /// The name that tells of which family the model is.
    #[must_use]
    pub fn family(&self) -> &str {
        self.stands_for.as_deref().unwrap_or(&self.model)
    }

    /// The cap on output tokens that the model can be told: more than it gives is refused. `own`: a caller of the dialect
    /// hears that in the provider's words.
    pub(crate) fn told_cap(&self, wanted: Option<u64>, own: bool, losses: &mut Vec<Loss>) -> Option<u64> {
        let most = self.max_output_tokens.filter(|_| !own).unwrap_or(u64::MAX);
        losses.extend(wanted.filter(|wanted| *wanted > most).map(|_| Loss::approximated("max_tokens")));
        wanted.map(|wanted| wanted.min(most))
    }

    /// The effort, in OpenAI's words, that the model can be told; `own`: a caller of the dialect hears in the provider's
    /// words what it cannot. Where nothing is known of the model, tokens become no effort that only the newest know.
    pub(crate) fn told_effort(&self, wanted: &ir::Reasoning, own: bool, losses: &mut Vec<Loss>) -> Option<Effort> {
        let counted = wanted.budget_tokens.map(Effort::of_budget);
        if counted.is_some() {
            losses.push(Loss::approximated("reasoning.budget_tokens"));
        }
        let asked = match wanted.effort {
            Some(effort) => effort,
            None if self.efforts.is_empty() => counted?.min(Effort::High),
            None => counted?,
        };
        let told = if own { asked } else { self.efforts.nearest(asked) };
        if told != asked && wanted.effort.is_some() {
            losses.push(Loss::approximated("reasoning_effort"));
        }
        Some(told)
    }
}

/// Bytes and what was lost on the way to them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encoded {
    /// A JSON document.
    pub body: Vec<u8>,
    /// What it does not carry.
    pub losses: Vec<Loss>,
}

/// An error answer, ready to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReply {
    /// HTTP status.
    pub status: u16,
    /// Extra headers of the dialect (`x-should-retry`, `x-amzn-errortype`); names are lower case.
    pub headers: Vec<(&'static str, String)>,
    /// A JSON document.
    pub body: Vec<u8>,
}

/// Bytes that are not what the dialect says. The message names the place and never quotes content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The field, in the dialect's words: `messages[3].content[0].image_url`. Empty for the whole.
    pub field: String,
    /// What is wrong with it: `expected a string`.
    pub problem: String,
}

impl Malformed {
    /// `field` has this problem.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() { f.write_str(&self.problem) } else { write!(f, "{}: {}", self.field, self.problem) }
    }
}

impl std::error::Error for Malformed {}

/// A request this target's dialect cannot express at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// The field of the caller's request, in words any caller understands.
    pub field: String,
    /// Why not.
    pub reason: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be carried: {}", self.field, self.reason)
    }
}

impl std::error::Error for Unsupported {}

/// How a stream's events are delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// Server-sent events.
    #[default]
    Sse,
    /// Elements of one JSON array (Gemini without `alt=sse`).
    JsonArray,
    /// Binary messages (AWS).
    EventStream,
}

impl Framing {
    /// How a provider that is spoken to in this dialect delimits its streams.
    #[must_use]
    pub const fn of_provider(dialect: Dialect) -> Self {
        match dialect {
            Dialect::BedrockConverse => Self::EventStream,
            Dialect::OpenAiChat
            | Dialect::OpenAiResponses
            | Dialect::AnthropicMessages
            | Dialect::Gemini
            | Dialect::CohereV2 => Self::Sse,
        }
    }

    /// The content type of a stream framed so.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Sse => "text/event-stream",
            Self::JsonArray => "application/json",
            Self::EventStream => "application/vnd.amazon.eventstream",
        }
    }
}

/// What a stream encoder must know before the first event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamStart {
    /// Used where the provider's stream names no id.
    pub id: String,
    /// Used where the provider's stream names no model.
    pub model: String,
    /// Seconds since 1970, for dialects that stamp each event.
    pub created: u64,
    /// Does the caller want usage? (Where it is optional.)
    pub include_usage: bool,
    /// How events are delimited.
    pub framing: Framing,
}

impl StreamStart {
    /// The same for a stream that has begun: by the id and the model it gave itself, where it gave any.
    pub(crate) fn as_begun(&self, id: &str, model: &str) -> Self {
        let or = |said: &str, own: &String| if said.is_empty() { own.clone() } else { said.to_owned() };
        Self { id: or(id, &self.id), model: or(model, &self.model), ..self.clone() }
    }
}

/// A stream ended before the answer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut;

/// One provider stream on its way to events. Owns its state; emits only sentences of [`ir::grammar`].
pub trait StreamDecoder: Send {
    /// Reads one framed event (`name` is the SSE event name). Appends to `out`.
    ///
    /// # Errors
    /// This one event is not readable; it is skipped and counted, and the stream goes on.
    fn event(&mut self, name: Option<&str>, data: &[u8], out: &mut Vec<ir::Event>) -> Result<(), Malformed>;

    /// The provider closed the stream. A dialect whose terminal event may trail behind the finish reason ends here.
    /// `lenient`: this provider is known to end whole answers without a marker.
    ///
    /// # Errors
    /// The answer is not whole; what is open stays open.
    fn end(&mut self, lenient: bool, out: &mut Vec<ir::Event>) -> Result<(), Cut>;

    /// What the stream said and no event can say; each once, since this was last asked.
    fn take_losses(&mut self) -> Vec<Loss>;
}

/// Events on their way to a caller. May assume sentences of [`ir::grammar`].
pub trait StreamEncoder: Send {
    /// Appends the framed bytes of one event.
    fn event(&mut self, event: &ir::Event, out: &mut Vec<u8>);

    /// Appends what keeps a silent connection alive without meaning anything. May append nothing.
    fn keep_alive(&mut self, out: &mut Vec<u8>);

    /// What the events said and the caller's stream does not; each once, since this was last asked.
    fn take_losses(&mut self) -> Vec<Loss>;

    /// Appends a remark for people who read the stream. Nothing, where a client of the dialect might stumble over it.
    fn comment(&mut self, _text: &str, _out: &mut Vec<u8>) {}
}

/// What one relayed event, or one whole relayed body, says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Glance {
    /// It holds text, a tool call, reasoning text, a refusal: something a person or a program waits for.
    pub useful: bool,
    /// What the provider says was used so far.
    pub usage: Option<Usage>,
    /// It carries nothing but usage, which a caller who did not ask for it must not see.
    pub usage_only: bool,
    /// A reason to stop was given.
    pub finished: bool,
    /// The reason is a content filter.
    pub refused: bool,
    /// It is the stream's last event (`[DONE]`, `message_stop`).
    pub terminal: bool,
    /// It is the mark of the end, and nothing before it says that the answer is whole: not to be passed on.
    pub premature: bool,
    /// It is an error.
    pub error: Option<Box<Fault>>,
    /// It cannot be read: to be skipped and counted.
    pub malformed: bool,
}

/// Reads a copy of a relayed answer.
pub trait Tap: Send {
    /// One framed event of a stream.
    fn event(&mut self, name: Option<&str>, data: &[u8]) -> Glance;

    /// A whole plain answer.
    fn body(&mut self, body: &[u8]) -> Glance;

    /// The stream so far is a whole answer. `lenient` as in [`StreamDecoder::end`].
    fn is_whole(&self, lenient: bool) -> bool;

    /// What is to follow a whole stream whose provider left its last marker out. Nothing, in most dialects.
    fn end_marker(&self) -> &'static [u8] {
        b""
    }

    /// What a stream has said so far. Its text is there only if [`SoFar::keep`] was called before the first event.
    fn so_far(&mut self) -> &mut SoFar;

    /// Writes on where the relayed stream stands, whose last event is not passed on if it was an error: see
    /// [`SoFar::place`] for the numbers its events have. `start` is used for what the stream has not said of itself.
    fn take_over(&mut self, start: &StreamStart) -> Box<dyn StreamEncoder>;

    /// The bytes that end a relayed stream in this dialect with an error the official SDK raises on.
    fn encode_error(&self, fault: &Fault, request_id: &str, framing: Framing) -> Vec<u8>;
}

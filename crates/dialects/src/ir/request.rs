//! A chat request.

use ringmain_core::{Dialect, Effort};

use super::content::{Block, CacheMark, Turn};
use super::words::Named;
use super::{Number, Value};
use crate::loss::Loss;
use crate::shared::logprobs::MOST_ALTERNATIVES;

/// A chat request in any dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The dialect it was decoded from.
    pub dialect: Dialect,
    /// The model as the caller wrote it; empty where the dialect puts it in the path.
    pub model: String,
    /// Instructions before the conversation. Instructions inside it are turns with [`super::Role::System`].
    pub system: Vec<Block>,
    /// The conversation.
    pub turns: Vec<Turn>,
    /// The tools the model may ask for.
    pub tools: Vec<Tool>,
    /// Whether and which tool it must ask for.
    pub tool_choice: Option<ToolChoice>,
    /// May it ask for several at once?
    pub parallel_tools: Option<bool>,
    /// How the next token is chosen, and how many.
    pub sampling: Sampling,
    /// The form of the answer.
    pub output: OutputFormat,
    /// How much to think.
    pub reasoning: Option<Reasoning>,
    /// Does the caller want a stream?
    pub stream: bool,
    /// Does the caller want usage at the end of a stream? (Where it is optional.)
    pub include_usage: bool,
    /// An opaque id of the application's user.
    pub end_user: Option<String>,
    /// Fields that point to what only the provider they were written for remembers (`previous_response_id`). A target of
    /// another dialect would answer without it, so it is not asked.
    pub remembered: Vec<String>,
    /// Whose the proofs in its reasoning and calls are.
    pub signatures: Signatures,
    /// What this representation has no word for.
    pub extras: Vec<Extra>,
    /// What the caller called things.
    pub named: Named,
}

/// Whose the proofs in a request are. See [`crate::provenance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signatures {
    /// Nobody has looked.
    #[default]
    Unknown,
    /// Only such are left as the target takes.
    Targets {
        /// Others were taken out.
        lacking: bool,
    },
}

impl Signatures {
    /// Is each of them one that the target takes?
    #[must_use]
    pub const fn are_targets(self) -> bool {
        matches!(self, Self::Targets { .. })
    }

    /// Were some taken out?
    #[must_use]
    pub const fn lack_some(self) -> bool {
        matches!(self, Self::Targets { lacking: true })
    }
}

impl Request {
    /// An empty request of this dialect.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            model: String::new(),
            system: Vec::new(),
            turns: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tools: None,
            sampling: Sampling::default(),
            output: OutputFormat::Text,
            reasoning: None,
            stream: false,
            include_usage: false,
            end_user: None,
            remembered: Vec::new(),
            signatures: Signatures::default(),
            extras: Vec::new(),
            named: Named::default(),
        }
    }

    /// May the model ask for this tool? Where a dialect cannot say so, the others are left out.
    #[must_use]
    pub fn allows(&self, tool: &Tool) -> bool {
        match (&self.tool_choice, tool) {
            (Some(ToolChoice::Among { names, .. }), Tool::Function { name, .. }) => names.contains(name),
            (Some(ToolChoice::Among { .. }), Tool::Opaque { .. }) => false,
            _ => true,
        }
    }

    /// The name of the tool that the call of this id asked for, whose result stands in this turn. Ids come again in long
    /// conversations: the last call before it is meant.
    #[must_use]
    pub fn tool_of_call(&self, call_id: &str, turn: usize) -> Option<&str> {
        self.turns.iter().take(turn).rev().flat_map(|turn| turn.blocks.iter().rev()).find_map(|block| {
            match &block.kind {
                super::BlockKind::ToolCall { id, name, .. } if id == call_id => Some(name.as_str()),
                _ => None,
            }
        })
    }
}

/// A field that is only known to its own dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// The field in its dialect's words: `logit_bias` at the top level, `messages[2].audio` deeper.
    pub field: String,
    /// Its value. Put back only for top-level fields.
    pub value: Value,
}

/// A tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tool {
    /// A function of the application.
    Function {
        /// Its name.
        name: String,
        /// What it does.
        description: Option<String>,
        /// A JSON schema of its arguments.
        parameters: Option<Value>,
        /// Must the arguments satisfy the schema exactly?
        strict: Option<bool>,
        /// A prompt-cache breakpoint after this tool.
        cache: Option<CacheMark>,
    },
    /// A provider's built-in tool: carried within its dialect only.
    Opaque {
        /// Whose.
        dialect: Dialect,
        /// As it was.
        value: Value,
    },
}

/// Whether a tool must be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// No tool.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
    /// Of these alone: at least one of them, or none where that is not demanded.
    Among {
        /// Their names.
        names: Vec<String>,
        /// Must one be asked for?
        required: bool,
    },
}

impl ToolChoice {
    /// Must the model ask for a tool?
    #[must_use]
    pub const fn is_forced(&self) -> bool {
        match self {
            Self::Required | Self::Named(_) => true,
            Self::Among { required, .. } => *required,
            Self::Auto | Self::None => false,
        }
    }
}

/// How tokens are chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sampling {
    /// Cap on output tokens, reasoning included.
    pub max_output_tokens: Option<u64>,
    /// Temperature, in the source dialect's scale (0 to 2; Anthropic 0 to 1).
    pub temperature: Option<Number>,
    /// Nucleus sampling.
    pub top_p: Option<Number>,
    /// Only the k likeliest.
    pub top_k: Option<u64>,
    /// Best-effort determinism.
    pub seed: Option<Number>,
    /// OpenAI's scale, -2 to 2.
    pub frequency_penalty: Option<Number>,
    /// OpenAI's scale, -2 to 2.
    pub presence_penalty: Option<Number>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// How many answers.
    pub n: Option<u64>,
    /// Log probabilities of the chosen tokens?
    pub logprobs: Option<bool>,
    /// And of this many alternatives.
    pub top_logprobs: Option<u64>,
}

impl Sampling {
    /// What asks for log probabilities, for a target that gives none.
    pub(crate) fn probabilities(&self) -> impl Iterator<Item = &'static str> {
        let asked = [
            ("logprobs", self.logprobs == Some(true)),
            ("top_logprobs", self.top_logprobs.is_some_and(|count| count > 0)),
        ];
        asked.into_iter().filter(|(_, asked)| *asked).map(|(field, _)| field)
    }

    /// Are log probabilities to be asked for, and for how many alternatives? `own`: a caller of the dialect asks as it
    /// likes.
    pub(crate) fn told_logprobs(&self, own: bool, losses: &mut Vec<Loss>) -> (Option<bool>, Option<u64>) {
        if own {
            return (self.logprobs, self.top_logprobs);
        }
        let asked = self.logprobs == Some(true);
        match self.top_logprobs.unwrap_or(0) {
            0 => {}
            _ if !asked => losses.push(Loss::dropped("top_logprobs")),
            many if many > MOST_ALTERNATIVES => losses.push(Loss::approximated("top_logprobs")),
            _ => {}
        }
        let most = self.top_logprobs.filter(|_| asked).map(|many| many.min(MOST_ALTERNATIVES));
        (asked.then_some(true), most)
    }
}

/// The form of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OutputFormat {
    /// Text.
    #[default]
    Text,
    /// Any JSON.
    Json,
    /// JSON that satisfies a schema.
    JsonSchema {
        /// A name for it; OpenAI demands one.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// The schema.
        schema: Value,
        /// Exactly?
        strict: Option<bool>,
    },
}

/// How much to think before answering.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reasoning {
    /// In words.
    pub effort: Option<Effort>,
    /// In tokens.
    pub budget_tokens: Option<u64>,
    /// Should the thinking be shown (summaries, thoughts)?
    pub visible: Option<bool>,
}

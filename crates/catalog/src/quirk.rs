//! Where a provider departs from the dialect it says it speaks: a closed vocabulary.
//!
//! A quirk is applied to the provider's own JSON after it was rendered, so a quirk knows one dialect and no other.
//! A new kind of quirk is a field here with a line of documentation, not a condition somewhere else.

use serde_json::Value;

/// A JSON pointer (RFC 6901) into the request body, such as `/stream_options/include_usage`. Never the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pointer(String);

impl Pointer {
    /// Reads a pointer: it begins with a slash, has no empty step, and `~` is followed by `0` or `1`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let steps = text.strip_prefix('/')?;
        let whole = steps.split('/').all(|step| !step.is_empty());
        let escapes = steps.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        (whole && escapes).then(|| Self(text.to_owned()))
    }

    /// The pointer as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The keys from the root down, unescaped.
    pub fn steps(&self) -> impl Iterator<Item = String> {
        self.0.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"))
    }
}

/// A provider's, or a model's, departures from its dialect. Empty: none.
///
/// The edits are made in this order: `rename`, the words about single members, `default`, `remove`, `only`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Quirks {
    /// Members the provider refuses: taken out of the request and reported as lost.
    pub remove: Vec<Pointer>,
    /// Members the provider knows by another name: the key at the pointer becomes the second word, its value stays.
    pub rename: Vec<(Pointer, String)>,
    /// Members the provider demands: set where the caller did not.
    pub default: Vec<(Pointer, Value)>,
    /// The only members of the request the provider takes; any other is taken out and reported as lost (Mistral answers
    /// an unknown member with 422). `None`: members it does not know are ignored.
    pub only: Option<Vec<String>>,
    /// When a stream tells its usage.
    pub stream_usage: Option<StreamUsage>,
    /// A stream may end cleanly without `[DONE]` or a finish reason, and be whole.
    pub ends_without_done: Option<bool>,
    /// What the cap on output tokens is called (OpenAI Chat only).
    pub max_tokens_field: Option<MaxTokensField>,
    /// Which ids of tool calls the provider takes.
    pub tool_ids: Option<ToolIds>,
    /// Which role the instructions of the developer have (OpenAI Chat only).
    pub system_role: Option<SystemRole>,
    /// A `tool` message may not be followed by a `user` message: an assistant message stands between (Mistral).
    pub assistant_after_tool: Option<bool>,
    /// `user` and `assistant` messages must alternate: neighbours of one role are merged (Perplexity).
    pub alternate_roles: Option<bool>,
    /// An assistant message may not carry the `reasoning_content` of an earlier answer (Mistral, Cerebras).
    pub refuses_reasoning: Option<bool>,
    /// How a last assistant message is marked as the beginning of the answer, where a model takes one.
    pub prefill: Option<Prefill>,
    /// How a document is part of a message (OpenAI Chat only).
    pub documents: Option<Documents>,
    /// How a request says that only some of its tools may be called (OpenAI Chat only).
    pub tool_subset: Option<ToolSubset>,
}

/// When a stream tells its usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamUsage {
    /// When `stream_options.include_usage` asks for it, as the dialect says.
    OnRequest,
    /// In the last chunk, asked or not; `stream_options` is not understood and not sent.
    Always,
    /// Never; `stream_options` is not understood and not sent.
    Never,
}

/// What the cap on output tokens is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MaxTokensField {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

impl MaxTokensField {
    /// The member's key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// Which ids of tool calls the provider takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ToolIds {
    /// Any text.
    Any,
    /// Exactly nine of `a-z A-Z 0-9` (Mistral); other ids are mapped there and back.
    NineAlphanumeric,
}

/// Which role the instructions of the developer have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SystemRole {
    /// `system` and `developer` are both taken.
    Either,
    /// Only `system`: `developer` is refused.
    System,
    /// Neither: instructions go into the first user message.
    User,
}

/// How a last assistant message is marked as the beginning of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prefill {
    /// By standing last.
    Trailing,
    /// By `prefix: true` in the message (Mistral).
    Prefix,
    /// By `continue_final_message: true` and `add_generation_prompt: false` in the request (vLLM).
    ContinueFinalMessage,
}

/// How a document is part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Documents {
    /// `{"type": "file", "file": {"file_data": …}}`.
    File,
    /// `{"type": "document_url", "document_url": …}` (Mistral).
    DocumentUrl,
}

/// How a request says that only some of its tools may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ToolSubset {
    /// By `tool_choice: {"type": "allowed_tools", …}`, which leaves the list whole for the prompt cache.
    Choice,
    /// By a list that holds no others: `allowed_tools` is refused.
    List,
}

impl Quirks {
    /// How a document is part of a message; a `file` where nothing is said.
    #[must_use]
    pub fn documents(&self) -> Documents {
        self.documents.unwrap_or(Documents::File)
    }

    /// When a stream tells its usage; on request where nothing is said.
    #[must_use]
    pub fn stream_usage(&self) -> StreamUsage {
        self.stream_usage.unwrap_or(StreamUsage::OnRequest)
    }

    /// May a stream end cleanly without its end mark? No, where nothing is said.
    #[must_use]
    pub fn ends_without_done(&self) -> bool {
        self.ends_without_done.unwrap_or(false)
    }

    /// The name the cap on output tokens must have. `None`: either is taken, so the caller's stays.
    #[must_use]
    pub const fn max_tokens_field(&self) -> Option<MaxTokensField> {
        self.max_tokens_field
    }

    /// Which ids of tool calls are taken; any where nothing is said.
    #[must_use]
    pub fn tool_ids(&self) -> ToolIds {
        self.tool_ids.unwrap_or(ToolIds::Any)
    }

    /// Which role instructions have; either where nothing is said.
    #[must_use]
    pub fn system_role(&self) -> SystemRole {
        self.system_role.unwrap_or(SystemRole::Either)
    }

    /// Must an assistant message stand between a tool's and a user's?
    #[must_use]
    pub fn assistant_after_tool(&self) -> bool {
        self.assistant_after_tool.unwrap_or(false)
    }

    /// Must user and assistant messages alternate?
    #[must_use]
    pub fn alternate_roles(&self) -> bool {
        self.alternate_roles.unwrap_or(false)
    }

    /// Must `reasoning_content` be taken out of earlier assistant messages?
    #[must_use]
    pub fn refuses_reasoning(&self) -> bool {
        self.refuses_reasoning.unwrap_or(false)
    }

    /// How a prefill is marked; by standing last where nothing is said.
    #[must_use]
    pub fn prefill(&self) -> Prefill {
        self.prefill.unwrap_or(Prefill::Trailing)
    }

    /// How some of several tools are allowed; by the choice where nothing is said.
    #[must_use]
    pub fn tool_subset(&self) -> ToolSubset {
        self.tool_subset.unwrap_or(ToolSubset::Choice)
    }

    /// No departure at all? Then a request can go as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These quirks with a model's on top: lists are joined, a word the model says replaces the provider's.
    #[must_use]
    pub fn with(&self, model: &Self) -> Self {
        Self {
            remove: joined(&self.remove, &model.remove),
            rename: joined(&self.rename, &model.rename),
            default: joined(&self.default, &model.default),
            only: model.only.clone().or_else(|| self.only.clone()),
            stream_usage: model.stream_usage.or(self.stream_usage),
            ends_without_done: model.ends_without_done.or(self.ends_without_done),
            max_tokens_field: model.max_tokens_field.or(self.max_tokens_field),
            tool_ids: model.tool_ids.or(self.tool_ids),
            system_role: model.system_role.or(self.system_role),
            assistant_after_tool: model.assistant_after_tool.or(self.assistant_after_tool),
            alternate_roles: model.alternate_roles.or(self.alternate_roles),
            refuses_reasoning: model.refuses_reasoning.or(self.refuses_reasoning),
            prefill: model.prefill.or(self.prefill),
            documents: model.documents.or(self.documents),
            tool_subset: model.tool_subset.or(self.tool_subset),
        }
    }
}

fn joined<T: Clone + PartialEq>(first: &[T], second: &[T]) -> Vec<T> {
    let fresh = second.iter().filter(|item| !first.contains(item));
    first.iter().chain(fresh).cloned().collect()
}

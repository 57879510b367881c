//! Turns and the blocks they are made of.

use ringmain_core::Dialect;

use super::Value;
use super::words::Place;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The operator of the application (`system`, `developer`).
    System,
    /// The person, or the application on their behalf; tool results too.
    User,
    /// The model.
    Assistant,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said. Tool results are blocks of a user turn.
    pub blocks: Vec<Block>,
    /// A participant's name (OpenAI `name`).
    pub name: Option<String>,
    /// Where it stood in the caller's request.
    pub place: Place,
}

impl Turn {
    /// A turn without a participant's name.
    #[must_use]
    pub fn new(role: Role, blocks: Vec<Block>) -> Self {
        Self { role, blocks, name: None, place: Place::default() }
    }

    /// The same, which stood there in the caller's request.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        Self { place: Place::at(path), ..self }
    }
}

/// One block of content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// A prompt-cache breakpoint after this block.
    pub cache: Option<CacheMark>,
    /// Where it stood in the caller's request.
    pub place: Place,
}

impl From<BlockKind> for Block {
    fn from(kind: BlockKind) -> Self {
        Self { kind, cache: None, place: Place::default() }
    }
}

impl Block {
    /// A text block.
    pub fn text(text: impl Into<String>) -> Self {
        BlockKind::Text { text: text.into(), citations: Vec::new() }.into()
    }

    /// The same, which stood there in the caller's request.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        Self { place: Place::at(path), ..self }
    }
}

/// A prompt-cache breakpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheMark {
    /// `5m` or `1h`; `None` is the dialect's default.
    pub ttl: Option<String>,
    /// Where it stood in the caller's request.
    pub place: Place,
}

/// The kinds of content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockKind {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// Sources, in the form of the dialect that gave them.
        citations: Vec<Value>,
    },
    /// A picture.
    Image(Media),
    /// A document (PDF, plain text).
    Document(Media),
    /// Sound.
    Audio(Media),
    /// The model asks for a tool.
    ToolCall {
        /// Ties the result to the call. Made up by the decoder where the dialect has none.
        id: String,
        /// The tool.
        name: String,
        /// A JSON object as text, as the model wrote it; may be empty for no arguments.
        arguments: String,
        /// An opaque token that must come back with the call (Gemini `thoughtSignature`).
        signature: Option<String>,
    },
    /// What a tool answered.
    ToolResult {
        /// The id of the call.
        id: String,
        /// The tool's name, where the dialect repeats it.
        name: Option<String>,
        /// Text, images; a JSON answer is text.
        content: Vec<Block>,
        /// The tool failed.
        is_error: bool,
    },
    /// The model's thinking.
    Reasoning {
        /// The text that may be read; may be empty.
        text: String,
        /// An opaque token that proves the text is the model's own; must go back byte for byte.
        signature: Option<String>,
        /// Thinking that only the provider can read (`redacted_thinking`, encrypted reasoning).
        redacted: Option<String>,
    },
    /// The model declines (OpenAI `refusal`).
    Refusal {
        /// In its own words.
        text: String,
    },
    /// A block this representation has no word for (a provider's built-in tool): carried within its dialect only.
    Opaque {
        /// Whose.
        dialect: Dialect,
        /// As it was.
        value: Value,
    },
}

/// A picture, document or sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Where the bytes are.
    pub source: MediaSource,
    /// `image/png`, …; unknown for most URLs.
    pub media_type: Option<String>,
    /// A file name or title.
    pub name: Option<String>,
    /// OpenAI's `detail`: `low`, `high`, `auto`.
    pub detail: Option<String>,
}

/// Where media bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaSource {
    /// The provider fetches them. Ringmain never does.
    Url(String),
    /// Inline, standard base64 with padding.
    Base64(String),
    /// Inline plain text (Anthropic text documents).
    Text(String),
    /// Uploaded before, to the provider of this dialect.
    File {
        /// Whose file.
        dialect: Dialect,
        /// Its id or URI there.
        id: String,
    },
}

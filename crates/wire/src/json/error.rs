//! What can be wrong with a body or an edit, and where.

use std::fmt;

/// A place in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Bytes before it.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Byte in the line, from 1.
    pub column: usize,
}

impl Position {
    pub(super) fn new(text: &[u8], offset: usize) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        Self { offset, line, column: offset - line_start + 1 }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// The bytes are not UTF-8.
    NotUtf8,
    /// The text is not JSON; the parser's reason, which never quotes the text.
    Syntax(Box<str>),
    /// JSON, but not an object where one is needed.
    NotAnObject,
    /// An object has this key twice, and readers would differ on which value counts.
    DuplicateKey(Box<str>),
    /// An edit's pointer is not a JSON pointer to something inside the document, or not one that this edit can use.
    BadPointer(Box<str>),
    /// The value of the edit at this pointer is not JSON.
    BadValue(Box<str>),
    /// On the way of this pointer stands something that is neither object nor array.
    NotAContainer(Box<str>),
}

/// Why a body could not be read or edited. The message holds no value of the body; of a duplicate key it holds the name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct JsonError {
    /// What is wrong.
    pub kind: JsonErrorKind,
    /// Where in the body, if it is the body's fault. For a syntax error the parser may point at the byte before.
    pub position: Option<Position>,
}

/// Longest part of a key that a message repeats, in characters.
const SHOWN_KEY: usize = 64;

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            JsonErrorKind::NotUtf8 => f.write_str("the body is not UTF-8")?,
            JsonErrorKind::Syntax(reason) => write!(f, "the body is not valid JSON: {reason}")?,
            JsonErrorKind::NotAnObject => f.write_str("expected a JSON object")?,
            JsonErrorKind::DuplicateKey(key) => {
                let shown: String = key.chars().take(SHOWN_KEY).collect();
                write!(f, "duplicate key {shown:?}")?;
            }
            JsonErrorKind::BadPointer(pointer) => write!(f, "the edit cannot use the pointer {pointer:?}")?,
            JsonErrorKind::BadValue(pointer) => write!(f, "the value for {pointer:?} is not valid JSON")?,
            JsonErrorKind::NotAContainer(pointer) => {
                write!(f, "{pointer:?} leads through a value that is not an object or array")?;
            }
        }
        match self.position {
            Some(Position { offset, line, column }) => write!(f, " at line {line} column {column} (byte {offset})"),
            None => Ok(()),
        }
    }
}

impl JsonError {
    pub(super) fn at(kind: JsonErrorKind, text: &[u8], offset: usize) -> Self {
        Self { kind, position: Some(Position::new(text, offset)) }
    }

    pub(super) fn of_edit(kind: JsonErrorKind) -> Self {
        Self { kind, position: None }
    }

    /// The error of a part that begins at `start`, as an error of the whole.
    pub(super) fn inside(self, whole: &[u8], start: usize) -> Self {
        let position = self.position.map(|position| Position::new(whole, start + position.offset));
        Self { position, ..self }
    }

    pub(super) fn syntax(text: &str, error: &serde_json::Error) -> Self {
        let line_start = match error.line() {
            0 | 1 => 0,
            line => memchr::memchr_iter(b'\n', text.as_bytes()).nth(line - 2).map_or(0, |newline| newline + 1),
        };
        let offset = (line_start + error.column().saturating_sub(1)).min(text.len());
        // Errors of the data category may quote a value; those of syntax are fixed sentences with the place after them.
        let reason = if error.is_data() { "unexpected type".to_owned() } else { error.to_string() };
        let reason = reason.split(" at line ").next().unwrap_or_default();
        Self::at(JsonErrorKind::Syntax(reason.into()), text.as_bytes(), offset)
    }
}

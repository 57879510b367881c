//! What is wrong with a configuration, where, and what to do about it.

use serde::{Serialize, Serializer};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration is not used.
    Error,
    /// The configuration is used; something in it has no effect, or probably another one than meant.
    Warning,
}

/// The kind of a problem. The numbers never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// The text is not YAML.
    Syntax,
    /// A key that no setting has.
    UnknownKey,
    /// A key that stands twice in one mapping.
    DuplicateKey,
    /// A value that the setting does not take.
    BadValue,
    /// A setting that must be given.
    Missing,
    /// An environment variable or file that is named and not there.
    Unset,
    /// A setting that has no effect yet.
    NotAvailable,
    /// A secret written into the file.
    LiteralSecret,
    /// A provider that is not configured, or a kind that the catalog does not have.
    UnknownProvider,
    /// A model that the catalog does not know at this provider.
    UnknownModel,
    /// Two routes of one name.
    DuplicateRoute,
    /// Weights that do not mean what they seem to.
    Weights,
    /// A key that would travel in the clear.
    PlainHttp,
    /// Reachable from other machines without a secret.
    Exposed,
    /// No provider can be used.
    NoProviders,
    /// A setting or route that can never have an effect.
    NoEffect,
}

impl Code {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 16] = [
        Self::Syntax,
        Self::UnknownKey,
        Self::DuplicateKey,
        Self::BadValue,
        Self::Missing,
        Self::Unset,
        Self::NotAvailable,
        Self::LiteralSecret,
        Self::UnknownProvider,
        Self::UnknownModel,
        Self::DuplicateRoute,
        Self::Weights,
        Self::PlainHttp,
        Self::Exposed,
        Self::NoProviders,
        Self::NoEffect,
    ];

    /// `RM0001` and on.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "RM0001",
            Self::UnknownKey => "RM0002",
            Self::DuplicateKey => "RM0003",
            Self::BadValue => "RM0004",
            Self::Missing => "RM0005",
            Self::Unset => "RM0006",
            Self::NotAvailable => "RM0007",
            Self::LiteralSecret => "RM0008",
            Self::UnknownProvider => "RM0009",
            Self::UnknownModel => "RM0010",
            Self::DuplicateRoute => "RM0011",
            Self::Weights => "RM0012",
            Self::PlainHttp => "RM0013",
            Self::Exposed => "RM0014",
            Self::NoProviders => "RM0015",
            Self::NoEffect => "RM0016",
        }
    }

    /// What it is about, for the reference.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Syntax => "the text is not YAML",
            Self::UnknownKey => "a key that no setting has",
            Self::DuplicateKey => "a key that stands twice in one mapping",
            Self::BadValue => "a value that the setting does not take",
            Self::Missing => "a setting that must be given",
            Self::Unset => "an environment variable or file that is named and not there",
            Self::NotAvailable => "a setting that has no effect yet",
            Self::LiteralSecret => "a secret written into the file",
            Self::UnknownProvider => "a provider that is not configured, or a kind that the catalog does not have",
            Self::UnknownModel => "a model that the catalog does not know at this provider",
            Self::DuplicateRoute => "two routes of one name",
            Self::Weights => "weights that do not mean what they seem to",
            Self::PlainHttp => "a key that would travel in the clear",
            Self::Exposed => "reachable from other machines without a secret",
            Self::NoProviders => "no provider can be used",
            Self::NoEffect => "a setting or route that can never have an effect",
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A place in the text: lines and columns count from 1, columns in characters; the end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) end_line: usize,
    pub(crate) end_column: usize,
}

impl Span {
    /// On to the end of this one.
    pub(crate) const fn extend(&mut self, last: Self) {
        self.end_line = last.end_line;
        self.end_column = last.end_column;
    }
}

/// One problem. Never holds a value that came from the environment or a file, nor a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Its kind.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// The line, from 1; 0 where it is about no line of a file.
    pub line: usize,
    /// The column in characters, from 1; 0 where it is about no line.
    pub column: usize,
    /// How many characters it concerns, on its first line; at least 1.
    pub length: usize,
    /// The setting: `routes[0].targets[1].weight`. Empty: the whole file.
    pub path: String,
    /// What to do, or the name that was probably meant.
    pub help: Option<String>,
}

/// Every problem of one configuration.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// What rendering may not show.
    secrets: Vec<Span>,
}

impl Diagnostics {
    /// The problems, by their place in the text.
    #[must_use]
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.list
    }

    /// The problems, by their place in the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// Is any of them an error?
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Errors and warnings, counted.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.list.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        (errors, self.list.len() - errors)
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// Sorts by place.
    pub(crate) fn sort(&mut self) {
        self.list.sort_by_key(|problem| (problem.line, problem.column, problem.severity, problem.code));
    }

    /// Never shows this part of the text.
    pub(crate) fn hide(&mut self, span: Span) {
        self.secrets.push(span);
    }

    pub(crate) fn secrets(&self) -> &[Span] {
        &self.secrets
    }

    pub(crate) fn error(&mut self, code: Code, span: Span, path: &str, message: impl Into<String>) -> &mut Diagnostic {
        self.add(Severity::Error, code, span, path, message.into())
    }

    pub(crate) fn warning(
        &mut self,
        code: Code,
        span: Span,
        path: &str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Severity::Warning, code, span, path, message.into())
    }

    fn add(&mut self, severity: Severity, code: Code, span: Span, path: &str, message: String) -> &mut Diagnostic {
        let one_line = span.line == span.end_line && span.end_column > span.column;
        let length = if one_line { span.end_column - span.column } else { 1 };
        let at = self.list.len();
        let path = path.to_owned();
        let (line, column) = (span.line, span.column);
        self.list.push(Diagnostic { severity, code, message, line, column, length, path, help: None });
        &mut self.list[at]
    }
}

impl Diagnostic {
    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

//! What a dialect calls the fields that all dialects share, so that a caller hears of a loss in its own words.

use std::fmt;

/// The words of one dialect. What is not in a table is called there as it is here: as OpenAI Chat names it.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    /// Fields of the whole request: our word (`max_tokens`, `reasoning.budget_tokens`), and the path in the dialect.
    pub fields: &'static [(&'static str, &'static str)],
    /// Members of a turn or a block: our word (`detail`), and the path inside it; after a caret, inside the turn.
    pub members: &'static [(&'static str, &'static str)],
    /// Members of a tool: our word (`strict`), and the path inside it; after a slash, the path in the whole request.
    pub tools: &'static [(&'static str, &'static str)],
}

impl Words {
    /// Our own.
    pub const NEUTRAL: Self = Self { fields: &[], members: &[], tools: &[] };

    /// What the dialect calls a field of the whole request, where it has another name for it.
    #[must_use]
    pub fn field(&self, ours: &str) -> Option<&'static str> {
        self.fields.iter().find(|(known, _)| *known == ours).map(|(_, theirs)| *theirs)
    }

    /// What the dialect calls a member of a tool.
    #[must_use]
    pub fn tool<'a>(&self, ours: &'a str) -> &'a str {
        self.tools.iter().find(|(known, _)| *known == ours).map_or(ours, |(_, theirs)| *theirs)
    }

    /// What the dialect calls a member of a turn or a block.
    #[must_use]
    pub fn member<'a>(&self, ours: &'a str) -> &'a str {
        self.members.iter().find(|(known, _)| *known == ours).map_or(ours, |(_, theirs)| *theirs)
    }
}

/// What the caller called things, for the names of what is lost. No part of what a request means: two requests that
/// differ in it alone are equal.
#[derive(Clone)]
pub struct Named {
    /// The words of its dialect.
    pub words: &'static Words,
    /// Where the dialect has several names for one thing: our word, and the name the caller used.
    pub spelled: Vec<(&'static str, String)>,
    /// Where each tool stood; empty where that is `tools[n]`.
    pub tools: Vec<String>,
}

impl Default for Named {
    fn default() -> Self {
        Self { words: &Words::NEUTRAL, spelled: Vec::new(), tools: Vec::new() }
    }
}

impl PartialEq for Named {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Named {}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.spelled).finish()
    }
}

/// Where something stood in the caller's document: `messages[2].content[0]`. No part of what it means: two blocks that
/// differ in it alone are equal.
#[derive(Clone, Default)]
pub struct Place(Option<Box<str>>);

impl Place {
    /// At this path.
    pub fn at(path: impl Into<Box<str>>) -> Self {
        Self(Some(path.into()))
    }

    /// The path, where it is known.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path().unwrap_or("?"))
    }
}

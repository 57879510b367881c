//! Which requests a route takes: the section `match`.

use globset::{Glob, GlobMatcher};
use ringmain_core::{Operation, RequestFacts};

/// The conditions of a route. All that are given must hold; none given: every request.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    /// One of these operations. Empty: any.
    pub operations: Vec<Operation>,
    /// The model's name, as the caller wrote it.
    pub model: Option<Names>,
    /// Each of these headers (names in lower case) has such a value.
    pub headers: Vec<(String, Names)>,
    /// Each of these tags has such a value.
    pub tags: Vec<(String, Names)>,
    /// A stream is wanted, or is not.
    pub stream: Option<bool>,
    /// The estimated input tokens.
    pub tokens: Option<TokenBound>,
    /// A condition that cannot be tested yet: the route is reached by its name alone.
    pub never: bool,
}

/// One of several names or globs (`*`, `?`, `[ab]`, `{a,b}`).
#[derive(Debug, Clone, Default)]
pub struct Names {
    globs: Vec<(String, GlobMatcher)>,
}

impl Names {
    /// Reads globs.
    ///
    /// # Errors
    /// The first that is none, with the reason.
    pub fn new<T: AsRef<str>>(globs: impl IntoIterator<Item = T>) -> Result<Self, (String, String)> {
        let mut names = Self::default();
        for text in globs {
            let text = text.as_ref();
            let glob = Glob::new(text).map_err(|error| (text.to_owned(), error.kind().to_string()))?;
            names.globs.push((text.to_owned(), glob.compile_matcher()));
        }
        Ok(names)
    }

    /// The first glob that takes this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&str> {
        self.globs.iter().find(|(text, glob)| text == name || glob.is_match(name)).map(|(text, _)| text.as_str())
    }

    /// The globs as written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.globs.iter().map(|(text, _)| text.as_str())
    }
}

/// A bound on the estimated input tokens, `> 50k`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBound {
    /// How to compare.
    pub compare: Compare,
    /// With what.
    pub tokens: u64,
}

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl TokenBound {
    /// Is this many within the bound?
    #[must_use]
    pub const fn holds(self, tokens: u64) -> bool {
        match self.compare {
            Compare::Above => tokens > self.tokens,
            Compare::AtLeast => tokens >= self.tokens,
            Compare::Below => tokens < self.tokens,
            Compare::AtMost => tokens <= self.tokens,
        }
    }
}

impl Matcher {
    /// Do all conditions hold? `header` gives the value of a header by its lower-case name.
    pub fn matches<'h>(&self, facts: &RequestFacts, header: &dyn Fn(&str) -> Option<&'h str>) -> bool {
        !self.never && self.conditions(facts, header).iter().all(|condition| condition.holds)
    }

    /// Every condition with what it says and whether it holds, in the order of the documentation.
    pub fn conditions<'h>(&self, facts: &RequestFacts, header: &dyn Fn(&str) -> Option<&'h str>) -> Vec<Condition> {
        let _ = (facts, header);
        Vec::new()
    }
}

/// One condition of a route, tried on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What was compared with what: "model `gpt-4o` is like `gpt-4*`".
    pub text: String,
    /// Did it hold?
    pub holds: bool,
}

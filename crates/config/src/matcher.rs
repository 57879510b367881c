//! Which requests a route takes: the section `match`.

use std::borrow::Cow;
use std::fmt;

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
    /// The caller's virtual key, by its name or by its path.
    pub key: Option<Names>,
}

/// One of several names or globs (`*`, `?`, `[ab]`, `{a,b}`).
#[derive(Debug, Clone, Default)]
pub struct Names {
    globs: Vec<(String, GlobMatcher)>,
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.texts().eq(other.texts())
    }
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
    /// Does it take every request?
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.key.is_none()
            && self.operations.is_empty()
            && self.model.is_none()
            && self.headers.is_empty()
            && self.tags.is_empty()
            && self.stream.is_none()
            && self.tokens.is_none()
    }

    /// Do all conditions hold? `header` gives the value of a header by its lower-case name.
    pub fn matches<'h>(&self, facts: &RequestFacts, header: &dyn Fn(&str) -> Option<&'h str>) -> bool {
        self.key.as_ref().is_none_or(|names| key_fits(facts, names))
            && (self.operations.is_empty() || self.operations.contains(&facts.operation))
            && self.model.as_ref().is_none_or(|names| names.find(&plain(&facts.model)).is_some())
            && self.headers.iter().all(|(name, values)| header(name).is_some_and(|value| values.find(value).is_some()))
            && self.tags.iter().all(|(name, values)| tag(facts, name).is_some_and(|value| values.find(value).is_some()))
            && self.stream.is_none_or(|stream| stream == facts.stream)
            && self.tokens.is_none_or(|bound| bound.holds(facts.input_tokens))
    }

    /// Every condition with what it says and whether it holds, in the order of the documentation.
    pub fn conditions<'h>(&self, facts: &RequestFacts, header: &dyn Fn(&str) -> Option<&'h str>) -> Vec<Condition> {
        let mut found = Vec::new();
        let mut add = |text: String, holds: bool| found.push(Condition { text, holds });
        if !self.operations.is_empty() {
            let holds = self.operations.contains(&facts.operation);
            add(format!("{}; it is {}", self.operation_says(), facts.operation), holds);
        }
        if let Some(names) = &self.model {
            let holds = names.find(&plain(&facts.model)).is_some();
            add(format!("model is {names}; it is `{}`", facts.model), holds);
        }
        for (name, values) in &self.headers {
            // A header may hold what no log should: only whether it fits is said.
            let holds = header(name).is_some_and(|value| values.find(value).is_some());
            add(format!("header {name} is {values}"), holds);
        }
        for (name, values) in &self.tags {
            let value = tag(facts, name);
            let holds = value.is_some_and(|value| values.find(value).is_some());
            add(format!("tag {name} is {values}; it is `{}`", value.unwrap_or_default()), holds);
        }
        if let Some(stream) = self.stream {
            add(stream_says(stream).to_owned(), stream == facts.stream);
        }
        if let Some(bound) = self.tokens {
            add(format!("{bound}; it has about {}", facts.input_tokens), bound.holds(facts.input_tokens));
        }
        if let Some(names) = &self.key {
            let shown = facts.key.as_ref().map_or_else(|| "none".to_owned(), |key| format!("`{key}`"));
            add(format!("key is {names}; it is {shown}"), key_fits(facts, names));
        }
        found
    }

    fn operation_says(&self) -> String {
        let counted = self.operations.contains(&Operation::Chat);
        let names = self.operations.iter().filter(|op| !counted || **op != Operation::CountTokens);
        format!("operation is {}", names.map(|op| op.as_str()).collect::<Vec<_>>().join(" or "))
    }
}

/// Is it the key of such a name, or of such a path?
fn key_fits(facts: &RequestFacts, names: &Names) -> bool {
    let fits = |text: &str| names.find(text).is_some();
    facts.key.as_ref().is_some_and(|key| fits(&key.name) || fits(&key.to_string()))
}

const fn stream_says(stream: bool) -> &'static str {
    if stream { "a stream is wanted" } else { "no stream is wanted" }
}

impl fmt::Display for Matcher {
    /// The conditions in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.operations.is_empty() {
            parts.push(self.operation_says());
        }
        parts.extend(self.model.as_ref().map(|names| format!("model is {names}")));
        parts.extend(self.headers.iter().map(|(name, values)| format!("header {name} is {values}")));
        parts.extend(self.tags.iter().map(|(name, values)| format!("tag {name} is {values}")));
        parts.extend(self.stream.map(|stream| stream_says(stream).to_owned()));
        parts.extend(self.tokens.map(|bound| bound.to_string()));
        parts.extend(self.key.as_ref().map(|names| format!("key is {names}")));
        if parts.is_empty() {
            return f.write_str("every request");
        }
        f.write_str(&parts.join(" and "))
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, text) in self.texts().enumerate() {
            let before = if at == 0 { "" } else { " or " };
            let like = if text.contains(['*', '?', '[', '{']) { "like " } else { "" };
            write!(f, "{before}{like}`{text}`")?;
        }
        Ok(())
    }
}

impl fmt::Display for TokenBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.compare {
            Compare::Above => "more than",
            Compare::AtLeast => "at least",
            Compare::Below => "fewer than",
            Compare::AtMost => "at most",
        };
        write!(f, "input has {words} {} tokens", self.tokens)
    }
}

/// A model's name with `%2F` as the slash it stands for.
pub(crate) fn plain(model: &str) -> Cow<'_, str> {
    if model.contains("%2") { Cow::Owned(model.replace("%2F", "/").replace("%2f", "/")) } else { Cow::Borrowed(model) }
}

fn tag<'f>(facts: &'f RequestFacts, name: &str) -> Option<&'f str> {
    facts.tags.iter().find(|(tag, _)| tag == name).map(|(_, value)| value.as_str())
}

/// One condition of a route, tried on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What was compared with what: "model is like `gpt-4*`; it is `gpt-4o`".
    pub text: String,
    /// Did it hold?
    pub holds: bool,
}

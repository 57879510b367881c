//! What is known of a request before anything is decided.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Dialect, Operation, sparse};

/// A set of model capabilities: what a request needs, or what a model has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Capabilities(u16);

impl Capabilities {
    /// Nothing in particular.
    pub const NONE: Self = Self(0);
    /// Function calling.
    pub const TOOLS: Self = Self(1);
    /// Images as input.
    pub const VISION: Self = Self(1 << 1);
    /// Answers constrained by a JSON schema.
    pub const JSON_SCHEMA: Self = Self(1 << 2);
    /// Thinks before it answers.
    pub const REASONING: Self = Self(1 << 3);
    /// Continues a last assistant turn.
    pub const PREFILL: Self = Self(1 << 4);
    /// Bills a repeated prompt prefix at a lower price.
    pub const PROMPT_CACHE: Self = Self(1 << 5);
    /// Audio as input.
    pub const AUDIO_IN: Self = Self(1 << 6);
    /// Documents (PDF) as input.
    pub const DOCUMENTS: Self = Self(1 << 7);

    /// Every capability with its name in catalog files and explanations.
    pub const NAMED: [(&'static str, Self); 8] = [
        ("tools", Self::TOOLS),
        ("vision", Self::VISION),
        ("json_schema", Self::JSON_SCHEMA),
        ("reasoning", Self::REASONING),
        ("prefill", Self::PREFILL),
        ("prompt_cache", Self::PROMPT_CACHE),
        ("audio_in", Self::AUDIO_IN),
        ("documents", Self::DOCUMENTS),
    ];

    /// The capability of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|(known, _)| *known == name).map(|(_, set)| set)
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set less the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Does this set hold all of `needed`?
    #[must_use]
    pub const fn contains(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }

    /// What `needed` has and this set has not.
    #[must_use]
    pub const fn missing(self, needed: Self) -> Self {
        needed.without(self)
    }

    /// No capability at all?
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names in the set, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.into_iter().filter(move |(_, set)| self.contains(*set)).map(|(name, _)| name)
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Serialize for Capabilities {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.names())
    }
}

impl<'de> Deserialize<'de> for Capabilities {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(from)?;
        names.iter().try_fold(Self::NONE, |set, name| {
            let known = Self::by_name(name).ok_or_else(|| serde::de::Error::custom(format!("no capability `{name}`")));
            known.map(|known| set.with(known))
        })
    }
}

/// The facts a decision is made from. Cheap to compute: no full decode of the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestFacts {
    /// What is asked.
    pub operation: Operation,
    /// The caller's dialect.
    pub dialect: Dialect,
    /// The model as the caller wrote it.
    pub model: String,
    /// Does the caller want a stream?
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub stream: bool,
    /// What the answer needs of a model.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub needs: Capabilities,
    /// Estimated input tokens; an estimate is never billed from.
    pub input_tokens: u64,
    /// The caller's cap on output tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// `x-ringmain-timeout`: the caller's cap on the whole request.
    #[serde(with = "crate::time::nanos", default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// `x-ringmain-tag`: the caller's labels, for route matching and analytics.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub tags: Vec<(String, String)>,
    /// By what the conversation it belongs to is known again.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub marks: Marks,
    /// The virtual key it came with; `None` where none is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyName>,
}

/// A virtual key by its names; nothing here lets anybody in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyName {
    /// What it is known by for ever.
    pub id: Arc<str>,
    /// What people call it.
    pub name: Arc<str>,
    /// The group it belongs to, from the outermost in: `acme/search`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Arc<str>>,
}

impl fmt::Display for KeyName {
    /// `acme/search/prod`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{group}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// By what a conversation is known again: hashes of the beginnings of its prompt, or of its session's name. They say
/// nothing of the text, and are only compared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Marks {
    /// What earlier turns of this conversation left, the latest first. Empty in its first turn.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub earlier: Vec<u64>,
    /// What this turn leaves; `None` where nothing is to be remembered.
    #[serde(default, skip_serializing_if = "sparse::is_usual")]
    pub own: Option<u64>,
}

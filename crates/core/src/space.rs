//! Which vectors may be compared: those of one model, whoever serves it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The space of an embedding model's vectors, by the model's name: the same at every provider that serves the model.
///
/// Providers write names differently: with an owner (`openai/text-embedding-3-small`), a vendor and a region
/// (`us.cohere.embed-v4:0`), with or without a `.0` at the end. Names that differ otherwise are taken for different models:
/// vectors of two models look alike and compare to nothing, and a doubt may cost a failover but never an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// Who made the model, where the name says it.
    owner: Option<String>,
    /// The model, without it.
    model: String,
}

/// What AWS writes before the name of a model that is served from several regions.
const REGIONS: [&str; 8] = ["apac", "au", "ca", "eu", "global", "jp", "us", "us-gov"];

impl Space {
    /// Of a model by this name.
    #[must_use]
    pub fn of(model: &str) -> Self {
        let name = model.to_ascii_lowercase();
        let (mut owner, mut name) = match name.rsplit_once('/') {
            Some((before, name)) => (before.rsplit('/').next().map(str::to_owned), name),
            None => (None, name.as_str()),
        };
        // Bedrock's `region.vendor.model:0`; other colons tell models apart (`qwen3-embedding:8b`).
        let bedrock = name.strip_suffix(":0");
        name = bedrock.unwrap_or(name);
        while let Some((before, after)) = name.split_once('.')
            && !before.is_empty()
            && before.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
        {
            if !REGIONS.contains(&before) {
                owner = Some(before.to_owned());
            }
            name = after;
        }
        Self { owner, model: name.strip_suffix(".0").unwrap_or(name).to_owned() }
    }

    /// Are their vectors comparable? Where one name says whose model it is and the other does not, the model decides.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let same_owner = match (&self.owner, &other.owner) {
            (Some(one), Some(two)) => one == two,
            _ => true,
        };
        same_owner && self.model == other.model
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.model)
    }
}

#[cfg(test)]
mod tests {
    use super::Space;

    #[test]
    fn one_model_under_many_names() {
        let same = [
            ("text-embedding-3-small", "openai/text-embedding-3-small"),
            ("embed-v4.0", "us.cohere.embed-v4:0"),
            ("cohere/embed-v4.0", "global.cohere.embed-v4:0"),
            ("embed-english-v3.0", "cohere.embed-english-v3"),
            ("amazon.titan-embed-text-v2:0", "titan-embed-text-v2"),
            ("BAAI/bge-m3", "baai/bge-m3"),
            ("accounts/fireworks/models/nomic-embed", "nomic-embed"),
        ];
        for (one, two) in same {
            assert!(Space::of(one).is(&Space::of(two)), "{one} {two}");
        }
        let other = [
            ("text-embedding-3-small", "text-embedding-3-large"),
            ("voyage-3", "voyage-3.5"),
            ("embed-english-v3.0", "embed-multilingual-v3.0"),
            ("gemini-embedding-001", "text-embedding-004"),
            ("qwen3-embedding:0.6b", "qwen3-embedding:8b"),
            ("nomic-embed-text:v1", "nomic-embed-text:v1.5"),
            ("acme/e5-large", "intfloat/e5-large"),
            ("amazon.embed-v4", "cohere.embed-v4"),
        ];
        for (one, two) in other {
            assert!(!Space::of(one).is(&Space::of(two)), "{one} {two}");
        }
    }
}

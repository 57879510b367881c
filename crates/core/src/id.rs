//! Names and ids.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The id of one logical request: 128 bits, written as 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u128);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl RequestId {
    /// Reads 32 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a request id has 32 hex digits"))
    }
}

/// `provider/model`: the thing that serves, and that fails.
///
/// The provider is the operator's name for it; the model may hold further slashes (`together/meta-llama/Llama-3`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetName {
    /// The operator's name of the provider.
    pub provider: String,
    /// The provider's name of the model.
    pub model: String,
}

impl TargetName {
    /// Reads `provider/model`; `%2F` stands for a slash. `None` without a slash or with an empty side.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.replace("%2F", "/").replace("%2f", "/");
        let (provider, model) = text.split_once('/')?;
        if provider.is_empty() || model.is_empty() {
            return None;
        }
        Some(Self { provider: provider.to_owned(), model: model.to_owned() })
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_names() {
        let name = TargetName::parse("together/meta-llama/Llama-3").unwrap();
        assert_eq!((name.provider.as_str(), name.model.as_str()), ("together", "meta-llama/Llama-3"));
        assert_eq!(TargetName::parse("gemini%2Fgemini-2.5-pro").unwrap().to_string(), "gemini/gemini-2.5-pro");
        assert_eq!(TargetName::parse("gpt-4o"), None);
        assert_eq!(TargetName::parse("/gpt-4o"), None);
    }
}

//! Which Claude a model's name says it is, for rules that changed between them.

/// Major and minor version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl Version {
    /// From here on a temperature and a `top_p` together are refused, and answers can be held to a schema.
    pub(crate) const ONE_SAMPLER: Self = Self(4, 1);
    /// From here on the model thinks as much as it sees fit (`adaptive`), guided by an effort.
    pub(crate) const ADAPTIVE: Self = Self(4, 6);
    /// From here on sampling parameters are refused, and so is a thinking budget.
    pub(crate) const NO_SAMPLING: Self = Self(4, 7);

    /// Reads `claude-3-7-sonnet-20250219`, `anthropic.claude-opus-4-6-v1:0`, `claude-sonnet-4@20250514`; `None` for
    /// another family's name or one without a version.
    pub(crate) fn of_model(name: &str) -> Option<Self> {
        let (_, rest) = name.split_once("claude")?;
        // A number of three digits or more is a date or a revision.
        let small = |word: &str| word.parse::<u32>().ok().filter(|_| word.len() <= 2);
        let mut words = rest.split(|c: char| !c.is_ascii_alphanumeric());
        let major = words.find_map(small)?;
        Some(Self(major, words.next().and_then(small).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_names() {
        let table = [
            ("claude-3-7-sonnet-20250219", Some(Version(3, 7))),
            ("claude-3-haiku-20240307", Some(Version(3, 0))),
            ("claude-sonnet-4-5-20250929", Some(Version(4, 5))),
            ("claude-opus-4-20250514", Some(Version(4, 0))),
            ("claude-sonnet-4@20250514", Some(Version(4, 0))),
            ("eu.anthropic.claude-opus-4-6-v1:0", Some(Version(4, 6))),
            ("anthropic/claude-sonnet-4.5", Some(Version(4, 5))),
            ("claude-opus-5", Some(Version(5, 0))),
            ("claude-next", None),
            ("other-model-4", None),
        ];
        for (name, version) in table {
            assert_eq!(Version::of_model(name), version, "{name}");
        }
    }
}

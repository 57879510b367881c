//! Whose model it is, as its name says: what the dialect has no field for is told each vendor's models in their own words.

/// The vendors whose models take something beyond what all models take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic's Claude.
    Claude,
    /// Amazon's Nova; the second generation thinks.
    Nova { thinks: bool },
    /// Cohere's Command.
    Cohere,
    /// Mistral's models.
    Mistral,
    /// OpenAI's open models.
    GptOss,
    /// Any other, and a name that does not say: an application's own inference profile.
    Other,
}

impl Family {
    /// Reads `anthropic.claude-…`, `us.amazon.nova-2-lite-v1:0`, or an ARN that ends in such a name.
    pub(super) fn of_model(name: &str) -> Self {
        let table = [
            ("claude", Self::Claude),
            ("amazon.nova-2", Self::Nova { thinks: true }),
            ("amazon.nova", Self::Nova { thinks: false }),
            ("cohere.", Self::Cohere),
            ("mistral.", Self::Mistral),
            ("openai.gpt-oss", Self::GptOss),
        ];
        table.into_iter().find(|(part, _)| name.contains(part)).map_or(Self::Other, |(_, family)| family)
    }

    /// Does it take cache breakpoints? Where the catalog does not know the model.
    pub(super) const fn caches(self) -> bool {
        matches!(self, Self::Claude | Self::Nova { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_of_names() {
        let profile =
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-20250514-v1:0";
        let table = [
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Family::Claude),
            (profile, Family::Claude),
            ("amazon.nova-micro-v1:0", Family::Nova { thinks: false }),
            ("global.amazon.nova-2-lite-v1:0", Family::Nova { thinks: true }),
            ("mistral.devstral-2-123b", Family::Mistral),
            ("cohere.command-r-plus-v1:0", Family::Cohere),
            ("openai.gpt-oss-120b-1:0", Family::GptOss),
            ("meta.llama3-3-70b-instruct-v1:0", Family::Other),
            ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123", Family::Other),
        ];
        for (name, family) in table {
            assert_eq!(Family::of_model(name), family, "{name}");
        }
    }
}

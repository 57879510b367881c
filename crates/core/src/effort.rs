//! How much a model is to think, in words.

use std::fmt;

/// Reasoning effort in words, as OpenAI names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effort {
    /// Do not think.
    None,
    /// As little as possible.
    Minimal,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More than `high` (`xhigh`).
    Highest,
}

impl Effort {
    /// From the least on.
    pub const ALL: [Self; 6] = [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::Highest];

    /// OpenAI's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Highest => "xhigh",
        }
    }

    /// From OpenAI's word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.as_str() == name)
    }

    /// Tokens for dialects that count instead: the steps LiteLLM's users know (1024, 2048, 4096), and twice on from
    /// there. An approximation, to be reported as one.
    #[must_use]
    pub const fn budget_tokens(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Minimal => 512,
            Self::Low => 1024,
            Self::Medium => 2048,
            Self::High => 4096,
            Self::Highest => 8192,
        }
    }

    /// The effort nearest to a token budget.
    #[must_use]
    pub const fn of_budget(tokens: u64) -> Self {
        match tokens {
            0 => Self::None,
            1..=768 => Self::Minimal,
            769..=1536 => Self::Low,
            1537..=3072 => Self::Medium,
            3073..=6144 => Self::High,
            _ => Self::Highest,
        }
    }
}

/// Some of the efforts: those a model can be told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Efforts(u8);

impl Efforts {
    /// None at all: it is not known which.
    pub const UNKNOWN: Self = Self(0);

    /// These and one more.
    #[must_use]
    pub const fn with(self, effort: Effort) -> Self {
        Self(self.0 | 1 << effort as u8)
    }

    /// Is it among them?
    #[must_use]
    pub const fn contains(self, effort: Effort) -> bool {
        self.0 & (1 << effort as u8) != 0
    }

    /// Nothing is known.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The one among them that is nearest, the lesser of two; the same where nothing is known. Who wants no thinking gets
    /// the least there is, and who wants some gets some, where any but [`Effort::None`] is among them.
    #[must_use]
    pub fn nearest(self, wanted: Effort) -> Effort {
        let away = |effort: &Effort| (*effort as u8).abs_diff(wanted as u8);
        let known = || Effort::ALL.into_iter().filter(|effort| self.contains(*effort));
        let thinks = known().filter(|effort| wanted == Effort::None || *effort != Effort::None);
        thinks.min_by_key(away).or_else(|| known().next()).unwrap_or(wanted)
    }
}

impl fmt::Debug for Efforts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Effort::ALL.into_iter().filter(|effort| self.contains(*effort))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &str) -> Efforts {
        names.split(' ').filter_map(Effort::from_name).fold(Efforts::UNKNOWN, Efforts::with)
    }

    #[test]
    fn the_nearest_there_is() {
        let table = [
            ("minimal low medium high", "none minimal low medium high xhigh", "minimal minimal low medium high high"),
            ("none low medium high", "none minimal low medium high xhigh", "none low low medium high high"),
            ("low high", "none minimal low medium high xhigh", "low low low low high high"),
            ("medium", "none minimal low medium high xhigh", "medium medium medium medium medium medium"),
            ("none", "none low xhigh", "none none none"),
            ("", "none low xhigh", "none low xhigh"),
        ];
        for (known, wanted, given) in table {
            for (wanted, given) in wanted.split(' ').zip(given.split(' ')) {
                let wanted = Effort::from_name(wanted).unwrap();
                assert_eq!(of(known).nearest(wanted).as_str(), given, "{wanted:?} of {known}");
            }
        }
    }
}

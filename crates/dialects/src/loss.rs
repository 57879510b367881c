//! What a translation could not carry.

use std::fmt;

/// How a field fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LossKind {
    /// Not in the outgoing request or answer at all.
    Dropped,
    /// There, with a meaning that is near but not the same.
    Approximated,
    /// The other side demands a value the caller did not give; we chose one.
    Defaulted,
}

/// One field that did not survive a translation unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Loss {
    /// The field in the *source* dialect's words: `logit_bias`, `messages[2].audio`.
    pub field: String,
    /// How it fared.
    pub kind: LossKind,
}

impl Loss {
    /// `field` is not carried.
    pub fn dropped(field: impl Into<String>) -> Self {
        Self { field: field.into(), kind: LossKind::Dropped }
    }

    /// `field` is carried with a near meaning.
    pub fn approximated(field: impl Into<String>) -> Self {
        Self { field: field.into(), kind: LossKind::Approximated }
    }

    /// `field` was demanded and not given; a value was chosen.
    pub fn defaulted(field: impl Into<String>) -> Self {
        Self { field: field.into(), kind: LossKind::Defaulted }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.field)
    }
}

//! What a translation could not carry.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a field fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Not in the outgoing request or answer at all.
    Dropped,
    /// There, with a meaning that is near but not the same.
    Approximated,
    /// The other side demands a value the caller did not give; we chose one.
    Defaulted,
}

/// One field that did not survive a translation unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Loss {
    /// The field in the words of whoever wrote it: `logit_bias`, `messages[2].audio`.
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

/// Losses as they are found, each once, and no more than [`Losses::MAX`]: an answer of a million deltas loses the same
/// thing a million times.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Losses {
    fresh: Vec<Loss>,
    told: Vec<Loss>,
}

impl Losses {
    /// The most that are kept of one answer; what is beyond repeats them in all likelihood.
    pub const MAX: usize = 64;

    /// Adds one, unless it is known.
    pub fn add(&mut self, loss: Loss) {
        let known = self.fresh.contains(&loss) || self.told.contains(&loss);
        if !known && self.fresh.len() + self.told.len() < Self::MAX {
            self.fresh.push(loss);
        }
    }

    /// What was added since this was last asked.
    pub fn take(&mut self) -> Vec<Loss> {
        let fresh = std::mem::take(&mut self.fresh);
        self.told.extend(fresh.iter().cloned());
        fresh
    }
}

impl Extend<Loss> for Losses {
    fn extend<T: IntoIterator<Item = Loss>>(&mut self, losses: T) {
        losses.into_iter().for_each(|loss| self.add(loss));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loss_is_told_once() {
        let mut losses = Losses::default();
        losses.extend([Loss::dropped("a"), Loss::dropped("a"), Loss::approximated("a")]);
        assert_eq!(losses.take(), [Loss::dropped("a"), Loss::approximated("a")]);
        losses.extend([Loss::dropped("a"), Loss::dropped("b")]);
        assert_eq!(losses.take(), [Loss::dropped("b")]);
        losses.extend((0..1000).map(|n| Loss::dropped(n.to_string())));
        assert_eq!(losses.take().len(), Losses::MAX - 3);
    }
}

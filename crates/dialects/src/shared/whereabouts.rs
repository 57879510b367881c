//! Where an encoder is in a request's turns, for the names of what it loses.

use std::fmt;

/// A turn, or the instructions; a block of it; a block inside that one, where it is a tool's result.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Whereabouts {
    /// `None`: the instructions before all turns.
    pub(crate) turn: Option<usize>,
    pub(crate) block: Option<usize>,
    pub(crate) inner: Option<usize>,
}

impl Whereabouts {
    /// In this turn, in no block yet.
    pub(crate) const fn turn(nth: usize) -> Self {
        Self { turn: Some(nth), block: None, inner: None }
    }

    /// Goes on to this block.
    pub(crate) const fn enter(&mut self, nth: usize) {
        self.block = Some(nth);
        self.inner = None;
    }

    /// A member of what is here.
    pub(crate) fn member(&self, name: &str) -> String {
        format!("{self}.{name}")
    }
}

impl fmt::Display for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.turn, self.block) {
            (None, None) => f.write_str("system")?,
            (None, Some(block)) => write!(f, "system[{block}]")?,
            (Some(turn), None) => write!(f, "messages[{turn}]")?,
            (Some(turn), Some(block)) => write!(f, "messages[{turn}].content[{block}]")?,
        }
        self.inner.map_or(Ok(()), |inner| write!(f, ".content[{inner}]"))
    }
}

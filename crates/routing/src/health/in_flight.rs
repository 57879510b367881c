//! How many attempts run.

/// A count that cannot go below zero, should an end be reported twice.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct InFlight(u32);

impl InFlight {
    pub(crate) const fn begin(&mut self) {
        self.0 = self.0.saturating_add(1);
    }

    pub(crate) const fn end(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    pub(crate) const fn count(self) -> u32 {
        self.0
    }
}

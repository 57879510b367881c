//! What is known of hosts, targets and keys: the fold of all observations.

use ringmain_core::Seed;

/// What is known. Bounded by the topology of the configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Health {
    offset: u64,
}

impl Health {
    /// Nothing known yet. Instances with different seeds begin their turns at different targets.
    #[must_use]
    pub const fn new(seed: Seed) -> Self {
        Self { offset: seed.draw("turn").0 }
    }
}

//! Worlds: the real engine between callers and simulated providers, all in one thread, over pipes in memory, under time
//! that passes only when everybody waits.
//!
//! ```text
//! make(seed)  -> World     rules, providers with their faults, callers: all drawn from the seed
//! run(World)  -> Seen      what every caller got and every provider saw, and when
//! check(Seen) -> [Broken]  the invariants that hold in every world
//! ```
//! Each world switches most kinds of faults off (swarm testing: Groce et al., "Swarm Testing", 2012), so that rare
//! combinations of the few that are left come up. The same seed gives the same world, and the same end.

pub mod caller;
pub mod check;
pub mod dial;
pub mod faults;
pub mod make;
pub mod run;

pub use check::{Broken, check};
pub use make::{World, make};
pub use run::{Seen, run};

#[cfg(test)]
mod tests;

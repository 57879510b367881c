//! What the rules would do: the real decisions under virtual time.

pub mod events;
pub mod report;
pub mod scenario;
pub mod swarm;

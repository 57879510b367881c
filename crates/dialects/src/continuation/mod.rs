//! Going on, with another provider's help, with an answer that broke off after part of it was with the caller (ADR 12).
//!
//! ```text
//! SoFar        what the caller has: its text, and whether anybody else could go on with it
//! ask          the request for the rest of it
//! Splice       the events of the second answer, as events of the first: one answer to the caller
//!   Seam       where both meet: what the second says again is taken out
//! ```
//! All of it works on events and requests of [`crate::ir`]. What of an answer is on the wire already, and so where its
//! blocks stand there, is known to whoever wrote or relayed it.

mod ask;
mod seam;
mod so_far;
mod splice;

#[cfg(test)]
mod tests;

pub use ask::{Form, ask, barred};
pub use seam::{Diverged, Seam};
pub use so_far::{Barrier, Kind, Place, Said, SoFar};
pub use splice::Splice;

//! Routing alone under virtual time: a discrete-event loop in which the real `view`, `plan`, `next`, `begin`, `committed`
//! and `observe` decide for every simulated request, and only the providers are made up.
//!
//! ```text
//! World      what is simulated: policies, how targets answer when, traffic        world.rs
//! run(world) arrivals, answers and clocks in the order of virtual time            run.rs
//!   request  the loop of one request, as the engine has it                        request.rs
//!   brain    the calls into routing (and, in tests, planted bugs)                 brain.rs
//!   provider what a target answers to an attempt                                  provider.rs
//!   watch    what must hold at every step                                         watch.rs
//!   tally    what is counted                                                      tally.rs
//! ```
//! Chance comes from the world's seed alone, by labelled draws: equal worlds give equal runs, to the byte.

mod brain;
mod draw;
mod provider;
mod queue;
mod request;
mod run;
mod tally;
mod times;
mod watch;
pub mod world;

pub use brain::Memory;
#[cfg(any(test, feature = "planted-bugs"))]
pub use brain::Planted;
pub use draw::Spread;
#[cfg(any(test, feature = "planted-bugs"))]
pub use run::run_with;
pub use run::{Outcome, run};
pub use tally::{Move, Slice, Tally, TargetTally};
pub use times::Times;
pub use watch::Broken;
pub use world::World;

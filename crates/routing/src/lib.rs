//! Pure routing decisions: plan, next, observe. No clock, chance, IO, lock or async.
//!
//! ```text
//! view(state, policy, now)             -> View    what is known of the candidates, copied
//! plan(policy, facts, view, now, seed) -> Plan    every candidate with its verdict, and the order
//! next(plan, tried, view, now, seed)   -> Step    what to do now: try, wait, stop
//! begin(state, attempt, now)                      an attempt starts: in-flight, a probe is taken
//! observe(state, observation, now)                an attempt ended: breaker, limits, budget
//! ```
//! The same functions decide in production, in `explain`, in simulation and in replay.

pub mod policy;

pub use policy::{Backoff, Balance, BreakerPolicy, Candidate, HostIx, KeyIx, KeyRef, OnRefusal, Policy, RetryBudget};
pub use policy::{TargetIx, Timeouts};

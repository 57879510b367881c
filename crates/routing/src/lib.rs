//! Pure routing decisions: plan, next, observe. No clock, chance, IO, lock or async.
//!
//! ```text
//! view(health, policy, facts, now)                 -> View   what is known of the candidates, copied
//! plan(policy, facts, view, now, seed)             -> Plan   every candidate with its verdict, and the order
//! next(policy, plan, tried, view, now, deadline, seed) -> Step   what to do now: try, wait, stop
//! late_after(policy, view, candidate) -> when to ask next() for a hedge, beside an attempt that is silent
//! begin(health, policy, attempt, first, now)                 an attempt starts: in-flight, a probe, the budget
//! committed(health, policy, attempt, started, now)           its first useful token: a probe is good
//! first_token(health, attempt, started, now)                 the first useful token of a stream: how long it took
//! told(health, attempt, started, limits, now)                what the head of its answer says of the key's limits
//! observe(health, policy, observation, now, seed)            an attempt ended: breaker, limits, in-flight
//! ```
//! Besides, the gateway itself may ask what is out: see [`heartbeat`].
//!
//! The same functions decide in production, in `explain`, in simulation and in replay.
//!
//! For one request: `view`, `plan`, `next`, `begin` under one lock, so that no two requests get the same turn or the
//! same probe; `committed` (and `first_token`) at an attempt's first useful token, `observe` when it ended, and a fresh
//! `view` before each further `next`. `told` as soon as there is a head, so that others know while this answer still
//! flows.

mod affinity;
mod balance;
pub mod explain;
mod fit;
pub mod fleet;
pub mod health;
pub mod heartbeat;
mod observe;
mod plan;
pub mod policy;
pub mod record;
mod step;
mod verdict;
mod view;

pub use health::Health;
pub use health::shift::ShiftRow;
pub use observe::{Limits, Observation, Seen, Window, begin, committed, first_token, observe, told};
pub use plan::{Plan, plan};
pub use policy::{
    Affinity, Backoff, Balance, BreakerPolicy, Candidate, Caps, Hedge, HedgeAfter, HostIx, KeyIx, KeyRef, Measure,
    OnRefusal, Policy, Resume, RetryBudget, Shift, Stat, TargetIx, Timeouts, Worth,
};
pub use record::Record;
pub use step::{Step, Stop, Tried, Try, late_after, next};
pub use verdict::{Reason, Score, Verdict};
pub use view::{KeyRow, Pace, Peers, Row, Standing, View, view};

#[cfg(test)]
mod tests;

//! One typed event is a log line and a metric (and later a span), so that the two never disagree.
//!
//! Labels are bounded: routes and targets come from the configuration, and a target that a caller made up beyond
//! [`metrics::TARGETS_MAX`] is counted as `other`. No event holds a secret, a prompt or an answer.

pub mod events;
pub mod log;
pub mod metrics;
pub mod otlp;
pub mod shared;

pub use events::{
    AttemptEnded, BreakerMoved, BreakerState, ConfigReloaded, Ended, Event, EventSkipped, FieldsLost, HeartbeatEnded,
    HedgeEnded, RequestEnded, RequestRefused, Used, emit,
};
pub use metrics::{Metrics, RouteMeter, TargetMeter};

#[cfg(test)]
mod tests;

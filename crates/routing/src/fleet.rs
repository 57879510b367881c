//! What the processes of a fleet tell each other: a breaker that opened, so that the others need not fail to find out.
//!
//! An opening is told, never a failure: one process alone decides that something is out, by its own requests. It is taken
//! over for as long as it was opened for; then each finds out with one request of its own whether it is over, so that a
//! process whose own network is ill shuts nothing for the others for longer than that.

use ringmain_core::Tick;

use crate::{Health, Policy, Reason, Row, Standing};

/// What a breaker is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// One model of a provider.
    Target,
    /// All that is on its host.
    Host,
}

/// What the others should know of a candidate: whose breaker is open, and until when. `None`: nothing.
#[must_use]
pub const fn opened(row: &Row) -> Option<(Place, Tick)> {
    match row.place {
        Standing::Out(Reason::BreakerOpen { until }) => Some((Place::Target, until)),
        Standing::Out(Reason::HostDown { until }) => Some((Place::Host, until)),
        _ => None,
    }
}

/// Another process opened its breaker of this candidate, until then.
pub fn heard_opened(health: &mut Health, policy: &Policy, candidate: usize, place: Place, until: Tick) {
    let Some(candidate) = policy.candidates.get(candidate) else { return };
    match place {
        Place::Target => {
            if let Some(target) = health.target(candidate.target) {
                target.breaker.heard_opened(until);
            }
        }
        Place::Host => {
            if let Some(host) = health.host(candidate.host) {
                host.heard_opened(until);
            }
        }
    }
}

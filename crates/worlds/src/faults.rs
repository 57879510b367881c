//! The faults of worlds, by what a caller may notice of them.

/// How far a fault reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nothing is wrong that a caller could notice.
    Harmless,
    /// It shows before anything useful has come: another target can answer.
    BeforeCommit,
    /// Part of the answer is with the caller: an error, or a continuation.
    AfterCommit,
    /// It is the answer, whoever gives it.
    Answer,
}

/// One kind of fault, as `provider-sim` names it.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name with an argument.
    pub name: &'static str,
    /// How far it reaches.
    pub reach: Reach,
}

const fn kind(reach: Reach, name: &'static str) -> Kind {
    Kind { name, reach }
}

use Reach::{AfterCommit, Answer, BeforeCommit, Harmless};

/// All of them, but for those that name a date: the simulator's calendar is the machine's, and a world has its own.
pub const KINDS: &[Kind] = &[
    kind(Harmless, "slow=700ms"),
    kind(Harmless, "drip=150ms"),
    kind(Harmless, "no-done"),
    kind(BeforeCommit, "refuse"),
    kind(BeforeCommit, "close"),
    kind(BeforeCommit, "silence"),
    kind(BeforeCommit, "headers-then-silence"),
    kind(BeforeCommit, "slow=14s"),
    kind(BeforeCommit, "slow-headers=25s"),
    kind(BeforeCommit, "rate-limit=2"),
    kind(BeforeCommit, "rate-limit=40"),
    kind(BeforeCommit, "rate-limit-ms=1500"),
    kind(BeforeCommit, "rate-limit-reset=2"),
    kind(BeforeCommit, "rate-limit-none"),
    kind(BeforeCommit, "insufficient-quota"),
    kind(BeforeCommit, "payment-required"),
    kind(BeforeCommit, "invalid-key"),
    kind(BeforeCommit, "forbidden"),
    kind(BeforeCommit, "model-not-found"),
    kind(BeforeCommit, "request-timeout"),
    kind(BeforeCommit, "server-error"),
    kind(BeforeCommit, "bad-gateway"),
    kind(BeforeCommit, "unavailable"),
    kind(BeforeCommit, "gateway-timeout"),
    kind(BeforeCommit, "overloaded"),
    kind(BeforeCommit, "error-body:overloaded"),
    kind(BeforeCommit, "error-event=0:overloaded"),
    kind(BeforeCommit, "empty"),
    kind(BeforeCommit, "garbage"),
    kind(BeforeCommit, "cut=0"),
    kind(BeforeCommit, "end-early=0"),
    kind(BeforeCommit, "flap=1of2:server-error"),
    kind(BeforeCommit, "flap=2of5:overloaded"),
    kind(AfterCommit, "cut=5"),
    kind(AfterCommit, "stall=3"),
    kind(AfterCommit, "half-event=4"),
    kind(AfterCommit, "end-early=6"),
    kind(AfterCommit, "error-event=2:overloaded"),
    kind(AfterCommit, "truncated"),
    kind(AfterCommit, "malformed=5"),
    kind(Answer, "bad-request"),
    kind(Answer, "content-filter"),
    kind(Answer, "refusal"),
    kind(Answer, "context-length"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulator_knows_them_all() {
        for kind in KINDS {
            assert!(kind.name.parse::<ringmain_provider_sim::Fault>().is_ok(), "{}", kind.name);
        }
    }
}

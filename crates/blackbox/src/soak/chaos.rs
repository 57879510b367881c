//! Providers that are ill a fifth of the time, each on its own.

use std::sync::Arc;
use std::time::Duration;

use ringmain_core::{Dialect, Seed};
use ringmain_provider_sim::{Behavior, Sim};

use super::load::WORDS;

/// The part of the time that a provider is ill.
const ILL: f64 = 0.2;
/// How long it stays as it is.
const EPISODE: Duration = Duration::from_millis(700);

/// Everything that can happen to an answer which another provider could give. `N` is a word's number.
const FAULTS: &[&str] = &[
    "refuse",
    "reset",
    "close",
    "reset-reused",
    "silence",
    "headers-then-silence",
    "slow=2s",
    "slow-headers=2s",
    "rate-limit=1",
    "rate-limit-none",
    "request-timeout",
    "server-error",
    "bad-gateway",
    "unavailable",
    "overloaded",
    "error-body:overloaded",
    "error-event=N:overloaded",
    "empty",
    "malformed=N",
    "cut=N",
    "stall=N",
    "half-event=N",
    "end-early=N",
    "truncated",
    "garbage",
    "flap=1of2:cut=N",
];

/// Changes how providers behave, for ever.
pub(super) async fn run(sim: Arc<Sim>, seed: Seed) {
    for episode in 0.. {
        for dialect in Dialect::ALL {
            let chance = seed.nth(dialect.as_str(), episode);
            sim.set(dialect.as_str(), behavior(chance));
        }
        tokio::time::sleep(EPISODE).await;
    }
}

fn behavior(chance: Seed) -> Behavior {
    let ill = chance.draw("ill").unit() < ILL;
    let which = chance.draw("which").below(FAULTS.len() as u64) as usize;
    let word = chance.draw("word").below(WORDS as u64).to_string();
    let fault = FAULTS.get(which).filter(|_| ill).and_then(|fault| fault.replace('N', &word).parse().ok());
    Behavior {
        fault,
        words: WORDS,
        first_token_delay: Duration::from_millis(chance.draw("first").below(60)),
        token_delay: Duration::from_millis(chance.draw("pace").below(8)),
        chunk_bytes: (chance.draw("chunked").unit() < 0.2).then(|| 1 + chance.draw("chunk").below(40) as usize),
        overlap_words: chance.draw("overlap").below(3) as usize,
        ..Behavior::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_known_to_the_simulator_and_a_fifth_are_ill() {
        for fault in FAULTS {
            assert!(fault.replace('N', "3").parse::<ringmain_provider_sim::Fault>().is_ok(), "{fault}");
        }
        let ill = (0..5000).filter(|n| behavior(Seed(*n)).fault.is_some()).count();
        assert!((900..1100).contains(&ill), "{ill}");
    }
}

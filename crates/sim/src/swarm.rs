//! Worlds at random: rules, providers, faults and traffic. Each world leaves most kinds of fault out, so that those it has
//! meet often (swarm testing: Groce and others, ISSTA 2012).
//!
//! A world is made from a seed and its number alone, so that one that breaks something can be run again by itself.

mod make;
mod rules;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::events::{Broken, Memory, Outcome, run};

pub use make::world;

/// What a swarm did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Worlds that were run.
    pub worlds: u64,
    /// Requests that arrived in them.
    pub requests: u64,
    /// Attempts that were made for them.
    pub attempts: u64,
    /// The first world, by number, in which something did not hold.
    pub broken: Option<(u64, Broken)>,
}

/// Runs worlds from `first` on until `requests` requests have arrived, on this many threads. Stops at the first world in
/// which something does not hold.
#[must_use]
pub fn swarm(seed: u64, first: u64, requests: u64, threads: usize) -> Done {
    let (next, arrived, stop) = (AtomicU64::new(first), AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        let mut done = Done::default();
        while !stop.load(Ordering::Relaxed) && arrived.load(Ordering::Relaxed) < requests {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Outcome { tally, broken } = run(&world(seed, number), Memory::Keeps);
            arrived.fetch_add(tally.arrived, Ordering::Relaxed);
            done.worlds += 1;
            done.requests += tally.arrived;
            done.attempts += tally.attempts;
            if let Some(broken) = broken {
                stop.store(true, Ordering::Relaxed);
                done.broken = Some((number, broken));
            }
        }
        done
    };
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect::<Vec<Done>>()
    });
    parts.into_iter().fold(Done::default(), |all, part| Done {
        worlds: all.worlds + part.worlds,
        requests: all.requests + part.requests,
        attempts: all.attempts + part.attempts,
        broken: [all.broken, part.broken].into_iter().flatten().min_by_key(|(number, _)| *number),
    })
}

#[cfg(test)]
mod tests;

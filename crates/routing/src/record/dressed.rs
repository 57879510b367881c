//! A policy in the numbers of a record.

use super::Record;
use crate::{Candidate, HostIx, KeyIx, KeyRef, Policy, TargetIx};

/// `policy`, with the record's numbers for what both name; what the record does not know gets numbers of its own.
/// Keys are the same by their place in the pool: their labels say no more.
#[must_use]
pub fn dressed(policy: &Policy, record: &Record) -> Policy {
    let mut fresh = Fresh::after(record);
    let candidates = policy.candidates.iter().map(|candidate| fresh.candidate(candidate, record)).collect();
    Policy { candidates, ..policy.clone() }
}

/// Numbers nobody has yet.
struct Fresh {
    target: u32,
    host: u32,
    key: u32,
}

impl Fresh {
    fn after(record: &Record) -> Self {
        let known = || record.candidates.iter();
        let keys = known().flat_map(|known| known.keys.iter().map(|(key, _)| key.0));
        let next = |numbers: &mut dyn Iterator<Item = u32>| numbers.max().map_or(0, |most| most.saturating_add(1));
        Self {
            target: next(&mut known().map(|known| known.target.0)),
            host: next(&mut known().map(|known| known.host.0)),
            key: next(&mut keys.into_iter()),
        }
    }

    fn candidate(&mut self, candidate: &Candidate, record: &Record) -> Candidate {
        let known = record.candidates.iter().find(|known| known.name == candidate.name);
        let (target, host) = match known {
            Some(known) => (known.target, known.host),
            None => (TargetIx(take(&mut self.target)), HostIx(take(&mut self.host))),
        };
        let key = |(place, of): (usize, &KeyRef)| {
            let same = known.and_then(|known| known.keys.get(place)).map(|(key, _)| *key);
            KeyRef { key: same.unwrap_or_else(|| KeyIx(take(&mut self.key))), ..*of }
        };
        let keys = candidate.keys.iter().enumerate().map(key).collect();
        Candidate { target, host, keys, ..candidate.clone() }
    }
}

fn take(number: &mut u32) -> u32 {
    let taken = *number;
    *number = number.saturating_add(1);
    taken
}

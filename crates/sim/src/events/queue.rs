//! What happens next: events in the order of virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ringmain_core::Tick;

/// Something that happens at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A price changes.
    Price,
    /// An attempt of a request ends: with its first useful token, or a failure.
    Answered { request: Ticket, attempt: usize },
    /// The answer that a request was given ends.
    Finished { request: Ticket },
    /// A caller has waited long enough.
    Leaves { request: Ticket },
    /// A clock of a request runs out.
    Clock { request: Ticket },
    /// A request arrives.
    Arrival,
}

/// A request's place, and its number, since places are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    pub(super) slot: usize,
    pub(super) number: u64,
}

/// Events by time. At one time, answers come before clocks, as the engine polls them; then in the order they were put in.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<(Tick, u8, u64, Event)>>,
    put: u64,
}

impl Queue {
    pub(super) fn put(&mut self, at: Tick, event: Event) {
        let rank = match event {
            Event::Price => 0,
            Event::Answered { .. } | Event::Finished { .. } => 1,
            Event::Leaves { .. } => 2,
            Event::Clock { .. } => 3,
            Event::Arrival => 4,
        };
        self.put += 1;
        self.heap.push(Reverse((at, rank, self.put, event)));
    }

    pub(super) fn take(&mut self) -> Option<(Tick, Event)> {
        self.heap.pop().map(|Reverse((at, _, _, event))| (at, event))
    }
}

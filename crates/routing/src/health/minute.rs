//! The operator's `rpm` and `tpm` of a key or a target: requests and tokens over the last minute.
//!
//! **What is meant.** `rpm: 60` means that no minute, wherever it begins, sees a 61st request: an account that says so
//! has a provider behind it that counts the same way, and two half minutes at full speed across a calendar minute's end
//! would be refused there. A token bucket of the same numbers lets twice as many through in its first minute. So this is
//! a log of what was sent, kept in slices of half a second: a slice counts until the last moment of it is a minute ago,
//! so the sum over any minute stays within the cap exactly, and room comes back at most half a second late.
//!
//! An attempt is counted when it begins, with its expected tokens, and corrected once when it ends. One that was never
//! sent gives back its request too; see [`Used`].

use std::collections::VecDeque;
use std::time::Duration;

use ringmain_core::Tick;

use super::quota::{Need, PACED_MOST, Room, Used, share};
use crate::Caps;

const SLICE: u64 = 500_000_000;
/// Any minute touches at most so many slices.
const SLICES: u64 = 60_000_000_000 / SLICE + 1;
/// What is set aside for running attempts may come back before the minute is over: that is looked at again so soon.
const SOON: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Slice {
    number: u64,
    requests: u64,
    tokens: u64,
}

/// What was sent in the last minute. At most as many entries as a minute has slices.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Minute {
    slices: VecDeque<Slice>,
    /// Expected tokens of attempts that run.
    held: u64,
    last: Tick,
}

impl Minute {
    pub(crate) fn begin(&mut self, need: Need, now: Tick) {
        let number = now.0 / SLICE;
        while self.slices.front().is_some_and(|slice| slice.number + SLICES <= number) {
            self.slices.pop_front();
        }
        match self.slices.back_mut() {
            Some(slice) if slice.number >= number => {
                slice.requests += 1;
                slice.tokens = slice.tokens.saturating_add(need.tokens());
            }
            _ => self.slices.push_back(Slice { number, requests: 1, tokens: need.tokens() }),
        }
        self.held = self.held.saturating_add(need.tokens());
        self.last = now;
    }

    /// The attempt that began at `started` ended.
    pub(crate) fn settle(&mut self, started: Tick, need: Need, used: Used) {
        self.held = self.held.saturating_sub(need.tokens());
        let at = self.slices.partition_point(|slice| slice.number < started.0 / SLICE);
        if let Some(slice) = self.slices.get_mut(at)
            && slice.number == started.0 / SLICE
        {
            slice.requests = slice.requests.saturating_sub(1 - used.requests.min(1));
            slice.tokens = slice.tokens.saturating_sub(need.tokens()).saturating_add(used.tokens.tokens());
        }
    }

    /// What is left for one more attempt.
    pub(crate) fn room(&self, caps: Caps, need: Need, now: Tick) -> Room {
        let first = (now.0 / SLICE + 1).saturating_sub(SLICES);
        let live = || self.slices.iter().filter(move |slice| slice.number >= first);
        let (mut requests, mut tokens) = (0_u64, 0_u64);
        for slice in live() {
            requests += slice.requests;
            tokens = tokens.saturating_add(slice.tokens);
        }
        let mut room = Room::default();
        if let Some(cap) = caps.rpm {
            room.left = room.left.min(share(cap.saturating_sub(requests), cap));
            if requests + 1 > cap {
                room.wait(back(live().map(|slice| (slice.number, slice.requests)), (requests + 1).saturating_sub(cap)));
            } else if let Some(oldest) = live().next() {
                room.pace(cap - requests, cap, ends(oldest.number).since(now), self.last);
            }
        }
        if let Some(cap) = caps.tpm {
            let all = need.tokens();
            let want = all.min(cap);
            room.left = room.left.min(share(cap.saturating_sub(tokens), cap));
            room.strained |= all > cap;
            let over = tokens.saturating_add(want).saturating_sub(cap);
            if over > 0 {
                let until = back(live().map(|slice| (slice.number, slice.tokens)), over);
                room.wait(if over <= self.held { until.min(now + SOON) } else { until });
            }
        }
        room.strained &= room.until.is_none();
        room
    }
}

/// When a slice counts no more.
const fn ends(number: u64) -> Tick {
    Tick((number + SLICES).saturating_mul(SLICE))
}

/// When `over` of what the slices hold, oldest first, counts no more.
fn back(slices: impl Iterator<Item = (u64, u64)>, over: u64) -> Tick {
    let (mut freed, mut until) = (0_u64, Tick::ZERO);
    for (number, count) in slices {
        freed = freed.saturating_add(count);
        until = ends(number);
        if freed >= over {
            break;
        }
    }
    until
}

const _: () = assert!(PACED_MOST.as_nanos() >= SLICE as u128, "pacing is no finer than a slice");

//! File order: primary, then failover. A primary that comes back from an outage gets its rising share of requests, as
//! it would under weights; the others go to the first peer that is not itself coming back.

use ringmain_core::Seed;

use super::ramp;
use crate::View;

pub(super) fn arrange(view: &View, tier: &mut [usize], seed: Seed) {
    if let Some((peer, share)) = returning(view, tier)
        && seed.draw("ramp").unit() >= share
        && let Some(front) = tier.get_mut(..=peer)
    {
        // The peer goes to the front; those before it keep their order.
        front.rotate_right(1);
    }
}

pub(super) fn shares(view: &View, tier: &[usize], mut set: impl FnMut(usize, f64)) {
    let Some(first) = tier.first() else { return };
    match returning(view, tier) {
        None => set(*first, 1.0),
        Some((peer, share)) => {
            set(*first, share);
            if let Some(peer) = tier.get(peer) {
                set(*peer, 1.0 - share);
            }
        }
    }
}

/// The primary's share if it is coming back, and the peer that gets the rest, as an index into `tier`.
fn returning(view: &View, tier: &[usize]) -> Option<(usize, f64)> {
    let share = ramp(view, *tier.first()?);
    if share >= 1.0 {
        return None;
    }
    Some((tier.iter().position(|at| ramp(view, *at) >= 1.0)?, share))
}

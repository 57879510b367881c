//! File order: primary, then failover. A primary that comes back from an outage gets its rising share of requests, as
//! it would under weights; the others go to the first peer that has lost nothing.

use super::{Entrant, Scene, yield_front, yield_shares};

pub(super) fn arrange(scene: &Scene<'_>, field: &mut [Entrant]) {
    let mut place = 0.0;
    for it in field.iter_mut() {
        it.load = place;
        it.share = if place == 0.0 { 1.0 } else { 0.0 };
        place += 1.0;
    }
    yield_shares(field);
    yield_front(scene, field);
}

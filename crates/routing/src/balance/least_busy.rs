//! The fewest attempts running, relative to weight.
//!
//! *What an operator expects:* for targets of their own (a few GPUs behind one name), no target has a queue while another
//! is idle. Among equals, which is most of the time at low load, requests take turns by weight, evenly. A target that
//! fails at once has never much running; its failing share and its breaker keep it from drawing everything.

use super::{Entrant, Scene, expect, rank_and_spread, shifted, yield_front, yield_shares};
use crate::Score;

pub(super) fn arrange(scene: &Scene<'_>, field: &mut [Entrant]) {
    for it in field.iter_mut() {
        let running = scene.view.rows.get(it.at).map_or(0.0, |row| f64::from(row.in_flight));
        it.load = expect::finite(if it.weight > 0.0 { running / it.weight } else { running });
        it.score = Score::Busy(it.load);
    }
    shifted::keep(scene.policy, field);
    rank_and_spread(scene, field, 0.0);
    yield_shares(field);
    yield_front(scene, field);
}

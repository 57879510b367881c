//! File order: primary, then failover. A primary that comes back from an outage gets its rising share of requests, as
//! it would under weights; the others go to the first peer that has lost nothing.
//!
//! With `shift`, a target that is held back leaves most of what reaches it to the next: while the primary is slow, most
//! requests start at the second; while that is slow too, at the third. Each keeps its floor of what reaches it.

use super::{Entrant, Scene, shifted, to_front, yield_front, yield_shares};
use crate::Policy;

pub(super) fn arrange(scene: &Scene<'_>, field: &mut [Entrant]) {
    let mut place = 0.0;
    for it in field.iter_mut() {
        it.load = place;
        it.share = if place == 0.0 { 1.0 } else { 0.0 };
        place += 1.0;
    }
    if field.iter().all(|it| it.shifted >= 1.0) {
        yield_shares(field);
        yield_front(scene, field);
        return;
    }
    pass_on(scene.policy, field);
    let point = scene.seed.draw("ramp").unit();
    let mut end = 0.0;
    let picked = field.iter().position(|it| {
        end += it.share;
        point < end
    });
    to_front(field, picked.unwrap_or(0));
}

/// Each keeps what is left of what reaches it, up to the first that has lost nothing; where none has, what remains goes to
/// the one that is held back least. Peers that have lost something for another reason get nothing of what is passed on.
fn pass_on(policy: &Policy, field: &mut [Entrant]) {
    let mut rest = 1.0;
    let mut heir: Option<(usize, f64)> = None;
    for (place, it) in field.iter_mut().enumerate() {
        let kept = shifted::kept(policy, it);
        let is_well = it.factor >= 1.0;
        it.share = if place == 0 || is_well { rest * it.factor * kept } else { 0.0 };
        rest -= it.share;
        if is_well && heir.is_none_or(|(_, most)| kept > most) {
            heir = Some((place, kept));
        }
    }
    if let Some(it) = field.get_mut(heir.map_or(0, |(place, _)| place)) {
        it.share += rest;
    }
}

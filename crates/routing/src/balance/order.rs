//! File order: primary, then failover. A primary that comes back from an outage gets its rising share of requests, as
//! it would under weights; the others go to the first peer that is not itself coming back.
//!
//! With `shift`, a target that is held back leaves most of what reaches it to the next: while the primary is slow, most
//! requests start at the second; while that is slow too, at the third. Each keeps its floor of what reaches it.

use ringmain_core::Seed;

use super::{ramp, shifted};
use crate::{Policy, View};

pub(super) fn arrange(policy: &Policy, view: &View, tier: &mut [usize], seed: Seed) {
    let Some(heir) = heir(view, tier) else { return };
    let point = seed.draw("ramp").unit();
    let (mut end, mut picked) = (0.0, heir);
    for (place, share) in taken(policy, view, tier) {
        end += share;
        if point < end {
            picked = place;
            break;
        }
    }
    if let Some(front) = tier.get_mut(..=picked) {
        // It goes to the front; those before it keep their order.
        front.rotate_right(1);
    }
}

pub(super) fn shares(policy: &Policy, view: &View, tier: &[usize], mut set: impl FnMut(usize, f64)) {
    let Some(first) = tier.first() else { return };
    let Some(heir) = heir(view, tier) else { return set(*first, 1.0) };
    let mut rest = 1.0;
    let mut of_heir = 0.0;
    for (place, share) in taken(policy, view, tier) {
        rest -= share;
        if place == heir {
            of_heir = share;
        } else if let Some(at) = tier.get(place) {
            set(*at, share);
        }
    }
    if let Some(at) = tier.get(heir) {
        set(*at, of_heir + rest);
    }
}

/// Who gets what the others leave: the first that takes all, else the one that is held back least. `None` if the
/// primary takes all, or nobody else can.
fn heir(view: &View, tier: &[usize]) -> Option<usize> {
    let factor = |at: usize| shifted::factor(view, at);
    let is_whole = |at: usize| ramp(view, at) >= 1.0;
    let mut heir: Option<(usize, f64)> = None;
    for (place, at) in tier.iter().enumerate() {
        if is_whole(*at) && heir.is_none_or(|(_, most)| factor(*at) > most) {
            heir = Some((place, factor(*at)));
            if factor(*at) >= 1.0 {
                break;
            }
        }
    }
    let (place, most) = heir?;
    (place > 0 || most < 1.0).then_some(place)
}

/// The shares that the targets take for themselves, from the first to the one that leaves nothing.
fn taken<'a>(policy: &'a Policy, view: &'a View, tier: &'a [usize]) -> impl Iterator<Item = (usize, f64)> + 'a {
    let floor = policy.shift.map_or(0.0, |shift| shift.floor).clamp(0.0, 1.0);
    let mut rest = 1.0;
    tier.iter().enumerate().map_while(move |(place, at)| {
        let (ramp, factor) = (ramp(view, *at), shifted::factor(view, *at));
        let takes = match (place, ramp < 1.0) {
            // A peer that is itself coming back gets nothing of what a primary leaves.
            (1.., true) => 0.0,
            _ => ramp * if factor < 1.0 { factor.max(floor) } else { 1.0 },
        };
        let share = rest * takes;
        rest -= share;
        (rest + share > 0.0).then_some((place, share))
    })
}

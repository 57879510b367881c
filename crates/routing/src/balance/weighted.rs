//! By weight, exact over a window.
//!
//! An independent draw for each request is right only on average: of 1,000 requests at 50/50 one standard deviation
//! is 1.6 points. Instead turn `n` of a route takes the point `frac(offset + n / golden ratio)` of the line on which
//! the weights lie end to end. Of all such sequences this one spreads most evenly (Knuth, TAOCP vol. 3, 6.4, on
//! Fibonacci hashing): after `N` turns any interval has got its length times `N`, give or take a few, so that shares
//! hold within half a point over 1,000 requests, for any number of targets, without state but the turn. Weights may change at any time. Those that follow the first are drawn at random
//! by weight without replacement, so that the load of a failed target spreads by weight too. Weight 0 comes last.

use ringmain_core::Seed;

use super::ramp;
use super::shifted::Floor;
use crate::{Policy, View};

/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

pub(super) fn arrange(policy: &Policy, view: &View, tier: &mut [usize], seed: Seed) {
    let floor = Floor::of(policy, view, tier, |at| weight(policy, view, at));
    let left = |at: usize| floor.left(view, at, weight(policy, view, at));
    let mut rest = tier;
    let mut draw = 0;
    while rest.len() > 1 {
        let total: f64 = rest.iter().map(|at| left(*at)).sum();
        if total <= 0.0 {
            return;
        }
        let point = if draw == 0 { point(view) } else { seed.nth("weighted", draw).unit() };
        let picked = pick(rest, left, point * total);
        if let Some(front) = rest.get_mut(..=picked) {
            front.rotate_right(1);
        }
        let Some((_, tail)) = rest.split_first_mut() else { return };
        rest = tail;
        draw += 1;
    }
}

pub(super) fn shares(policy: &Policy, view: &View, tier: &[usize], mut set: impl FnMut(usize, f64)) {
    let floor = Floor::of(policy, view, tier, |at| weight(policy, view, at));
    let left = |at: usize| floor.left(view, at, weight(policy, view, at));
    let total: f64 = tier.iter().map(|at| left(*at)).sum();
    for (place, at) in tier.iter().enumerate() {
        let only_zeros = if place == 0 { 1.0 } else { 0.0 };
        set(*at, if total > 0.0 { left(*at) / total } else { only_zeros });
    }
}

/// Where on the line `point` lies. Rounding may leave it beyond the end: then the last that has a weight.
fn pick(rest: &[usize], weight: impl Fn(usize) -> f64, point: f64) -> usize {
    let (mut end, mut last) = (0.0, 0);
    for (place, at) in rest.iter().enumerate() {
        let weight = weight(*at);
        if weight > 0.0 {
            end += weight;
            last = place;
            if point < end {
                break;
            }
        }
    }
    last
}

fn weight(policy: &Policy, view: &View, at: usize) -> f64 {
    let weight = policy.candidates.get(at).map_or(0.0, |candidate| candidate.weight);
    if weight.is_finite() && weight > 0.0 { weight * ramp(view, at) } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
fn point(view: &View) -> f64 {
    (view.offset.wrapping_add(view.turn.wrapping_mul(GOLDEN)) >> 11) as f64 / (1_u64 << 53) as f64
}

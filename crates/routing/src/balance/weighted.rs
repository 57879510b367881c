//! By weight, exact over a window.
//!
//! An independent draw for each request is right only on average: of 1,000 requests at 50/50 one standard deviation
//! is 1.6 points. Instead turn `n` of a route takes the point `frac(offset + n / golden ratio)` of the line on which
//! the weights lie end to end. Of all such sequences this one spreads most evenly (Knuth, TAOCP vol. 3, 6.4, on
//! Fibonacci hashing): after `N` turns any interval has got its length times `N`, give or take a few, so that shares
//! hold within half a point over 1,000 requests, for any number of targets, without state but the turn. Weights may
//! change at any time. Those that follow the first are drawn at random by weight without replacement, so that the load of
//! a failed target spreads by weight too. Weight 0 comes last.

use super::shifted::Floor;
use super::{Entrant, Scene};
use crate::{Score, View};

/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

pub(super) fn arrange(scene: &Scene<'_>, field: &mut [Entrant]) {
    let floor = Floor::of(scene.policy, field);
    let left = |it: &Entrant| floor.left(it);
    for it in field.iter_mut() {
        it.score = Score::Weight(left(it));
    }
    shares(field, left);
    draw(scene, field, left);
}

/// Each its part of the whole; where nobody has one, all to the first.
pub(super) fn shares(field: &mut [Entrant], weight: impl Fn(&Entrant) -> f64) {
    let total: f64 = field.iter().map(&weight).sum();
    for (place, it) in field.iter_mut().enumerate() {
        let only_zeros = if place == 0 { 1.0 } else { 0.0 };
        it.share = if total > 0.0 { weight(it) / total } else { only_zeros };
    }
}

/// The first by the turn, those that follow at random.
pub(super) fn draw(scene: &Scene<'_>, field: &mut [Entrant], weight: impl Fn(&Entrant) -> f64) {
    let mut rest = field;
    let mut draw = 0;
    while rest.len() > 1 {
        let point = if draw == 0 { turn(scene.view) } else { scene.seed.nth("weighted", draw).unit() };
        let Some(picked) = pick(rest, &weight, point) else { return };
        super::to_front(rest, picked);
        let Some((_, tail)) = rest.split_first_mut() else { return };
        rest = tail;
        draw += 1;
    }
}

/// Whose turn it is, as an index into `field`; `None` if nobody has a weight.
pub(super) fn first(scene: &Scene<'_>, field: &[Entrant]) -> Option<usize> {
    pick(field, |it| it.weight, turn(scene.view))
}

/// Another one, at random.
pub(super) fn second(scene: &Scene<'_>, field: &[Entrant], first: usize) -> Option<usize> {
    let first = field.get(first)?.at;
    let weight = |it: &Entrant| if it.at == first { 0.0 } else { it.weight };
    pick(field, weight, scene.seed.nth("weighted", 1).unit())
}

/// At which part of the line on which the weights lie is `point`, from 0 to 1? Rounding may leave it beyond the end: then
/// the last that has a weight. `None` if nobody has.
fn pick(field: &[Entrant], weight: impl Fn(&Entrant) -> f64, point: f64) -> Option<usize> {
    let total: f64 = field.iter().map(&weight).sum();
    let (mut end, mut last) = (0.0, None);
    for (place, it) in field.iter().enumerate() {
        let weight = weight(it);
        if weight > 0.0 {
            end += weight;
            last = Some(place);
            if point * total < end {
                break;
            }
        }
    }
    last
}

/// A point from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
fn turn(view: &View) -> f64 {
    (view.offset.wrapping_add(view.turn.wrapping_mul(GOLDEN)) >> 11) as f64 / (1_u64 << 53) as f64
}

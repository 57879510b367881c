//! The soonest answer.
//!
//! *What an operator expects:* requests go where the whole answer is there first; a target that slows down is left within
//! a few requests, the others are looked at now and then, and a burst does not fall on one target because it was the
//! quickest a moment ago.
//!
//! Two distinct candidates are drawn by weight, and the better is asked ("power of two choices", Mitzenmacher 2001; with
//! a peak-EWMA as in Finagle). With two targets both are always compared; with more, news that is wrong or late cannot
//! send everybody to the same one. The rest follow by what is expected of them.

use super::{Entrant, Scene, expect, explore, rank, to_front, weighted, yield_front, yield_shares};
use crate::Score;

/// Times that differ by less than this share are the same: the first of the two is asked.
const AS_FAST: f64 = 0.1;

pub(super) fn arrange(scene: &Scene<'_>, field: &mut [Entrant]) {
    for it in field.iter_mut() {
        it.load = expect::seconds(scene, it.at);
        it.score = Score::Seconds(it.load);
    }
    rank(field);
    shares(field);
    let explored = explore::unheard(scene, field, AS_FAST);
    yield_shares(field);
    let winner = better_of_two(scene, field);
    let first = explored.and_then(|explored| field.iter().position(|it| it.at == explored)).unwrap_or(winner);
    to_front(field, first);
    yield_front(scene, field);
}

fn is_faster(a: &Entrant, b: &Entrant) -> bool {
    a.load < b.load * (1.0 - AS_FAST)
}

/// As an index into the ranked field.
fn better_of_two(scene: &Scene<'_>, ranked: &[Entrant]) -> usize {
    let Some(first) = weighted::first(scene, ranked) else { return 0 };
    let Some(second) = weighted::second(scene, ranked, first) else { return first };
    match (ranked.get(first), ranked.get(second)) {
        (Some(a), Some(b)) if is_faster(b, a) => second,
        _ => first,
    }
}

/// How likely each is to win. Of a pair `i`, `j` that is drawn with the chance `w_i/W * w_j/(W-w_i)` in this order, and as
/// much the other way round, the better wins; of equal ones the first. One pass from the slowest to the fastest, with
/// the sums over those that are slower than the present one, and over those not faster.
fn shares(ranked: &mut [Entrant]) {
    let total: f64 = ranked.iter().map(|it| it.weight).sum();
    let drawn_second = |it: &Entrant| it.weight / (total - it.weight).max(total * 1e-9);
    // Those of weight 0 come last, whatever their load.
    let drawn = ranked.iter().take_while(|it| it.weight > 0.0).count();
    let (mut slower_second, mut from_slower) = (0.0, drawn);
    let (mut not_faster, mut from_not_faster) = (0.0, drawn);
    for place in (0..drawn).rev() {
        let Some(this) = ranked.get(place).copied() else { continue };
        while let Some(other) = from_slower.checked_sub(1).and_then(|at| ranked.get(at))
            && is_faster(&this, other)
        {
            from_slower -= 1;
            slower_second += drawn_second(other);
        }
        while let Some(other) = from_not_faster.checked_sub(1).and_then(|at| ranked.get(at))
            && !is_faster(other, &this)
        {
            from_not_faster -= 1;
            not_faster += other.weight;
        }
        let others = total - this.weight;
        let wins_first = if others > total * 1e-9 { (not_faster - this.weight) / others } else { 1.0 };
        let wins_second = if others > total * 1e-9 { slower_second } else { 0.0 };
        if let Some(it) = ranked.get_mut(place) {
            it.share = this.weight / total * (wins_first + wins_second);
        }
    }
    if total <= 0.0
        && let Some(first) = ranked.first_mut()
    {
        first.share = 1.0;
    }
}

//! The least sum of money, time and risk, in dollars.
//!
//! *What an operator expects:* to say once what a second of a caller's time and a failure are worth, and to be able to
//! read off any decision why: "0.4 cents for tokens, 1.2 cents of waiting, 0.1 cents of risk".
//!
//! - *cost*: as `cheapest` expects it. Where no price is known, the highest of those that are; nobody is free by omission.
//! - *time*: the seconds `fastest` expects, requests that already run there included, at what one is worth.
//! - *risk*: the share of attempts that fail, times what a failure is worth and doing it all again.
//!
//! Those within 5 % of the best take turns by weight. A written share of requests is spent on the others, so that what is known of them stays true.

use super::{Entrant, Scene, expect, explore, rank_and_spread, yield_front, yield_shares};
use crate::{Score, Worth};

/// Sums that differ by less than this share are the same: what they are made of is no better known.
const AS_GOOD: f64 = 0.05;

pub(super) fn arrange(scene: &Scene<'_>, worth: Worth, field: &mut [Entrant]) {
    let (second, failure) = (worth.second.as_dollars(), worth.failure.as_dollars());
    for it in field.iter_mut() {
        it.score = Score::Dollars(expect::dollars(scene, it.at));
    }
    let known = |it: &Entrant| if let Score::Dollars(cost) = it.score { cost } else { None };
    let dearest = field.iter().filter_map(known).max_by(f64::total_cmp).unwrap_or_default();
    for it in field.iter_mut() {
        let cost = known(it);
        let taken = cost.unwrap_or(dearest);
        let time = expect::finite(second * expect::seconds(scene, it.at));
        let risk = expect::finite(expect::failing(scene, it.at) * (failure + taken + time));
        it.load = expect::finite(taken + time + risk);
        it.score = Score::Sum { cost, time, risk };
    }
    rank_and_spread(scene, field, AS_GOOD);
    explore::any(scene, field, f64::from(worth.explore.min(10_000)) / 10_000.0);
    yield_shares(field);
    yield_front(scene, field);
}

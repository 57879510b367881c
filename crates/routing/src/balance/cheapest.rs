//! The least money for this request.
//!
//! *What an operator expects:* of the targets that can serve a request, the one on whose bill it will be least. That
//! depends on the request: a long prompt with a short answer may be cheapest where input is cheap, a chat where output
//! is; a prompt beyond a threshold may cost double; a conversation is cheaper where its prompt is cached.
//!
//! Where the price is not known it is not taken for free: such targets come last. Equal prices share by weight.

use super::{Entrant, Scene, expect, rank_and_spread, yield_front, yield_shares};
use crate::Score;

pub(super) fn arrange(scene: &Scene<'_>, field: &mut [Entrant]) {
    for it in field.iter_mut() {
        let dollars = expect::dollars(scene, it.at);
        it.load = dollars.unwrap_or(f64::INFINITY);
        it.score = Score::Dollars(dollars);
    }
    rank_and_spread(scene, field, 0.0);
    yield_shares(field);
    yield_front(scene, field);
}

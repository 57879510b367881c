//! How to order the candidates of one tier. A strategy is one file that scores the field and arranges it.
//!
//! Under every strategy but `weighted`, where they scale the weights, the factors of a candidate (returning from an
//! outage, far worse than its peers, and where weights or an order are written held back by `shift`) are the share it keeps of what it would get: the request yields to
//! a peer with the rest. So a target that returns is never hit with more than its ramped share, however good it looks.

mod adaptive;
mod cheapest;
mod expect;
mod explore;
mod fastest;
mod least_busy;
mod order;
pub(crate) mod peers;
mod shifted;
mod weighted;

use ringmain_core::{RequestFacts, Seed};

use crate::{Balance, Policy, Score, View};

/// What a strategy decides from.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) facts: &'a RequestFacts,
    pub(crate) view: &'a View,
    pub(crate) seed: Seed,
}

/// A candidate among those of its tier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Entrant {
    /// Position in [`Policy::candidates`].
    pub(crate) at: usize,
    pub(crate) score: Score,
    /// Share of first attempts, if this tier gets them.
    pub(crate) share: f64,
    /// As written; 0 if it makes no sense, 1 for all where the order is what counts.
    weight: f64,
    /// What is left of it, `shift` aside.
    factor: f64,
    /// What `shift` leaves of it: for those who choose by what they expect, all.
    shifted: f64,
    /// What candidates are compared by; less is better. Finite, or infinite for "unknown".
    load: f64,
}

/// Puts the positions of one tier, given in file order, into the order to try them in.
pub(crate) fn arrange(scene: &Scene<'_>, tier: &[usize]) -> Vec<Entrant> {
    let mut field: Vec<Entrant> = tier.iter().map(|at| entrant(scene, *at)).collect();
    match scene.policy.balance {
        Balance::Order => order::arrange(scene, &mut field),
        Balance::Weighted => weighted::arrange(scene, &mut field),
        Balance::Fastest => fastest::arrange(scene, &mut field),
        Balance::Cheapest => cheapest::arrange(scene, &mut field),
        Balance::LeastBusy => least_busy::arrange(scene, &mut field),
        Balance::Adaptive(worth) => adaptive::arrange(scene, worth, &mut field),
    }
    field
}

fn entrant(scene: &Scene<'_>, at: usize) -> Entrant {
    let weight = scene.policy.candidates.get(at).map_or(0.0, |candidate| candidate.weight);
    let balance = scene.policy.balance;
    let is_order = balance == Balance::Order;
    let factor = scene.view.rows.get(at).map_or(1.0, |row| {
        let slow = match balance {
            // To be slow is no reason to leave the order that the operator wrote…
            Balance::Order => 1.0,
            // …and these see it in what they expect.
            Balance::Fastest | Balance::Adaptive(_) => 1.0,
            Balance::Weighted | Balance::Cheapest | Balance::LeastBusy => row.peers.slow,
        };
        row.ramp * row.peers.failing.min(slow)
    });
    let shifted = scene.view.rows.get(at).map_or(1.0, |row| row.shifted);
    Entrant {
        at,
        score: Score::Place,
        share: 0.0,
        weight: match weight {
            _ if is_order => 1.0,
            weight if weight.is_finite() && weight > 0.0 => weight,
            _ => 0.0,
        },
        factor: if factor.is_finite() { factor.clamp(0.0, 1.0) } else { 1.0 },
        shifted: match balance {
            Balance::Order | Balance::Weighted | Balance::LeastBusy if shifted < 1.0 => shifted.max(0.0),
            _ => 1.0,
        },
        load: 0.0,
    }
}

/// Sorts by load, and those of weight 0 last; equal ones keep their order.
fn rank(field: &mut [Entrant]) {
    field.sort_by(|a, b| (a.weight <= 0.0).cmp(&(b.weight <= 0.0)).then(a.load.total_cmp(&b.load)));
}

/// Ranks, and spreads by weight those that are equal: the best of them take turns. As good as the best is who comes
/// within `tolerance`, a share of 1.
fn rank_and_spread(scene: &Scene<'_>, field: &mut [Entrant], tolerance: f64) {
    rank(field);
    let Some(best) = field.first().copied() else { return };
    let limit = best.load + best.load.abs() * tolerance;
    let is_best = |it: &&Entrant| {
        (it.load <= limit || it.load.total_cmp(&best.load).is_eq()) && (it.weight > 0.0) == (best.weight > 0.0)
    };
    let (equals, rest) = field.split_at_mut(field.iter().take_while(is_best).count());
    weighted::shares(equals, |it| it.weight);
    weighted::draw(scene, equals, |it| it.weight);
    for equals in rest.chunk_by_mut(|a, b| a.load.total_cmp(&b.load).is_eq() && (a.weight > 0.0) == (b.weight > 0.0)) {
        weighted::draw(scene, equals, |it| it.weight);
    }
}

/// May a request yield to it?
fn is_whole(it: &Entrant) -> bool {
    it.factor >= 1.0 && it.weight > 0.0
}

/// Each keeps what its factor leaves of its share; the rest goes to the best that has lost nothing, and its equals.
fn yield_shares(ranked: &mut [Entrant]) {
    let Some(best) = ranked.iter().find(|it| is_whole(it)).map(|it| it.load) else { return };
    let (mut given, mut weights) = (0.0, 0.0);
    for it in ranked.iter_mut() {
        if is_whole(it) && it.load.total_cmp(&best).is_eq() {
            weights += it.weight;
        }
        given += it.share * (1.0 - it.factor);
        it.share *= it.factor;
    }
    for it in ranked.iter_mut().filter(|it| is_whole(it) && it.load.total_cmp(&best).is_eq()) {
        it.share += given * it.weight / weights;
    }
}

/// Does the first yield this time? Then the best that has lost nothing goes to the front; the others keep their order.
fn yield_front(scene: &Scene<'_>, field: &mut [Entrant]) {
    if let Some(first) = field.first()
        && first.factor < 1.0
        && let Some(peer) = field.iter().position(is_whole)
        && scene.seed.draw("ramp").unit() >= first.factor
    {
        to_front(field, peer);
    }
}

fn to_front(field: &mut [Entrant], from: usize) {
    if let Some(front) = field.get_mut(..=from) {
        front.rotate_right(1);
    }
}

//! A conversation stays where its prompt cache is warm, as long as that target is fit to be asked first.
//!
//! It yields to what would send any request elsewhere: a target that is out, of a lower tier than others that are fit,
//! failing, or far busier than its peers (bounded load: Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with
//! Bounded Loads", 2016). What a target has lost of its weight, returning, shifted away or failing, it loses of its
//! conversations too, by chance. Where a conversation then goes it stays: the cache is warm there now.

use ringmain_core::Seed;

use crate::{Policy, Row, View};

/// A warm target may run this many times its peers' mean of attempts…
const LOAD_FACTOR: f64 = 2.0;
/// …and these besides, so that a quiet gateway does not count single attempts.
const LOAD_ALLOWANCE: f64 = 8.0;

/// The position to ask first because the conversation is warm there. `order` holds the fit candidates, by tier.
pub(crate) fn warm(policy: &Policy, view: &View, order: &[usize], seed: Seed) -> Option<usize> {
    let target = view.warm?;
    let at = order.iter().copied().find(|at| policy.candidates.get(*at).is_some_and(|it| it.target == target))?;
    let tier = |at: usize| policy.candidates.get(at).map_or(0, |candidate| candidate.tier);
    let first = tier(*order.first()?);
    let row = view.rows.get(at)?;
    let peers =
        order.iter().filter(|peer| tier(**peer) == first && **peer != at).filter_map(|peer| view.rows.get(*peer));
    let stays = tier(at) == first && !row.suspect && !is_overloaded(row, peers);
    let share = row.ramp.min(row.shifted).min(row.peers.failing);
    (stays && (share >= 1.0 || seed.draw("affinity").unit() < share)).then_some(at)
}

fn is_overloaded<'v>(row: &Row, peers: impl Iterator<Item = &'v Row>) -> bool {
    let (mut count, mut running) = (0.0, 0.0);
    for peer in peers {
        count += 1.0;
        running += f64::from(peer.in_flight);
    }
    count > 0.0 && f64::from(row.in_flight) > LOAD_FACTOR * running / count + LOAD_ALLOWANCE
}

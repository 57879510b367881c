//! How to order the candidates of one tier. A strategy is one file with `arrange` and `shares`.

mod order;
mod shifted;
mod weighted;

use ringmain_core::Seed;

use crate::{Balance, Policy, View};

/// Puts the positions of one tier, given in file order, into the order to try them in.
pub(crate) fn arrange(policy: &Policy, view: &View, tier: &mut [usize], seed: Seed) {
    match policy.balance {
        Balance::Order => order::arrange(policy, view, tier, seed),
        Balance::Weighted | Balance::Fastest | Balance::Cheapest | Balance::LeastBusy | Balance::Adaptive(_) => {
            weighted::arrange(policy, view, tier, seed);
        }
    }
}

/// Tells `set` which share of first attempts each position of one tier, given in file order, gets.
pub(crate) fn shares(policy: &Policy, view: &View, tier: &[usize], set: impl FnMut(usize, f64)) {
    match policy.balance {
        Balance::Order => order::shares(policy, view, tier, set),
        Balance::Weighted | Balance::Fastest | Balance::Cheapest | Balance::LeastBusy | Balance::Adaptive(_) => {
            weighted::shares(policy, view, tier, set);
        }
    }
}

fn ramp(view: &View, at: usize) -> f64 {
    view.rows.get(at).map_or(1.0, |row| row.ramp)
}

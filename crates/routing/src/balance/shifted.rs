//! What `shift` leaves of the weights of one tier, and the share that every target keeps of it.
//!
//! A target that is held back has its weight times its factor. Where that is less than the floor's share of the tier it
//! has that share instead, and the others share the rest. A floor takes nothing from what is written: nobody keeps a
//! larger share than the weights give, which is also why the floors of a tier never add up to more than the whole.

use crate::{Policy, View};

/// The floor of one tier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Floor {
    /// Nobody is held back, or all are wholly: weights are as written.
    is_idle: bool,
    /// The share of the floor.
    share: f64,
    /// The sum of the weights as written.
    total: f64,
    /// A share of 1, in the unit of the weights that are left.
    whole: f64,
}

impl Floor {
    /// Of the candidates at these positions; `weight` is without `shift`.
    pub(super) fn of(policy: &Policy, view: &View, tier: &[usize], weight: impl Fn(usize) -> f64) -> Self {
        let share = policy.shift.map_or(0.0, |shift| shift.floor).clamp(0.0, 1.0);
        let mut floor = Self { is_idle: true, share, total: 0.0, whole: 0.0 };
        if tier.iter().all(|at| factor(view, *at) >= 1.0) {
            return floor;
        }
        for at in tier {
            floor.total += weight(*at);
            floor.whole += weight(*at) * factor(view, *at);
        }
        floor.is_idle = floor.whole <= 0.0 || floor.total <= 0.0;
        // Whoever is lifted to the floor leaves less to the others, which may bring another below it: at most as often
        // as there are targets.
        for _ in tier {
            let (mut lifted, mut free) = (0.0, 0.0);
            for at in tier {
                let (kept, left) = (floor.kept(weight(*at)), weight(*at) * factor(view, *at));
                if kept * floor.whole > left {
                    lifted += kept;
                } else {
                    free += left;
                }
            }
            let whole = if lifted < 1.0 { free / (1.0 - lifted) } else { floor.whole };
            if whole <= floor.whole * (1.0 + 1e-12) {
                break;
            }
            floor.whole = whole;
        }
        floor
    }

    /// What is left of a weight, relative to the others'.
    pub(super) fn left(&self, view: &View, at: usize, weight: f64) -> f64 {
        if self.is_idle { weight } else { (weight * factor(view, at)).max(self.kept(weight) * self.whole) }
    }

    /// The share that is kept of a weight.
    fn kept(&self, weight: f64) -> f64 {
        if self.total > 0.0 { self.share.min(weight / self.total) } else { 0.0 }
    }
}

/// What `shift` leaves of the weight of one candidate, the floor aside.
pub(super) fn factor(view: &View, at: usize) -> f64 {
    view.rows.get(at).map_or(1.0, |row| row.shifted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::{World, policy};
    use crate::{Measure, Shift, Stat, view};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is left of whose weight: the shares make a whole, everybody keeps the floor or what is written if
        /// that is less, and who is not held back gets no less than is written.
        #[test]
        fn floors_are_kept(
            drawn in prop::collection::vec((0..100_u32, prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64]), 1..6),
            floor in prop_oneof![Just(0.05), 0.0..1.0_f64],
        ) {
            let mut policy = policy(&vec![1; drawn.len()]);
            policy.shift = Some(Shift {
                measure: Measure::Latency,
                stat: Stat::Mean,
                above: true,
                bound: 1.0,
                over: std::time::Duration::from_secs(60),
                floor,
            });
            let world = World::new(policy.clone());
            let mut known = view(&world.health, &policy, None, world.now());
            for (row, (_, left)) in known.rows.iter_mut().zip(&drawn) {
                row.shifted = *left;
            }
            let tier: Vec<_> = (0..drawn.len()).collect();
            let weight = |at: usize| f64::from(drawn[at].0);
            let total: f64 = tier.iter().map(|at| weight(*at)).sum();
            prop_assume!(total > 0.0);
            let of = Floor::of(&policy, &known, &tier, weight);
            let left: Vec<_> = tier.iter().map(|at| of.left(&known, *at, weight(*at))).collect();
            let whole: f64 = left.iter().sum();
            prop_assert!(whole > 0.0);
            for at in tier {
                let (share, written) = (left[at] / whole, weight(at) / total);
                prop_assert!(share >= floor.min(written) - 1e-9, "{share} of {written}, {left:?}");
                prop_assert!(drawn[at].1 < 1.0 || share >= written - 1e-9, "{share} of {written}, {left:?}");
            }
        }
    }
}

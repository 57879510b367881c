//! What `shift` leaves of the weights of one tier, and the share that every target keeps of it.
//!
//! A target that is held back has its weight times its factor. Where that is less than the floor's share of the tier it
//! has that share instead, and the others share the rest. A floor takes nothing from what is written: nobody keeps a
//! larger share than the weights give, which is also why the floors of a tier never add up to more than the whole.

use super::Entrant;
use crate::Policy;

/// What is left of the share of one candidate, the floor included, where shares do not come from weights.
pub(super) fn kept(policy: &Policy, it: &Entrant) -> f64 {
    if it.shifted < 1.0 { it.shifted.max(floor(policy)) } else { 1.0 }
}

/// Makes that a part of the factors.
pub(super) fn keep(policy: &Policy, field: &mut [Entrant]) {
    for it in field {
        it.factor *= kept(policy, it);
    }
}

fn floor(policy: &Policy) -> f64 {
    policy.shift.map_or(0.0, |shift| shift.floor).clamp(0.0, 1.0)
}

/// The floor of one tier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Floor {
    /// Nobody is held back, or all are wholly: weights are as they would be without `shift`.
    is_idle: bool,
    /// The share of the floor.
    share: f64,
    /// The sum of the weights without `shift`.
    total: f64,
    /// A share of 1, in the unit of the weights that are left.
    whole: f64,
}

impl Floor {
    /// Of the candidates of a tier.
    pub(super) fn of(policy: &Policy, field: &[Entrant]) -> Self {
        let mut floor = Self { is_idle: true, share: floor(policy), total: 0.0, whole: 0.0 };
        if field.iter().all(|it| it.shifted >= 1.0) {
            return floor;
        }
        for it in field {
            floor.total += weight(it);
            floor.whole += weight(it) * it.shifted;
        }
        floor.is_idle = floor.whole <= 0.0 || floor.total <= 0.0;
        // Whoever is lifted to the floor leaves less to the others, which may bring another below it: at most as often
        // as there are targets.
        for _ in field {
            let (mut lifted, mut free) = (0.0, 0.0);
            for it in field {
                let (kept, left) = (floor.kept(it), weight(it) * it.shifted);
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
    pub(super) fn left(&self, it: &Entrant) -> f64 {
        if self.is_idle { weight(it) } else { (weight(it) * it.shifted).max(self.kept(it) * self.whole) }
    }

    /// The share that a target keeps.
    fn kept(&self, it: &Entrant) -> f64 {
        if self.total > 0.0 { self.share.min(weight(it) / self.total) } else { 0.0 }
    }
}

fn weight(it: &Entrant) -> f64 {
    it.weight * it.factor
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::tests::policy;
    use crate::{Measure, Score, Shift, Stat};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is left of whose weight: everybody keeps the floor, or what is written if that is less; and who is
        /// not held back gets no less than is written.
        #[test]
        fn floors_are_kept(
            drawn in prop::collection::vec((0..100_u32, prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64]), 1..6),
            floor in prop_oneof![Just(0.05), 0.0..1.0_f64],
        ) {
            let mut policy = policy(&vec![1; drawn.len()]);
            let (measure, stat, over) = (Measure::Latency, Stat::Mean, Duration::from_secs(60));
            policy.shift = Some(Shift { measure, stat, above: true, bound: 1.0, over, floor });
            let entrant = |(at, (weight, shifted)): (usize, &(u32, f64))| Entrant {
                at,
                score: Score::Place,
                share: 0.0,
                weight: f64::from(*weight),
                factor: 1.0,
                shifted: *shifted,
                load: 0.0,
            };
            let field: Vec<_> = drawn.iter().enumerate().map(entrant).collect();
            let total: f64 = field.iter().map(|it| it.weight).sum();
            prop_assume!(total > 0.0);
            let of = Floor::of(&policy, &field);
            let whole: f64 = field.iter().map(|it| of.left(it)).sum();
            prop_assert!(whole > 0.0);
            for it in &field {
                let (share, written) = (of.left(it) / whole, it.weight / total);
                prop_assert!(share >= floor.min(written) - 1e-9, "{share} of {written}, {field:?}");
                prop_assert!(it.shifted < 1.0 || share >= written - 1e-9, "{share} of {written}, {field:?}");
            }
        }
    }
}

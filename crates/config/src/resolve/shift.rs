//! The section `shift` of a route, seen with the targets it is for.

use std::time::Duration;

use ringmain_routing::{Measure, Shift, Stat};

use super::targets::Named;
use crate::diagnostic::Code;
use crate::raw::{Data, Field, Layers, Section, Trend};
use crate::resolve::Resolver;
use crate::schema::SHIFT;
use crate::{BalanceChoice, Settings};

/// A shorter window holds too few answers to judge by.
const LEAST: Duration = Duration::from_secs(1);

impl Resolver<'_> {
    /// The rule, if one is written and says what it needs.
    pub(super) fn shift(&mut self, section: &Section, targets: &[Named], settings: &Settings) -> Option<Shift> {
        let field = section.taken("shift")?;
        let own = field.section()?;
        let Some(when) = own.get("when") else {
            let message = format!("`{}` does not say `when`", field.path);
            let help = "write a measure and a bound: `when: p95(ttft) > 2s`";
            self.problems.error(Code::Missing, field.key_span, &field.path, message).help(help);
            return None;
        };
        let Data::Trend(trend) = when.data else { return None };
        let layers = Layers::new([own], SHIFT);
        let (over, floor) = (layers.duration("over"), layers.number("floor").unwrap_or_default());
        if over < LEAST {
            let at = own.get("over").unwrap_or(field);
            let message = format!("`{}` is too short a window to judge by", at.path);
            self.problems.error(Code::BadValue, at.span, &at.path, message).help("write `1s` or more; `1m` is usual");
        }
        self.floor(own.get("floor").unwrap_or(field), floor, targets);
        self.without_effect(field, when, trend, targets, settings);
        // A share of failures is one number for a window, whichever quantile is asked for.
        let stat = trend.stat.filter(|_| trend.measure != Measure::ErrorRate).unwrap_or(Stat::Mean);
        Some(Shift { measure: trend.measure, stat, above: trend.above, bound: trend.bound, over, floor })
    }

    /// Floors that add up to everything leave nothing to move.
    fn floor(&mut self, at: &Field, floor: f64, targets: &[Named]) {
        let most = most_in_a_tier(targets);
        #[expect(clippy::cast_precision_loss, reason = "a number of targets")]
        let all = floor * most as f64;
        if most > 1 && all >= 1.0 {
            let message = format!("`{}` keeps the whole for {most} targets: nothing can be moved", at.path);
            let help = format!("write a share below {}%", 100 / most);
            self.problems.error(Code::BadValue, at.span, &at.path, message).help(help);
        } else if floor <= 0.0 {
            let message = format!("`{}` is nothing: a target without a share is never seen to recover", at.path);
            self.problems.warning(Code::Weights, at.span, &at.path, message).help("`5%` is usual");
        }
    }

    fn without_effect(&mut self, field: &Field, when: &Field, trend: Trend, targets: &[Named], settings: &Settings) {
        let mut none = |at: &Field, message: String, help: &str| {
            self.problems.warning(Code::NoEffect, at.key_span, &at.path, message).help(help);
        };
        if most_in_a_tier(targets) < 2 {
            let message = format!("`{}` has no other target of the same tier to move weight to", field.path);
            none(field, message, "add a target, or take the rule out");
        } else if matches!(settings.balance, BalanceChoice::Fastest | BalanceChoice::Cheapest | BalanceChoice::Adaptive)
        {
            let balance = settings.balance.as_str();
            let message = format!("`{}` has no effect: `balance: {balance}` has no weights to move", field.path);
            none(field, message, "take the rule out, or write `balance: weighted`");
        }
        if let (Measure::ErrorRate, Some(Stat::Percentile(nth))) = (trend.measure, trend.stat) {
            let message = format!("an error rate is one number: `p{nth}` of it is the same");
            none(when, message, "write `error_rate` alone");
        }
        if trend.measure == Measure::Cost {
            for named in targets {
                let provider = self.providers.get(named.target.provider);
                let known = provider.map(|provider| provider.knows(self.catalog, &named.target.model));
                if known.is_none_or(|known| known.price.is_none()) {
                    let message = format!("the price of `{}` is not known: its cost is never measured", named.written);
                    self.problems.warning(Code::NoEffect, when.span, &when.path, message);
                }
            }
        }
    }
}

fn most_in_a_tier(targets: &[Named]) -> usize {
    let of = |tier: u8| targets.iter().filter(|named| named.target.tier == tier).count();
    targets.iter().map(|named| of(named.target.tier)).max().unwrap_or_default()
}

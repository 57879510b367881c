//! `defaults`, and what a route says otherwise.

use std::time::Duration;

use ringmain_routing::{Backoff, BreakerPolicy, OnRefusal, RetryBudget, Timeouts};

use crate::diagnostic::Code;
use crate::raw::{Data, Layers, Section};
use crate::resolve::Resolver;
use crate::{BalanceChoice, OnLoss, Settings};

/// Retries a second besides the share, so that a quiet gateway may retry too.
const RETRIES_PER_SECOND: f64 = 10.0;
/// A breaker judges by its rate from this many answers on…
const BREAKER_REQUESTS: u32 = 10;
/// …within this window.
const BREAKER_WINDOW: Duration = Duration::from_secs(30);

impl Resolver<'_> {
    /// The settings of these layers; `own` are the sections whose values are to be checked here.
    pub(super) fn settings(&mut self, layers: &Layers<'_>, own: &[&Section]) -> Settings {
        for section in own {
            self.not_zero(section);
        }
        let clocks = layers.within("timeouts");
        let retries = layers.within("retries");
        let (base, max) = retries.range("backoff").unwrap_or_default();
        Settings {
            balance: match layers.word("balance") {
                Some("order") => BalanceChoice::Order,
                Some("weighted") => BalanceChoice::Weighted,
                _ => BalanceChoice::Auto,
            },
            on_refusal: match layers.word("on_refusal") {
                Some("next") => OnRefusal::Next,
                _ => OnRefusal::Return,
            },
            on_loss: match layers.word("on_loss") {
                Some("allow") => OnLoss::Allow,
                Some("reject") => OnLoss::Reject,
                _ => OnLoss::Warn,
            },
            timeouts: Timeouts {
                connect: clocks.duration("connect"),
                race_after: clocks.flat_duration("race_after").flatten(),
                first_token: clocks.duration("first_token"),
                idle: clocks.duration("idle"),
                total: clocks.duration("total"),
            },
            race_after_is_default: !clocks.written("race_after"),
            attempts: whole(&retries, "attempts"),
            backoff: Backoff { base, max },
            retry_budget: RetryBudget {
                share: retries.number("budget").unwrap_or_default(),
                per_second: RETRIES_PER_SECOND,
            },
            breaker: breaker(&layers.within("breaker")),
        }
    }

    /// A clock of nothing would fail every request.
    fn not_zero(&mut self, section: &Section) {
        let Some(clocks) = section.section("timeouts") else { return };
        for field in &clocks.fields {
            if matches!(field.data, Data::Duration(Some(Duration::ZERO))) && field.key != "race_after" {
                let message = format!("`{}` is no time at all", field.path);
                let help = "write how long to wait at most";
                self.problems.error(Code::BadValue, field.span, &field.path, message).help(help);
            }
        }
    }
}

fn breaker(layers: &Layers<'_>) -> BreakerPolicy {
    let (open_for, open_for_max) = layers.range("open_for").unwrap_or_default();
    BreakerPolicy {
        failures: whole(layers, "failures"),
        error_rate: layers.number("error_rate").unwrap_or_default(),
        min_requests: BREAKER_REQUESTS,
        window: BREAKER_WINDOW,
        open_for,
        open_for_max,
        ramp: layers.duration("ramp"),
    }
}

fn whole(layers: &Layers<'_>, key: &str) -> u32 {
    layers.whole(key).and_then(|number| u32::try_from(number).ok()).unwrap_or(1)
}

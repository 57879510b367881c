//! `defaults`, and what a route says otherwise.

use std::time::Duration;

use ringmain_routing::{
    Affinity, Backoff, BreakerPolicy, Hedge, HedgeAfter, OnRefusal, Resume, RetryBudget, Timeouts, Worth,
};

use super::matching::names;
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
            balance: layers.word("balance").and_then(BalanceChoice::by_name).unwrap_or(BalanceChoice::Auto),
            worth: worth(&layers.within("adaptive")),
            // A route's own: it is about the route's targets.
            shift: None,
            affinity: match layers.word("affinity") {
                Some("off") => Affinity::Off,
                Some("session") => Affinity::Session,
                _ => Affinity::Prefix,
            },
            hedge: hedge(&layers.within("hedge")),
            regions: layers.list("regions").map(|items| names(&items)).filter(|names| names.texts().next().is_some()),
            on_refusal: match layers.word("on_refusal") {
                Some("next") => OnRefusal::Next,
                _ => OnRefusal::Return,
            },
            mixes_vectors: matches!(layers.data("mix_embeddings"), Some(Data::Flag(true))),
            resume: match layers.word("resume") {
                Some("off") => Resume::Off,
                _ => Resume::Auto,
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
        let clocks = section.section("timeouts").map(|clocks| clocks.fields.as_slice()).unwrap_or_default();
        let after = section.section("hedge").and_then(|hedge| hedge.get("after"));
        for field in clocks.iter().filter(|field| field.key != "race_after").chain(after) {
            if matches!(field.data, Data::Duration(Some(Duration::ZERO))) {
                let message = format!("`{}` is no time at all", field.path);
                let help = "write how long to wait at most";
                self.problems.error(Code::BadValue, field.span, &field.path, message).help(help);
            }
        }
    }
}

fn worth(layers: &Layers<'_>) -> Worth {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 1, in ten-thousandths")]
    let explore = (layers.number("explore").unwrap_or_default() * 10_000.0).round() as u16;
    let money = |key| layers.money(key).unwrap_or_default();
    Worth { second: money("second"), failure: money("failure"), explore }
}

fn hedge(layers: &Layers<'_>) -> Option<Hedge> {
    let after = match layers.data("after")? {
        Data::Percentile(nth) => HedgeAfter::Percentile(nth),
        Data::Duration(Some(time)) => HedgeAfter::Time(time),
        _ => return None,
    };
    Some(Hedge { after, budget: layers.number("budget").unwrap_or_default() })
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

//! Decisions in words: what a plan thinks of each candidate, the clocks it runs under, what happened then.

mod story;

use std::fmt::Write as _;
use std::time::Duration;

use ringmain_core::{Now, RequestFacts};

use crate::record::Known;
use crate::{Balance, Plan, Policy, Score, Verdict};

pub use self::story::story;

/// What a plan thinks of each candidate: those to be asked in their order, then those left out.
#[must_use]
pub fn verdicts(candidates: &[Known], plan: &Plan, now: Now) -> Vec<String> {
    let left_out = (0..candidates.len()).filter(|at| !plan.order.contains(at));
    let all: Vec<usize> = plan.order.iter().copied().chain(left_out).collect();
    let width = candidates.iter().map(|candidate| candidate.name.len()).max().unwrap_or_default();
    let line = |at: &usize| {
        let (candidate, verdict) = (candidates.get(*at)?, plan.verdicts.get(*at)?);
        let words = match *verdict {
            Verdict::Chosen { share, score } if plan.warm == Some(*at) => {
                format!("1. asked first: the conversation's prompt is warm there{}", shared(share, score))
            }
            Verdict::Chosen { share, score } => format!("1. asked first{}", shared(share, score)),
            Verdict::Eligible { rank, share, score } => {
                let tier = if candidate.tier > 1 { format!(", tier {}", candidate.tier) } else { String::new() };
                format!("{}. asked if those before it fail{tier}{}", rank + 1, shared(share, score))
            }
            Verdict::Excluded(reason) => format!("-  not asked: {}", reason.at(now)),
        };
        Some(format!("{:width$}  {words}", candidate.name))
    };
    all.iter().filter_map(line).collect()
}

/// `; half of the requests begin there (weight 50)`: what a strategy knows, in a few words.
fn shared(share: f64, score: Score) -> String {
    let mut words = String::new();
    if share > 0.0 && share < 1.0 {
        let _ = write!(words, "; {} of requests begin there", percent(share));
    }
    match score {
        Score::Place => {}
        Score::Weight(weight) => {
            let _ = write!(words, "; weight {weight:.3}");
            words.truncate(words.trim_end_matches('0').trim_end_matches('.').len());
        }
        Score::Seconds(seconds) => {
            let _ = write!(words, "; a whole answer is expected in {seconds:.2} s");
        }
        Score::Dollars(Some(dollars)) => {
            let _ = write!(words, "; this request is expected to cost {}", dollars_of(dollars));
        }
        Score::Dollars(None) => words.push_str("; its price is not known"),
        Score::Busy(busy) => {
            let _ = write!(words, "; {busy:.1} attempts running for each part of its weight");
        }
        Score::Sum { cost, time, risk } => {
            let priced =
                cost.map_or_else(|| "an unknown price".to_owned(), |cost| format!("{} of tokens", dollars_of(cost)));
            let total = dollars_of(cost.unwrap_or_default() + time + risk);
            let (time, risk) = (dollars_of(time), dollars_of(risk));
            let _ = write!(words, "; it counts as {total}: {priced}, {time} of waiting, {risk} of risk");
        }
    }
    words
}

/// How the first is chosen and what follows a failure, in sentences.
#[must_use]
pub fn strategy(policy: &Policy) -> &'static str {
    match policy.balance {
        Balance::Order => "in file order: the first that is fit, then the next",
        Balance::Weighted => "by weight",
        Balance::Fastest => "the one expected to answer soonest, of two picked at random",
        Balance::Cheapest => "the one expected to cost least for this request",
        Balance::LeastBusy => "the one with the fewest attempts running for its weight",
        Balance::Adaptive(_) => "the least sum of cost, waiting and risk, all in money",
    }
}

/// The clocks a request runs under.
#[must_use]
pub fn clocks(policy: &Policy, facts: &RequestFacts) -> Vec<String> {
    let clocks = &policy.timeouts;
    let mut lines = vec![format!("connect within {}", seconds(clocks.connect))];
    if let Some(race) = clocks.race_after {
        lines.push(format!("no useful token after {}: the next target is started beside it", seconds(race)));
        let thinks =
            |candidate: &crate::Candidate| Some(format!("{} ({})", seconds(candidate.race_after?), candidate.name));
        let longer: Vec<String> = policy.candidates.iter().filter_map(thinks).collect();
        if !longer.is_empty() {
            lines.push(format!("  except models that think first: {}", longer.join(", ")));
        }
    }
    lines.push(format!("no useful token after {}: the attempt is given up", seconds(clocks.first_token)));
    lines.push(format!("a stream silent for {} is broken", seconds(clocks.idle)));
    let total = facts.timeout.map_or(clocks.total, |timeout| timeout.min(clocks.total));
    let asked = if total < clocks.total { ", as the caller asks" } else { "" };
    lines.push(format!("{} for the whole request{asked}; an answer that flows is never cut", seconds(total)));
    lines
}

/// What happens after failures.
#[must_use]
pub fn retries(policy: &Policy) -> Vec<String> {
    let breaker = &policy.breaker;
    let mut lines = Vec::new();
    match policy.attempts {
        1 => lines.push("one attempt, and no other".to_owned()),
        most => lines.push(format!(
            "up to {most} attempts over all targets; the same target again after at most {} to {}",
            seconds(policy.backoff.base),
            seconds(policy.backoff.max)
        )),
    }
    lines.push(format!(
        "a target is left alone after {} failures in a row, or {} of at least {} answers in {}; first for about {}",
        breaker.failures,
        percent(breaker.error_rate),
        breaker.min_requests,
        seconds(breaker.window),
        seconds(breaker.open_for)
    ));
    lines
}

/// `12.5%`
pub(crate) fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{}%", text.strip_suffix(".0").unwrap_or(&text))
}

/// `250 ms`, `2 s`, `10 min`.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_millis() {
        millis if millis < 1000 => format!("{millis} ms"),
        millis if millis % 60_000 == 0 => format!("{} min", millis / 60_000),
        millis if millis % 1000 == 0 => format!("{} s", millis / 1000),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// Dollars with as many digits as tell something.
pub(crate) fn dollars_of(dollars: f64) -> String {
    if dollars >= 0.01 { format!("${dollars:.3}") } else { format!("${dollars:.6}") }
}

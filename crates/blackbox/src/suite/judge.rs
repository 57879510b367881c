//! What a cell's evidence is worth.

use std::time::Duration;

use ringmain_caller::Heard;
use ringmain_core::{Dialect, FaultClass};
use ringmain_provider_sim::{Ended, LogEntry};
use serde_json::Value;

use super::catalogue::{Case, WORDS};
use super::cell::{Answer, Cell, Evidence};
use super::clocks::Clocks;
use crate::targets::model;

/// A cancelled attempt is closed at its provider within this.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);
/// Attempts that reach a primary which is down for ever until the breaker opens, at most: five failures, and what was
/// on its way.
const DOWN_ATTEMPTS: usize = 6;
/// Attempts that reach a primary which flaps, at most, of fifteen requests: more than one for each would be a storm.
const FLAPPING_ATTEMPTS: usize = 20;

/// How a cell did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The caller noticed nothing, or was told what it had to be told.
    Pass,
    /// Honest, but not what could be had: an error where a rescue was possible, too late, or too many attempts.
    Partial(String),
    /// A caller was misled or left hanging.
    Fail(String),
}

impl Verdict {
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Partial(_) => "partial",
            Self::Fail(_) => "FAIL",
        }
    }

    /// The worse of two.
    fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Pass => other(),
            Self::Fail(_) => self,
            Self::Partial(_) => match other() {
                Self::Fail(why) => Self::Fail(why),
                Self::Pass | Self::Partial(_) => self,
            },
        }
    }
}

fn partial_unless(holds: bool, why: impl FnOnce() -> String) -> Verdict {
    if holds { Verdict::Pass } else { Verdict::Partial(why()) }
}

/// Exchanges that a rescue may need one after the other: the first, one that goes on and is refused, one that is not.
const IN_A_ROW: u32 = 3;

/// Judges a cell; `busy` is what a healthy request took meanwhile, and may be added to every exchange.
pub(crate) fn judge(cell: &Cell, seen: &Evidence, clocks: &Clocks, busy: Duration) -> Verdict {
    let within = cell.case.within(clocks) + busy * IN_A_ROW;
    let mut verdict = Verdict::Pass;
    for answer in &seen.answers {
        verdict = verdict.and(|| self::answer(cell, answer, within));
    }
    verdict.and(|| providers(cell, seen, clocks)).and(|| closed(seen, busy))
}

/// The caller's end.
fn answer(cell: &Cell, answer: &Answer, within: Duration) -> Verdict {
    let (got, heard) = match (&answer.got, &answer.heard) {
        (Ok(got), Some(heard)) => (got, heard),
        (Err(why), _) => return Verdict::Fail(format!("no answer: {why}")),
        (Ok(_), None) => return Verdict::Fail("an answer that nobody read".to_owned()),
    };
    match cell.case {
        Case::ContentFilter => return refusal(heard),
        Case::ContextLength if !has_larger_window(cell) => return context(heard),
        // Even all the text is not known to be all.
        Case::NoDone if must_say_whole(cell.provider) => {
            if let Heard::Broken { text, .. } = heard
                && *text == answer.expected
            {
                return Verdict::Pass;
            }
        }
        _ => {}
    }
    whole(heard, &answer.expected).and(|| {
        partial_unless(got.took <= within, || format!("whole, but after {:?} where {within:?} is due", got.took))
    })
}

fn whole(heard: &Heard, expected: &str) -> Verdict {
    match heard {
        Heard::Whole { text, done: true, .. } if text == expected => Verdict::Pass,
        Heard::Whole { text, .. } => {
            Verdict::Fail(format!("a clean end after {} of {WORDS} words: {text:?}", text.split(' ').count()))
        }
        Heard::Refused(fault) => Verdict::Partial(format!("refused: {fault}")),
        Heard::Broken { text, fault } if fault.message.contains("prefill") => {
            Verdict::Fail(format!("the refused prefill is told as the cause, after {text:?}: {fault}"))
        }
        Heard::Broken { text, fault } if expected.starts_with(text.as_str()) => {
            Verdict::Partial(format!("an honest error after {} words: {fault}", text.split(' ').count()))
        }
        Heard::Broken { text, .. } => Verdict::Fail(format!("{text:?} is no beginning of the answer")),
        Heard::Unfinished { text } => {
            Verdict::Fail(format!("neither an end nor an error after {} words", text.split(' ').count()))
        }
        Heard::Unreadable(why) => Verdict::Fail(format!("not of the dialect: {why}")),
    }
}

/// Providers that always say that an answer is whole.
const fn must_say_whole(provider: Dialect) -> bool {
    matches!(provider, Dialect::AnthropicMessages | Dialect::OpenAiResponses)
}

/// A refusal is the answer: as an error, or as the reason to stop.
fn refusal(heard: &Heard) -> Verdict {
    match heard {
        Heard::Refused(fault) | Heard::Broken { fault, .. }
            if matches!(fault.class, FaultClass::Refusal | FaultClass::BadRequest) =>
        {
            Verdict::Pass
        }
        Heard::Whole { done: false, text, .. } if text.is_empty() => Verdict::Pass,
        Heard::Whole { text, .. } => Verdict::Fail(format!("the refusal was routed around: {text:?}")),
        other => Verdict::Fail(format!("the refusal became {other:?}")),
    }
}

fn has_larger_window(cell: &Cell) -> bool {
    model(cell.fallback_dialect()).1 > model(cell.provider).1
}

fn context(heard: &Heard) -> Verdict {
    match heard {
        Heard::Refused(fault) if matches!(fault.class, FaultClass::Context | FaultClass::BadRequest) => Verdict::Pass,
        other => Verdict::Fail(format!("no larger window, and yet {other:?}")),
    }
}

/// The providers' end: who was asked, how often, and when.
fn providers(cell: &Cell, seen: &Evidence, clocks: &Clocks) -> Verdict {
    let (primary, fallback) = (seen.primary.len(), seen.fallback.len());
    let asked = || format!("the primary was asked {primary} times, the fallback {fallback} times");
    match cell.case {
        Case::RetryAfter => left_alone(seen),
        Case::RateLimited | Case::ServerErrorOnce | Case::ResetBeforeHeaders => {
            partial_unless(primary <= 2 && primary + fallback <= 3, asked)
        }
        Case::UnavailableForEver => partial_unless(primary <= DOWN_ATTEMPTS + probes(seen, clocks), asked),
        Case::Silence | Case::SlowFirstToken => partial_unless((primary, fallback) == (1, 1), asked),
        Case::CutAtToken40 | Case::Stall if cell.stream => partial_unless((primary, fallback) == (1, 1), asked),
        Case::CutThenPrefillRefused => partial_unless(primary == 1 && fallback <= 2, asked),
        // Half a body is no answer yet: it may be asked for again.
        Case::CutAtToken40 | Case::Stall => partial_unless(primary <= 2 && fallback <= 1, asked),
        // What may not be whole may be given to another to go on with, who finds nothing to add.
        Case::NoDone if must_say_whole(cell.provider) => partial_unless(primary == 1 && fallback <= 1, asked),
        Case::MalformedEvent | Case::NoDone if cell.stream => partial_unless((primary, fallback) == (1, 0), asked),
        Case::MalformedEvent | Case::NoDone => partial_unless(primary <= 2 && fallback <= 1, asked),
        Case::ContextLength => partial_unless(primary == 1 && fallback <= 1, asked),
        Case::ContentFilter if fallback > 0 => Verdict::Fail("the fallback was asked too".to_owned()),
        Case::ContentFilter => partial_unless(primary == 1, asked),
        Case::Flapping => partial_unless(primary <= FLAPPING_ATTEMPTS, asked),
        Case::Accounting => accounting(cell, seen),
    }
}

/// How often a primary that stays down may have been probed meanwhile: each time the breaker waits twice as long.
fn probes(seen: &Evidence, clocks: &Clocks) -> usize {
    let (Some(first), Some(last)) = (seen.primary.first(), seen.primary.last()) else { return 0 };
    let (mut waited, mut wait, mut probes) = (Duration::ZERO, clocks.open_for, 0);
    while waited + wait <= last.at.saturating_sub(first.at) {
        (waited, wait, probes) = (waited + wait, wait * 2, probes + 1);
    }
    probes
}

/// After a 429 the primary is left alone until its time has come, and used again then.
fn left_alone(seen: &Evidence) -> Verdict {
    let Some(first) = seen.primary.first() else { return Verdict::Fail("the primary was never asked".to_owned()) };
    let wait = Duration::from_millis(950);
    if let Some(early) = seen.primary.iter().skip(1).find(|entry| entry.at < first.at + wait) {
        return Verdict::Fail(format!("the primary was asked again after {:?}", early.at.saturating_sub(first.at)));
    }
    partial_unless(seen.primary.len() >= 2, || "the primary is not used again after its time".to_owned())
}

/// Headers, body and record name who answered, after how many attempts, and the use of the one who answered.
fn accounting(cell: &Cell, seen: &Evidence) -> Verdict {
    let [_, target] = cell.targets();
    let Some(Ok(got)) = seen.answers.last().map(|answer| answer.got.as_ref()) else {
        return Verdict::Fail("no answer".to_owned());
    };
    let Some(Heard::Whole { response, .. }) = seen.answers.last().and_then(|answer| answer.heard.as_ref()) else {
        return Verdict::Partial("no whole answer".to_owned());
    };
    let attempts = (seen.primary.len() + seen.fallback.len()).to_string();
    let told = [
        ("x-ringmain-target", got.mine("target").unwrap_or_default(), target.as_str()),
        ("x-ringmain-attempts", got.mine("attempts").unwrap_or_default(), attempts.as_str()),
        ("the record's target", seen.record["target"].as_str().unwrap_or_default(), target.as_str()),
    ];
    if let Some((what, is, due)) = told.into_iter().find(|(_, is, due)| is != due) {
        return Verdict::Fail(format!("{what} is {is:?} where {due:?} is true"));
    }
    let served = model(cell.fallback_dialect()).0;
    if !response.model.is_empty() && response.model != served {
        return Verdict::Fail(format!("the body names {:?}, {served} answered", response.model));
    }
    let recorded = seen.record["output_tokens"].as_u64();
    let used = response.usage.map(|usage| usage.output);
    if recorded != Some(WORDS as u64) || used != Some(WORDS as u64) {
        return Verdict::Fail(format!("{WORDS} output tokens were told as {used:?} and recorded as {recorded:?}"));
    }
    partial_unless(seen.record["cost_usd"].as_f64().is_some_and(|cost| cost > 0.0), || {
        format!("the record's cost is {}", seen.record.get("cost_usd").unwrap_or(&Value::Null))
    })
}

/// Nothing goes on at a provider once the caller has its answer.
fn closed(seen: &Evidence, busy: Duration) -> Verdict {
    let Some(end) = seen.answers.last().map(|answer| answer.ended) else { return Verdict::Pass };
    let late = |entry: &&LogEntry| match entry.ended {
        Ended::Open => true,
        Ended::ClientClosed { at } => at > end + CLOSED_WITHIN + busy,
        Ended::Completed { .. } | Ended::BrokenOff { .. } => false,
    };
    match seen.primary.iter().chain(&seen.fallback).find(late) {
        Some(entry) => Verdict::Partial(format!("{} went on after the answer: {:?}", entry.label, entry.ended)),
        None => Verdict::Pass,
    }
}

//! How one target answers: what strategies expect of it.
//!
//! *What an operator expects:* a target that turns slow loses traffic within a few requests, one slow answer is no
//! drama, and one that fails is never mistaken for a quick one.
//!
//! **The first token is a peak-EWMA** (Finagle's `PeakEwma`; linkerd and tower have it too): a slow answer counts at
//! once, quicker ones bring it down with a time constant of ten seconds. Three things differ, since models are not web
//! servers:
//! - First tokens have long tails, and a busy target meets its tail more often than an idle one. One answer counts for
//!   at most twice what was expected: a blip doubles, and a target that has become ten times slower is there after four.
//! - Finagle's value falls to zero when nothing is heard, so that an idle host looks fast. Here a peak falls to the mean
//!   of the last minute and no further; what to think of a target long unheard of is for `balance/peers.rs`.
//! - In tower a failure is a fast answer. Here it takes at least what the provider asked to wait, else five seconds
//!   (linkerd's `load-biaser`), twice as much with each further one in a row; a timeout at least as long as was waited.
//!
//! **Attempts beside it.** Finagle multiplies by the attempts that run, as if each were served after the other. A
//! provider serves hundreds at once, and what was measured while many ran holds for as many: so the most that ran beside
//! an attempt that got its first token is learned too, and only what goes beyond that multiplies.
//!
//! **A plain answer** says when it ended, not when it began. The time of its tokens is taken off where streams have
//! shown the pace; else it counts whole, and no time per token is added to it.
//!
//! **Means fade** by age, each sample alike: a burst counts as many, a day ago as nothing.

use std::time::Duration;

use ringmain_core::{Tick, Timings, Usage};

use crate::Pace;

/// Time constant of a peak, in seconds. Those of the means below are fixed multiples of it: one exponential does for all.
const PEAK: f64 = 10.0;
/// Recent first tokens: a minute.
const MINUTE: i32 = 6;
/// Failures, and what is in the nature of a model and its use: five minutes.
const MINUTES: i32 = 30;
/// What is normal for it: half an hour.
const HALF_AN_HOUR: i32 = 180;
/// One answer counts for at most so many times what was expected…
const MOST_AT_ONCE: f64 = 2.0;
/// …or this many seconds, since twice next to nothing is next to nothing.
const UNREMARKABLE: f64 = 0.25;
/// What a failure takes at least, in seconds; the second in a row twice as much, and so on.
const PENALTY: f64 = 5.0;
/// While the last that was heard of a target is a failure, it is expected to take at least so many times what it usually
/// takes, or its peers: however long ago that was, it is not as good as who has answered.
pub(crate) const UNPROVEN: f64 = 2.0;
/// The most that counts of that, and of a wait that the provider asks for.
const LONGEST_PENALTY: Duration = Duration::from_secs(300);
/// Of a plain answer's time, at least this share went before its first token.
const LEAST_FIRST: f64 = 0.05;
/// One answer counts for at most so many times the usual output: a single book is no news of a model.
const MOST_OUTPUT: f64 = 4.0;
/// The share of failures is of at most so many answers, so that a busy target is not held to an outage that is over.
const MOST_ANSWERS: f64 = 50.0;
/// A mean of less than this of a sample is forgotten.
const NOTHING: f64 = 1e-6;

/// A mean whose samples fade.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    fn add(&mut self, sample: f64) {
        self.sum += sample;
        self.weight += 1.0;
    }

    /// No more than so many samples count.
    fn add_to(&mut self, most: f64, sample: f64) {
        if self.weight > most - 1.0 {
            self.fade((most - 1.0) / self.weight);
        }
        self.add(sample);
    }

    fn fade(&mut self, left: f64) {
        self.sum *= left;
        self.weight *= left;
    }

    fn get(self) -> Option<f64> {
        (self.weight > NOTHING).then(|| self.sum / self.weight)
    }
}

/// The fold of a target's answers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct PaceHealth {
    /// When the means last faded.
    at: Tick,
    /// Expected seconds to the first token at `peak_at`.
    peak: Option<f64>,
    peak_at: Tick,
    recent: Mean,
    normal: Mean,
    per_token: Mean,
    output: Mean,
    cached: Mean,
    failing: Mean,
    /// When it last came back from an outage. How attempts fail that began before says nothing of it now.
    back: Tick,
    /// Failures since the last answer.
    in_a_row: u32,
    /// The most attempts that ran beside one whose first token came; fades.
    beside: f64,
    /// First tokens of streams are told when they come, so that the end of one has no news of it.
    is_told: bool,
}

impl PaceHealth {
    /// The first useful token of a stream came `seconds` after it was asked, while so many ran beside it.
    pub(crate) fn first_token(&mut self, seconds: f64, beside: u32, now: Tick) {
        self.is_told = true;
        self.in_a_row = 0;
        self.enter(seconds, 0.0, now);
        self.beside = self.beside.max(f64::from(beside));
    }

    /// A whole answer, while so many ran beside it.
    pub(crate) fn served(&mut self, timings: &Timings, usage: Option<&Usage>, streamed: bool, beside: u32, now: Tick) {
        self.fade(now);
        self.in_a_row = 0;
        self.beside = self.beside.max(f64::from(beside));
        self.failing.add_to(MOST_ANSWERS, 0.0);
        let total = timings.total.as_secs_f64();
        let first = timings.first_token.map(|first| first.as_secs_f64());
        let tokens = usage.map_or(0.0, |usage| count(usage.output.saturating_sub(1)));
        match (streamed, first) {
            (true, None) => {}
            (true, Some(first)) => {
                if tokens > 0.0 && total >= first {
                    self.per_token.add((total - first) / tokens);
                }
                if !self.is_told {
                    self.enter(first, (total - first).max(0.0), now);
                }
            }
            (false, first) => {
                let whole = first.unwrap_or(total);
                if whole > 0.0 {
                    let flowing = self.per_token.get().map_or(0.0, |each| each * tokens);
                    self.enter((whole - flowing).max(whole * LEAST_FIRST), 0.0, now);
                }
            }
        }
        if let Some(usage) = usage {
            if usage.output > 0 {
                let most = self.output.get().map_or(f64::INFINITY, |mean| mean * MOST_OUTPUT);
                self.output.add(count(usage.output).min(most));
            }
            if usage.input > 0 {
                self.cached.add(count(usage.cache_read.min(usage.input)) / count(usage.input));
            }
        }
    }

    /// It is back from an outage: the breaker has dealt with that, and lets its share rise.
    pub(crate) fn returned(&mut self, now: Tick) {
        self.back = now;
        self.failing = Mean::default();
        self.in_a_row = 0;
    }

    /// A failure that blames the target, after `waited` without a first token; `None` if there was one. `asked`: the
    /// wait that the provider asked for.
    pub(crate) fn failed(&mut self, waited: Option<Duration>, asked: Option<Duration>, started: Tick, now: Tick) {
        if started < self.back {
            return;
        }
        let longest = LONGEST_PENALTY.as_secs_f64();
        let own = (PENALTY * f64::from(1_u32 << self.in_a_row.min(16))).min(longest);
        let penalty = asked.map_or(own, |asked| asked.as_secs_f64().min(longest).max(own));
        self.in_a_row = self.in_a_row.saturating_add(1);
        let expected = self.expected(now).unwrap_or_default();
        self.fade(now);
        self.failing.add_to(MOST_ANSWERS, 1.0);
        self.peak = Some(penalty.max(expected).max(waited.unwrap_or_default().as_secs_f64()));
        self.peak_at = now;
    }

    /// Stopped after so long without a first token: it would have taken at least that.
    pub(crate) fn given_up(&mut self, waited: Duration, now: Tick) {
        let waited = waited.as_secs_f64();
        if let Some(expected) = self.expected(now)
            && waited > expected
        {
            self.peak = Some(believed(waited, expected));
            self.peak_at = now;
        }
    }

    /// What is expected of it now, before any comparison with its peers.
    pub(crate) fn read(&self, now: Tick) -> Pace {
        if self.peak.is_none() && self.failing.weight <= NOTHING {
            return Pace::default();
        }
        let faded = Fade::of(now.since(self.at));
        let answers = self.failing.weight * faded.minutes;
        Pace {
            first_token: self.expected(now),
            recent: self.recent.get(),
            normal: self.normal.get(),
            per_token: self.per_token.get(),
            output: self.output.get(),
            cached: self.cached.get(),
            in_a_row: self.in_a_row,
            failing: self.failing.get().unwrap_or_default(),
            answers: if answers > NOTHING { answers } else { 0.0 },
            beside: self.beside * faded.minute,
            idle: self.peak.map(|_| now.since(self.peak_at).as_secs_f64()),
        }
    }

    /// A first token that took `seconds` and came `ago`.
    fn enter(&mut self, seconds: f64, ago: f64, now: Tick) {
        let expected = self.expected(now);
        let counted = expected.map_or(seconds, |expected| believed(seconds, expected));
        self.peak = Some(match (self.peak, expected) {
            (Some(peak), Some(expected)) if counted < expected => {
                let left = (-now.since(self.peak_at).as_secs_f64() / PEAK).exp();
                (peak * left + counted * (1.0 - left)).min(expected)
            }
            (_, Some(expected)) => expected + (counted - expected) * (-ago / PEAK).exp(),
            (_, None) => counted,
        });
        self.peak_at = now;
        self.fade(now);
        self.recent.add(counted);
        self.normal.add(counted);
    }

    /// Seconds to the first token: a peak falls to the mean of the last minute, and to a multiple of it where the last that
    /// was heard is a failure; what is below it stays.
    fn expected(&self, now: Tick) -> Option<f64> {
        let peak = self.peak?;
        let Some(mean) = self.recent.get() else { return Some(peak) };
        let (least, peak) = match self.in_a_row {
            0 => (mean.min(peak), peak),
            _ => (mean * UNPROVEN, peak.max(mean * UNPROVEN)),
        };
        Some(least + (peak - least) * (-now.since(self.peak_at).as_secs_f64() / PEAK).exp())
    }

    fn fade(&mut self, now: Tick) {
        if now <= self.at {
            return;
        }
        let left = Fade::of(now.since(self.at));
        self.at = now;
        self.beside *= left.minute;
        self.recent.fade(left.minute);
        self.failing.fade(left.minutes);
        self.per_token.fade(left.minutes);
        self.output.fade(left.minutes);
        self.cached.fade(left.minutes);
        self.normal.fade(left.half_an_hour);
    }
}

/// What is left of the weight of a sample.
struct Fade {
    minute: f64,
    minutes: f64,
    half_an_hour: f64,
}

impl Fade {
    fn of(passed: Duration) -> Self {
        let half_an_hour = (-passed.as_secs_f64() / (PEAK * f64::from(HALF_AN_HOUR))).exp();
        Self {
            minute: half_an_hour.powi(HALF_AN_HOUR / MINUTE),
            minutes: half_an_hour.powi(HALF_AN_HOUR / MINUTES),
            half_an_hour,
        }
    }
}

/// What one answer of so many seconds counts for where so many were expected.
fn believed(seconds: f64, expected: f64) -> f64 {
    seconds.min((expected * MOST_AT_ONCE).max(UNREMARKABLE))
}

#[expect(clippy::cast_precision_loss, reason = "tokens of one request")]
fn count(tokens: u64) -> f64 {
    tokens as f64
}

#[cfg(test)]
mod tests;

//! What is left of a key on one model, as the provider's headers tell and as we have spent since.
//!
//! **Whose limit it is.** A provider's headers speak of the model that answered, or of its class: OpenAI, Anthropic, Azure
//! and Groq count each model of an account apart. So what a header says is kept for the pair of key and target. Held
//! against other models of the key it would be a limit nobody has named; kept apart where a provider in fact counts all
//! models together, it costs nothing but that each model learns it from its own next answer.
//!
//! **What is counted.** `remaining` of the last header, less what was set aside for attempts that it does not know of yet:
//! those that began less than a second before the attempt it came with, or after it. (A provider counts a request when it
//! arrives; a second covers the way there.) A header stands above our own count. An attempt that ends without a header
//! is charged with what it used. Without headers nothing is ever short.
//!
//! **When it is whole again.** Some providers count in windows that begin anew: all is back at the reset, nothing before.
//! Others fill a bucket evenly and name the time until it is *full*: of OpenAI's `remaining: 0, reset: 60s` at 5,000 a
//! minute the next request may be made in 12 ms, and to wait for the minute would waste all of it. Which kind it is shows:
//! in a bucket the reset is the used share of a minute, an hour or a day, whenever one looks, and in a window it runs
//! down. So a limit is taken for a window (the careful reading) until its headers have kept to the rule of the bucket for
//! [`STEADY`], or while their reset rose by as much, as no window's does; and again as soon as one does not.
//!
//! A count without a reset, as some providers send, moves traffic to the keys that have more left, and stops none.

use std::collections::VecDeque;
use std::time::Duration;

use ringmain_core::Tick;
use serde::{Deserialize, Serialize};

use crate::{Limits, Window};

/// Attempts that began so long before another have been counted when that one is answered.
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// For how long, or over which change of the reset, headers must keep to the rule of a bucket.
const STEADY: Duration = Duration::from_secs(5);
/// Resets that differ by less are the same: some providers name whole seconds.
const ROUNDING: Duration = Duration::from_millis(1500);
/// In how many seconds a bucket may fill.
const PERIODS: [f64; 3] = [60.0, 3600.0, 86_400.0];
/// Running attempts of one key on one model beyond this many are not set aside for.
const MOST_SENT: usize = 4096;
/// With less than this share left, requests are spread over the time that is left.
const PACED_BELOW: f64 = 0.2;
/// The longest that a request waits for an even pace; a longer wait would be a stall itself.
pub(crate) const PACED_MOST: Duration = Duration::from_secs(1);

/// Tokens an attempt is expected to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Need {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

impl Need {
    pub(crate) const fn tokens(self) -> u64 {
        self.input.saturating_add(self.output)
    }

    const fn counts(self) -> Counts {
        [1, self.tokens(), self.input, self.output]
    }
}

/// What an attempt used of what was set aside for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Used {
    /// 0 if it was never sent.
    pub(crate) requests: u64,
    pub(crate) tokens: Need,
}

/// Requests, tokens, input tokens, output tokens.
type Counts = [u64; 4];
const REQUESTS: usize = 0;
const OUTPUT: usize = 3;

/// What is left for one more attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Room {
    /// Of the scarcest limit, 0 to 1.
    pub(crate) left: f64,
    /// There is no room before.
    pub(crate) until: Option<Tick>,
    /// It does not fit by our estimate of its tokens, which may be wrong; or by no limit of this size ever.
    pub(crate) strained: bool,
    /// For an even pace, not before.
    pub(crate) paced: Option<Tick>,
}

impl Default for Room {
    fn default() -> Self {
        Self { left: 1.0, until: None, strained: false, paced: None }
    }
}

impl Room {
    pub(crate) fn wait(&mut self, until: Tick) {
        self.until = self.until.max(Some(until));
    }

    /// With little of `cap` left: one request each time the rest of the window allows one.
    pub(crate) fn pace(&mut self, left: u64, cap: u64, whole_in: Duration, last: Tick) {
        if share(left, cap) >= PACED_BELOW {
            return;
        }
        let gap = whole_in / u32::try_from(left.max(1)).unwrap_or(u32::MAX);
        if gap <= PACED_MOST {
            self.paced = self.paced.max(Some(last + gap));
        }
    }

    /// Both must have room.
    pub(crate) fn and(self, other: Self) -> Self {
        let until = self.until.max(other.until);
        // A wait that an estimate does not explain is no strain.
        let strained = match (self.until, other.until) {
            (None, None) => self.strained || other.strained,
            (Some(_), None) => self.strained,
            (None, Some(_)) => other.strained,
            (Some(_), Some(_)) => self.strained && other.strained,
        };
        Self { left: self.left.min(other.left), until, strained, paced: self.paced.max(other.paced) }
    }
}

/// `left` of `cap`, 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "a share, for comparing")]
pub(crate) fn share(left: u64, cap: u64) -> f64 {
    if cap == 0 { 0.0 } else { (left as f64 / cap as f64).clamp(0.0, 1.0) }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Sent {
    began: Tick,
    need: Need,
    /// A header has told of it. Its output is still to come.
    counted: bool,
}

/// One limit as last told.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    /// As told, else the most that was ever left.
    limit: f64,
    limit_told: bool,
    remaining: f64,
    /// When that was so.
    at: Tick,
    /// When the attempt began whose header said it.
    of: Tick,
    reset: Option<Tick>,
    /// The longest time to a reset that was seen.
    length: Duration,
    /// The reset is not told, but taken to be a length after the first request.
    guessed: bool,
    /// The resets keep to the rule of a bucket.
    steady: Option<Steady>,
    /// A second, where it is a bucket.
    refill: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Steady {
    /// In [`PERIODS`].
    period: usize,
    since: Tick,
    /// The least that was seen.
    reset: Duration,
}

/// The limits of a key on one model.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Quota {
    known: [Option<Known>; 4],
    /// Set aside for attempts that no header has counted.
    held: Counts,
    sent: VecDeque<Sent>,
    last: Tick,
}

impl Quota {
    pub(crate) fn begin(&mut self, need: Need, now: Tick) {
        for known in &mut self.known {
            *known = known.and_then(|known| known.rolled(now));
        }
        if self.sent.len() < MOST_SENT {
            self.sent.push_back(Sent { began: now, need, counted: false });
            add(&mut self.held, need.counts());
        }
        self.last = now;
    }

    /// The answer to the attempt that began at `began` has these headers.
    pub(crate) fn tell(&mut self, limits: &Limits, began: Tick, need: Need, now: Tick) {
        let windows = [limits.requests, limits.tokens, limits.input, limits.output];
        if windows.iter().all(|window| window.remaining.is_none()) {
            return;
        }
        let own = |sent: &Sent| sent.began == began && sent.need == need && !sent.counted;
        let own = self.sent.iter().position(own);
        for (at, sent) in self.sent.iter_mut().enumerate() {
            let is_counted = Some(at) == own || sent.began + ON_THE_WAY <= began;
            if is_counted && !sent.counted {
                sent.counted = true;
                take(&mut self.held, without_output(sent.need.counts()));
            }
        }
        for (known, window) in self.known.iter_mut().zip(windows) {
            if let Some(remaining) = window.remaining {
                *known = Some(Known::told(*known, remaining, window, began, now));
            }
        }
    }

    /// The attempt ended. `told`: its last header came with its end, and so counts all of it.
    pub(crate) fn settle(&mut self, began: Tick, need: Need, used: Used, told: bool, now: Tick) {
        let from = self.sent.partition_point(|sent| sent.began < began);
        let mut found = None;
        for (at, sent) in self.sent.iter().enumerate().skip(from).take_while(|(_, sent)| sent.began == began) {
            if sent.need == need && (found.is_none() || sent.counted) {
                found = Some(at);
            }
        }
        let Some(sent) = found.and_then(|at| self.sent.remove(at)) else { return };
        let mut spent = [used.requests, used.tokens.tokens(), used.tokens.input, used.tokens.output];
        if sent.counted {
            take(&mut self.held, [0, 0, 0, need.output]);
            spent = [0, 0, 0, if told { 0 } else { spent[OUTPUT] }];
        } else {
            take(&mut self.held, need.counts());
        }
        for (known, spent) in self.known.iter_mut().zip(spent) {
            if spent > 0 {
                *known = known.and_then(|known| known.rolled(now));
                if let Some(known) = known {
                    known.remaining = (known.remaining - float(spent)).max(0.0);
                }
            }
        }
    }

    /// What is left for one more attempt.
    pub(crate) fn room(&self, need: Need, now: Tick) -> Room {
        let mut room = Room::default();
        let mut only_estimates = true;
        for (kind, known) in self.known.iter().enumerate() {
            let Some(known) = known.and_then(|known| known.rolled(now)) else { continue };
            let (need, held) = (float(need.counts()[kind]), float(self.held[kind]));
            let have = known.remaining - held;
            let want = need.min(known.limit);
            room.left = room.left.min((have / known.limit.max(1.0)).clamp(0.0, 1.0));
            if need <= 0.0 {
                continue;
            }
            if have < want {
                let Some(until) = known.back(want, have, now) else { continue };
                // Tokens set aside may come back before.
                let on_hold = kind != REQUESTS && known.remaining >= want;
                room.wait(if on_hold { until.min(now + PACED_MOST) } else { until });
                only_estimates &= kind != REQUESTS && have > 0.0;
            } else if need > known.limit {
                room.strained = true;
            } else if kind == REQUESTS
                && known.limit_told
                && known.refill.is_none()
                && let Some(reset) = known.reset
            {
                room.pace(whole(have), whole(known.limit), reset.since(now), self.last);
            }
        }
        if room.until.is_some() {
            room.strained = only_estimates;
        }
        room
    }

    /// After a refusal: until there is room again, if it is known to come back evenly.
    pub(crate) fn refilled_in(&self, need: Need, now: Tick) -> Option<Duration> {
        self.known.iter().flatten().any(|known| known.refill.is_some()).then(|| {
            let until = self.room(need, now).until;
            until.map_or(Duration::ZERO, |until| until.since(now))
        })
    }

    /// Nothing runs and nothing is known that holds any longer.
    pub(crate) fn is_stale(&self, now: Tick) -> bool {
        self.sent.is_empty() && self.known.iter().flatten().all(|known| known.reset.is_none_or(|reset| reset <= now))
    }
}

impl Known {
    /// What a header says, in the light of what was known.
    fn told(before: Option<Self>, remaining: u64, window: Window, began: Tick, now: Tick) -> Self {
        let remaining = float(remaining);
        let most = before.map_or(0.0, |before| if before.limit_told { 0.0 } else { before.limit });
        let limit = window.limit.map_or(most, float).max(remaining);
        let reset = window.reset.map(|after| now + after);
        let length = before.map_or(Duration::ZERO, |before| before.length).max(window.reset.unwrap_or_default());
        let steady = steady(before.and_then(|before| before.steady), limit, remaining, window, now);
        let is_bucket = |steady: &Steady| {
            let rise = window.reset.unwrap_or_default().saturating_sub(steady.reset);
            now.since(steady.since).max(rise) >= STEADY
        };
        let was_bucket = before.filter(|before| before.refill.is_some()).and_then(|before| before.steady);
        let is_bucket = |steady: &Steady| was_bucket.is_some_and(|was| was.since == steady.since) || is_bucket(steady);
        let refill =
            steady.filter(is_bucket).and_then(|steady| PERIODS.get(steady.period)).map(|period| limit / period);
        let told = Self {
            limit,
            limit_told: window.limit.is_some(),
            remaining,
            at: now,
            of: began,
            reset,
            length,
            guessed: false,
            steady,
            refill,
        };
        let Some(before) = before else { return told };
        let is_same_window = refill.is_none() && !before.guessed && before.is_reset_at(reset);
        if is_same_window {
            // Answers overtake each other; in one window less is later.
            Self { remaining: told.remaining.min(before.remaining), of: began.max(before.of), ..told }
        } else if began < before.of && before.reset.is_some_and(|reset| reset > now) {
            before
        } else {
            told
        }
    }

    fn is_reset_at(&self, reset: Option<Tick>) -> bool {
        match (self.reset, reset) {
            (Some(a), Some(b)) => a.since(b).max(b.since(a)) <= ROUNDING,
            _ => false,
        }
    }

    /// As it stands now: filled up, or begun anew.
    fn rolled(self, now: Tick) -> Option<Self> {
        if let Some(refill) = self.refill {
            let filled = self.remaining + refill * now.since(self.at).as_secs_f64();
            return Some(Self { remaining: filled.min(self.limit), at: now.max(self.at), ..self });
        }
        match self.reset {
            Some(reset) if reset <= now && !self.limit_told => None,
            Some(reset) if reset <= now => {
                Some(Self { remaining: self.limit, at: now, reset: Some(now + self.length), guessed: true, ..self })
            }
            _ => Some(self),
        }
    }

    /// When there will be as much as is wanted; `None` if that is not known.
    fn back(&self, want: f64, have: f64, now: Tick) -> Option<Tick> {
        match self.refill {
            Some(refill) if refill > 0.0 => {
                let wait = Duration::try_from_secs_f64((want - have) / refill).unwrap_or(Duration::MAX);
                Some(now + wait)
            }
            _ => self.reset,
        }
    }
}

/// Do the resets keep to the rule of a bucket: the used share of a period?
fn steady(before: Option<Steady>, limit: f64, remaining: f64, window: Window, now: Tick) -> Option<Steady> {
    let (Some(_), Some(reset)) = (window.limit, window.reset) else { return None };
    let used = (limit - remaining) / limit.max(1.0);
    let keeps = |period: &f64| {
        let expected = period * used;
        (reset.as_secs_f64() - expected).abs() <= 1.0 + 0.02 * expected
    };
    match before {
        Some(before) if PERIODS.get(before.period).is_some_and(keeps) => {
            Some(Steady { reset: before.reset.min(reset), ..before })
        }
        _ => PERIODS.iter().position(keeps).map(|period| Steady { period, since: now, reset }),
    }
}

fn add(sums: &mut Counts, counts: Counts) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum = sum.saturating_add(count);
    }
}

fn take(sums: &mut Counts, counts: Counts) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum = sum.saturating_sub(count);
    }
}

const fn without_output([requests, tokens, input, _]: Counts) -> Counts {
    [requests, tokens, input, 0]
}

#[expect(clippy::cast_precision_loss, reason = "beyond 53 bits no limit is short")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, rounded down")]
const fn whole(count: f64) -> u64 {
    count as u64
}

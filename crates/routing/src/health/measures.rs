//! What is measured of one target, for the rules that ask: windows of first-token times, latencies, costs, failures.
//!
//! They belong to the target: what any route learns of it fills them, whether or not that route has such a rule. A
//! window begins to exist when a policy asks for it, and makes room when none has asked for as long as it is.
//!
//! **What counts as what.** A failure is never a fast answer: it counts as the time it took, and at least as the bound
//! it is compared with. An attempt that was stopped before its first token (a caller who left, a race that was lost) is
//! known to be no faster than when it was stopped: it counts where that is already beyond the bound, and else says
//! nothing. Without this a target too slow for its callers' patience would have no slow answers. A plain answer has no
//! first token that could be seen: it counts whole, and apart from the streams, which are judged alone where there are
//! enough of them.

use std::time::Duration;

use ringmain_core::{FaultClass, FaultScope, Money, Tick, Timings};

use super::quantile::{Counts, Histogram, number_of};
use super::window::SlidingWindow;
use crate::{Measure, Stat};

/// The most windows of one target. A rule that would be one more has no measures, and so moves nothing.
const MOST_WINDOWS: usize = 4;
const GOOD: usize = 0;
const BAD: usize = 1;

/// Which window: of what, how long, compared with what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Asked {
    pub(crate) measure: Measure,
    pub(crate) over: Duration,
    /// In seconds, or dollars; of no meaning for failures.
    pub(crate) bound: f64,
}

/// How the answers came whose first token is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Streamed,
    Plain,
}

/// One number out of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reading {
    pub(crate) value: f64,
    /// Measures it is made of.
    pub(crate) samples: u64,
    /// Those on the bad side of the bound.
    pub(crate) beyond: u64,
    /// Answers since the window began to exist.
    pub(crate) heard: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Window {
    of: Asked,
    /// When it was last asked for.
    at: Tick,
    heard: u64,
    streamed: Histogram,
    /// Plain answers where first tokens are measured; else all.
    plain: Histogram,
    failed: Histogram,
    stopped: Histogram,
    outcomes: SlidingWindow,
}

/// The windows of one target.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Measures {
    /// First tokens of streams are told when they come, so that their ends have no news of it.
    is_told: bool,
    windows: Vec<Window>,
}

/// Does the failure count as one of the target's answers? A refused credential says nothing of the target.
pub(crate) fn blames_target(class: FaultClass, scope: FaultScope) -> bool {
    match class {
        FaultClass::Network
        | FaultClass::Server
        | FaultClass::Overloaded
        | FaultClass::Timeout
        | FaultClass::Empty
        | FaultClass::Protocol
        | FaultClass::Interrupted
        | FaultClass::Gone => scope != FaultScope::Request,
        // The callers' share of a limit may be spent while the target is well, but they get errors from it all the same.
        FaultClass::RateLimit => true,
        FaultClass::Billing
        | FaultClass::Auth
        | FaultClass::BadRequest
        | FaultClass::Context
        | FaultClass::Refusal
        | FaultClass::Cancelled
        | FaultClass::Exhausted
        | FaultClass::Unroutable => false,
    }
}

impl Measures {
    /// From now on there is such a window, if there is room.
    pub(crate) fn ask(&mut self, of: Asked, now: Tick) {
        if let Some(window) = self.windows.iter_mut().find(|window| window.of == of) {
            window.at = now;
            return;
        }
        if self.windows.len() >= MOST_WINDOWS {
            self.windows.retain(|window| now.since(window.at) <= window.of.over);
        }
        if self.windows.len() < MOST_WINDOWS {
            self.windows.push(Window::new(of, now));
        }
    }

    /// The first useful token of a stream came.
    pub(crate) fn first_token(&mut self, time: Duration, now: Tick) {
        self.is_told = true;
        for window in self.windows.iter_mut().filter(|window| window.of.measure == Measure::FirstToken) {
            window.heard += 1;
            window.streamed.add(time.as_secs_f64(), window.of.bound, number_of(window.of.over, now));
        }
    }

    /// A whole answer.
    pub(crate) fn served(&mut self, timings: &Timings, cost: Option<Money>, streamed: bool, now: Tick) {
        let is_told = self.is_told;
        for window in &mut self.windows {
            let (bound, number) = (window.of.bound, number_of(window.of.over, now));
            window.heard += 1;
            match (window.of.measure, timings.first_token, cost) {
                (Measure::FirstToken, Some(time), _) if streamed && !is_told => {
                    window.streamed.add(time.as_secs_f64(), bound, number);
                }
                (Measure::FirstToken, first, _) if !streamed => {
                    window.plain.add(first.unwrap_or(timings.total).as_secs_f64(), bound, number);
                }
                (Measure::Latency, ..) => window.plain.add(timings.total.as_secs_f64(), bound, number),
                (Measure::Cost, _, Some(cost)) => window.plain.add(cost.as_dollars(), bound, number),
                (Measure::ErrorRate, ..) => window.outcomes.add(GOOD, window.of.over, now),
                (Measure::FirstToken | Measure::Cost, ..) => {}
            }
        }
    }

    /// A failure that blames the target, after `took`.
    pub(crate) fn failed(&mut self, class: FaultClass, took: Duration, now: Tick) {
        // Of a stream that broke off the first token was in time or not; a limit says nothing of time.
        let times_first = !matches!(class, FaultClass::Interrupted | FaultClass::RateLimit);
        for window in &mut self.windows {
            let (bound, number) = (window.of.bound, number_of(window.of.over, now));
            window.heard += 1;
            match window.of.measure {
                Measure::FirstToken if times_first => window.failed.add(took.as_secs_f64(), bound, number),
                Measure::Latency if class != FaultClass::RateLimit => {
                    window.failed.add(took.as_secs_f64(), bound, number);
                }
                Measure::ErrorRate => window.outcomes.add(BAD, window.of.over, now),
                Measure::FirstToken | Measure::Latency | Measure::Cost => {}
            }
        }
    }

    /// We stopped it after `took`.
    pub(crate) fn stopped(&mut self, took: Duration, first_token: Option<Duration>, now: Tick) {
        let is_told = self.is_told;
        for window in &mut self.windows {
            let (bound, number) = (window.of.bound, number_of(window.of.over, now));
            window.heard += 1;
            match (window.of.measure, first_token) {
                (Measure::FirstToken, Some(time)) if !is_told => {
                    window.streamed.add(time.as_secs_f64(), bound, number);
                }
                (Measure::FirstToken, None) | (Measure::Latency, _) => {
                    window.stopped.add(took.as_secs_f64(), bound, number);
                }
                (Measure::FirstToken | Measure::ErrorRate | Measure::Cost, _) => {}
            }
        }
    }

    /// Answers in the window, by form.
    pub(crate) fn forms(&self, of: Asked, now: Tick) -> (u64, u64) {
        let Some(window) = self.windows.iter().find(|window| window.of == of) else { return (0, 0) };
        let number = number_of(of.over, now);
        (window.streamed.counts(number).total(), window.plain.counts(number).total())
    }

    /// The window as one number; `None` of nothing. Failures and stopped attempts count as said above.
    pub(crate) fn read(&self, of: Asked, stat: Stat, above: bool, form: Form, now: Tick) -> Option<Reading> {
        let window = self.windows.iter().find(|window| window.of == of)?;
        if of.measure == Measure::ErrorRate {
            return window.error_rate(above, now);
        }
        let number = number_of(of.over, now);
        let mut counts = window.answers(form, number);
        counts.add_bounds(&window.failed.counts(number), of.bound, above, true);
        counts.add_bounds(&window.stopped.counts(number), of.bound, above, false);
        let value = match stat {
            Stat::Mean => counts.mean()?,
            Stat::Percentile(p) => counts.quantile(f64::from(p) / 100.0, of.bound)?,
        };
        let beyond = if above { counts.above() } else { counts.not_above() };
        Some(Reading { value, samples: counts.total(), beyond, heard: window.heard })
    }

    /// A quantile of the answers alone, if there are `enough`; failures and stopped attempts count as far as they are
    /// slower.
    pub(crate) fn quantile(&self, of: Asked, p: u8, enough: u64, form: Form, now: Tick) -> Option<f64> {
        let window = self.windows.iter().find(|window| window.of == of)?;
        let number = number_of(of.over, now);
        let mut counts = window.answers(form, number);
        let answers = counts.total();
        if answers < enough {
            return None;
        }
        let other = match form {
            Form::Streamed => &window.plain,
            Form::Plain => &window.streamed,
        };
        let q = f64::from(p) / 100.0;
        // How the stopped ones would have come is not known: as most do.
        if answers >= other.counts(number).total() {
            let mut cut = window.stopped.counts(number);
            cut.merge(&window.failed.counts(number));
            counts.add_beyond_quantile(&cut, q);
        }
        counts.quantile(q, of.bound)
    }
}

impl Window {
    fn new(of: Asked, at: Tick) -> Self {
        Self {
            of,
            at,
            heard: 0,
            streamed: Histogram::default(),
            plain: Histogram::default(),
            failed: Histogram::default(),
            stopped: Histogram::default(),
            outcomes: SlidingWindow::default(),
        }
    }

    fn answers(&self, form: Form, number: u64) -> Counts {
        match (self.of.measure, form) {
            (Measure::FirstToken, Form::Streamed) => self.streamed.counts(number),
            _ => self.plain.counts(number),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of one window")]
    fn error_rate(&self, above: bool, now: Tick) -> Option<Reading> {
        let [good, bad] = self.outcomes.sums(now);
        let samples = good + bad;
        if samples == 0 {
            return None;
        }
        Some(Reading {
            value: bad as f64 / samples as f64,
            samples,
            beyond: if above { bad } else { good },
            heard: self.heard,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_bounded_and_make_room_when_nobody_asks() {
        let of = |seconds| Asked { measure: Measure::Latency, over: Duration::from_secs(seconds), bound: 1.0 };
        let mut measures = Measures::default();
        for seconds in [60, 61, 62, 63, 64] {
            measures.ask(of(seconds), Tick(0));
        }
        assert_eq!(measures.windows.len(), MOST_WINDOWS);
        let later = Tick(0) + Duration::from_secs(62);
        measures.ask(of(60), later);
        measures.ask(of(64), later);
        let kept: Vec<_> = measures.windows.iter().map(|window| window.of.over.as_secs()).collect();
        assert_eq!(kept, [60, 62, 63, 64], "61 was not asked for in 61 s");
    }

    /// A stopped attempt counts where it is already too slow, a failure at least as the bound, a limit not at all.
    #[test]
    fn what_counts_as_what() {
        let of = Asked { measure: Measure::FirstToken, over: Duration::from_secs(60), bound: 2.0 };
        let millis = Duration::from_millis;
        let read = |fill: &dyn Fn(&mut Measures)| {
            let mut measures = Measures::default();
            measures.ask(of, Tick(0));
            fill(&mut measures);
            let reading = measures.read(of, Stat::Percentile(50), true, Form::Streamed, Tick(1));
            reading.map(|reading| (reading.samples, reading.beyond, (reading.value * 10.0).round()))
        };
        let now = Tick(1);
        let timings = |first, total| Timings { head: None, first_token: Some(millis(first)), total: millis(total) };
        assert_eq!(read(&|_| {}), None);
        assert_eq!(read(&|it| it.stopped(millis(1_000), None, now)), None);
        assert_eq!(read(&|it| it.stopped(millis(5_000), None, now)), Some((1, 1, 51.0)));
        assert_eq!(read(&|it| it.stopped(millis(5_000), Some(millis(500)), now)), Some((1, 0, 5.0)));
        assert_eq!(read(&|it| it.failed(FaultClass::Server, millis(10), now)), Some((1, 0, 19.0)));
        assert_eq!(read(&|it| it.failed(FaultClass::Timeout, millis(9_000), now)), Some((1, 1, 92.0)));
        assert_eq!(read(&|it| it.failed(FaultClass::RateLimit, millis(10), now)), None);
        assert_eq!(read(&|it| it.failed(FaultClass::Interrupted, millis(10), now)), None);
        assert_eq!(read(&|it| it.served(&timings(500, 9_000), None, true, now)), Some((1, 0, 5.0)));
        let told = |it: &mut Measures| {
            it.first_token(millis(500), now);
            it.served(&timings(500, 9_000), None, true, now);
        };
        assert_eq!(read(&told), Some((1, 0, 5.0)), "once");
    }
}

//! Counts: for each phase, and of the last moments.

use std::collections::VecDeque;
use std::time::Duration;

use super::schedule::Phase;

/// The providers of the story, in the order of the route.
pub(super) const PROVIDERS: [&str; 3] = ["openai", "anthropic", "gemini"];
/// Answers that make up "who serves now": about a second.
const RECENT: usize = 40;
/// Times are counted to the millisecond up to this many; a longer one counts as this.
const LONGEST_MS: usize = 20_000;
/// Problems kept word for word.
const PROBLEMS_MAX: usize = 5;

/// One request as it is counted.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    /// The phase it began in.
    pub(super) phase: Phase,
    /// Who served it, by place in [`PROVIDERS`].
    pub(super) provider: Option<usize>,
    /// Attempts made for it.
    pub(super) attempts: u32,
    /// Until the first text, where it was a stream.
    pub(super) first_token: Option<Duration>,
    /// Nothing, or what the caller saw go wrong.
    pub(super) problem: Option<String>,
}

/// What is counted of a phase.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// Requests that ended.
    pub(super) requests: u64,
    /// Attempts made for them.
    pub(super) attempts: u64,
    /// Answered after more than one attempt.
    pub(super) failovers: u64,
    /// The caller saw an error or a wrong answer.
    pub(super) errors: u64,
    /// Answers by provider.
    pub(super) served: [u64; PROVIDERS.len()],
    /// Times to the first token.
    pub(super) first_token: Times,
}

/// All counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    phases: [Counts; Phase::ALL.len()],
    recent: VecDeque<usize>,
    /// The first problems, word for word.
    pub(super) problems: Vec<String>,
}

impl Tally {
    /// Counts a request.
    pub(super) fn count(&mut self, ended: Ended) {
        let Some(counts) = self.phases.get_mut(ended.phase.index()) else { return };
        counts.requests += 1;
        counts.attempts += u64::from(ended.attempts);
        if let Some(time) = ended.first_token {
            counts.first_token.add(time);
        }
        if let Some(problem) = ended.problem {
            counts.errors += 1;
            if self.problems.len() < PROBLEMS_MAX {
                self.problems.push(problem);
            }
            return;
        }
        counts.failovers += u64::from(ended.attempts > 1);
        let Some(provider) = ended.provider else { return };
        if let Some(served) = counts.served.get_mut(provider) {
            *served += 1;
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(provider);
    }

    /// The counts of a phase.
    pub(super) fn of(&self, phase: Phase) -> &Counts {
        &self.phases[phase.index()]
    }

    /// All phases together.
    pub(super) fn whole(&self) -> Counts {
        let mut whole = Counts::default();
        for counts in &self.phases {
            whole.requests += counts.requests;
            whole.attempts += counts.attempts;
            whole.failovers += counts.failovers;
            whole.errors += counts.errors;
            whole.first_token.merge(&counts.first_token);
            whole.served.iter_mut().zip(counts.served).for_each(|(sum, served)| *sum += served);
        }
        whole
    }

    /// Each provider's part of the last answers, in percent.
    pub(super) fn recent_shares(&self) -> [u64; PROVIDERS.len()] {
        let mut served = [0; PROVIDERS.len()];
        for provider in &self.recent {
            if let Some(served) = served.get_mut(*provider) {
                *served += 1;
            }
        }
        percent(served)
    }
}

impl Counts {
    /// Each provider's part, in percent.
    pub(super) fn shares(&self) -> [u64; PROVIDERS.len()] {
        percent(self.served)
    }
}

/// Parts in percent: where there is some, at least one; what rounding leaves over is the largest part's.
fn percent(parts: [u64; PROVIDERS.len()]) -> [u64; PROVIDERS.len()] {
    let whole = parts.iter().sum::<u64>();
    if whole == 0 {
        return parts;
    }
    let mut shares = parts.map(|part| if part == 0 { 0 } else { ((part * 100 + whole / 2) / whole).max(1) });
    let sum: u64 = shares.iter().sum();
    if let Some(largest) = shares.iter_mut().max() {
        *largest = (*largest + 100).saturating_sub(sum);
    }
    shares
}

/// Times, counted by the millisecond.
#[derive(Debug, Clone, Default)]
pub(super) struct Times(Vec<u32>);

impl Times {
    fn add(&mut self, time: Duration) {
        let at = usize::try_from(time.as_millis()).unwrap_or(LONGEST_MS).min(LONGEST_MS);
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] += 1;
    }

    fn merge(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(sum, count)| *sum += count);
    }

    /// The time that this share of them does not exceed (50 for the median), in milliseconds.
    pub(super) fn percentile(&self, percent: u64) -> Option<usize> {
        let all: u64 = self.0.iter().map(|count| u64::from(*count)).sum();
        let rank = (all * percent).div_ceil(100).max(1);
        let mut below = 0;
        self.0.iter().position(|count| {
            below += u64::from(*count);
            below >= rank
        })
    }
}

/// What the gateway's metrics say in the end.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Totals {
    /// Input tokens, as the providers counted.
    pub(super) input: u64,
    /// Output tokens.
    pub(super) output: u64,
    /// In dollars, at list prices.
    pub(super) cost: f64,
    /// Attempts that failed, by class: most frequent first.
    pub(super) failed: Vec<(String, u64)>,
}

impl Totals {
    /// Reads them from the text of `/metrics`.
    pub(super) fn read(metrics: &str) -> Self {
        let mut totals = Self::default();
        for line in metrics.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Some((family, labels)) = name.split_once('{') else { continue };
            let label =
                |key: &str| labels.split_once(&format!("{key}=\"")).and_then(|(_, rest)| rest.split('"').next());
            let count = value.parse().unwrap_or(0);
            match (family, label("kind"), label("outcome")) {
                ("ringmain_tokens_total", Some("input"), _) => totals.input += count,
                ("ringmain_tokens_total", Some("output"), _) => totals.output += count,
                ("ringmain_cost_dollars_total", ..) => totals.cost += value.parse().unwrap_or(0.0),
                ("ringmain_attempts_total", _, Some(outcome)) if !["ok", "cancelled"].contains(&outcome) => {
                    match totals.failed.iter_mut().find(|(class, _)| class == outcome) {
                        Some((_, sum)) => *sum += count,
                        None => totals.failed.push((outcome.to_owned(), count)),
                    }
                }
                _ => {}
            }
        }
        totals.failed.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(phase: Phase, provider: usize, attempts: u32, first_token: u64) -> Ended {
        let first_token = (first_token > 0).then(|| Duration::from_millis(first_token));
        Ended { phase, provider: Some(provider), attempts, first_token, problem: None }
    }

    #[test]
    fn each_phase_is_counted_by_itself() {
        let mut tally = Tally::default();
        tally.count(ended(Phase::Calm, 0, 1, 80));
        tally.count(ended(Phase::Down, 1, 2, 120));
        tally.count(ended(Phase::Down, 1, 1, 0));
        tally.count(Ended { problem: Some("cut".to_owned()), ..ended(Phase::Down, 1, 3, 0) });
        let down = tally.of(Phase::Down);
        assert_eq!((down.requests, down.attempts, down.failovers, down.errors), (3, 6, 1, 1));
        assert_eq!((down.served, down.shares()), ([0, 2, 0], [0, 100, 0]));
        assert_eq!(tally.problems, ["cut"]);
        let whole = tally.whole();
        assert_eq!((whole.requests, whole.served, whole.first_token.percentile(100)), (4, [1, 2, 0], Some(120)));
        assert_eq!(tally.recent_shares(), [33, 67, 0]);
    }

    #[test]
    fn who_serves_now_forgets() {
        let mut tally = Tally::default();
        (0..RECENT).for_each(|_| tally.count(ended(Phase::Calm, 0, 1, 0)));
        (0..RECENT / 2).for_each(|_| tally.count(ended(Phase::Down, 1, 1, 0)));
        assert_eq!(tally.recent_shares(), [50, 50, 0]);
    }

    #[test]
    fn shares_make_a_hundred() {
        for (parts, shares) in [
            ([0, 0, 0], [0, 0, 0]),
            ([999, 1, 0], [99, 1, 0]),
            ([1, 1, 1], [33, 33, 34]),
            ([27, 0, 13], [67, 0, 33]),
            ([5, 0, 3], [62, 0, 38]),
        ] {
            assert_eq!(percent(parts), shares, "{parts:?}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_list() {
        let mut times = Times::default();
        assert_eq!(times.percentile(50), None);
        (1..=100).for_each(|ms| times.add(Duration::from_millis(ms)));
        assert_eq!([1, 50, 99, 100].map(|percent| times.percentile(percent)), [Some(1), Some(50), Some(99), Some(100)]);
        times.add(Duration::from_secs(3600));
        assert_eq!(times.percentile(100), Some(LONGEST_MS));
    }

    #[test]
    fn metrics_are_read() {
        let text = "# TYPE ringmain_tokens counter\n\
            ringmain_tokens_total{target=\"openai/a\",kind=\"input\"} 10\n\
            ringmain_tokens_total{target=\"gemini/b\",kind=\"input\"} 5\n\
            ringmain_tokens_total{target=\"gemini/b\",kind=\"output\"} 7\n\
            ringmain_cost_dollars_total{target=\"openai/a\"} 0.25\n\
            ringmain_attempts_total{target=\"openai/a\",outcome=\"ok\"} 9\n\
            ringmain_attempts_total{target=\"openai/a\",outcome=\"network\"} 2\n\
            ringmain_attempts_total{target=\"gemini/b\",outcome=\"timeout\"} 3\n\
            ringmain_attempts_total{target=\"gemini/b\",outcome=\"network\"} 2\n# EOF\n";
        let failed = vec![("network".to_owned(), 4), ("timeout".to_owned(), 3)];
        assert_eq!(Totals::read(text), Totals { input: 15, output: 7, cost: 0.25, failed });
    }
}

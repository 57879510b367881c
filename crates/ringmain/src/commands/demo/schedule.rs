//! When what happens, and the gateway's clocks that make it show within that time.

use std::time::Duration;

/// The phases of the story, in order. What breaks stays broken until [`Phase::Healed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Everything works.
    Calm,
    /// The first provider refuses connections.
    Down,
    /// The second is slow to its first token.
    Slow,
    /// One of the third's two keys has no quota left.
    Quota,
    /// Everything works again.
    Healed,
}

impl Phase {
    /// In order.
    pub(super) const ALL: [Self; 5] = [Self::Calm, Self::Down, Self::Slow, Self::Quota, Self::Healed];

    /// Its place in [`Self::ALL`].
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// The one after it.
    pub(super) fn next(self) -> Option<Self> {
        Self::ALL.get(self.index() + 1).copied()
    }

    /// Its name in the table.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Calm => "all well",
            Self::Down => "openai down",
            Self::Slow => "+ anthropic slow",
            Self::Quota => "+ a gemini key out",
            Self::Healed => "all repaired",
        }
    }

    /// Parts of the whole time, in percent. The healed phase has to hold the way back: a probe, then the ramp.
    const fn percent(self) -> u32 {
        match self {
            Self::Calm => 14,
            Self::Down | Self::Slow => 21,
            Self::Quota => 18,
            Self::Healed => 26,
        }
    }
}

/// The story's time table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// How long the whole story takes.
    pub(super) total: Duration,
}

impl Schedule {
    /// The story cannot be told in less.
    pub(super) const SHORTEST: Duration = Duration::from_secs(5);

    /// A story of this length, or of the shortest there is.
    pub(super) fn new(length: Duration) -> Self {
        Self { total: length.max(Self::SHORTEST) }
    }

    /// When a phase begins, since the start.
    pub(super) fn begin(&self, phase: Phase) -> Duration {
        let before: u32 = Phase::ALL.iter().take(phase.index()).map(|earlier| earlier.percent()).sum();
        self.share(before)
    }

    /// How long a phase lasts.
    pub(super) fn length(&self, phase: Phase) -> Duration {
        self.share(phase.percent())
    }

    /// How long the breaker stays open: at first, at most; and how long a target takes to come back after it. All in
    /// proportion, up to what is usual in production.
    pub(super) fn breaker(&self) -> [Duration; 3] {
        [(60, 5), (20, 10), (20, 20)].map(|(part, most)| (self.total / part).min(Duration::from_secs(most)))
    }

    fn share(&self, percent: u32) -> Duration {
        self.total * percent / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phases_fill_the_time_whatever_it_is() {
        for seconds in [1, 5, 60, 600] {
            let schedule = Schedule::new(Duration::from_secs(seconds));
            let mut at = Duration::ZERO;
            for phase in Phase::ALL {
                assert_eq!(schedule.begin(phase), at, "{phase:?} of {seconds} s");
                at += schedule.length(phase);
            }
            assert_eq!(at, schedule.total);
            assert!(schedule.total >= Schedule::SHORTEST);
        }
    }

    #[test]
    fn phases_follow_each_other() {
        let mut phase = Phase::Calm;
        let mut seen = vec![phase];
        while let Some(next) = phase.next() {
            phase = next;
            seen.push(phase);
        }
        assert_eq!(seen, Phase::ALL);
    }

    #[test]
    fn there_is_time_to_come_back() {
        for seconds in [5, 60, 3600] {
            let schedule = Schedule::new(Duration::from_secs(seconds));
            let [first, longest, ramp] = schedule.breaker();
            assert!(!first.is_zero() && first <= longest);
            assert!(longest + ramp < schedule.length(Phase::Healed) / 2, "{seconds} s");
        }
    }
}

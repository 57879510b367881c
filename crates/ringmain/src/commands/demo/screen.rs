//! What the person at the terminal sees: lines of what happens, a live panel below them, and a table in the end.
//!
//! Where standard output is no terminal, the panel becomes a line a second, and there is no colour.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use super::schedule::Phase;
use super::tally::{Counts, PROVIDERS, Tally};

/// A state of the demo, to be shown.
#[derive(Debug, Clone)]
pub(super) struct Status {
    /// Since the start.
    pub(super) at: Duration,
    /// The whole length.
    pub(super) total: Duration,
    /// The phase.
    pub(super) phase: Phase,
    /// Requests running.
    pub(super) in_flight: usize,
    /// All phases together.
    pub(super) whole: Counts,
    /// Times to the first token in this phase: half of them are below the first, 99 % below the second.
    pub(super) first_token: [Option<usize>; 2],
    /// Who answered lately, in percent.
    pub(super) shares: [u64; PROVIDERS.len()],
}

/// The terminal, or whatever standard output is.
#[derive(Debug)]
pub(super) struct Screen {
    live: bool,
    colour: bool,
    panel: usize,
}

impl Screen {
    /// Standard output.
    pub(super) fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let live = terminal && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let colour = live && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { live, colour, panel: 0 }
    }

    /// How often [`Self::status`] is worth calling.
    pub(super) const fn refresh(&self) -> Duration {
        if self.live { Duration::from_millis(200) } else { Duration::from_secs(1) }
    }

    /// Lines that stay.
    pub(super) fn say(&mut self, text: &str) {
        let mut out = self.wiped();
        out.push_str(text);
        out.push('\n');
        put(&out);
    }

    /// Something happened.
    pub(super) fn event(&mut self, at: Duration, text: &str, mood: Mood) {
        let line = event_line(at, text);
        let line = if self.colour { mood.paint(&line) } else { line };
        self.say(&line);
    }

    /// How it stands.
    pub(super) fn status(&mut self, status: &Status) {
        if !self.live {
            return self.say(&progress_line(status));
        }
        let mut out = self.wiped();
        let lines = panel(status, self.colour);
        for line in &lines {
            out.push_str(line);
            out.push('\n');
        }
        self.panel = lines.len();
        put(&out);
    }

    /// Takes the panel away.
    fn wiped(&mut self) -> String {
        let lines = std::mem::take(&mut self.panel);
        // Up by so many lines, then clear to the end of the screen.
        if lines == 0 { String::new() } else { format!("\x1b[{lines}A\r\x1b[J") }
    }
}

/// What a line means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mood {
    /// Something broke.
    Bad,
    /// It was dealt with.
    Good,
    /// Neither.
    Plain,
}

impl Mood {
    fn paint(self, text: &str) -> String {
        match self {
            Self::Bad => format!("\x1b[31m{text}\x1b[0m"),
            Self::Good => format!("\x1b[32m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}

/// A closed pipe is no reason to fail: the exit code still says how it went.
fn put(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// `00:12`
pub(super) fn clock(at: Duration) -> String {
    let seconds = at.as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

fn event_line(at: Duration, text: &str) -> String {
    format!("{}  {text}", clock(at))
}

fn millis(time: Option<usize>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{time} ms"))
}

/// `openai 98%, anthropic 2%`
fn shares(shares: [u64; PROVIDERS.len()]) -> String {
    let parts = PROVIDERS.iter().zip(shares).filter(|(_, share)| *share > 0);
    let parts: Vec<String> = parts.map(|(provider, share)| format!("{provider} {share}%")).collect();
    if parts.is_empty() { "nobody yet".to_owned() } else { parts.join(", ") }
}

/// The panel's content on one line, for a pipe or a file.
fn progress_line(status: &Status) -> String {
    let Status { whole, in_flight, first_token: [p50, p99], .. } = status;
    format!(
        "{}  requests {}  in flight {in_flight}  failovers {}  errors seen by callers: {}  first token p50 {} p99 {}  {}",
        clock(status.at),
        whole.requests,
        whole.failovers,
        whole.errors,
        millis(*p50),
        millis(*p99),
        shares(status.shares)
    )
}

/// What is wrong with a provider in a phase.
const fn ailment(provider: usize, phase: Phase) -> Option<&'static str> {
    match (provider, phase) {
        (0, Phase::Down | Phase::Slow | Phase::Quota) => Some("down: connection refused"),
        (1, Phase::Slow | Phase::Quota) => Some("slow: 5 s to the first token"),
        (2, Phase::Quota) => Some("one of two keys out of quota: 429"),
        _ => None,
    }
}

/// The live panel; no line is longer than 78 columns.
fn panel(status: &Status, colour: bool) -> Vec<String> {
    const BAR: u64 = 24;
    let Status { at, total, whole, in_flight, first_token: [p50, p99], .. } = status;
    let paint = |mood: Mood, text: String| if colour { mood.paint(&text) } else { text };
    let mut lines = vec![String::new()];
    for (at, (provider, share)) in PROVIDERS.iter().zip(status.shares).enumerate() {
        let full = (share * BAR).div_ceil(100).min(BAR);
        let bar = (0..BAR).fold(String::new(), |bar, at| bar + if at < full { "█" } else { "░" });
        let state = match ailment(at, status.phase) {
            Some(what) => paint(Mood::Bad, what.to_owned()),
            None => "ok".to_owned(),
        };
        lines.push(format!("  {provider:<9} {bar} {share:>3}%  {state}"));
    }
    let mut counts = format!("  {} requests, {in_flight} in flight, {} failovers, ", whole.requests, whole.failovers);
    let errors = format!("errors seen by callers: {}", whole.errors);
    counts.push_str(&paint(if whole.errors == 0 { Mood::Good } else { Mood::Bad }, errors));
    lines.push(counts);
    lines.push(format!(
        "  first token p50 {}, p99 {} in this phase          {} of {}",
        millis(*p50),
        millis(*p99),
        clock(*at),
        clock(*total)
    ));
    lines
}

/// The table of phases, with a line for all of them together.
pub(super) fn table(tally: &Tally) -> String {
    let mut text = format!("{:57} errors seen {:>16}\n", "", "first token");
    let _ = write!(
        text,
        "{:<20} {:>10} {:>10} {:>10} {:>15} {:>8} {:>8}   served by",
        "phase", "requests", "attempts", "failovers", "by callers", "p50", "p99"
    );
    let whole = tally.whole();
    let rows = Phase::ALL.iter().map(|phase| (phase.title(), tally.of(*phase)));
    for (title, counts) in rows.chain([("together", &whole)]) {
        if counts.requests > 0 {
            let _ = write!(text, "\n{}", row(title, counts));
        }
    }
    text
}

fn row(title: &str, counts: &Counts) -> String {
    format!(
        "{title:<20} {:>10} {:>10} {:>10} {:>15} {:>8} {:>8}   {}",
        counts.requests,
        counts.attempts,
        counts.failovers,
        counts.errors,
        millis(counts.first_token.percentile(50)),
        millis(counts.first_token.percentile(99)),
        shares(counts.shares())
    )
}

#[cfg(test)]
mod tests {
    use super::super::tally::Ended;
    use super::*;

    fn tally() -> Tally {
        let mut tally = Tally::default();
        for (phase, provider, attempts, ms) in
            [(Phase::Calm, 0, 1, 81), (Phase::Calm, 0, 1, 90), (Phase::Down, 1, 2, 104), (Phase::Down, 1, 1, 101)]
        {
            let first_token = Some(Duration::from_millis(ms));
            tally.count(Ended { phase, provider: Some(provider), attempts, first_token, problem: None });
        }
        tally
    }

    fn status() -> Status {
        let tally = tally();
        Status {
            at: Duration::from_millis(72_900),
            total: Duration::from_secs(600),
            phase: Phase::Quota,
            in_flight: 256,
            whole: Counts { requests: 123_456, failovers: 12_345, ..tally.whole() },
            first_token: [Some(101), Some(19_999)],
            shares: [0, 0, 100],
        }
    }

    #[test]
    fn one_line_says_it_all() {
        assert_eq!(
            progress_line(&status()),
            "01:12  requests 123456  in flight 256  failovers 12345  errors seen by callers: 0  \
             first token p50 101 ms p99 19999 ms  gemini 100%"
        );
        assert_eq!(event_line(Duration::from_secs(12), "openai is down"), "00:12  openai is down");
        assert_eq!(shares([0, 0, 0]), "nobody yet");
    }

    #[test]
    fn the_panel_fits_a_terminal() {
        for phase in Phase::ALL {
            for line in panel(&Status { phase, ..status() }, false) {
                assert!(line.chars().count() <= 78, "{} columns: {line}", line.chars().count());
                assert!(!line.contains('\x1b'));
            }
        }
        assert!(panel(&status(), false)[3].contains("gemini    ████████████████████████ 100%  one of two keys"));
        assert!(panel(&status(), true).iter().any(|line| line.contains("\x1b[32m")));
    }

    #[test]
    fn the_table_has_a_line_for_each_phase_that_was_reached() {
        let text = table(&tally());
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[2][2..], ["2", "2", "0", "0", "81", "ms", "90", "ms", "openai", "100%"]);
        assert_eq!(lines[3][2..], ["2", "3", "1", "0", "101", "ms", "104", "ms", "anthropic", "100%"]);
        assert_eq!(lines[4][1..5], ["4", "5", "1", "0"]);
    }
}

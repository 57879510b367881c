use std::time::Duration;

use ringmain_core::{Tick, Timings, Usage};

use super::PaceHealth;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(seconds: u64) -> Tick {
    Tick(1_000_000_000_000) + Duration::from_secs(seconds)
}

fn usage(output: u64) -> Usage {
    Usage { input: 100, cache_read: 25, output, ..Usage::default() }
}

/// An answer of so many tokens: its first after `first`, its last after `total` milliseconds.
fn answer(pace: &mut PaceHealth, first: u64, total: u64, output: u64, streamed: bool, now: Tick) {
    let first = if streamed { first } else { total };
    let timings = Timings { head: None, first_token: Some(millis(first)), total: millis(total) };
    pace.served(&timings, Some(&usage(output)), streamed, 0, now);
}

/// Milliseconds to the first token.
fn first(pace: &PaceHealth, now: Tick) -> f64 {
    (pace.read(now).first_token.unwrap() * 1e3).round()
}

/// Ten answers, a second apart, the last at 10 s; `first` milliseconds to the first token, 100 tokens in a second more.
fn known(first: u64) -> PaceHealth {
    let mut pace = PaceHealth::default();
    for second in 1..=10 {
        pace.first_token(millis(first).as_secs_f64(), 0, at(second));
        answer(&mut pace, first, first + 990, 100, true, at(second));
    }
    pace
}

#[test]
fn slow_counts_at_once_twice_at_most_and_fades() {
    let mut pace = known(300);
    assert_eq!(first(&pace, at(10)), 300.0);
    let mut told = Vec::new();
    for _ in 0..5 {
        pace.first_token(6.0, 0, at(11));
        told.push(first(&pace, at(11)));
    }
    assert_eq!(told[..4], [600.0, 1200.0, 2400.0, 4800.0]);
    assert_eq!(told[4], 6000.0);
    // Idle, it falls to the mean of the last minute, and no further.
    let (soon, late) = (first(&pace, at(25)), first(&pace, at(10_000)));
    assert!((2000.0..3000.0).contains(&soon) && (1000.0..2000.0).contains(&late), "{soon} {late}");
    // Quick answers bring it down within about three times ten seconds.
    for second in 15..45 {
        pace.first_token(0.3, 0, at(second));
    }
    assert!(first(&pace, at(45)) < 700.0, "{}", first(&pace, at(45)));
}

#[test]
fn failures_are_slow() {
    let secs = Duration::from_secs;
    let table = [
        // Waited, asked for, milliseconds to the first token that are expected then.
        (Some(millis(5)), None, 5_000.0),
        (Some(millis(5)), Some(secs(40)), 40_000.0),
        (Some(millis(5)), Some(secs(4_000)), 300_000.0),
        (Some(millis(5)), Some(secs(1)), 5_000.0),
        (Some(secs(120)), None, 120_000.0),
        (None, None, 5_000.0),
    ];
    for (waited, asked, expected) in table {
        for mut pace in [PaceHealth::default(), known(300)] {
            pace.failed(waited, asked, at(11), at(11));
            assert_eq!(first(&pace, at(11)), expected, "{waited:?} {asked:?}");
        }
    }
    // Twice as long with each further one in a row, until an answer.
    let mut pace = PaceHealth::default();
    let told: Vec<f64> = (0..8)
        .map(|n| {
            pace.failed(Some(millis(5)), None, at(n), at(n));
            first(&pace, at(n)) / 1e3
        })
        .collect();
    assert_eq!(told, [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]);
    // What began before it came back from an outage is no news.
    let mut pace = known(300);
    pace.returned(at(20));
    pace.failed(Some(secs(60)), None, at(5), at(65));
    assert_eq!(first(&pace, at(65)), 300.0);
    // Until it has answered it is not thought as good as it was.
    let mut pace = known(300);
    pace.failed(Some(millis(5)), None, at(11), at(11));
    assert_eq!(first(&pace, at(1_000)), 600.0);
    assert_eq!((pace.read(at(1_000)).in_a_row, pace.read(at(11)).failing > 0.0), (1, true));
    pace.first_token(0.3, 0, at(1_000));
    assert_eq!(first(&pace, at(1_001)), 300.0);
}

#[test]
fn plain_answers() {
    // Alone they count whole.
    let mut plain = PaceHealth::default();
    answer(&mut plain, 0, 2_000, 100, false, at(1));
    assert_eq!((first(&plain, at(1)), plain.read(at(1)).per_token), (2_000.0, None));
    // Where streams have shown the pace, the tokens are taken off: 99 of them at 10 ms.
    let mut both = known(300);
    answer(&mut both, 0, 1_290, 100, false, at(11));
    assert_eq!(first(&both, at(11)), 300.0);
    // And something is left, however long the answer.
    answer(&mut both, 0, 1_000, 10_000, false, at(11));
    assert!(first(&both, at(11)) > 0.0);
    // Nothing is told of a time: nothing is learned of it.
    let mut silent = PaceHealth::default();
    silent.served(&Timings::default(), None, false, 0, at(1));
    assert_eq!((silent.read(at(1)).first_token, silent.read(at(1)).answers), (None, 1.0));
}

#[test]
fn tokens_cache_and_failures() {
    let mut pace = known(300);
    let read = pace.read(at(10));
    assert!((read.per_token.unwrap() - 0.01).abs() < 1e-9);
    assert_eq!((read.output, read.cached, read.failing), (Some(100.0), Some(0.25), 0.0));
    // One book moves the length by what four usual answers would.
    answer(&mut pace, 300, 9_300, 100_000, true, at(11));
    assert!(pace.read(at(11)).output.unwrap() < 130.0);
    for n in 0..1_000 {
        pace.failed(None, None, at(11 + n / 100), at(11 + n / 100));
    }
    let failing = pace.read(at(21)).failing;
    assert!(failing > 0.999);
    // Fifty answers are enough to forget it.
    for n in 0..200 {
        answer(&mut pace, 300, 1_290, 100, true, at(22 + n));
    }
    assert!(pace.read(at(222)).failing < 0.02 && pace.read(at(222)).answers <= 50.0);
}

#[test]
fn who_is_stopped_says_only_that_it_took_longer() {
    let table = [(100, 300.0), (299, 300.0), (500, 500.0), (60_000, 600.0)];
    for (waited, expected) in table {
        let mut pace = known(300);
        pace.given_up(millis(waited), at(10));
        assert_eq!(first(&pace, at(10)), expected, "{waited}");
        assert_eq!(pace.read(at(10)).failing, 0.0);
    }
    let mut unknown = PaceHealth::default();
    unknown.given_up(millis(10), at(1));
    assert_eq!(unknown.read(at(1)), crate::Pace::default());
}

#[test]
fn a_stream_told_at_once_is_not_told_again_at_its_end() {
    let (mut told, mut untold) = (PaceHealth::default(), PaceHealth::default());
    for n in 0..20 {
        told.first_token(0.3, 0, at(n * 60));
        answer(&mut told, 300, 30_300, 100, true, at(n * 60 + 30));
        answer(&mut untold, 300, 30_300, 100, true, at(n * 60 + 30));
    }
    for pace in [told, untold] {
        assert_eq!(first(&pace, at(1_300)), 300.0);
    }
    // A peak that came half a minute ago has faded since.
    answer(&mut untold, 600, 30_600, 100, true, at(1_300));
    assert!(first(&untold, at(1_300)) < 320.0, "{}", first(&untold, at(1_300)));
    told.first_token(0.6, 0, at(1_270));
    let peak = first(&told, at(1_270));
    answer(&mut told, 600, 30_600, 100, true, at(1_270));
    assert_eq!(first(&told, at(1_270)), peak);
}

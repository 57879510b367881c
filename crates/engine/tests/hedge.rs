//! Hedges: a second attempt beside one that is slower than usual, under time that does not pass by itself.

mod pipes;

use std::time::Duration;

use http::StatusCode;
use pipes::{Act, Noted, World, finish, piece, plain, status, stream_head};

const EACH: &str = "hedge: { after: 3s, budget: 100% }";

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn near(left: Duration, right: Duration) -> bool {
    left.abs_diff(right) < Duration::from_millis(20)
}

fn after(seconds: u64, act: Act) -> Vec<Act> {
    vec![Act::Wait(secs(seconds)), act]
}

fn streamed(text: &str) -> Vec<Act> {
    [vec![stream_head(), piece(text)], finish()].concat()
}

#[tokio::test(start_paused = true)]
async fn a_slow_attempt_is_hedged_and_only_loses() {
    for stream in [false, true] {
        let answer = |text: &str| if stream { streamed(text) } else { vec![plain(text)] };
        let world = World::new(&[("a", vec![vec![Act::Silence]]), ("b", vec![answer("b")])], EACH);
        for request in 0..6 {
            let began = secs(4) * request;
            let told = world.ask(stream, &[]).await;
            assert_eq!((told.status, told.header("x-ringmain-target")), (StatusCode::OK, "b/m"));
            assert_eq!(told.header("x-ringmain-attempts"), "2");
            assert!(near(told.head_at, began + secs(3)), "{:?}", told.head_at);
            tokio::time::sleep(secs(1)).await;
        }
        // It was merely slow: six losses in a row, and it is still asked first.
        let noted = world.noted("a");
        assert_eq!(world.asked("a"), 6);
        assert!(matches!(noted[1], Noted::Closed(at) if near(at, secs(3))), "{noted:?}");
        let metrics = world.metrics();
        for line in [
            r#"ringmain_hedges_total{route="r",outcome="won"} 6"#,
            r#"ringmain_hedges_total{route="r",outcome="lost"} 0"#,
            r#"ringmain_failovers_total{route="r"} 0"#,
            r#"ringmain_attempts_total{target="a/m",outcome="cancelled"} 6"#,
        ] {
            assert!(metrics.contains(line), "no {line} in\n{metrics}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_slow_one_may_win() {
    let world = World::new(&[("a", vec![after(4, plain("a"))]), ("b", vec![vec![Act::Silence]])], EACH);
    let told = world.ask(false, &[]).await;
    assert_eq!((told.header("x-ringmain-target"), told.header("x-ringmain-attempts")), ("a/m", "2"));
    assert!(near(told.head_at, secs(4)), "{:?}", told.head_at);
    tokio::time::sleep(secs(1)).await;
    assert!(matches!(world.noted("b")[..], [_, Noted::Closed(at)] if near(at, secs(4))), "{:?}", world.noted("b"));
    assert!(world.metrics().contains(r#"ringmain_hedges_total{route="r",outcome="lost"} 1"#));
}

#[tokio::test(start_paused = true)]
async fn the_budget_bounds_hedges() {
    let slow = after(5, plain("a"));
    let world = World::new(&[("a", vec![slow]), ("b", vec![vec![plain("b")]])], "hedge: { after: 1s, budget: 10% }");
    for _ in 0..40 {
        let _ = world.ask(false, &[]).await;
    }
    assert_eq!((world.asked("a"), world.asked("b")), (40, 5), "one to begin with, and one in ten");
}

/// Twenty answers show what is usual; from then on what takes longer than nineteen of twenty is slow.
#[tokio::test(start_paused = true)]
async fn what_is_usual_is_learned() {
    for stream in [false, true] {
        let answer = |text: &str| if stream { streamed(text) } else { vec![plain(text)] };
        let timed = |wait: u64| [vec![Act::Wait(Duration::from_millis(wait))], answer("a")].concat();
        let mut acts: Vec<_> = (0..20).map(|n| timed(1000 + n)).collect();
        acts.insert(10, timed(8000));
        acts.push(timed(8000));
        let world = World::new(&[("a", acts), ("b", vec![answer("b")])], "hedge: { after: p95, budget: 100% }");
        for _ in 0..21 {
            let told = world.ask(stream, &[]).await;
            assert_eq!(told.header("x-ringmain-target"), "a/m", "too little is known yet");
        }
        tokio::time::sleep(secs(3)).await;
        let began = tokio::time::Instant::now();
        let told = world.ask(stream, &[]).await;
        assert_eq!(told.header("x-ringmain-target"), "b/m");
        let took = began.elapsed();
        assert!((Duration::from_millis(980)..Duration::from_millis(1070)).contains(&took), "{took:?}");
    }
}

/// The hedge is the next attempt made early: what fails or stays silent beside it starts no further one at once.
#[tokio::test(start_paused = true)]
async fn a_hedge_stands_for_the_next_attempt() {
    let silent = || vec![vec![Act::Silence]];
    let failed = || status(503, "", r#"{"error":{"message":"boom"}}"#);
    // (the slow one, its hedge, who serves, after how long, attempts)
    let table = [
        (vec![after(8, plain("a"))], vec![vec![failed()]], "a/m", 8, "2"),
        (vec![after(4, failed())], vec![after(3, plain("b"))], "b/m", 6, "2"),
        (vec![after(12, plain("a"))], silent(), "a/m", 12, "2"),
        (silent(), silent(), "c/m", 13, "3"),
        (vec![after(4, failed())], silent(), "c/m", 13, "3"),
        (vec![after(4, failed())], vec![after(2, failed())], "c/m", 5, "3"),
    ];
    for (slow, hedge, served, seconds, attempts) in table {
        let providers = [("a", slow), ("b", hedge), ("c", vec![vec![plain("c")]])];
        let world = World::new(&providers, EACH);
        let told = world.ask(false, &[]).await;
        let got = (told.header("x-ringmain-target"), told.header("x-ringmain-attempts"));
        assert_eq!(got, (served, attempts), "{served} after {seconds} s");
        assert!(told.head_at.abs_diff(secs(seconds)) < Duration::from_millis(300), "{:?}", told.head_at);
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_begun_to_answer_is_not_hedged() {
    let slow = [vec![stream_head(), piece("x"), Act::Wait(secs(20)), piece("y")], finish()].concat();
    let world = World::new(&[("a", vec![slow]), ("b", vec![streamed("b")])], EACH);
    let told = world.ask(true, &[]).await;
    assert_eq!((told.header("x-ringmain-attempts"), world.asked("b")), ("1", 0));
    assert!(told.text.ends_with("data: [DONE]\n\n"));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_shares_the_deadline_and_the_tier() {
    let silent = || vec![vec![Act::Silence]];
    let world = World::new(&[("a", silent()), ("b", silent())], EACH);
    let told = world.ask(false, &[("x-ringmain-timeout", "4s")]).await;
    assert_eq!((told.status, world.asked("b")), (StatusCode::GATEWAY_TIMEOUT, 1));
    assert!(near(told.done_at, secs(4)), "{:?}", told.done_at);

    let tiers = "hedge: { after: 3s, budget: 100% }\ntargets: [a/m, { to: b/m, tier: 2 }]";
    let world = World::with_targets(&[("a", vec![after(8, plain("a"))]), ("b", vec![vec![plain("b")]])], tiers);
    let told = world.ask(false, &[]).await;
    assert_eq!((told.header("x-ringmain-target"), world.asked("b")), ("a/m", 0), "a reserve is for failures");
}

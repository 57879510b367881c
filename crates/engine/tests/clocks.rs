//! Every clock of a request, under time that does not pass by itself.

mod pipes;

use std::time::Duration;

use http::StatusCode;
use pipes::{Act, Noted, World, finish, piece, plain, status, stream_head};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn near(left: Duration, right: Duration) -> bool {
    left.abs_diff(right) < Duration::from_millis(20)
}

#[tokio::test(start_paused = true)]
async fn a_silent_target_is_raced_and_the_loser_is_closed() {
    for stream in [false, true] {
        let answer = if stream { [vec![stream_head(), piece("b")], finish()].concat() } else { vec![plain("b")] };
        let world = World::new(&[("a", vec![vec![Act::Silence]]), ("b", vec![answer])], "");
        let answer = world.ask(stream, &[]).await;
        assert_eq!((answer.status, answer.header("x-ringmain-target")), (StatusCode::OK, "b/m"));
        assert_eq!(answer.header("x-ringmain-attempts"), "2");
        assert!(near(answer.head_at, secs(10)), "race_after is 10 s: {:?}", answer.head_at);
        tokio::time::sleep(secs(1)).await;
        assert!(matches!(world.noted("a")[..], [_, Noted::Closed(at)] if near(at, secs(10))), "{:?}", world.noted("a"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_slow_one_wins_if_it_is_first() {
    let slow = vec![Act::Wait(secs(15)), plain("slow")];
    let world = World::new(&[("a", vec![slow]), ("b", vec![vec![Act::Silence]])], "");
    let answer = world.ask(false, &[]).await;
    assert_eq!((answer.header("x-ringmain-target"), answer.header("x-ringmain-attempts")), ("a/m", "2"));
    assert!(near(answer.head_at, secs(15)), "{:?}", answer.head_at);
}

#[tokio::test(start_paused = true)]
async fn without_a_race_the_first_token_has_its_own_clock() {
    let settings = "timeouts: { race_after: off, first_token: 20s }";
    let headers_only = vec![stream_head(), Act::Silence];
    let answer = [vec![stream_head(), piece("b")], finish()].concat();
    let world = World::new(&[("a", vec![headers_only]), ("b", vec![answer])], settings);
    let answer = world.ask(true, &[]).await;
    assert_eq!(answer.header("x-ringmain-target"), "b/m");
    assert!(near(answer.head_at, secs(20)), "{:?}", answer.head_at);
}

#[tokio::test(start_paused = true)]
async fn the_caller_may_shorten_the_whole() {
    let world = World::new(&[("a", vec![vec![Act::Silence]]), ("b", vec![vec![Act::Silence]])], "");
    let answer = world.ask(false, &[("x-ringmain-timeout", "4s")]).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(answer.text.contains("4s"), "{}", answer.text);
    assert!(near(answer.done_at, secs(4)), "{:?}", answer.done_at);
    // And not lengthen it, which the answer says.
    let world = World::new(&[("a", vec![vec![Act::Silence]])], "timeouts: { total: 3s }");
    let answer = world.ask(false, &[("x-ringmain-timeout", "60s")]).await;
    assert!(answer.text.contains("limit of 3s"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_flows_is_never_cut() {
    let mut acts = vec![stream_head()];
    for _ in 0..60 {
        acts.extend([piece("x"), Act::Wait(secs(20))]);
    }
    acts.extend(finish());
    let world = World::new(&[("a", vec![acts])], "timeouts: { total: 1m }");
    let answer = world.ask(true, &[]).await;
    assert!(answer.text.ends_with("data: [DONE]\n\n"), "twenty minutes of one token each twenty seconds");
    assert_eq!(answer.text.matches(r#""content":"x""#).count(), 60);
    assert_eq!(answer.text.matches(": ping\n\n").count(), 60, "one keep-alive in each silence of 20 s");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_falls_silent_ends_in_an_error() {
    let world = World::new(&[("a", vec![vec![stream_head(), piece("x"), Act::Silence]])], "");
    let answer = world.ask(true, &[]).await;
    assert!(near(answer.done_at, secs(30)), "idle is 30 s: {:?}", answer.done_at);
    assert!(answer.text.contains(r#"data: {"error":"#) && !answer.text.contains("[DONE]"), "{}", answer.text);
    assert!(!answer.text.contains(r#""finish_reason":"stop""#));
}

#[tokio::test(start_paused = true)]
async fn one_server_error_is_retried_on_the_same_target() {
    let world = World::new(&[("a", vec![vec![status(500, "", "{}")], vec![plain("again")]])], "");
    let answer = world.ask(false, &[]).await;
    assert_eq!((answer.status, world.asked("a")), (StatusCode::OK, 2));
    assert!(answer.head_at <= Duration::from_millis(270), "backoff begins at 250 ms: {:?}", answer.head_at);
}

#[tokio::test(start_paused = true)]
async fn a_short_wait_is_better_than_a_refusal() {
    let limited =
        status(429, "retry-after: 2\r\n", r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#);
    let world = World::new(&[("a", vec![vec![limited.clone()], vec![plain("ok")]])], "");
    let answer = world.ask(false, &[]).await;
    assert_eq!((answer.status, world.asked("a")), (StatusCode::OK, 2));
    assert!(answer.head_at >= secs(2) && answer.head_at < secs(3), "{:?}", answer.head_at);

    let world = World::new(&[("a", vec![vec![limited], vec![plain("ok")]])], "");
    let answer = world.ask(false, &[("x-ringmain-timeout", "1s")]).await;
    assert_eq!((answer.status, world.asked("a")), (StatusCode::TOO_MANY_REQUESTS, 1));
    assert_eq!(answer.header("retry-after"), "2");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_unanswered_is_tried_once_more() {
    let world = World::new(&[("a", vec![vec![Act::Close]]), ("b", vec![vec![plain("b")]])], "");
    let answer = world.ask(false, &[]).await;
    assert_eq!((answer.header("x-ringmain-target"), answer.header("x-ringmain-attempts")), ("b/m", "3"));
    assert!(answer.head_at < Duration::from_millis(270), "{:?}", answer.head_at);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_closes_everything_at_once() {
    let world = World::new(&[("a", vec![vec![Act::Silence]]), ("b", vec![vec![Act::Silence]])], "");
    let left = tokio::time::timeout(secs(12), world.ask(false, &[])).await;
    assert!(left.is_err());
    tokio::time::sleep(Duration::from_millis(5)).await;
    for provider in ["a", "b"] {
        assert!(matches!(world.noted(provider)[..], [_, Noted::Closed(at)] if near(at, secs(12))), "{provider}");
    }
}

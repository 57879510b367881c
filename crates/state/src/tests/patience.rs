//! Silence and one's turn are told apart, under a clock that is moved by hand.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep};

use crate::redis::patience::{Ear, Missed, Patience};

const MS: Duration = Duration::from_millis(1);

fn patience() -> Patience {
    Patience::new(20 * MS, 100 * MS)
}

/// Somebody else's question, answered after so long: what comes from the server is heard, and an answer in time counted.
async fn other(ear: &Arc<Ear>, after: Duration) {
    let answered = async {
        sleep(after).await;
        ear.hear();
    };
    patience().in_turn(ear, answered).await.unwrap();
}

/// One question, with what became of it and when.
fn ask(ear: &Arc<Ear>, answered: Option<Duration>) -> JoinHandle<(Result<(), Missed>, Duration)> {
    let (ear, began) = (Arc::clone(ear), Instant::now());
    tokio::spawn(async move {
        let answer = async {
            match answered {
                Some(after) => sleep(after).await,
                None => pending().await,
            }
        };
        (patience().in_turn(&ear, answer).await, began.elapsed())
    })
}

/// Tokio's timers are as fine as a millisecond, and each part of a silence may be late by one.
fn about(took: Duration, millis: u32) -> bool {
    (millis * MS..=(millis + 5) * MS).contains(&took)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_waited_for_for_one_silence() {
    let ear = Arc::default();
    let (outcome, took) = ask(&ear, None).await.unwrap();
    assert!(outcome == Err(Missed::Silence) && about(took, 20), "{outcome:?} after {took:?}");
    let (outcome, took) = ask(&ear, Some(18 * MS)).await.unwrap();
    assert!(outcome == Ok(()) && about(took, 18), "{outcome:?} after {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_question_waits_for_its_turn_while_others_are_answered() {
    let ear = Arc::default();
    let asked = ask(&ear, Some(90 * MS));
    for _ in 0..9 {
        other(&ear, 10 * MS).await;
    }
    let (outcome, took) = asked.await.unwrap();
    assert!(outcome == Ok(()) && about(took, 90), "{outcome:?} after {took:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_and_one_that_is_late_among_others_is_no_silence() {
    let ear = Arc::default();
    let asked = ask(&ear, None);
    for _ in 0..12 {
        other(&ear, 10 * MS).await;
    }
    let (outcome, took) = asked.await.unwrap();
    assert!(outcome == Err(Missed::Turn) && about(took, 100), "{outcome:?} after {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_is_noticed_after_what_it_said_last() {
    let ear = Arc::default();
    let asked = ask(&ear, None);
    for _ in 0..3 {
        other(&ear, 10 * MS).await;
    }
    let (outcome, took) = asked.await.unwrap();
    assert!(outcome == Err(Missed::Silence) && about(took, 50), "{outcome:?} after {took:?}");
}

/// Slow by more than anybody waits: answers come all the time, and none to whoever still waits for it.
#[tokio::test(start_paused = true)]
async fn answers_that_are_all_late_are_silence() {
    let ear: Arc<Ear> = Arc::default();
    let asked = ask(&ear, None);
    for _ in 0..12 {
        sleep(10 * MS).await;
        ear.hear();
    }
    let (outcome, took) = asked.await.unwrap();
    assert!(outcome == Err(Missed::Silence) && about(took, 100), "{outcome:?} after {took:?}");
}

/// While this process was not run nobody could hear: the answer lies in the socket, and takes a moment more.
#[tokio::test(start_paused = true)]
async fn a_machine_that_does_not_run_us_is_no_silence() {
    let ear = Arc::default();
    let asked = ask(&ear, Some(71 * MS));
    tokio::task::yield_now().await;
    advance(70 * MS).await;
    let (outcome, took) = asked.await.unwrap();
    assert!(outcome == Ok(()) && about(took, 71), "{outcome:?} after {took:?}");
    // And a server that is dead on such a machine costs no more than the most that anybody waits.
    let asked = ask(&ear, None);
    tokio::task::yield_now().await;
    advance(70 * MS).await;
    let (outcome, took) = asked.await.unwrap();
    assert!(outcome == Err(Missed::Silence) && took <= 105 * MS, "{outcome:?} after {took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_asks_briskly_waits_for_nobodys_turn() {
    let ear: Arc<Ear> = Arc::default();
    let began = Instant::now();
    let telling = Arc::clone(&ear);
    let others = tokio::spawn(async move {
        for _ in 0..6 {
            other(&telling, 5 * MS).await;
        }
    });
    let outcome = patience().briskly(&ear, pending::<()>()).await;
    assert!(outcome == Err(Missed::Turn) && about(began.elapsed(), 20), "{outcome:?} after {:?}", began.elapsed());
    others.await.unwrap();
    assert_eq!(patience().briskly(&ear, pending::<()>()).await, Err(Missed::Silence));
}

//! The judge, on evidence made by hand: what misleads a caller must never pass.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use ringmain_caller::Heard;
use ringmain_core::{Dialect, Fault, FaultClass, Origin, Phase};
use serde_json::Value;

use super::catalogue::Case;
use super::cell::{Answer, Cell, Evidence};
use super::clocks::Clocks;
use super::judge::{Verdict, judge};
use crate::client::Got;

fn cell(case: Case) -> Cell {
    Cell { case, caller: Dialect::OpenAiChat, provider: Dialect::Gemini, stream: true }
}

fn evidence(heard: Heard, took: Duration) -> Evidence {
    let got = Got { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new(), complete: true, took };
    let expected = "one two three".to_owned();
    let answer = Answer { expected, got: Ok(got), heard: Some(heard), ended: took };
    Evidence { answers: vec![answer], primary: Vec::new(), fallback: Vec::new(), record: Value::Null }
}

fn whole(text: &str) -> Heard {
    Heard::Whole { text: text.to_owned(), done: true, response: Box::default() }
}

fn broken(text: &str, message: &str) -> Heard {
    let fault = Fault::new(FaultClass::Interrupted, Origin::Provider, Phase::AfterCommit, message);
    Heard::Broken { text: text.to_owned(), fault: Box::new(fault) }
}

fn verdict(case: Case, heard: Heard, took_ms: u64) -> Verdict {
    judge(&cell(case), &evidence(heard, Duration::from_millis(took_ms)), &Clocks::new(false), Duration::ZERO)
}

#[test]
fn what_misleads_fails() {
    let prefill = broken("one", "does not support assistant message prefill");
    for heard in [
        whole("one two"),
        Heard::Unfinished { text: "one".to_owned() },
        Heard::Unreadable("half an event".to_owned()),
        broken("two", "cut off"),
        prefill,
    ] {
        let verdict = verdict(Case::CutAtToken40, heard, 1);
        assert!(matches!(verdict, Verdict::Fail(_)), "{verdict:?}");
    }
    assert!(matches!(verdict(Case::ContentFilter, whole("one two three"), 1), Verdict::Fail(_)), "routed around");
}

#[test]
fn what_is_honest_or_late_is_partial() {
    for (heard, took) in [(broken("one", "cut off"), 1), (whole("one two three"), 60_000)] {
        let verdict = verdict(Case::CutAtToken40, heard, took);
        assert!(matches!(verdict, Verdict::Partial(_)), "{verdict:?}");
    }
}

#[test]
fn cells_have_names_of_their_own() {
    let mut names = BTreeSet::new();
    for case in Case::ALL {
        for caller in Dialect::ALL {
            for provider in Dialect::ALL {
                for stream in [false, true] {
                    let cell = Cell { case, caller, provider, stream };
                    assert_ne!(cell.fallback_dialect(), provider);
                    assert!(names.insert(cell.name()), "{cell}");
                }
            }
        }
    }
}

//! What a process may use alone, while the store that processes share does not answer.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use ringmain_core::{WallTime, calendar::parse_date};

use crate::quota::{Amounts, Exhausted, Grant, LimitId, Standing};
use crate::shared::{Asking, Gauges, Heard, Known, Limits, Question, Remote, Settlement, Ticket};

fn full(standing: Standing) -> Heard {
    Heard::Full(Exhausted { at: 0, returns: None, alone: false }, standing)
}

/// Says what it is told to.
#[derive(Debug, Default)]
struct Fake {
    down: Mutex<bool>,
    says: Mutex<Option<Heard>>,
    told: Mutex<Vec<Settlement>>,
}

impl Remote for Fake {
    fn ticket(&self) -> Option<Ticket> {
        (!*self.down.lock().unwrap()).then(|| Ticket("1".to_owned()))
    }

    fn reserve<'a>(&'a self, _: Question<'a>) -> Asking<'a> {
        Box::pin(poll_fn(|_| self.says.lock().unwrap().clone().map_or(Poll::Pending, Poll::Ready)))
    }

    fn settle(&self, settlement: Settlement) {
        self.told.lock().unwrap().push(settlement);
    }

    fn processes(&self) -> u64 {
        4
    }

    fn gauges(&self) -> Gauges {
        Gauges::default()
    }
}

fn limit(text: &str) -> LimitId {
    LimitId::new("key:a".into(), text.parse().unwrap())
}

fn noon(second: u64) -> WallTime {
    WallTime(parse_date("2026-11-29T12:00:00Z").unwrap().0 + second * 1000)
}

const fn tokens(tokens: u64) -> Amounts {
    Amounts { tokens, nanos: 0 }
}

fn poll(limits: &Limits, ids: &[LimitId], ask: Amounts, now: WallTime) -> Option<Result<Grant, Exhausted>> {
    poll_as(limits, ids, ask, false, now)
}

fn poll_as(
    limits: &Limits,
    ids: &[LimitId],
    ask: Amounts,
    force: bool,
    now: WallTime,
) -> Option<Result<Grant, Exhausted>> {
    let ids = ids.into();
    let mut asking = Box::pin(limits.reserve(&ids, ask, force, now));
    match asking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

fn world() -> (Arc<Fake>, Limits) {
    let (fake, limits) = (Arc::new(Fake::default()), Limits::default());
    limits.share(Arc::clone(&fake) as _);
    (fake, limits)
}

#[test]
fn the_rest_is_divided_by_the_processes() {
    let (fake, limits) = world();
    let ids = [limit("100 tokens/day"), limit("8 at once")];
    *fake.says.lock().unwrap() =
        Some(Heard::Granted(vec![Standing { used: 40, reserved: 20 }, Standing { used: 0, reserved: 2 }]));
    let first = poll(&limits, &ids, tokens(5), noon(0)).unwrap().unwrap();
    limits.settle(first, tokens(5), noon(1));
    assert_eq!(limits.standing(&ids[0], noon(1)), Standing { used: 45, reserved: 15 });
    *fake.down.lock().unwrap() = true;
    // 40 are left for four.
    let full = poll(&limits, &ids, tokens(11), noon(2)).unwrap().unwrap_err();
    assert!(full.alone && full.at == 0, "{full:?}");
    let mine = poll(&limits, &ids, tokens(10), noon(2)).unwrap().unwrap();
    assert!(poll(&limits, &ids, tokens(1), noon(2)).unwrap().unwrap_err().alone);
    let tomorrow = noon(24 * 3600);
    let more = poll(&limits, &ids[..1], tokens(25), tomorrow).unwrap();
    assert!(more.is_err(), "10 of yesterday's are still reserved");
    limits.settle(mine, tokens(10), noon(3));
    let whole = poll(&limits, &ids[..1], tokens(25), tomorrow).unwrap().unwrap();
    assert!(poll(&limits, &ids[..1], tokens(1), tomorrow).unwrap().is_err(), "a quarter of a new day");
    drop(whole);
    let known: Vec<_> = fake.told.lock().unwrap().iter().map(|told| told.known).collect();
    assert_eq!(known, [Known::Granted, Known::Never]);
}

/// What the store gave away and refused is known to who is alone: nobody adds a part of what is gone.
#[test]
fn who_was_refused_has_no_part_of_what_is_gone() {
    let (fake, limits) = world();
    let ids = [limit("30 requests/day"), limit("100 tokens/day")];
    *fake.says.lock().unwrap() = Some(full(Standing { used: 30, reserved: 0 }));
    assert!(!poll(&limits, &ids, tokens(1), noon(0)).unwrap().unwrap_err().alone);
    *fake.says.lock().unwrap() = Some(Heard::Unsure);
    let refused = poll(&limits, &ids, tokens(1), noon(1)).unwrap().unwrap_err();
    assert!(refused.alone && refused.at == 0, "{refused:?}");
    let other = poll(&limits, &ids[1..], tokens(25), noon(1)).unwrap();
    assert!(other.is_ok(), "of the other nothing was said: {other:?}");
    let next_day = poll(&limits, &ids[..1], tokens(1), noon(24 * 3600)).unwrap();
    assert!(next_day.is_ok(), "{next_day:?}");
}

/// An answer to a question that was asked before does not bring a part of what was used since, and neither does one that
/// does not know of it yet.
#[test]
fn what_was_used_alone_is_no_part_again_until_it_is_told() {
    let (fake, limits) = world();
    let ids = [limit("100 tokens/day")];
    let hear = |used| {
        *fake.down.lock().unwrap() = false;
        *fake.says.lock().unwrap() = Some(Heard::Granted(vec![Standing { used, reserved: 0 }]));
        limits.settle(poll(&limits, &ids, tokens(0), noon(0)).unwrap().unwrap(), tokens(0), noon(0));
        *fake.down.lock().unwrap() = true;
    };
    hear(20);
    let mine = poll(&limits, &ids, tokens(20), noon(1)).unwrap().unwrap();
    hear(20);
    assert!(poll(&limits, &ids, tokens(1), noon(1)).unwrap().unwrap_err().alone, "while it runs");
    limits.settle(mine, tokens(16), noon(2));
    hear(20);
    assert!(poll(&limits, &ids, tokens(5), noon(2)).unwrap().is_err(), "it used 16 of its 20");
    limits.settle(poll(&limits, &ids, tokens(4), noon(2)).unwrap().unwrap(), tokens(4), noon(2));
    hear(60);
    assert!(poll(&limits, &ids, tokens(1), noon(2)).unwrap().is_err(), "ten would be its part, and 20 are used");
    fake.told.lock().unwrap().clear();
    assert!(poll(&limits, &ids, tokens(1), noon(2)).unwrap().is_err(), "told, and nothing heard since");
    hear(80);
    assert!(poll(&limits, &ids, tokens(6), noon(3)).unwrap().is_err());
    assert!(poll(&limits, &ids, tokens(5), noon(3)).unwrap().is_ok(), "a quarter of what is left");
}

#[test]
fn the_latest_answer_is_that_to_the_latest_question() {
    let (fake, limits) = world();
    let ids = [limit("100 tokens/day")].into();
    let ask = || Box::pin(limits.reserve(&ids, tokens(5), false, noon(0)));
    let (mut first, mut second) = (ask(), ask());
    let mut context = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending() && second.as_mut().poll(&mut context).is_pending());
    for (asking, reserved) in [(&mut second, 80), (&mut first, 40)] {
        *fake.says.lock().unwrap() = Some(Heard::Granted(vec![Standing { used: 0, reserved }]));
        let Poll::Ready(Ok(grant)) = asking.as_mut().poll(&mut context) else { panic!("no grant") };
        drop(grant);
    }
    *fake.down.lock().unwrap() = true;
    assert!(poll(&limits, &ids, tokens(6), noon(0)).unwrap().is_err(), "20 are left for four");
    assert!(poll(&limits, &ids, tokens(5), noon(0)).unwrap().is_ok());
}

#[test]
fn places_are_divided_and_each_process_keeps_one() {
    for (text, most) in [("8 at once", 2), ("3 at once", 1)] {
        let (fake, limits) = world();
        *fake.down.lock().unwrap() = true;
        let ids = [limit(text)];
        let held: Vec<_> = (0..most).map(|_| poll(&limits, &ids, tokens(0), noon(0)).unwrap().unwrap()).collect();
        assert!(poll(&limits, &ids, tokens(0), noon(0)).unwrap().unwrap_err().alone, "{text}");
        drop(held);
    }
}

#[test]
fn alone_as_well_only_budgets_let_pass() {
    let (fake, limits) = world();
    *fake.down.lock().unwrap() = true;
    let ids = [limit("100 tokens/day"), limit("8 at once")];
    let force = || poll_as(&limits, &ids, tokens(1000), true, noon(0)).unwrap();
    let held = [force().unwrap(), force().unwrap()];
    let full = force().unwrap_err();
    assert!(full.alone && full.at == 1, "two places are its part: {full:?}");
    drop(held);
}

#[test]
fn what_never_fits_is_told_so_also_alone() {
    let (fake, limits) = world();
    *fake.down.lock().unwrap() = true;
    let full = poll(&limits, &[limit("100 tokens/day")], tokens(101), noon(0)).unwrap().unwrap_err();
    assert_eq!((full.alone, full.returns), (false, None));
}

#[test]
fn every_question_is_settled_once_however_it_ends() {
    let (fake, limits) = world();
    let ids = [limit("100 tokens/day")];
    // Its caller leaves while the store is asked.
    assert!(poll(&limits, &ids, tokens(5), noon(0)).is_none());
    // No answer in time, and no room here.
    *fake.says.lock().unwrap() = Some(Heard::Unsure);
    assert!(poll(&limits, &ids, tokens(50), noon(0)).unwrap().is_err());
    // No answer in time, and room here.
    let grant = poll(&limits, &ids, tokens(5), noon(0)).unwrap().unwrap();
    limits.settle(grant, tokens(4), noon(1));
    // Refused: nothing is held.
    *fake.says.lock().unwrap() = Some(full(Standing { used: 98, reserved: 0 }));
    assert!(poll(&limits, &ids, tokens(5), noon(0)).unwrap().is_err());
    let told: Vec<_> = fake.told.lock().unwrap().iter().map(|told| (told.known, told.used.tokens)).collect();
    assert_eq!(told, [(Known::Void, 0), (Known::Void, 0), (Known::Unsure, 4)]);
}

#[test]
fn what_the_ledger_says_is_not_counted_twice() {
    let limits = Limits::default();
    let ids = [limit("100 tokens/day")];
    let grant = poll(&limits, &ids, tokens(10), noon(0)).unwrap().unwrap();
    limits.settle(grant, tokens(10), noon(0));
    limits.seed(&ids[0], &[(noon(0), 7), (noon(60), 20)], noon(61));
    assert_eq!(limits.standing(&ids[0], noon(61)).used, 27);
}

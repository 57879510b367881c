//! Questions about the ledger, answered alike by every store; and the journal, which loses nothing and doubles nothing.

use std::sync::Arc;
use std::time::Duration;

use ringmain_core::{
    Fault, FaultClass, KeyName, Metered, Money, Origin, Phase, RequestId, Tick, Units, Usage, WallTime,
    calendar::parse_date,
};
use ringmain_routing::record::{Attempt, Known};
use ringmain_routing::{HostIx, KeyIx, Record, TargetIx, Tried};

use super::records::record;
use super::servers::Postgres;
use crate::analytics::{By, Question, Search};
use crate::journal::{Journal, Reader};
use crate::journaled::{Journaled, Line, Store};
use crate::ledger::Entry;
use crate::{Analytics, RecordQuery, RecordSink, StateError, memory, postgres, sqlite};

const SECOND: u64 = 1_000_000_000;

fn noon() -> u64 {
    parse_date("2026-11-29T12:00:00Z").unwrap().0
}

fn known(name: &str) -> Known {
    Known {
        name: name.to_owned(),
        target: TargetIx(0),
        tier: 1,
        host: HostIx(0),
        keys: vec![(KeyIx(0), "a#1".to_owned())],
    }
}

fn of_acme(key: &str) -> KeyName {
    KeyName { id: format!("key_{key}").into(), name: key.into(), group: Some("acme".into()) }
}

/// A request that failed at the first target, if `failed`, and was served by the second, at this cost in dollars.
fn served(id: u64, minute: u64, key: &str, failed: bool, cost: Option<f64>) -> Arc<Record> {
    let mut made = (*record(u128::from(id), noon() + minute * 60_000)).clone();
    made.candidates = Arc::from([known("openai/gpt-4o"), known("anthropic/claude")]);
    made.started = Tick(SECOND);
    made.ended = Some(Tick(3 * SECOND));
    made.facts.key = Some(of_acme(key));
    let try_of = |candidate, started: u64, result: Option<Fault>| Tried {
        candidate,
        key: KeyIx(0),
        result,
        started: Tick(started),
        ended: Some(Tick(started + SECOND)),
        hedge: false,
    };
    let attempt = |tried, served| Attempt { served, ..Attempt::begun(tried) };
    if failed {
        let fault = Fault::new(FaultClass::Server, Origin::Provider, Phase::BeforeCommit, "it broke");
        made.attempts.push(attempt(try_of(0, SECOND, Some(fault)), false));
    }
    let units = Units { images: 2, width: 1024, height: 1024, searches: 1, ..Units::default() };
    let usage = Usage { input: 100, cache_read: 40, output: 20, image_output: 5, units, ..Usage::default() };
    made.attempts.push(Attempt {
        usage: Some(usage),
        cost: cost.map(Money::from_dollars),
        price: cost.map(|_| "in $1".into()),
        saved: cost.map(|_| Money::from_dollars(0.001)),
        first_token: Some(Duration::from_millis(500)),
        ..attempt(try_of(1, 2 * SECOND, None), true)
    });
    Arc::new(made)
}

fn refused(id: u64, minute: u64) -> Arc<Record> {
    let mut made = (*record(u128::from(id), noon() + minute * 60_000)).clone();
    made.facts.key = Some(of_acme("prod"));
    made.ended = Some(made.started);
    made.fault = Some(Fault::new(FaultClass::RateLimit, Origin::Gateway, Phase::Before, "used up"));
    Arc::new(made)
}

fn all() -> Vec<Arc<Record>> {
    vec![
        served(1, 0, "prod", false, Some(0.25)),
        served(2, 0, "prod", true, Some(0.5)),
        served(3, 1, "stage", false, None),
        refused(4, 61),
        served(5, 60 * 26, "stage", true, Some(0.125)),
    ]
}

type Stores = (Vec<(&'static str, Arc<dyn Analytics>)>, Option<Postgres>);

fn stores(folder: &tempfile::TempDir) -> Stores {
    let memory = Arc::new(memory::Records::new(100));
    let (file, keep) = (folder.path().join("ledger.db"), Duration::from_secs(30 * 86_400));
    let mut sinks: Vec<Arc<dyn RecordSink>> =
        vec![memory.clone(), Arc::new(sqlite::Records::open(&file, keep).unwrap())];
    let server = Postgres::start();
    if let Some(server) = &server {
        let journal = folder.path().join("spill");
        sinks.push(Arc::new(postgres::Records::open(&server.database(), &journal, keep).unwrap()));
    }
    for sink in sinks {
        all().iter().for_each(|record| sink.record(record));
    }
    let mut stores: Vec<(&'static str, Arc<dyn Analytics>)> =
        vec![("memory", memory), ("sqlite", Arc::new(sqlite::Records::read(&file).unwrap()))];
    stores.extend(server.iter().map(|server| ("postgres", Arc::new(postgres::Records::read(&server.database())) as _)));
    (stores, server)
}

fn question(step: Option<u64>, by: By, only: Vec<(By, String)>) -> Question {
    let (from, to) = (WallTime(noon()), WallTime(noon() + 48 * 3_600_000));
    Question { from, to, step, by, only, now: to }
}

#[test]
fn every_store_gives_the_same_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (stores, _server) = stores(&folder);
    let bys = By::NAMED.map(|(_, by)| by);
    for by in bys {
        for step in [None, Some(60_000), Some(3_600_000), Some(86_400_000)] {
            let answers: Vec<_> =
                stores.iter().map(|(_, store)| store.ask(&question(step, by, Vec::new())).unwrap()).collect();
            for ((name, _), answer) in stores.iter().zip(&answers) {
                assert_eq!(*answer, answers[0], "{name}: {by:?} {step:?}");
            }
            assert!(!answers[0].is_empty());
        }
    }
}

#[test]
fn sums_are_what_the_rows_add_up_to() {
    let folder = tempfile::tempdir().unwrap();
    let (stores, _server) = stores(&folder);
    for (name, store) in stores {
        let whole = store.ask(&question(None, By::Nothing, Vec::new())).unwrap();
        let sums = &whole[0].sums;
        assert_eq!((whole.len(), sums.requests, sums.served, sums.limited), (1, 5, 4, 1), "{name}");
        assert_eq!((sums.failovers, sums.attempts, sums.attempts_failed), (2, 6, 2), "{name}");
        assert_eq!((sums.nanos, sums.unpriced, sums.saved_nanos), (875_000_000, 1, 3_000_000), "{name}");
        assert_eq!((sums.usage.input, sums.usage.cache_read, sums.usage.output), (400, 160, 80), "{name}");
        assert_eq!((sums.usage.image_output, sums.usage.units.counts()), (20, [8, 0, 0, 4]), "{name}");
        // The failed attempt's second counts: that is how long the caller waited.
        assert!(sums.first_token.quantile(1.0).unwrap() > Duration::from_millis(1300), "{name}");
        let targets = store.ask(&question(None, By::Target, Vec::new())).unwrap();
        let told: Vec<_> =
            targets.iter().map(|line| (line.name.as_str(), line.sums.requests, line.sums.attempts)).collect();
        assert_eq!(told, [("", 1, 0), ("anthropic/claude", 4, 4), ("openai/gpt-4o", 0, 2)], "{name}");
        let prod = store.ask(&question(None, By::Key, vec![(By::Key, "acme/prod".to_owned())])).unwrap();
        assert_eq!((prod.len(), prod[0].sums.nanos), (1, 750_000_000), "{name}");
        let tagged = store.ask(&question(None, By::Tag, Vec::new())).unwrap();
        assert_eq!((tagged[0].name.as_str(), tagged[0].sums.requests), ("team=search", 5), "{name}");
        let hours = store.ask(&question(Some(3_600_000), By::Nothing, Vec::new())).unwrap();
        let told: Vec<_> = hours.iter().map(|line| ((line.at.0 - noon()) / 3_600_000, line.sums.requests)).collect();
        assert_eq!(told, [(0, 3), (1, 1), (26, 1)], "{name}");
    }
}

#[test]
fn requests_are_found_and_use_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (stores, _server) = stores(&folder);
    for (name, store) in stores {
        let all = Search { from: WallTime(0), to: WallTime(u64::MAX >> 1), most: 10, ..Search::default() };
        let find = |search: Search| -> Vec<u128> { store.search(&search).unwrap().iter().map(|id| id.0).collect() };
        assert_eq!(find(all.clone()), [5_u8, 4, 3, 2, 1].map(u128::from), "{name}: newest first, then by id");
        assert_eq!(find(Search { most: 1, ..all.clone() }), [5], "{name}");
        assert_eq!(find(Search { outcome: Some("ok".to_owned()), ..all.clone() }).len(), 4, "{name}");
        assert_eq!(find(Search { outcome: Some("failed".to_owned()), ..all.clone() }), [4], "{name}");
        assert_eq!(find(Search { outcome: Some("rate-limit".to_owned()), ..all.clone() }), [4], "{name}");
        assert_eq!(find(Search { key: Some("acme/stage".to_owned()), ..all.clone() }), [5, 3], "{name}");
        assert_eq!(find(Search { key: Some("key_prod".to_owned()), ..all.clone() }).len(), 3, "{name}");
        assert_eq!(find(Search { tag: Some("team=search".to_owned()), ..all.clone() }).len(), 5, "{name}");
        assert_eq!(find(Search { tag: Some("team=sea".to_owned()), ..all.clone() }).len(), 0, "{name}");
        assert_eq!(
            find(Search { route: Some("text".to_owned()), model: Some("text".to_owned()), ..all.clone() }).len(),
            5
        );
        let now = WallTime(noon() + 30 * 3_600_000);
        let used = |scope: &str, of| -> u64 {
            store.used(scope, of, WallTime(noon()), now).unwrap().iter().map(|(_, amount)| amount).sum()
        };
        assert_eq!(used("group:acme", Metered::Money), 875_000_000, "{name}");
        assert_eq!(used("key:key_prod", Metered::Tokens), 240, "{name}");
        assert_eq!(used("group:acme", Metered::Requests), 4, "{name}: who was refused used nothing");
        assert_eq!(used("group:ac", Metered::Requests), 0, "{name}");
    }
}

#[test]
fn a_group_has_what_is_within_it() {
    let folder = tempfile::tempdir().unwrap();
    let (stores, _server) = stores(&folder);
    let mut within = (*served(6, 2, "prod", false, Some(0.5))).clone();
    within.facts.key.as_mut().unwrap().group = Some("acme/search".into());
    let memory = memory::Records::new(10);
    memory.record(&Arc::new(within));
    memory.record(&served(7, 2, "prod", false, Some(0.25)));
    let mut strange = (*served(8, 2, "prod", false, None)).clone();
    strange.facts.key = None;
    memory.record(&Arc::new(strange));
    let requests = |store: &dyn Analytics, by, group: &str| -> Vec<(String, u64)> {
        let lines = store.ask(&question(None, by, vec![(By::Group, group.to_owned())])).unwrap();
        lines.into_iter().map(|line| (line.name, line.sums.requests)).collect()
    };
    let line = |name: &str, requests| (name.to_owned(), requests);
    assert_eq!(requests(&memory, By::Nothing, "acme"), [line("", 2)]);
    assert_eq!(requests(&memory, By::Group, "acme"), [line("acme", 1), line("acme/search", 1)]);
    assert_eq!(requests(&memory, By::Nothing, "acme/search"), [line("", 1)]);
    assert_eq!(requests(&memory, By::Nothing, "acme/sea"), []);
    assert_eq!(requests(&memory, By::Nothing, ""), [line("", 1)], "those without a key");
    for (name, store) in stores {
        assert_eq!(requests(&*store, By::Nothing, "acme"), [line("", 5)], "{name}");
        assert_eq!(requests(&*store, By::Nothing, "ac"), [], "{name}");
        assert_eq!(requests(&*store, By::Nothing, ""), [], "{name}: none is without a key");
    }
}

#[test]
fn what_callers_get_wrong_is_counted_apart() {
    let memory = memory::Records::new(10);
    let mistakes = [FaultClass::BadRequest, FaultClass::Context, FaultClass::Refusal, FaultClass::Server];
    for (id, class) in (1..).zip(mistakes) {
        let mut made = (*refused(id, 0)).clone();
        made.fault = Some(Fault::new(class, Origin::Provider, Phase::AwaitHead, "no"));
        memory.record(&Arc::new(made));
    }
    let sums = memory.ask(&question(None, By::Nothing, Vec::new())).unwrap().remove(0).sums;
    assert_eq!((sums.requests, sums.rejected, sums.served), (4, 3, 0));
}

#[test]
fn a_retry_at_the_same_target_is_no_failover() {
    let mut made = (*served(2, 0, "prod", true, Some(0.5))).clone();
    assert_eq!(Entry::of(&made).failovers, 1);
    made.attempts[0].tried.candidate = 1;
    assert_eq!(Entry::of(&made).failovers, 0);
}

#[test]
fn an_entry_says_what_its_record_says() {
    let entry = Entry::of(&served(2, 0, "prod", true, Some(0.5)));
    assert_eq!((entry.target.as_deref(), entry.failovers, entry.unpriced), (Some("anthropic/claude"), 1, 0));
    assert_eq!(entry.first_token, Some(Duration::from_millis(1500)));
    assert_eq!(entry.per_token, Some(Duration::from_millis(500) / 19));
    let unpriced = Entry::of(&served(3, 0, "prod", false, None));
    assert_eq!((unpriced.unpriced, unpriced.cost), (1, Money::ZERO));
}

/// Takes lines into a list that the test reads, unless it is told to refuse.
#[derive(Clone, Default)]
struct Fake(Arc<std::sync::Mutex<(bool, Vec<RequestId>)>>);

impl Store for Fake {
    fn write(&mut self, lines: &[Line]) -> Result<(), StateError> {
        let mut state = self.0.lock().unwrap();
        if state.0 {
            return Err(StateError::Refused("it is out".to_owned()));
        }
        state.1.extend(lines.iter().map(|line| line.entry.id));
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), StateError> {
        Ok(())
    }

    fn sweep(&mut self, _: WallTime) -> Result<bool, StateError> {
        Ok(false)
    }
}

#[test]
fn what_a_store_refuses_it_gets_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Fake::default();
    store.0.lock().unwrap().0 = true;
    let sink = Journaled::start(folder.path(), store.clone()).unwrap();
    for id in 0..2000_u64 {
        sink.record(&record(u128::from(id), id));
    }
    // Dropped while the store is out: all is in the journal, as after a kill.
    drop(sink);
    assert_eq!(store.0.lock().unwrap().1.len(), 0);
    store.0.lock().unwrap().0 = false;
    let again = Journaled::start(folder.path(), store.clone()).unwrap();
    drop(again);
    let mut taken = store.0.lock().unwrap().1.clone();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), 2000);
    let left: Vec<_> = std::fs::read_dir(folder.path().join("0")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["lock"], "what the store has is no longer in the journal");
}

#[test]
fn a_journal_in_use_is_left_alone_and_a_torn_line_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let (mut first, begin) = Journal::open(folder.path()).unwrap();
    let end = first.append(b"one\ntwo\n", begin).unwrap();
    first.append(b"torn", begin).unwrap();
    let (second, _) = Journal::open(folder.path()).unwrap();
    assert_ne!(first.folder(), second.folder());
    assert_eq!(Reader::new(first.folder(), begin).read(end, 10).unwrap().0, ["one", "two"]);
    drop((first, second));
    let (mut third, begin) = Journal::open(folder.path()).unwrap();
    let end = third.append(b"three\n", begin).unwrap();
    let mut reader = Reader::new(third.folder(), begin);
    let (lines, at) = reader.read(end, 10).unwrap();
    assert_eq!(lines, ["one", "two"]);
    reader.shipped(at);
    let (lines, at) = reader.read(end, 10).unwrap();
    assert_eq!((lines, at), (vec!["three".to_owned()], end));
}

#[test]
fn a_record_that_comes_twice_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    for _ in 0..2 {
        let store = sqlite::Records::open(&file, Duration::from_secs(30 * 86_400)).unwrap();
        for record in all() {
            store.record(&record);
            store.record(&record);
        }
        drop(store);
    }
    let store = sqlite::Records::read(&file).unwrap();
    let whole = store.ask(&question(None, By::Nothing, Vec::new())).unwrap();
    assert_eq!((whole[0].sums.requests, whole[0].sums.nanos), (5, 875_000_000));
    assert_eq!(store.latest(100).unwrap().len(), 5);
}

#[test]
fn a_tag_that_is_another_in_each_request_fills_no_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let store = sqlite::Records::open(&file, Duration::from_secs(30 * 86_400)).unwrap();
    for id in 0..1100_u64 {
        let mut made = (*served(id, 0, "prod", false, None)).clone();
        let tag = |name: &str, value: String| (name.to_owned(), value);
        made.facts.tags =
            vec![tag("id", id.to_string()), tag(&format!("n{id}"), "x".to_owned()), tag("m", "x".to_owned())];
        store.record(&Arc::new(made));
    }
    drop(store);
    let store = sqlite::Records::read(&file).unwrap();
    let lines = store.ask(&question(None, By::Tag, Vec::new())).unwrap();
    let requests = |name: &str| lines.iter().find(|line| line.name == name).map(|line| line.sums.requests);
    assert_eq!((requests("m=x"), requests("id=other")), (Some(1100), Some(100)));
    assert!(requests("other=other").is_some_and(|others| others >= 1000));
    assert_eq!(lines.len(), 1 + 1001 + 98 + 1, "each name and value apart, to a bound");
    let found = Search {
        from: WallTime(0),
        to: WallTime(u64::MAX >> 1),
        tag: Some("id=1099".to_owned()),
        most: 9,
        ..Search::default()
    };
    assert_eq!(store.search(&found).unwrap().len(), 1, "each is found by its own");
}

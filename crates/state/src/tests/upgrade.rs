//! A file that an older version wrote.

use std::time::Duration;

use ringmain_core::WallTime;
use rusqlite::{Connection, params};

use super::records::record;
use crate::analytics::{By, Question};
use crate::histogram::Histogram;
use crate::sums::Grain;
use crate::{Analytics, RecordQuery, RecordSink, sqlite};

const OLD: &str = "CREATE TABLE sums (grain INTEGER NOT NULL, at_ms INTEGER NOT NULL, slice TEXT NOT NULL,
    route TEXT NOT NULL, target TEXT NOT NULL, key_id TEXT NOT NULL, key_path TEXT NOT NULL, requests INTEGER NOT NULL,
    served INTEGER NOT NULL, limited INTEGER NOT NULL, cancelled INTEGER NOT NULL, failovers INTEGER NOT NULL,
    attempts INTEGER NOT NULL, attempts_failed INTEGER NOT NULL, input INTEGER NOT NULL, cache_read INTEGER NOT NULL,
    cache_write INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
    audio_input INTEGER NOT NULL, audio_output INTEGER NOT NULL, cost_nano INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    saved_nano INTEGER NOT NULL, first_token BLOB NOT NULL, per_token BLOB NOT NULL, total BLOB NOT NULL,
    PRIMARY KEY (grain, at_ms, slice, route, target, key_id)) WITHOUT ROWID;
    CREATE TABLE attempts (request BLOB NOT NULL, number INTEGER NOT NULL, at_ms INTEGER NOT NULL, price TEXT);
    CREATE TABLE requests (id BLOB PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;";

#[test]
fn its_records_are_found_through_the_ledger_and_those_of_before_it_go() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.db");
    let store = sqlite::Records::open(&file, Duration::from_secs(3600)).unwrap();
    (1..=2_u64).for_each(|id| store.record(&record(u128::from(id), id)));
    drop(store);
    let old = Connection::open(&file).unwrap();
    old.execute_batch(
        "CREATE INDEX records_by_time ON records (at_ms); CREATE INDEX attempts_by_time ON attempts (at_ms);
         INSERT INTO records VALUES (x'00', 7, 'text', 'of before the ledger')",
    )
    .unwrap();
    drop(old);
    drop(sqlite::Records::open(&file, Duration::from_secs(3600)).unwrap());
    let latest = sqlite::Records::read(&file).unwrap().latest(10).unwrap();
    assert_eq!(latest.iter().map(|record| record.at.0).collect::<Vec<_>>(), [2, 1]);
    let found =
        "SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM sqlite_master WHERE name LIKE '%s_by_time')";
    let new = Connection::open(&file).unwrap();
    let count: (u32, u32) = new.query_row(found, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(count, (2, 1), "the index of requests alone");
}

#[test]
fn its_sums_are_told_as_before_by_whatever_they_are_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.db");
    let old = Connection::open(&file).unwrap();
    old.execute_batch(OLD).unwrap();
    let mut times = Histogram::default();
    times.add(Duration::from_secs(2));
    for (slice, target, key) in [("", "a/x", "k1"), ("", "a/x", "k2"), ("", "b/y", "k1"), ("team=search", "", "")] {
        old.execute(
            "INSERT INTO sums VALUES (2, 0, ?1, 'text', ?2, ?3, ?3, 1, 1, 0, 0, 0, 1, 0, 100, 0, 0, 0, 20, 0, 0, 0, 7, 0, 3,
             ?4, x'', x'')",
            params![slice, target, key, times.to_bytes()],
        )
        .unwrap();
    }
    drop(old);
    for _ in 0..2 {
        // The second time there is nothing left to do.
        drop(sqlite::Records::open(&file, Duration::from_secs(3600)).unwrap());
    }
    let store = sqlite::Records::read(&file).unwrap();
    let ask = |by, only| {
        let (from, to) = (WallTime(0), WallTime(Grain::Day.millis()));
        let question = Question { from, to, step: Some(Grain::Day.millis()), by, only, now: WallTime(u64::MAX >> 1) };
        let lines = store.ask(&question).unwrap();
        lines.into_iter().map(|line| (line.name, line.sums.requests, line.sums.total.count())).collect::<Vec<_>>()
    };
    let line = |name: &str, count| (name.to_owned(), count, 0);
    assert_eq!(ask(By::Nothing, Vec::new()), [line("", 3)]);
    assert_eq!(ask(By::Target, Vec::new()), [line("a/x", 2), line("b/y", 1)]);
    assert_eq!(ask(By::Key, vec![(By::Target, "a/x".to_owned())]), [line("k1", 1), line("k2", 1)]);
    assert_eq!(ask(By::Tag, Vec::new()), [line("team=search", 1)]);
    let whole = Question {
        from: WallTime(0),
        to: WallTime(Grain::Day.millis()),
        step: None,
        by: By::Provider,
        only: Vec::new(),
        now: WallTime(u64::MAX >> 1),
    };
    let sums = &store.ask(&whole).unwrap()[0].sums;
    assert_eq!((sums.usage.input, sums.nanos, sums.first_token.count()), (200, 14, 2));
}

#[test]
fn a_count_that_is_new_begins_at_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.db");
    drop(sqlite::Records::open(&file, Duration::from_secs(3600)).unwrap());
    Connection::open(&file).unwrap().execute_batch("ALTER TABLE rollups DROP COLUMN rejected").unwrap();
    let store = sqlite::Records::open(&file, Duration::from_secs(3600)).unwrap();
    store.record(&record(1, 1));
    drop(store);
    let (from, to) = (WallTime(0), WallTime(Grain::Day.millis()));
    let question = Question { from, to, step: None, by: By::Nothing, only: Vec::new(), now: to };
    let sums = sqlite::Records::read(&file).unwrap().ask(&question).unwrap().remove(0).sums;
    assert_eq!((sums.requests, sums.rejected), (1, 0));
}

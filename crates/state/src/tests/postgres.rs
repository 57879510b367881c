//! A database on a real PostgreSQL: what a file cannot show.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringmain_core::{Fault, FaultClass, Origin, Phase, WallTime};

use super::records::record;
use super::servers::{Postgres, until};
use crate::analytics::{By, Question};
use crate::postgres::{Database, Keys, Records};
use crate::tls::Trust;
use crate::{Analytics, AuditEntry, AuditLog, KeyStore, RecordQuery, RecordSink};

const KEEP: Duration = Duration::from_secs(3600);

fn requests(records: &Records) -> u64 {
    let (from, to) = (WallTime(0), WallTime(1_000_000_000));
    let question = Question { from, to, step: None, by: By::Nothing, only: Vec::new(), now: to };
    records.ask(&question).unwrap().iter().map(|line| line.sums.requests).sum()
}

/// Three processes that write the same and other records at one time, to the same sums: each counts once.
#[test]
fn processes_write_together_and_a_record_that_comes_twice_counts_once() {
    let Some(server) = Postgres::start() else { return };
    std::thread::scope(|scope| {
        for process in 0..3_u64 {
            let server = &server;
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                let records = Records::open(&server.database(), folder.path(), KEEP).unwrap();
                for number in 0..600_u64 {
                    records.record(&record(u128::from(process * 300 + number), number));
                    if number % 100 == 0 {
                        std::thread::sleep(Duration::from_millis(60));
                    }
                }
            });
        }
    });
    let records = Records::read(&server.database());
    assert_eq!(records.latest(5000).unwrap().len(), 1200);
    assert_eq!(requests(&records), 1200);
}

#[test]
fn a_frozen_database_is_given_up_and_gets_everything_afterwards() {
    let Some(server) = Postgres::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let records = Records::open(&server.database(), folder.path(), KEEP).unwrap();
    records.record(&record(1, 1));
    until("the first is there", || records.behind() == 0);
    let keys = Keys::new(&server.database());
    assert!(keys.revision().is_ok());
    server.freeze();
    let began = Instant::now();
    for id in 2..100_u64 {
        records.record(&record(u128::from(id), id));
    }
    assert!(began.elapsed() < Duration::from_millis(500), "nobody waits to hand over");
    assert!(keys.revision().is_err(), "given up in time");
    assert!(began.elapsed() < Duration::from_secs(5));
    until("it is told that it is out", || records.is_down());
    assert!(records.behind() > 0);
    server.thaw();
    until("it has everything", || records.behind() == 0 && !records.is_down());
    drop(records);
    assert_eq!(requests(&Records::read(&server.database())), 99);
    until("keys can be read again", || keys.revision().is_ok());
}

#[test]
fn a_database_that_is_not_there_yet_stops_nothing() {
    let database = Database::new("postgres://ringmain:sesame@127.0.0.1:1/nowhere", &Trust::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let records = Records::open(&database, folder.path(), KEEP).unwrap();
    records.record(&record(1, 1));
    let said = Keys::new(&database).revision().unwrap_err();
    assert!(!format!("{said} {said:?} {database:?}").contains("sesame"), "{said}");
    for url in ["postgres://u:sesame@host/x?nonsense=1", "postgres://u:sesame@host:port/x", "mysql://sesame"] {
        let said = Database::new(url, &Trust::default()).unwrap_err();
        assert!(!format!("{said} {said:?}").contains("sesame"), "{said}");
    }
}

#[test]
fn text_that_postgres_has_no_place_for_stops_no_batch() {
    let Some(server) = Postgres::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let records = Records::open(&server.database(), folder.path(), KEEP).unwrap();
    let mut odd = (*record(7, 7)).clone();
    odd.facts.model = "a\0b".to_owned();
    odd.facts.tags = vec![("t\0".to_owned(), "\u{1f600}'\"\\".to_owned())];
    let odd = Arc::new(odd);
    records.record(&odd);
    until("it is there", || records.behind() == 0);
    drop(records);
    assert_eq!(Records::read(&server.database()).get(odd.id).unwrap(), Some(odd));
}

#[test]
fn who_changed_what_is_kept() {
    let Some(server) = Postgres::start() else { return };
    let keys = Keys::new(&server.database());
    let entry = |at: u64| AuditEntry {
        at: WallTime(at),
        actor: "admin".to_owned(),
        action: "POST /api/keys".to_owned(),
        subject: "prod".to_owned(),
        status: 201,
    };
    keys.append(&entry(1)).unwrap();
    keys.append(&entry(2)).unwrap();
    assert_eq!(AuditLog::latest(&keys, 1).unwrap(), [entry(2)]);
}

fn by_hand(server: &Postgres, sql: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    });
}

/// A fleet is upgraded one process after the other: those of an older version write rows without the count meanwhile.
#[test]
fn a_count_that_is_new_begins_at_nothing() {
    let Some(server) = Postgres::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let write = |record| {
        let records = Records::open(&server.database(), folder.path(), KEEP).unwrap();
        records.record(&record);
        until("it is there", || records.behind() == 0);
    };
    write(record(1, 1));
    by_hand(&server, "ALTER TABLE ringmain.sums DROP COLUMN rejected; UPDATE ringmain.version SET version = 1");
    let mut mistaken = (*record(2, 1)).clone();
    mistaken.fault = Some(Fault::new(FaultClass::BadRequest, Origin::Provider, Phase::AwaitHead, "no"));
    write(Arc::new(mistaken));
    let told = || {
        let (from, to) = (WallTime(0), WallTime(1_000_000_000));
        let question = Question { from, to, step: None, by: By::Nothing, only: Vec::new(), now: to };
        let sums = Records::read(&server.database()).ask(&question).unwrap().remove(0).sums;
        (sums.requests, sums.rejected)
    };
    assert_eq!(told(), (2, 1));
    by_hand(&server, "UPDATE ringmain.sums SET rejected = NULL");
    assert_eq!(told(), (2, 0));
}

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ringmain_core::{Capabilities, Dialect, Marks, Operation, RequestFacts, RequestId, Seed, Tick, WallTime};
use ringmain_routing::Record;

use super::servers::Postgres;
use crate::{RecordQuery, RecordSink, memory, postgres, sqlite};

pub(crate) fn record(id: u128, at: u64) -> Arc<Record> {
    Arc::new(Record {
        version: ringmain_routing::record::VERSION,
        id: RequestId(id),
        at: WallTime(at),
        started: Tick(7),
        route: "text".into(),
        why: "the route `text`".into(),
        facts: RequestFacts {
            operation: Operation::Chat,
            dialect: Dialect::OpenAiChat,
            model: "text".to_owned(),
            stream: true,
            needs: Capabilities::TOOLS,
            input_tokens: 12,
            max_output_tokens: None,
            timeout: Some(Duration::from_secs(9)),
            tags: vec![("team".to_owned(), "search".to_owned())],
            marks: Marks { earlier: vec![u64::MAX, 1], own: Some(3) },
            key: None,
        },
        headers: Vec::new(),
        candidates: Arc::from([]),
        seed: Seed(u64::MAX),
        deadline: Tick(u64::MAX),
        decisions: Vec::new(),
        attempts: Vec::new(),
        lost: ringmain_routing::record::Lost::default(),
        ended: None,
        fault: None,
    })
}

/// A store to write to, and the same to read from once what was written has had its time.
struct Backend {
    name: &'static str,
    write: Arc<dyn RecordSink>,
    read: Read,
}

type Read = Box<dyn FnOnce(Arc<dyn RecordSink>) -> Arc<dyn RecordQuery>>;

fn backends(folder: &tempfile::TempDir, server: Option<&Postgres>) -> Vec<Backend> {
    let memory = Arc::new(memory::Records::new(100));
    let file: PathBuf = folder.path().join("ringmain.db");
    let written = sqlite::Records::open(&file, Duration::from_secs(3600)).unwrap();
    let mut backends = vec![
        Backend { name: "memory", write: memory.clone(), read: Box::new(move |_| memory) },
        Backend {
            name: "sqlite",
            write: Arc::new(written),
            read: Box::new(move |written| {
                // Dropped, the writer has written everything.
                drop(written);
                Arc::new(sqlite::Records::read(&file).unwrap())
            }),
        },
    ];
    if let Some(server) = server {
        let database = server.database();
        let journal = folder.path().join("spill");
        let written = postgres::Records::open(&database, &journal, Duration::from_secs(3600)).unwrap();
        let read: Read = Box::new(move |written| {
            drop(written);
            Arc::new(postgres::Records::read(&database))
        });
        backends.push(Backend { name: "postgres", write: Arc::new(written), read });
    }
    backends
}

#[test]
fn what_is_handed_over_can_be_found() {
    let folder = tempfile::tempdir().unwrap();
    let server = Postgres::start();
    for Backend { name, write, read } in backends(&folder, server.as_ref()) {
        for at in [30, 10, 20] {
            write.record(&record(u128::from(at) << 70 | 5, at));
        }
        assert_eq!(write.lost(), 0, "{name}");
        let read = read(write);
        let found = read.get(RequestId(10 << 70 | 5)).unwrap().unwrap();
        assert_eq!(found, record(10 << 70 | 5, 10), "{name}");
        assert_eq!(read.get(RequestId(1)).unwrap(), None, "{name}");
        let mut seen = Vec::new();
        let mut each = |record: Arc<Record>| {
            seen.push(record.at.0);
            true
        };
        read.since(WallTime(20), &mut each).unwrap();
        assert_eq!(seen, [20, 30], "{name}: oldest first");
        let mut first = Vec::new();
        let mut one = |record: Arc<Record>| {
            first.push(record.at.0);
            false
        };
        read.since(WallTime(0), &mut one).unwrap();
        assert_eq!(first, [10], "{name}: until it says enough");
        assert_eq!(read.latest(2).unwrap().len(), 2, "{name}");
    }
}

#[test]
fn the_ring_lets_the_oldest_go() {
    let ring = memory::Records::new(3);
    for id in 1..=5_u64 {
        ring.record(&record(u128::from(id), id));
    }
    let kept: Vec<u64> = ring.latest(10).unwrap().iter().map(|record| record.at.0).collect();
    assert_eq!(kept, [5, 4, 3]);
    assert_eq!(ring.get(RequestId(1)).unwrap(), None);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.db");
    std::fs::write(&file, "these are my notes, and they are long enough to be read as a header of something").unwrap();
    assert!(sqlite::Records::open(&file, Duration::from_secs(1)).is_err());
    assert!(sqlite::Records::read(&folder.path().join("absent.db")).is_err());
}

/// A heavy question, a sweep or a backup may hold the file: whoever hands over does not notice.
#[test]
fn handing_over_waits_for_nothing_that_goes_on_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("busy.db");
    let store = Arc::new(sqlite::Records::open(&file, Duration::from_secs(3600)).unwrap());
    let held = rusqlite::Connection::open(&file).unwrap();
    held.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let reading = Arc::clone(&store);
    let reader = std::thread::spawn(move || (0..200).map(|_| reading.latest(100).unwrap().len()).max());
    let mut longest = Duration::ZERO;
    for id in 0..2000_u64 {
        let made = record(u128::from(id), id);
        let start = std::time::Instant::now();
        store.record(&made);
        longest = longest.max(start.elapsed());
    }
    // A queue takes microseconds; the file is held until below.
    assert!(longest < Duration::from_millis(100), "{longest:?}");
    assert!(store.behind() > 0 && store.lost() == 0);
    held.execute_batch("COMMIT").unwrap();
    drop(held);
    reader.join().unwrap();
    drop(store);
    assert_eq!(sqlite::Records::read(&file).unwrap().latest(5000).unwrap().len(), 2000);
}

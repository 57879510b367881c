//! Every operation, at every provider of the catalog: it works, it fails over, it is cancelled when the caller leaves, it is
//! held to the caller's limit, and it is paid for. The table in the documentation is made of these very rows and must be
//! fresh; `cargo xtask operations` writes it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

mod pipes;

#[path = "operations/answers.rs"]
mod answers;
#[path = "operations/document.rs"]
mod document;
#[path = "operations/rows.rs"]
mod rows;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use pipes::{Act, Answer, Noted, World, status};
use ringmain_catalog::Catalog;
use ringmain_core::{Money, Operation, RequestId};
use rows::{OPERATIONS, Row, Words};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
/// Set by the command that writes the document.
const WRITE: &str = "RINGMAIN_WRITE_OPERATIONS";
/// A caller's key.
const KEY: &str = "rk-0123456789abcdef";

fn all() -> Vec<Row> {
    rows::all(&Catalog::embedded().unwrap())
}

/// The row's provider `a`, which does this, before `b`, a server that follows OpenAI and has the same model.
fn world(row: &Row, keys: usize, acts: Vec<Vec<Act>>, more: &str) -> World {
    let model = &row.model;
    let yaml = format!(
        "providers:\n  a: {}\n  b: {{ kind: openai-compatible, base_url: \"http://b.test/v1\", keys: [k] }}\nroutes:\n  - {{ \
         name: r, targets: [\"a/{model}\", \"b/{model}\"] }}\n{more}",
        row.provider(keys)
    );
    World::of(&[("a", acts), ("b", vec![vec![answers::of_openai(row.operation, row.words)]])], &yaml)
}

/// What the row's provider says, a question each.
fn well(row: &Row) -> Vec<Vec<Act>> {
    let each: Vec<Vec<Act>> = row.said.acts.iter().map(|act| vec![act.clone()]).collect();
    // Nobody is asked where it is estimated.
    if each.is_empty() { vec![vec![Act::Close]] } else { each }
}

async fn ask(world: &World, row: &Row) -> Answer {
    let (path, kind, body) = row.asked();
    let key = format!("Bearer {KEY}");
    world.send(&path, body, &[("content-type", kind), ("authorization", key.as_str())]).await
}

fn named(row: &Row) -> String {
    format!("{} at {}/{} in {:?}", row.operation, row.kind, row.model, row.words)
}

#[tokio::test(start_paused = true)]
async fn it_works_and_is_paid_for() {
    for row in all() {
        let world = world(&row, 1, well(&row), "");
        let answer = ask(&world, &row).await;
        let name = named(&row);
        assert_eq!(answer.status.as_u16(), 200, "{name}: {}", answer.text);
        assert_eq!(answer.header("x-ringmain-target"), format!("a/{}", row.model), "{name}");
        assert_eq!(world.asked("a"), row.said.acts.len(), "{name}");
        let id = RequestId::parse(answer.header("x-ringmain-request-id")).unwrap();
        let record = world.gateway().records.get(id).unwrap().unwrap();
        let attempt = record.attempts.first();
        let cost = attempt.and_then(|attempt| attempt.cost);
        assert_eq!(cost, row.cost, "{name}: {:?}", attempt.and_then(|attempt| attempt.usage));
    }
}

#[tokio::test(start_paused = true)]
async fn it_fails_over() {
    let broken = |code| vec![status(code, "", r#"{"error":{"message":"x"},"message":"x"}"#)];
    let ways = [broken(500), broken(429), vec![status(200, "", "{}")], vec![Act::Close], vec![Act::Silence]];
    for row in all().iter().filter(|row| row.fails_over().is_ok()) {
        let name = named(row);
        if row.words == Words::AsTheyAre {
            let world = world(row, 2, [vec![broken(429)], well(row)].concat(), "");
            let answer = ask(&world, row).await;
            assert_eq!((answer.status.as_u16(), world.asked("a"), world.asked("b")), (200, 2, 0), "{name}");
            continue;
        }
        for (way, acts) in ways.iter().enumerate() {
            let world = world(row, 1, vec![acts.clone()], "");
            let answer = ask(&world, row).await;
            let name = format!("{name}, way {way}");
            assert_eq!(answer.status.as_u16(), 200, "{name}: {}", answer.text);
            assert_eq!(answer.header("x-ringmain-target"), format!("b/{}", row.model), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_cancelled() {
    for row in all().iter().filter(|row| row.words != Words::Estimate) {
        let world = world(row, 1, vec![vec![Act::Silence]], "");
        let left = tokio::time::timeout(Duration::from_secs(2), ask(&world, row)).await;
        assert!(left.is_err(), "{}", named(row));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let notes = world.noted("a");
        let closed = notes.iter().any(|noted| matches!(noted, Noted::Closed(at) if *at <= Duration::from_secs(3)));
        assert!(closed, "{}: {notes:?}", named(row));
        assert_eq!(world.asked("b"), 0, "{}", named(row));
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_held_to_a_limit() {
    for row in all() {
        let keys = format!("keys: [{{ name: k, key: {KEY}, limits: [1 requests/month] }}]");
        let world = world(&row, 1, well(&row), &keys);
        let (first, second) = (ask(&world, &row).await, ask(&world, &row).await);
        let name = named(&row);
        assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 429), "{name}: {}", second.text);
        assert_eq!((world.asked("a"), world.asked("b")), (row.said.acts.len(), 0), "{name}");
    }
}

#[test]
fn sums_are_as_worked_out_by_hand() {
    let rows = all();
    for (operation, kind, model, dollars) in rows::SUMS {
        let row = rows.iter().find(|row| row.operation == *operation && row.kind == *kind && row.model == *model);
        let row = row.unwrap_or_else(|| panic!("no row for {operation} at {kind}/{model}"));
        assert_eq!(row.cost, dollars.map(Money::from_dollars), "{}", named(row));
    }
}

/// Whatever the catalog offers has a row, and so all of these tests.
#[test]
fn nothing_is_left_out() {
    let catalog = Catalog::embedded().unwrap();
    let rows: BTreeSet<(Operation, String)> = all().into_iter().map(|row| (row.operation, row.kind)).collect();
    for provider in catalog.providers() {
        assert!(rows.contains(&(Operation::Passthrough, provider.id.clone())), "{}", provider.id);
        for endpoint in provider.endpoints.iter().filter(|endpoint| endpoint.operation != Operation::Models) {
            assert!(OPERATIONS.contains(&endpoint.operation), "{}", endpoint.operation);
            let key = (endpoint.operation, provider.id.clone());
            assert!(rows.contains(&key), "{} at {}", endpoint.operation, provider.id);
        }
    }
}

#[test]
fn the_table_is_fresh() {
    let made = document::document(&Catalog::embedded().unwrap(), &all());
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(DOCUMENT, made).unwrap();
        return;
    }
    let known = std::fs::read_to_string(Path::new(DOCUMENT)).unwrap_or_default();
    let stale = made.lines().zip(known.lines()).find(|(made, known)| made != known);
    assert!(made == known, "docs/operations.md is stale: run `cargo xtask operations`. First difference: {stale:#?}");
}

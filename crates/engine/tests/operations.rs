//! Every operation, at every API that answers it in a shape of its own: it works, it fails over, it is cancelled when the
//! caller leaves, it is held to the caller's limit, and it is paid for. The table in the documentation is made here and must
//! be fresh; `cargo xtask operations` writes it.

mod pipes;

#[path = "operations/document.rs"]
mod document;
#[path = "operations/rows.rs"]
mod rows;

use std::path::Path;
use std::time::Duration;

use pipes::{Act, Answer, Noted, World, status};
use ringmain_catalog::Catalog;
use ringmain_core::{Money, RequestId};
use rows::Row;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
/// Set by the command that writes the document.
const WRITE: &str = "RINGMAIN_WRITE_OPERATIONS";
/// A caller's key.
const KEY: &str = "rk-0123456789abcdef";

/// The row's provider `a`, which does this, before `b`, a server that follows OpenAI and has the same model.
fn world(row: &Row, acts: Vec<Vec<Act>>, more: &str) -> World {
    let model = row.model;
    let yaml = format!(
        "providers:\n  a: {}\n  b: {{ kind: openai-compatible, base_url: \"http://b.test/v1\", keys: [k] }}\nroutes:\n  - {{ \
         name: r, targets: [\"a/{model}\", \"b/{model}\"] }}\n{more}",
        row.provider()
    );
    let b = vec![vec![status(200, "", &rows::of_openai(row.operation).to_string())]];
    World::of(&[("a", acts), ("b", b)], &yaml)
}

fn well(row: &Row) -> Vec<Vec<Act>> {
    row.said.iter().map(|said| vec![status(200, "", &said.to_string())]).collect()
}

async fn ask(world: &World, row: &Row) -> Answer {
    let (path, body) = row.asked();
    let key = format!("Bearer {KEY}");
    world.send(path, body.to_string(), &[("content-type", "application/json"), ("authorization", key.as_str())]).await
}

fn named(row: &Row) -> String {
    format!("{} at {}/{}", row.operation, row.kind, row.model)
}

#[tokio::test(start_paused = true)]
async fn it_works_and_is_paid_for() {
    for row in rows::all() {
        let world = world(&row, well(&row), "");
        let answer = ask(&world, &row).await;
        let (name, model) = (named(&row), row.model);
        assert_eq!(answer.status.as_u16(), 200, "{name}: {}", answer.text);
        assert_eq!(answer.header("x-ringmain-target"), format!("a/{model}"), "{name}");
        let id = RequestId::parse(answer.header("x-ringmain-request-id")).unwrap();
        let record = world.gateway().records.get(id).unwrap().unwrap();
        assert_eq!(
            record.attempts[0].cost,
            row.cost.map(Money::from_dollars),
            "{name}: {:?}",
            record.attempts[0].usage
        );
        assert_eq!(world.asked("a"), row.said.len(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_fails_over() {
    let broken = |code| vec![vec![status(code, "", r#"{"error":{"message":"x"},"message":"x"}"#)]];
    for row in rows::all() {
        let ways = [
            broken(500),
            broken(429),
            vec![vec![status(200, "", "{}")]],
            vec![vec![Act::Close]],
            vec![vec![Act::Silence]],
        ];
        for (way, acts) in ways.into_iter().enumerate() {
            let world = world(&row, acts, "");
            let answer = ask(&world, &row).await;
            let name = format!("{}, way {way}", named(&row));
            assert_eq!(answer.status.as_u16(), 200, "{name}: {}", answer.text);
            assert_eq!(answer.header("x-ringmain-target"), format!("b/{}", row.model), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_cancelled() {
    for row in rows::all() {
        let world = world(&row, vec![vec![Act::Silence]], "");
        let left = tokio::time::timeout(Duration::from_secs(2), ask(&world, &row)).await;
        assert!(left.is_err(), "{}", named(&row));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let notes = world.noted("a");
        let closed = notes.iter().any(|noted| matches!(noted, Noted::Closed(at) if *at <= Duration::from_secs(3)));
        assert!(closed, "{}: {notes:?}", named(&row));
        assert_eq!(world.asked("b"), 0, "{}", named(&row));
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_held_to_a_limit() {
    for row in rows::all() {
        let keys = format!("keys: [{{ name: k, key: {KEY}, limits: [1 requests/minute] }}]");
        let world = world(&row, well(&row), &keys);
        let (first, second) = (ask(&world, &row).await, ask(&world, &row).await);
        let name = named(&row);
        assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 429), "{name}: {}", second.text);
        assert_eq!((world.asked("a"), world.asked("b")), (row.said.len(), 0), "{name}");
    }
}

#[test]
fn the_table_is_fresh() {
    let catalog = Catalog::embedded().unwrap();
    let made = document::document(&catalog, &rows::all());
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(DOCUMENT, made).unwrap();
        return;
    }
    let known = std::fs::read_to_string(Path::new(DOCUMENT)).unwrap_or_default();
    let stale = made.lines().zip(known.lines()).find(|(made, known)| made != known);
    assert!(made == known, "docs/operations.md is stale: run `cargo xtask operations`. First difference: {stale:#?}");
}

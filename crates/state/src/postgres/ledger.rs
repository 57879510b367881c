//! Records, the rows of the ledger and the sums over them, written in one transaction.
//!
//! A batch goes as four statements, whatever its size, and waits for four answers: rows travel as JSON, which Postgres takes
//! apart by the columns of the table. Sums are written in their order, so that processes that add to the same ones wait for each other, and never
//! in a circle.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ringmain_core::{Money, RequestId, WallTime};
use serde_json::{Value, json};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::session::Session;
use super::{Database, WRITE_WITHIN};
use crate::StateError;
use crate::distinct::Distinct;
use crate::journaled::{Line, Store};
use crate::ledger::{AttemptRow, Entry, micros, signed};
use crate::sums::{Batch, Grain, Of, Sums};

/// How many old rows of a table are taken out at once.
const SWEEP_MAX: u64 = 1000;

/// Sums of another ledger that are added at once.
const ADDED_AT_ONCE: usize = 2000;

const PUT_RECORDS: &str = "INSERT INTO records SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::text[], $4::text[])
    ON CONFLICT (id) DO NOTHING RETURNING id";
const PUT_REQUESTS: &str = "INSERT INTO requests SELECT * FROM json_populate_recordset(NULL::requests, $1::text::json)
    ON CONFLICT (id) DO NOTHING";
const PUT_ATTEMPTS: &str = "INSERT INTO attempts SELECT * FROM json_populate_recordset(NULL::attempts, $1::text::json)
    ON CONFLICT (request, number) DO NOTHING";
/// A row that another process adds to meanwhile has another place then, and stays until the next time.
const SWEEP_SUMS: &str =
    "DELETE FROM sums WHERE ctid = ANY (ARRAY(SELECT ctid FROM sums WHERE grain = $1 AND at_ms < $2 LIMIT $3))";
static ADD_SUMS: LazyLock<String> = LazyLock::new(|| {
    let added: Vec<String> =
        Sums::COUNTS.iter().map(|name| format!("{name} = coalesce(sums.{name}, 0) + excluded.{name}")).collect();
    format!(
        "INSERT INTO sums SELECT * FROM json_populate_recordset(NULL::sums, $1::text::json)
         ON CONFLICT (grain, slice, at_ms, route, target, key_id) DO UPDATE SET key_path = excluded.key_path, {},
         first_token = times_add(sums.first_token, excluded.first_token),
         per_token = times_add(sums.per_token, excluded.per_token), total = times_add(sums.total, excluded.total)",
        added.join(", ")
    )
});

/// The writing side.
pub(super) struct Writer {
    session: Session,
    keep_ms: u64,
    distinct: Arc<Mutex<Distinct>>,
}

impl Writer {
    pub(super) fn new(database: &Database, keep_ms: u64) -> Self {
        Self { session: database.session(WRITE_WITHIN), keep_ms, distinct: Arc::default() }
    }
}

impl Store for Writer {
    fn write(&mut self, lines: &[Line]) -> Result<(), StateError> {
        let (lines, distinct) = (lines.to_vec(), Arc::clone(&self.distinct));
        self.session.run(move |client| Box::pin(write(client, lines, distinct)))
    }

    /// The session connects anew by itself.
    fn reopen(&mut self) -> Result<(), StateError> {
        Ok(())
    }

    fn sweep(&mut self, newest: WallTime) -> Result<bool, StateError> {
        let before = signed(newest.0.saturating_sub(self.keep_ms));
        self.session.run(move |client| Box::pin(sweep(client, newest, before)))
    }
}

async fn write(client: &mut Client, lines: Vec<Line>, distinct: Arc<Mutex<Distinct>>) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    let ids: Vec<[u8; 16]> = lines.iter().map(|line| line.entry.id.0.to_be_bytes()).collect();
    let ids: Vec<&[u8]> = ids.iter().map(|id| &id[..]).collect();
    let times: Vec<i64> = lines.iter().map(|line| signed(line.entry.at.0)).collect();
    let routes: Vec<String> = lines.iter().map(|line| plain(&line.entry.route)).collect();
    let docs: Vec<&str> = lines.iter().map(|line| &*line.doc).collect();
    // With their types the statements need no answer of their own first.
    let columns: [(&(dyn ToSql + Sync), Type); 4] =
        [(&ids, Type::BYTEA_ARRAY), (&times, Type::INT8_ARRAY), (&routes, Type::TEXT_ARRAY), (&docs, Type::TEXT_ARRAY)];
    let put = transaction.query_typed(PUT_RECORDS, &columns).await?;
    let mut fresh: HashSet<RequestId> = put.iter().filter_map(|row| id_of(row.get(0))).collect();
    // A record that is there already was summed with its rows; one that comes twice is summed once.
    let entries = lines.iter().map(|line| &line.entry).filter(|entry| fresh.remove(&entry.id));
    let (mut requests, mut attempts, mut sums) = (Vec::new(), Vec::new(), Batch::default());
    for entry in entries {
        requests.push(request(entry));
        attempts.extend(entry.attempts.iter().enumerate().map(|(number, row)| attempt(entry.id, number, row)));
        sums.add(entry, &mut distinct.lock().unwrap_or_else(PoisonError::into_inner));
    }
    if !requests.is_empty() {
        let texts = [Value::Array(requests), Value::Array(attempts), rows(sums.sums())].map(|rows| rows.to_string());
        let [requests, attempts, sums] = texts.each_ref().map(|text| [(text as &(dyn ToSql + Sync), Type::TEXT)]);
        tokio::try_join!(
            transaction.query_typed(PUT_REQUESTS, &requests),
            transaction.query_typed(PUT_ATTEMPTS, &attempts),
            transaction.query_typed(&ADD_SUMS, &sums),
        )?;
    }
    transaction.commit().await
}

/// Adds sums of another ledger to those of this database.
///
/// # Errors
/// The database does not answer, or refuses them.
pub fn add_sums(database: &Database, sums: &mut dyn Iterator<Item = (Of, Sums)>) -> Result<(), StateError> {
    let session = database.session(WRITE_WITHIN);
    loop {
        let mut rows: Vec<(Of, Sums)> = sums.take(ADDED_AT_ONCE).collect();
        if rows.is_empty() {
            return Ok(());
        }
        rows.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let rows: Value = rows.iter().map(|(of, sums)| row(of, &of.key_path, sums)).collect();
        session.run(move |client| {
            Box::pin(async move { client.query_typed(&ADD_SUMS, &[(&rows.to_string(), Type::TEXT)]).await })
        })?;
    }
}

/// Takes out what is older than it is kept, by the time of the newest; a part at a time. True if there is more.
async fn sweep(client: &mut Client, newest: WallTime, before: i64) -> Result<bool, Error> {
    let (most, mut is_more) = (i64::try_from(SWEEP_MAX).unwrap_or(i64::MAX), false);
    for table in ["records", "requests", "attempts"] {
        let sql = format!(
            "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE at_ms < $1 ORDER BY at_ms LIMIT $2))"
        );
        is_more |= client.execute(sql.as_str(), &[&before, &most]).await? == SWEEP_MAX;
    }
    for grain in Grain::ALL {
        let Some(kept) = grain.kept() else { continue };
        let before = signed(newest.0.saturating_sub(kept));
        is_more |= client.execute(SWEEP_SUMS, &[&grain.number(), &before, &most]).await? == SWEEP_MAX;
    }
    Ok(is_more)
}

pub(super) fn id_of(bytes: &[u8]) -> Option<RequestId> {
    Some(RequestId(u128::from_be_bytes(bytes.try_into().ok()?)))
}

/// Text as Postgres keeps it: it has no place for a null character.
fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// As JSON holds bytes for Postgres.
fn hex(id: RequestId) -> String {
    format!("\\x{:032x}", id.0)
}

fn request(entry: &Entry) -> Value {
    let usage = &entry.usage;
    let [images, audio_ms, characters, searches] = usage.units.counts();
    let key = entry.key.as_ref();
    json!({
        "id": hex(entry.id),
        "at_ms": signed(entry.at.0),
        "route": plain(&entry.route),
        "why": plain(&entry.why),
        "operation": entry.operation.as_str(),
        "dialect": entry.dialect.as_str(),
        "model": plain(&entry.model),
        "stream": entry.stream,
        "key_id": key.map(|key| plain(&key.id)),
        "key_path": key.map(|key| plain(&key.to_string())),
        "tags": plain(&entry.tag_text()),
        "target": entry.target.as_deref().map(plain),
        "fault": entry.fault,
        "attempts": entry.attempts.len(),
        "failovers": entry.failovers,
        "first_token_us": entry.first_token.map(micros),
        "per_token_us": entry.per_token.map(micros),
        "total_us": entry.total.map(micros),
        "input": signed(usage.input),
        "cache_read": signed(usage.cache_read),
        "cache_write": signed(usage.cache_write),
        "cache_write_1h": signed(usage.cache_write_1h),
        "output": signed(usage.output),
        "reasoning": signed(usage.reasoning),
        "audio_input": signed(usage.audio_input),
        "audio_output": signed(usage.audio_output),
        "image_input": signed(usage.image_input),
        "image_output": signed(usage.image_output),
        "images": signed(images),
        "audio_ms": signed(audio_ms),
        "characters": signed(characters),
        "searches": signed(searches),
        "cost_nano": entry.known_cost().map(Money::nanos),
        "unpriced": entry.unpriced,
    })
}

fn attempt(request: RequestId, number: usize, row: &AttemptRow) -> Value {
    // A use that nobody told is null, and so is the price where none was known.
    let used = |of: fn(&ringmain_core::Usage) -> u64| row.usage.as_ref().map(|usage| signed(of(usage)));
    json!({
        "request": hex(request),
        "number": number,
        "at_ms": signed(row.at.0),
        "target": plain(&row.target),
        "credential": plain(&row.credential),
        "hedge": row.hedge,
        "served": row.served,
        "fault": row.fault,
        "first_token_us": row.first_token.map(micros),
        "total_us": row.total.map(micros),
        "input": used(|usage| usage.input),
        "cache_read": used(|usage| usage.cache_read),
        "cache_write": used(|usage| usage.cache_write),
        "cache_write_1h": used(|usage| usage.cache_write_1h),
        "output": used(|usage| usage.output),
        "reasoning": used(|usage| usage.reasoning),
        "audio_input": used(|usage| usage.audio_input),
        "audio_output": used(|usage| usage.audio_output),
        "image_input": used(|usage| usage.image_input),
        "image_output": used(|usage| usage.image_output),
        "images": used(|usage| usage.units.images.into()),
        "audio_ms": used(|usage| usage.units.audio_ms),
        "characters": used(|usage| usage.units.characters),
        "searches": used(|usage| usage.units.searches),
        "cost_nano": row.cost.map(Money::nanos),
        "price": row.price.as_deref().map(plain),
    })
}

/// The rows of a batch's sums, in the order of their key, none of which comes twice: a key may have been moved to another
/// group within a batch.
fn rows(sums: HashMap<Of, Sums>) -> Value {
    let mut rows: BTreeMap<Of, (String, Sums)> = BTreeMap::new();
    for (of, sums) in sums {
        let key = Of {
            grain: of.grain,
            at: of.at,
            slice: plain(&of.slice),
            route: plain(&of.route),
            target: plain(&of.target),
            key: plain(&of.key),
            key_path: String::new(),
        };
        let (path, all) = rows.entry(key).or_default();
        *path = plain(&of.key_path);
        all.merge(&sums);
    }
    rows.iter().map(|(of, (path, sums))| row(of, path, sums)).collect()
}

fn row(of: &Of, key_path: &str, sums: &Sums) -> Value {
    let mut row = json!({
        "grain": of.grain.number(),
        "at_ms": signed(of.at.0),
        "slice": of.slice,
        "route": of.route,
        "target": of.target,
        "key_id": of.key,
        "key_path": key_path,
        "first_token": sums.first_token.counts(),
        "per_token": sums.per_token.counts(),
        "total": sums.total.counts(),
    });
    for (name, count) in Sums::COUNTS.iter().zip(sums.counts()) {
        row[*name] = count.into();
    }
    row
}

//! The rows of the ledger, and the sums over them, written in one transaction.

use std::sync::LazyLock;

use ringmain_core::{Money, Usage, WallTime};
use ringmain_routing::Record;
use rusqlite::{Connection, Statement, ToSql, Transaction, params};

use crate::StateError;
use crate::histogram::Histogram;
use crate::journaled::{Line, Store};
use crate::ledger::{AttemptRow, Entry};
use crate::sums::{Batch, Grain, Of, Sums};

use super::open;
use super::upgrade::upgrade;

/// How many old rows of a table are taken out at once, so that a sweep holds the writer for some ten milliseconds.
const SWEEP_MAX: u32 = 500;

/// KiB that a transaction may change before it begins to write: a thousand requests.
const CACHE: i32 = 4096;

fn writing(path: &std::path::Path) -> Result<Connection, StateError> {
    let connection = open(path)?;
    // Below zero it is KiB, above it would be pages.
    connection.pragma_update(None, "cache_size", -CACHE)?;
    Ok(connection)
}

/// The writing side of a file.
pub(super) struct Writer {
    path: std::path::PathBuf,
    connection: Connection,
    keep_ms: u64,
}

impl Writer {
    pub(super) fn open(path: &std::path::Path, keep_ms: u64) -> Result<Self, StateError> {
        let mut connection = writing(path)?;
        upgrade(&mut connection)?;
        Ok(Self { connection, path: path.to_owned(), keep_ms })
    }
}

impl Store for Writer {
    fn write(&mut self, lines: &[Line]) -> Result<(), StateError> {
        let transaction = self.connection.transaction()?;
        let fresh = insert(&transaction, lines)?;
        let mut sums = Batch::default();
        fresh.iter().for_each(|(record, entry)| sums.add(record, entry));
        for (of, sum) in sums.sums() {
            add(&transaction, &of, &sum)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), StateError> {
        self.connection = writing(&self.path)?;
        Ok(())
    }

    /// By the time of the newest.
    fn sweep(&mut self, newest: WallTime) -> Result<bool, StateError> {
        let mut is_more = self.sweep_requests(signed(newest.0.saturating_sub(self.keep_ms)))?;
        for grain in Grain::ALL {
            let Some(kept) = grain.kept() else { continue };
            is_more |= self.sweep_sums(grain, signed(newest.0.saturating_sub(kept)))?;
        }
        Ok(is_more)
    }
}

impl Writer {
    /// Takes out requests that began before then, with what belongs to them; true if there are more.
    fn sweep_requests(&mut self, before: i64) -> Result<bool, StateError> {
        let transaction = self.connection.transaction()?;
        let mut taken = 0;
        // Requests last, for the others are found through them.
        for (table, request) in [("records", "id"), ("attempts", "request"), ("requests", "id")] {
            let sql = format!(
                "DELETE FROM {table} WHERE {request} IN (SELECT id FROM requests WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)"
            );
            taken = count(transaction.prepare_cached(&sql)?.execute(params![before, SWEEP_MAX])?);
        }
        transaction.commit()?;
        Ok(taken == SWEEP_MAX)
    }

    /// Takes out sums of a grain that begin before then; true if there are more. From one slice to the next by the key, for
    /// rows lie in order of it: what is kept is not read.
    fn sweep_sums(&self, grain: Grain, before: i64) -> Result<bool, StateError> {
        let mut next =
            self.connection.prepare_cached("SELECT min(slice) FROM rollups WHERE grain = ?1 AND slice > ?2")?;
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM rollups WHERE grain = ?1 AND slice = ?2 AND (at_ms, route, target, key_id) IN (SELECT at_ms, route,
             target, key_id FROM rollups WHERE grain = ?1 AND slice = ?2 AND at_ms < ?3 ORDER BY at_ms LIMIT ?4)",
        )?;
        let (mut slice, mut left) = (Some(String::new()), SWEEP_MAX);
        while let Some(name) = slice {
            left -= count(delete.execute(params![grain.number(), name, before, left])?).min(left);
            if left == 0 {
                return Ok(true);
            }
            slice = next.query_row(params![grain.number(), name], |row| row.get(0))?;
        }
        Ok(false)
    }
}

fn count(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}

/// Puts in what is not there yet: a record that is was summed with its rows.
fn insert<'l>(to: &Transaction<'_>, lines: &'l [Line]) -> Result<Vec<(&'l Record, Entry)>, StateError> {
    let mut records =
        to.prepare_cached("INSERT OR IGNORE INTO records (id, at_ms, route, doc) VALUES (?1, ?2, ?3, ?4)")?;
    let mut requests = to.prepare_cached(INSERT_REQUEST)?;
    let mut attempts = to.prepare_cached(INSERT_ATTEMPT)?;
    let mut fresh = Vec::with_capacity(lines.len());
    for Line { record, doc } in lines {
        let row = params![record.id.0.to_be_bytes(), signed(record.at.0), &*record.route, doc];
        if records.execute(row)? == 0 {
            continue;
        }
        let entry = Entry::of(record);
        insert_request(&mut requests, record, &entry)?;
        for (number, row) in entry.attempts.iter().enumerate() {
            insert_attempt(&mut attempts, record, number, row)?;
        }
        fresh.push((&**record, entry));
    }
    Ok(fresh)
}

const INSERT_REQUEST: &str = "INSERT OR REPLACE INTO requests (id, at_ms, route, why, operation, dialect, model, stream,
    key_id, key_path, tags, target, fault, attempts, failovers, first_token_us, per_token_us, total_us, input, cache_read,
    cache_write, cache_write_1h, output, reasoning, audio_input, audio_output, cost_nano, unpriced, image_input,
    image_output, images, audio_ms, characters, searches)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24,
    ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34)";

fn insert_request(insert: &mut Statement<'_>, record: &Record, entry: &Entry) -> Result<(), StateError> {
    let (facts, usage) = (&record.facts, &entry.usage);
    let [images, audio_ms, characters, searches] = usage.units.counts();
    let key = facts.key.as_ref();
    // In a form that is searched by a part of it: `|team=search|stage=prod|`.
    let tags = facts.tags.iter().fold("|".to_owned(), |all, (name, value)| format!("{all}{name}={value}|"));
    // Nothing is known to have cost anything: not the same as nothing.
    let cost = (entry.unpriced == 0 || entry.cost != Money::ZERO).then(|| entry.cost.nanos());
    insert.execute(params![
        record.id.0.to_be_bytes(),
        signed(record.at.0),
        &*record.route,
        &*record.why,
        facts.operation.as_str(),
        facts.dialect.as_str(),
        facts.model,
        facts.stream,
        key.map(|key| &*key.id),
        key.map(ToString::to_string),
        tags,
        entry.target,
        entry.fault,
        signed(entry.attempts.len() as u64),
        entry.failovers,
        entry.first_token.map(micros),
        entry.per_token.map(micros),
        entry.total.map(micros),
        signed(usage.input),
        signed(usage.cache_read),
        signed(usage.cache_write),
        signed(usage.cache_write_1h),
        signed(usage.output),
        signed(usage.reasoning),
        signed(usage.audio_input),
        signed(usage.audio_output),
        cost,
        entry.unpriced,
        signed(usage.image_input),
        signed(usage.image_output),
        signed(images),
        signed(audio_ms),
        signed(characters),
        signed(searches),
    ])?;
    Ok(())
}

const INSERT_ATTEMPT: &str = "INSERT INTO attempts (request, number, at_ms, target, credential, hedge, served, fault,
    first_token_us, total_us, input, cache_read, cache_write, cache_write_1h, output, reasoning, audio_input, audio_output,
    cost_nano, price, image_input, image_output, images, audio_ms, characters, searches)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24,
    ?25, ?26)";

fn insert_attempt(
    insert: &mut Statement<'_>,
    record: &Record,
    number: usize,
    row: &AttemptRow,
) -> Result<(), StateError> {
    // A use that nobody told is null, and so is the price where none was known.
    let used = |of: fn(&Usage) -> u64| row.usage.as_ref().map(|usage| signed(of(usage)));
    insert.execute(params![
        record.id.0.to_be_bytes(),
        signed(number as u64),
        signed(row.at.0),
        row.target,
        row.credential,
        row.hedge,
        row.served,
        row.fault,
        row.first_token.map(micros),
        row.total.map(micros),
        used(|usage| usage.input),
        used(|usage| usage.cache_read),
        used(|usage| usage.cache_write),
        used(|usage| usage.cache_write_1h),
        used(|usage| usage.output),
        used(|usage| usage.reasoning),
        used(|usage| usage.audio_input),
        used(|usage| usage.audio_output),
        row.cost.map(Money::nanos),
        record.attempts.get(number).and_then(|attempt| attempt.price.as_deref()),
        used(|usage| usage.image_input),
        used(|usage| usage.image_output),
        used(|usage| usage.units.images.into()),
        used(|usage| usage.units.audio_ms),
        used(|usage| usage.units.characters),
        used(|usage| usage.units.searches),
    ])?;
    Ok(())
}

/// Adds sums of another ledger to those of this file.
///
/// # Errors
/// The file cannot be written.
pub fn add_sums(path: &std::path::Path, sums: &mut dyn Iterator<Item = (Of, Sums)>) -> Result<(), StateError> {
    let mut connection = Writer::open(path, 0)?.connection;
    let transaction = connection.transaction()?;
    for (of, sums) in sums {
        add(&transaction, &of, &sums)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Adds sums to those that are stored.
pub(super) fn add(to: &Transaction<'_>, of: &Of, sums: &Sums) -> Result<(), StateError> {
    static UPSERT: LazyLock<String> = LazyLock::new(|| {
        let columns = &*super::analytics::COLUMNS;
        let values: Vec<String> = (1..=columns.split(',').count() + 1).map(|at| format!("?{at}")).collect();
        let added: Vec<String> = Sums::COUNTS.iter().map(|name| format!("{name} = {name} + excluded.{name}")).collect();
        format!(
            "INSERT INTO rollups (grain, {columns}) VALUES ({})
             ON CONFLICT DO UPDATE SET key_path = excluded.key_path, {},
             first_token = times_add(first_token, excluded.first_token),
             per_token = times_add(per_token, excluded.per_token), total = times_add(total, excluded.total)",
            values.join(", "),
            added.join(", ")
        )
    });
    let mut upsert = to.prepare_cached(&UPSERT)?;
    let mut at = 0;
    let mut bind = |value: &dyn ToSql| {
        at += 1;
        upsert.raw_bind_parameter(at, value)
    };
    bind(&of.grain.number())?;
    bind(&signed(of.at.0))?;
    for text in [&of.slice, &of.route, &of.target, &of.key, &of.key_path] {
        bind(text)?;
    }
    for count in sums.counts() {
        bind(&count)?;
    }
    for times in [&sums.first_token, &sums.per_token, &sums.total] {
        bind(&times.to_bytes())?;
    }
    upsert.raw_execute()?;
    Ok(())
}

/// Two stored histograms as one: the function `times_add` of our statements.
pub(super) fn times_add(one: &[u8], other: &[u8]) -> Vec<u8> {
    if other.is_empty() {
        return one.to_vec();
    }
    let mut sum = Histogram::from_bytes(one);
    sum.merge(&Histogram::from_bytes(other));
    sum.to_bytes()
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn micros(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::records::record;

    #[test]
    fn what_is_old_goes_in_parts_and_all_that_belongs_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(&folder.path().join("ledger.db"), 1000).unwrap();
        let old = u64::from(SWEEP_MAX) + 1;
        let lines: Vec<Line> =
            (0..old + 2).map(|id| Line { record: record(id.into(), id), doc: "{}".to_owned() }).collect();
        writer.write(&lines).unwrap();
        writer
            .connection
            .execute_batch(
                "INSERT INTO attempts SELECT id, 0, at_ms, '', '', 0, 1, NULL, NULL, NULL, NULL, NULL,
            NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM requests",
            )
            .unwrap();
        let newest = WallTime(old + 1000);
        assert!(writer.sweep(newest).unwrap(), "there are more");
        assert!(!writer.sweep(newest).unwrap());
        for table in ["records", "attempts", "requests"] {
            let left = format!("SELECT count(*) FROM {table}");
            assert_eq!(writer.connection.query_row(&left, [], |row| row.get::<_, u32>(0)).unwrap(), 2, "{table}");
        }
    }
}

//! The rows of the ledger, and the sums over them, written in one transaction.

use ringmain_core::{Money, WallTime};
use ringmain_routing::Record;
use rusqlite::{Connection, Transaction, params};

use crate::StateError;
use crate::histogram::Histogram;
use crate::journaled::{Line, Store};
use crate::ledger::{AttemptRow, Entry};
use crate::sums::{Batch, Grain, Of, Sums};

use super::open;

/// How many old rows are taken out at once, so that a sweep never holds the writer for long.
const SWEEP_MAX: i64 = 2000;

/// The writing side of a file.
pub(super) struct Writer {
    path: std::path::PathBuf,
    connection: Connection,
    keep_ms: u64,
}

impl Writer {
    pub(super) fn open(path: &std::path::Path, keep_ms: u64) -> Result<Self, StateError> {
        Ok(Self { connection: open(path)?, path: path.to_owned(), keep_ms })
    }
}

impl Store for Writer {
    fn write(&mut self, lines: &[Line]) -> Result<(), StateError> {
        let transaction = self.connection.transaction()?;
        let mut sums = Batch::default();
        for line in lines {
            // A record that is there already was summed with its rows.
            if insert_record(&transaction, line)? {
                let entry = Entry::of(&line.record);
                insert_request(&transaction, &line.record, &entry)?;
                for (number, row) in entry.attempts.iter().enumerate() {
                    insert_attempt(&transaction, &line.record, number, row)?;
                }
                sums.add(&line.record, &entry);
            }
        }
        for (of, sum) in sums.iter() {
            add(&transaction, of, sum)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), StateError> {
        self.connection = open(&self.path)?;
        Ok(())
    }

    /// Takes out what is older than it is kept, by the time of the newest.
    fn sweep(&mut self, newest: WallTime) -> Result<(), StateError> {
        let before = signed(newest.0.saturating_sub(self.keep_ms));
        for (table, key) in [("records", "id"), ("requests", "id"), ("attempts", "rowid")] {
            let sql = format!(
                "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)"
            );
            self.connection.prepare_cached(&sql)?.execute(params![before, SWEEP_MAX])?;
        }
        for grain in Grain::ALL {
            let Some(kept) = grain.kept() else { continue };
            let mut delete = self.connection.prepare_cached("DELETE FROM sums WHERE grain = ?1 AND at_ms < ?2")?;
            delete.execute(params![grain.number(), signed(newest.0.saturating_sub(kept))])?;
        }
        Ok(())
    }
}

fn insert_record(to: &Transaction<'_>, line: &Line) -> Result<bool, StateError> {
    let mut insert =
        to.prepare_cached("INSERT OR IGNORE INTO records (id, at_ms, route, doc) VALUES (?1, ?2, ?3, ?4)")?;
    let (record, doc) = (&line.record, &line.doc);
    Ok(insert.execute(params![record.id.0.to_be_bytes(), signed(record.at.0), &*record.route, doc])? > 0)
}

fn insert_request(to: &Transaction<'_>, record: &Record, entry: &Entry) -> Result<(), StateError> {
    let mut insert = to.prepare_cached(
        "INSERT OR REPLACE INTO requests (id, at_ms, route, why, operation, dialect, model, stream, key_id, key_path, tags,
         target, fault, attempts, failovers, first_token_us, per_token_us, total_us, input, cache_read, cache_write,
         cache_write_1h, output, reasoning, audio_input, audio_output, cost_nano, unpriced)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
         ?24, ?25, ?26, ?27, ?28)",
    )?;
    let (facts, usage) = (&record.facts, &entry.usage);
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
    ])?;
    Ok(())
}

fn insert_attempt(to: &Transaction<'_>, record: &Record, number: usize, row: &AttemptRow) -> Result<(), StateError> {
    let mut insert = to.prepare_cached(
        "INSERT INTO attempts (request, number, at_ms, target, credential, hedge, served, fault, first_token_us, total_us,
         input, cache_read, cache_write, cache_write_1h, output, reasoning, audio_input, audio_output, cost_nano, price)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
    )?;
    // A use that nobody told is null, and so is the price where none was known.
    let used = |of: fn(&ringmain_core::Usage) -> u64| row.usage.as_ref().map(|usage| signed(of(usage)));
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
    ])?;
    Ok(())
}

fn add(to: &Transaction<'_>, of: &Of, sums: &Sums) -> Result<(), StateError> {
    let mut upsert = to.prepare_cached(
        "INSERT INTO sums (grain, at_ms, slice, route, target, key_id, key_path, requests, served, limited, cancelled,
         failovers, attempts, attempts_failed, input, cache_read, cache_write, cache_write_1h, output, reasoning,
         audio_input, audio_output, cost_nano, unpriced, saved_nano, first_token, per_token, total)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
         ?24, ?25, ?26, ?27, ?28)
         ON CONFLICT DO UPDATE SET key_path = excluded.key_path, requests = requests + excluded.requests,
         served = served + excluded.served, limited = limited + excluded.limited,
         cancelled = cancelled + excluded.cancelled, failovers = failovers + excluded.failovers,
         attempts = attempts + excluded.attempts, attempts_failed = attempts_failed + excluded.attempts_failed,
         input = input + excluded.input, cache_read = cache_read + excluded.cache_read,
         cache_write = cache_write + excluded.cache_write, cache_write_1h = cache_write_1h + excluded.cache_write_1h,
         output = output + excluded.output, reasoning = reasoning + excluded.reasoning,
         audio_input = audio_input + excluded.audio_input, audio_output = audio_output + excluded.audio_output,
         cost_nano = cost_nano + excluded.cost_nano, unpriced = unpriced + excluded.unpriced,
         saved_nano = saved_nano + excluded.saved_nano, first_token = times_add(first_token, excluded.first_token),
         per_token = times_add(per_token, excluded.per_token), total = times_add(total, excluded.total)",
    )?;
    let usage = &sums.usage;
    upsert.execute(params![
        of.grain.number(),
        signed(of.at.0),
        of.slice,
        of.route,
        of.target,
        of.key,
        of.key_path,
        signed(sums.requests),
        signed(sums.served),
        signed(sums.limited),
        signed(sums.cancelled),
        signed(sums.failovers),
        signed(sums.attempts),
        signed(sums.attempts_failed),
        signed(usage.input),
        signed(usage.cache_read),
        signed(usage.cache_write),
        signed(usage.cache_write_1h),
        signed(usage.output),
        signed(usage.reasoning),
        signed(usage.audio_input),
        signed(usage.audio_output),
        sums.nanos,
        signed(sums.unpriced),
        sums.saved_nanos,
        sums.first_token.to_bytes(),
        sums.per_token.to_bytes(),
        sums.total.to_bytes(),
    ])?;
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
